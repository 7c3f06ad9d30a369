package embedded

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"facestream/pkg/schema"
)

// minSessionTimeout lets consumer groups notice a dead member after a second or two instead of the protocol's usual six,
// which only a network between machines needs.
const minSessionTimeout = time.Second

// maxRebalanceTimeout bounds how long a group waits for members that do not join again. The broker begins to wait anew with each
// member that comes. A client whose call times out comes as another member, so clients that gave up before the wait is over would
// keep a group from ever being complete. Living members join again within a heartbeat and half of a session.
const maxRebalanceTimeout = 4 * time.Second

// startBroker returns the broker and the address that it listens on. A damaged log is a fatal error. What it later dies of by itself goes to failed.
func startBroker(o Options, failed chan<- error) (*kfake.Cluster, string, error) {
	listen := func(network, _ string) (net.Listener, error) {
		l, err := net.Listen(network, o.KafkaAddr)
		if err != nil {
			return nil, err
		}
		return &watchedListener{Listener: l, failed: failed}, nil
	}
	if err := checkLog(filepath.Join(o.Dir, "kafka")); err != nil {
		return nil, "", err
	}
	broker, err := kfake.NewCluster(
		kfake.NumBrokers(1),
		kfake.ListenFn(listen),
		kfake.ClusterID(uuid.NewString()), // of a new folder; else the one that the folder has
		kfake.DataDir(filepath.Join(o.Dir, "kafka")),
		kfake.SyncWrites(), // an acknowledged record is on disk, so that SIGKILL loses none (invariant 7)
		kfake.GroupMinSessionTimeout(minSessionTimeout),
		kfake.WithLogger(brokerLog{o.Log}),
	)
	if err != nil {
		return nil, "", cannotListen(err, "embedded.kafka_addr", o.KafkaAddr, fmt.Errorf("start the kafka broker on %s: %w", o.KafkaAddr, err))
	}
	broker.ControlKey(int16(kmsg.JoinGroup), func(r kmsg.Request) (kmsg.Response, error, bool) {
		if join, ok := r.(*kmsg.JoinGroupRequest); ok {
			join.RebalanceTimeoutMillis = min(join.RebalanceTimeoutMillis, int32(maxRebalanceTimeout.Milliseconds()))
		}
		return nil, nil, false // the broker answers
	})
	keepRoom(broker, filepath.Join(o.Dir, "kafka"))
	return broker, broker.ListenAddrs()[0], nil
}

// watchedListener reports when it fails and nobody has closed it: the broker ends then without a word.
type watchedListener struct {
	net.Listener
	closed atomic.Bool
	failed chan<- error
}

func (l *watchedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil && !l.closed.Load() {
		report(l.failed, fmt.Errorf("the embedded kafka broker on %s ended: %w", l.Addr(), err))
	}
	if err != nil {
		return nil, err
	}
	return &framed{Conn: conn}, nil
}

func (l *watchedListener) Close() error {
	l.closed.Store(true)
	return l.Listener.Close()
}

// ensureTopic creates the topic, or finds it there; a broker that can do either is ready.
func ensureTopic(ctx context.Context, addr, topic string, partitions int) error {
	transport := &kafka.Transport{}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(addr), Timeout: time.Second, Transport: transport}
	return poll(ctx, "the kafka broker on "+addr, func(ctx context.Context) error {
		r, err := client.CreateTopics(ctx, &kafka.CreateTopicsRequest{
			Topics: []kafka.TopicConfig{{Topic: topic, NumPartitions: partitions, ReplicationFactor: 1}},
		})
		if err != nil {
			return err // not up yet
		}
		if err := r.Errors[topic]; err != nil && !errors.Is(err, kafka.TopicAlreadyExists) {
			return schema.Fatal("embedded.ensure_topic", fmt.Errorf("create the topic %s: %w", topic, err))
		}
		return nil
	})
}

// brokerLog passes on the errors and warnings of the broker and leaves out the rest.
type brokerLog struct{ log zerolog.Logger }

func (l brokerLog) Logf(level kfake.LogLevel, format string, args ...any) {
	switch level {
	case kfake.LogLevelError:
		l.log.Error().Str("server", "kafka").Msgf(format, args...)
	case kfake.LogLevelWarn:
		l.log.Warn().Str("server", "kafka").Msgf(format, args...)
	}
}
