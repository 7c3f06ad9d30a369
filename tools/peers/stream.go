package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/benchmark"
	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/internal/sandbox"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// collection is where the stream looks for the faces.
const collection = "peers"

// plain is the configuration of the requests: what the script does, and no more. A face is looked for in the picture as it is.
const plain = `{"anti_spoofing_mode":0,"face_validations_off":true,"automatic_turning":false}`

// system is a facestream whose servers and services are processes of their own, and a client of it.
type system struct {
	cfg      config.Config
	env      []string
	servers  *benchmark.Process
	services []*benchmark.Process
	client   *events.Client
	store    *objects.Store
	results  *events.Caller
	refs     []schema.ObjectRef // of the pictures
}

// stream compares facestream with the script, both from images in the store to results in a topic.
func stream(ctx context.Context, o options, r *report) error {
	for _, side := range []int{640, 320} {
		if err := streamAt(ctx, o, r, side); err != nil {
			return err
		}
	}
	return nil
}

func streamAt(ctx context.Context, o options, r *report, side int) (err error) {
	pack, err := models.Locate("open")
	if err != nil {
		return err
	}
	s := &system{}
	defer func() { s.stop() }()
	if err := s.start(ctx, o, side); err != nil {
		return err
	}
	keys, err := writeNames(o, func(i int) string { return s.refs[i].Key })
	if err != nil {
		return err
	}
	python, err := startScript(o, filepath.Join(o.dir, fmt.Sprintf("stream-%d.log", side)), "images.py", "--pack", pack.Dir, "--images", keys,
		"--long-side", fmt.Sprint(side), "--processes", fmt.Sprint(o.threads), "--s3", "http://"+s.cfg.S3.Endpoint, "--bucket", s.cfg.S3.Bucket,
		"--access-key", string(s.cfg.S3.AccessKey), "--secret-key", string(s.cfg.S3.SecretKey), "--kafka", s.cfg.Kafka.Brokers[0], "--topic", "peers.results")
	if err != nil {
		return err
	}
	defer python.stop()
	from, err := s.ends(ctx)
	if err != nil {
		return err
	}
	if err := s.requests(ctx, len(o.pictures)); err != nil { // warms up
		return err
	}
	ours, err := s.found(ctx, from)
	if err != nil {
		return err
	}
	c := &contest{Name: fmt.Sprintf("stream, long side %d", side), Images: o.n}
	for range o.rounds {
		servers, services, start := s.servers.Used(), s.used(), time.Now()
		if err := s.requests(ctx, o.n); err != nil {
			return err
		}
		mine := benchmark.Cost{Wall: time.Since(start), CPU: s.used() - services, Images: o.n}
		serversMine := s.servers.Used() - servers
		servers = s.servers.Used()
		their, theirs, err := python.round(o.n)
		if err != nil {
			return err
		}
		c.add(mine, their, serversMine, s.servers.Used()-servers)
		for i := range theirs {
			theirs[i].faces = min(theirs[i].faces, 1) // an analysis is about the surest face
		}
		if c.Agreement, err = agree(ours, theirs); err != nil {
			return err
		}
	}
	r.Images = append(r.Images, c)
	c.print()
	return nil
}

// start starts the servers and services, and stores the pictures.
func (s *system) start(ctx context.Context, o options, side int) error {
	dir := filepath.Join(o.dir, fmt.Sprintf("stream-%d", side))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	s.env = []string{
		"FACESTREAM_DATA_DIR=" + dir, "FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_MODELS=open",
		fmt.Sprint("FACESTREAM_WORKER_CONCURRENCY=", o.threads), fmt.Sprint("FACESTREAM_WORKER_LONG_SIDE=", side),
	}
	for listen, connect := range map[string]string{
		"FACESTREAM_EMBEDDED_KAFKA_ADDR": "FACESTREAM_KAFKA", "FACESTREAM_EMBEDDED_S3_ADDR": "FACESTREAM_S3_ENDPOINT",
	} {
		addr, err := sandbox.FreeAddr()
		if err != nil {
			return err
		}
		s.env = append(s.env, listen+"="+addr, connect+"="+addr)
	}
	var err error
	if s.servers, err = benchmark.Start(filepath.Join(dir, "servers.log"), s.env, filepath.Join(o.bin, "facestream"), "servers"); err != nil {
		return err
	}
	if err := s.servers.Says("Kafka ", time.Minute); err != nil {
		return err
	}
	for _, name := range []string{"ingest", "worker", "indexer"} {
		p, err := benchmark.Start(filepath.Join(dir, name+".log"), s.env, filepath.Join(o.bin, name))
		if err != nil {
			return err
		}
		s.services = append(s.services, p)
	}
	if s.cfg, err = config.Load("", append(os.Environ(), s.env...), nil); err != nil {
		return err
	}
	if s.client, s.store, err = host.Clients(s.cfg); err != nil {
		return err
	}
	if _, err := s.client.EnsureTopics(ctx, append(events.DefaultSpecs(), events.TopicSpec{Topic: "peers.results", Partitions: 12, MaxBytes: 1 << 20})); err != nil {
		return err
	}
	if err := s.store.EnsureBucket(ctx, s.cfg.S3.Bucket, true); err != nil {
		return err
	}
	if s.results, err = s.client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/peers"}); err != nil {
		return err
	}
	for i, p := range o.pictures {
		ref, err := s.store.Put(ctx, schema.ObjectRef{Bucket: s.cfg.S3.Bucket, Key: fmt.Sprintf("peers/%d.jpg", i)}, p.File, "image/jpeg", nil)
		if err != nil {
			return err
		}
		s.refs = append(s.refs, ref)
	}
	// The collection has to exist before somebody is looked for in it.
	_, err = s.results.Call(ctx, schema.Request{Operation: schema.OpEnroll, Collection: collection, Images: s.refs[:1], Config: json.RawMessage(plain)})
	return err
}

func (s *system) stop() {
	if s.results != nil {
		s.results.Close()
	}
	if s.client != nil {
		s.client.Close()
	}
	for _, p := range append(s.services, s.servers) {
		if p != nil {
			p.Kill()
		}
	}
}

// used is the processor time of the services so far.
func (s *system) used() (sum time.Duration) {
	for _, p := range s.services {
		sum += p.Used()
	}
	return sum
}

// requests asks who is in n images, all at once, and waits for the results.
func (s *system) requests(ctx context.Context, n int) error {
	g, ctx := errgroup.WithContext(ctx)
	for i := range n {
		g.Go(func() error {
			_, err := s.results.Call(ctx, schema.Request{
				Operation: schema.OpPredict, Collection: collection, Images: []schema.ObjectRef{s.refs[i%len(s.refs)]}, Config: json.RawMessage(plain),
			})
			return err
		})
	}
	return g.Wait()
}

// ends are the present ends of the partitions of facestream.analyses.
func (s *system) ends(ctx context.Context) (map[int]int64, error) {
	all, err := s.client.Ends(ctx, events.Analyses)
	from := map[int]int64{}
	for partition, end := range all[events.Analyses] {
		from[partition] = end
	}
	return from, err
}

// found is what the worker found in each picture since from.
func (s *system) found(ctx context.Context, from map[int]int64) ([]seen, error) {
	places := map[string]int{}
	for i, ref := range s.refs {
		places[ref.Key] = i
	}
	found := make([]seen, len(s.refs))
	err := s.client.ReadPresent(ctx, events.Analyses, from, func(r events.Record) error {
		var a schema.Analysis
		if err := json.Unmarshal(r.Event.Data, &a); err != nil {
			return err
		}
		if len(a.Faces) > 0 {
			found[places[a.Images[0].Key]] = seen{faces: len(a.Faces), box: a.Faces[0].Geometry.InPicture(), embedding: a.Probes[0].Vector}
		}
		return nil
	})
	return found, err
}
