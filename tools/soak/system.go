package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/embedded"
	"facestream/internal/host"
	"facestream/internal/sandbox"
	"facestream/pkg/events"
	"facestream/tools/soak/volatile"
)

const (
	sessionTimeout    = 2 * time.Second
	reconcileInterval = 5 * time.Second
	reconcileAge      = 2 * time.Second
)

// system is a facestream of processes, behind proxies, on servers that can be killed.
type system struct {
	dir      string
	cfg      config.Config // reaches the servers past the proxies
	servers  *process      // the embedded broker and store; the store alone where the broker is somebody else's
	services []*process
	proxies  []*proxy
	broker   func(context.Context) error // kills the broker and starts it again; nil where it is among servers
	quotas   []quota                     // file systems of their own
	disks    []*volatile.Disk            // whose power can fail
	ended    []*process                  // services that were stopped
}

// quota is a small file system of a part of the system.
type quota struct{ of, dir string }

// startSystem runs everything in dir. FACESTREAM_KAFKA names another broker than the embedded one, which is restarted where
// KAFKA_DIR is the folder of tools/kafka/up.sh; FACESTREAM_MILVUS names a gallery.
func startSystem(dir string, o options) (_ *system, err error) {
	given, err := config.Load("", os.Environ(), nil)
	if err != nil {
		return nil, err
	}
	s := &system{dir: dir, cfg: config.Default()}
	defer func() {
		if err != nil {
			s.stop()
		}
	}()
	s.cfg.SetDataDir(filepath.Join(dir, "data"))
	if s.cfg.S3.Endpoint, err = sandbox.FreeAddr(); err != nil {
		return nil, err
	}
	own := os.Getenv("FACESTREAM_KAFKA") == ""
	if s.cfg.Kafka.Brokers = given.Kafka.Brokers; own {
		addr, err := sandbox.FreeAddr()
		if err != nil {
			return nil, err
		}
		s.cfg.Kafka.Brokers = []string{addr}
	}
	if len(s.cfg.Kafka.Brokers) != 1 {
		return nil, errors.New("FACESTREAM_KAFKA names several brokers; one can be put behind a proxy")
	}
	s.cfg.Resolve()
	if err := os.MkdirAll(filepath.Join(s.cfg.DataDir, "s3"), 0o700); err != nil {
		return nil, err
	}
	if o.power {
		for i, mount := range []string{filepath.Join(s.cfg.DataDir, "kafka"), s.cfg.Indexer.Gallery.Dir, filepath.Join(dir, "ingest-1"), filepath.Join(dir, "ingest-4")} {
			disk, err := volatile.Mount(mount, filepath.Join(dir, fmt.Sprintf("disk-%d", i+1)))
			if err != nil {
				return nil, err
			}
			s.disks = append(s.disks, disk)
		}
	} else if o.duration > 0 {
		roomy := 128<<20 + int64(o.duration.Hours()*256)<<20
		for _, d := range []struct {
			of, dir string
			size    int64
		}{
			{"the store", filepath.Join(s.cfg.DataDir, "s3"), roomy},
			{"the broker", filepath.Join(s.cfg.DataDir, "kafka"), 8 * roomy},
			{"the gallery", s.cfg.Indexer.Gallery.Dir, roomy},
			{"an ingest", filepath.Join(dir, "ingest-1"), roomy},
		} {
			if d.of == "the broker" && !own {
				continue
			}
			if err := s.mountQuota(d.of, d.dir, d.size); err != nil {
				fmt.Printf("SKIPPED: the disk of %s is not filled, because it gets no file system of its own: %v\n", d.of, err)
			}
		}
	}

	kafkaAddr, s3Addr := s.cfg.Kafka.Brokers[0], s.cfg.S3.Endpoint
	serverEnv := []string{
		"FACESTREAM_DATA_DIR=" + s.cfg.DataDir, "FACESTREAM_KAFKA=" + kafkaAddr,
		"FACESTREAM_EMBEDDED_KAFKA_ADDR=" + kafkaAddr, "FACESTREAM_EMBEDDED_S3_ADDR=" + s3Addr, "FACESTREAM_TELEMETRY_LOG_FORMAT=json",
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	role := func(name string) []string { return []string{roleVariable + "=" + name} }
	switch {
	case !own:
		if os.Getenv("KAFKA_DIR") != "" {
			s.broker = restartKafka
		}
		s.servers, err = start(dir, self, "store", append(serverEnv, role("store")...))
	case o.simulated:
		s.servers, err = start(dir, self, "servers", append(serverEnv, role("servers")...))
	default:
		s.servers, err = start(dir, filepath.Join(o.bin, "facestream"), "servers", serverEnv, "servers")
	}
	if err != nil {
		return nil, err
	}
	behind := func(target string, kafka bool) string {
		p, err1 := newProxy(target, kafka)
		if err1 != nil {
			err = err1
			return ""
		}
		s.proxies = append(s.proxies, p)
		return p.addr()
	}
	settings := filepath.Join(dir, "settings.yaml")
	if werr := os.WriteFile(settings, []byte("ingest:\n  routes:\n  - config: "+drawn.Config+"\n"), 0o600); werr != nil {
		return nil, werr
	}
	env := []string{
		"FACESTREAM_CONFIG=" + settings,
		"FACESTREAM_KAFKA=" + behind(kafkaAddr, true), "FACESTREAM_S3_ENDPOINT=" + behind(s3Addr, false),
		"FACESTREAM_INDEXER_GALLERY_DIR=" + s.cfg.Indexer.Gallery.Dir,
		"FACESTREAM_KAFKA_SESSION_TIMEOUT=" + sessionTimeout.String(), "FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_TELEMETRY_LOG_FORMAT=json",
		"FACESTREAM_INGEST_RECONCILE_INTERVAL=" + reconcileInterval.String(), "FACESTREAM_INGEST_RECONCILE_AGE=" + reconcileAge.String(),
	}
	names := []string{"ingest", "worker", "indexer", "ingest", "worker"}
	if os.Getenv("FACESTREAM_MILVUS") != "" { // the same on another gallery, below a prefix of its own
		s.cfg.Indexer.Gallery.Driver, s.cfg.Indexer.Gallery.Milvus = config.DriverMilvus, given.Indexer.Gallery.Milvus
		s.cfg.Indexer.Gallery.Milvus.Prefix = fmt.Sprintf("soak%x", o.seed)
		env = append(env, "FACESTREAM_INDEXER_GALLERY_DRIVER=milvus", "FACESTREAM_INDEXER_GALLERY_MILVUS_PREFIX="+s.cfg.Indexer.Gallery.Milvus.Prefix,
			"FACESTREAM_MILVUS="+behind(given.Indexer.Gallery.Milvus.Address, false))
		names = append(names, "indexer", "indexer") // the local gallery has one owner
	}
	if err != nil {
		return nil, err
	}
	for i, name := range names {
		// A folder each, as on machines of their own: the ledgers of two ingest processes know of each other through topics.
		folder := fmt.Sprintf("%s-%d", name, i+1)
		program, env := filepath.Join(o.bin, name), append(slices.Clone(env), "FACESTREAM_DATA_DIR="+filepath.Join(dir, folder))
		if o.simulated {
			program, env = self, append(env, role(name)...)
		}
		p, err := start(dir, program, folder, env)
		if err != nil {
			return nil, err
		}
		s.services = append(s.services, p)
	}
	return s, nil
}

// stopServices ends the services in an orderly way.
func (s *system) stopServices() {
	for _, p := range s.services {
		p.signal(syscall.SIGCONT)
		p.stop()
	}
	s.ended, s.services = append(s.ended, s.services...), nil
}

// measured notes the memory of every service, and when its share of the work changed.
func (s *system) measured(h *history, most int64) error {
	for _, p := range s.ended {
		h.note("memory", noteMemory{p.name, p.peak, most})
		log, err := os.Open(p.log.Name())
		if err != nil {
			return err
		}
		defer log.Close()
		lines := bufio.NewScanner(log)
		lines.Buffer(nil, 16<<20)
		for lines.Scan() {
			var line struct {
				Time    time.Time
				Message string
			}
			if json.Unmarshal(lines.Bytes(), &line) == nil && (line.Message == joined || line.Message == left) {
				h.note("rebalance", noteRebalance{h.since(line.Time)})
			}
		}
		if err := lines.Err(); err != nil {
			return err
		}
	}
	return nil
}

// What a service logs when its share of the work changes.
const (
	joined = "joined the consumer group"
	left   = "gave the partitions back"
)

func (s *system) stop() {
	s.stopServices()
	if s.servers != nil {
		s.servers.stop()
	}
	for _, p := range s.proxies {
		p.listener.Close()
	}
	for _, q := range s.quotas {
		exec.Command("umount", q.dir).Run()
	}
	for _, d := range s.disks {
		if err := d.Close(); err != nil {
			fmt.Println("a disk:", err)
		}
	}
}

// losePower ends every process at once, and takes what was not written with fsync from their disks.
func (s *system) losePower() error {
	all := append(slices.Clone(s.services), s.servers)
	var wg sync.WaitGroup
	for _, p := range all {
		wg.Go(p.hold)
		defer p.release()
	}
	wg.Wait()
	for _, d := range s.disks {
		if err := d.Fail(); err != nil {
			return err
		}
	}
	return nil
}

// mountQuota gives a folder a small file system, in memory, with more room than the load needs.
func (s *system) mountQuota(of, dir string, size int64) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	out, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprint("mode=0700,size=", size), "facestream-soak", dir).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mount: %w: %s", err, strings.TrimSpace(string(out)))
	}
	s.quotas = append(s.quotas, quota{of, dir})
	return nil
}

// fill leaves no room until the returned function is called.
func (q quota) fill() func() {
	path := filepath.Join(q.dir, "filler")
	f, err := os.Create(path)
	if err == nil {
		for block := make([]byte, 1<<20); len(block) > 1; { // down to the last bytes
			if _, err := f.Write(block); err != nil {
				block = block[:len(block)/2]
			}
		}
		f.Close()
	}
	return func() { os.Remove(path) }
}

func restartKafka(ctx context.Context) error {
	for _, script := range [][]string{{"tools/kafka/down.sh", "--kill"}, {"tools/kafka/up.sh"}} {
		if out, err := exec.CommandContext(ctx, script[0], script[1:]...).CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", script[0], err, out)
		}
	}
	return nil
}

// serveStore runs the embedded store alone, which notifies a broker of somebody else's.
func serveStore(ctx context.Context) error {
	cfg, err := config.Load("", os.Environ(), nil)
	if err != nil {
		return err
	}
	client, _, err := host.Clients(cfg)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, err := client.EnsureTopics(ctx, events.DefaultSpecs()); err != nil {
		return err
	}
	servers, err := embedded.Open(ctx, embedded.Options{
		Dir: cfg.DataDir, KafkaAddr: cfg.Kafka.Brokers[0], S3Addr: cfg.Embedded.S3Addr, Broker: &kafka.Transport{},
		AccessKey: string(cfg.S3.AccessKey), SecretKey: cfg.S3.SecretKey, Bucket: cfg.S3.Bucket,
		ObjectsTopic: string(events.Objects), ObjectsPartitions: cfg.Kafka.Partitions.Objects, Log: zerolog.New(os.Stderr),
	})
	if err != nil {
		return err
	}
	return servers.Run(ctx)
}
