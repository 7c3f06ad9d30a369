// Package embedded runs, inside this process, the two servers that the services speak to: a Kafka broker and an S3
// store that publishes its notifications to that broker. They speak the same protocols as the real ones, keep their data
// on disk and survive SIGKILL. A service cannot tell them from a cluster except by their addresses. They are for one
// machine: one broker, no replication, no authentication at the broker (listen on a loopback address only).
//
// The store answers an upload, a copy and a deletion when they are on disk. It compares an object with its ETag, the MD5 of its
// content, whenever the whole object is read, and answers HTTP 500 with the code XFacestreamObjectDamaged if it is another one.
//
// The store publishes a notification of every upload, copy and completed multipart upload, in the form of AWS S3. It
// answers the upload once the broker has the notification on disk. A browser's form upload is not notified.
//
// Limits that come from the servers themselves:
//   - One at a time in one process: while the S3 gateway runs, the process's working directory is its data folder, because
//     its file backend works with paths relative to it. Resolve other relative paths before Open. Close restores it.
//   - While the broker is away an upload is answered after a few seconds; its notification waits in memory for the broker
//     and is lost if the store stops first. The reconciler of ingest is there for that.
//   - Keys become file paths, so "a" and "a/b" cannot both be objects. Keys that would meet in one file ("a//b", "a/./b",
//     "a/../b"), keys that no listing can carry (not UTF-8, control characters) and keys with more than 255 bytes between
//     slashes are refused. Objects that earlier versions stored under such keys are moved to the folder s3/set-aside.
//   - The store takes 900 connections. With more, the one that has been silent for longest is closed, so that connections
//     which say nothing keep nobody out. One that is silent for two minutes is closed, too.
//   - The file backend prints a line when it starts; os.Stdout is the null device for that moment.
//   - A sleeping goroutine of the gateway's HTTP server ends up to 10 s after Close.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"

	"facestream/internal/dirlock"
	"facestream/internal/objects"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// Options say where the servers keep their data and listen.
type Options struct {
	// Dir holds everything; it is created for its owner alone (mode 0700), because images lie in it as plain files.
	Dir string
	// KafkaAddr and S3Addr are host:port; port 0 picks a free one. The broker tells its clients this address, so they must
	// be able to reach the host: 0.0.0.0 does not work.
	KafkaAddr, S3Addr string
	// AccessKey and SecretKey are the S3 root account's; both are required.
	AccessKey string
	SecretKey schema.Secret
	// Bucket is created with versioning switched on.
	Bucket string
	// ObjectsTopic receives the S3 notifications and is created with ObjectsPartitions partitions if it is not there.
	ObjectsTopic      string
	ObjectsPartitions int
	// Broker reaches a broker of another process at KafkaAddr that has the topic already. If it is set, the store notifies
	// that one, none is started here, and StartKafka and StopKafka do nothing.
	Broker *kafka.Transport
	Log    zerolog.Logger
}

// Servers are the two running servers. The methods are safe for concurrent use.
type Servers struct {
	opts   Options
	lock   *dirlock.Lock
	failed chan error // what a server died of that nobody stopped

	mu      sync.Mutex
	broker  *kfake.Cluster // nil while stopped
	gateway *gateway       // nil while stopped
}

// Open starts both servers on the data in opts.Dir and returns when both answer, the bucket and the topic exist. Only one
// process may have the folder open; a second one is refused with the owner's process id.
func Open(ctx context.Context, opts Options) (*Servers, error) {
	const op = "embedded.open"
	if err := opts.validate(); err != nil {
		return nil, schema.Fatal(op, err)
	}
	dir, err := filepath.Abs(opts.Dir)
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	opts.Dir = dir
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, schema.Fatal(op, err)
	}
	lock, err := dirlock.Acquire(dir, "data folder")
	if err != nil {
		return nil, schema.Fatal(op, err)
	}
	s := &Servers{opts: opts, lock: lock, failed: make(chan error, 1)}
	if err := s.StartKafka(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := s.StartS3(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (o Options) validate() error {
	var problems []error
	missing := func(name, value string) {
		if value == "" {
			problems = append(problems, fmt.Errorf("%s is missing", name))
		}
	}
	missing("the data folder", o.Dir)
	missing("the access key", o.AccessKey)
	missing("the secret key", string(o.SecretKey))
	missing("the bucket", o.Bucket)
	missing("the objects topic", o.ObjectsTopic)
	if o.ObjectsPartitions < 1 {
		problems = append(problems, fmt.Errorf("the objects topic needs at least 1 partition, not %d", o.ObjectsPartitions))
	}
	for name, addr := range map[string]string{"kafka": o.KafkaAddr, "s3": o.S3Addr} {
		host, port, err := net.SplitHostPort(addr)
		if _, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil {
			problems = append(problems, fmt.Errorf("the %s address %q is not host:port", name, addr))
		} else if ip := net.ParseIP(host); name == "kafka" && (host == "" || ip != nil && ip.IsUnspecified()) {
			problems = append(problems, fmt.Errorf("the kafka address %q has no host that clients can reach; use 127.0.0.1", addr))
		}
	}
	return errors.Join(problems...)
}

// cannotListen returns an error that says what to do if another program listens on the address of a setting. Other
// errors become otherwise.
func cannotListen(err error, setting, addr string, otherwise error) error {
	if !errors.Is(err, syscall.EADDRINUSE) {
		return otherwise
	}
	return fmt.Errorf("the address %s of %s is used by another program, perhaps by another facestream; stop that program, or choose another address with --%s: %w",
		addr, setting, strings.NewReplacer(".", "-", "_", "-").Replace(setting), err)
}

// KafkaAddr is the broker's host:port, the same for the life of s.
func (s *Servers) KafkaAddr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.KafkaAddr
}

// S3Addr is the store's host:port, the same for the life of s.
func (s *Servers) S3Addr() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opts.S3Addr
}

// Died receives the error of a server that ended without being stopped. The user of the servers must then stop, because
// a server that has died is not started again.
func (s *Servers) Died() <-chan error { return s.failed }

// report reports why a server ended. Of several reports that were not received yet, the first one is kept.
func report(failed chan<- error, err error) {
	select {
	case failed <- schema.Fatal("embedded.run", err):
	default:
	}
}

// Run waits until ctx ends, then closes s and returns nil. If a server dies before, Run closes s and returns why.
func (s *Servers) Run(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return s.Close()
	case err := <-s.Died():
		return errors.Join(err, s.Close())
	}
}

// Close stops the store, then the broker (so that the last notifications still arrive), and releases the folder. A
// second Close does nothing.
func (s *Servers) Close() error {
	return errors.Join(s.StopS3(), s.StopKafka(), s.lock.Close())
}

// StartKafka starts the broker on its address and data and returns when it answers and has the objects topic. It does
// nothing if the broker runs.
func (s *Servers) StartKafka(ctx context.Context) error {
	const op = "embedded.start-kafka"
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker != nil || s.opts.Broker != nil {
		return nil
	}
	broker, addr, err := startBroker(s.opts, s.failed)
	if err != nil {
		return schema.Fatal(op, err)
	}
	s.broker, s.opts.KafkaAddr = broker, addr
	if err := ensureTopic(ctx, addr, s.opts.ObjectsTopic, s.opts.ObjectsPartitions); err != nil {
		return schema.Fatal(op, err)
	}
	s.opts.Log.Debug().Str("addr", addr).Msg("embedded kafka broker is ready")
	return nil
}

// StopKafka stops the broker; its clients see broken connections. Its data and address stay.
func (s *Servers) StopKafka() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broker != nil {
		s.broker.Close()
		s.broker = nil
	}
	return nil
}

// StartS3 starts the store on its address and data and returns when it answers and has the bucket. It does nothing if the
// store runs.
func (s *Servers) StartS3(ctx context.Context) error {
	const op = "embedded.start-s3"
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gateway != nil {
		return nil
	}
	g, addr, err := startGateway(ctx, s.opts, s.failed)
	if err != nil {
		return schema.Fatal(op, err)
	}
	s.gateway, s.opts.S3Addr = g, addr
	store, err := objects.New(objects.Config{Endpoint: addr, AccessKey: s.opts.AccessKey, SecretKey: s.opts.SecretKey, Region: Region})
	if err == nil {
		err = store.EnsureBucket(ctx, s.opts.Bucket, true)
	}
	if err != nil {
		return schema.Fatal(op, err)
	}
	s.opts.Log.Debug().Str("addr", addr).Msg("embedded s3 store is ready")
	return nil
}

// StopS3 stops the store after the calls in progress. Its data and address stay.
func (s *Servers) StopS3() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gateway == nil {
		return nil
	}
	err := s.gateway.stop()
	s.gateway = nil
	return err
}

// poll calls ready every few milliseconds until it returns nil or a fatal error, or until ctx or startTimeout ends.
func poll(ctx context.Context, what string, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("%s did not answer within %s", what, startTimeout))
	defer cancel()
	return retry.Policy{Least: 5 * time.Millisecond, Most: 50 * time.Millisecond}.Do(ctx, func() error { return ready(ctx) })
}

// startTimeout is for a slow disk with a long log to read; an idle machine needs well under a second.
const startTimeout = 30 * time.Second
