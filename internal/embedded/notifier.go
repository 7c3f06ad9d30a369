package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/gofiber/fiber/v3"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/versity/versitygw/s3event"

	"facestream/pkg/retry"
)

// notifier publishes the gateway's creations as AWS S3 does: URL-encoded keys, bare ETags, versions.
//
// The gateway has a Kafka sender of its own, which is not used: it reads the key of a request after the buffer that holds
// it may belong to the next request, leaves out the versions of plain uploads, and sends after the upload was answered.
// This one waits for the broker's acknowledgement before the upload is answered, so a crash loses no notification of an
// upload whose author was told that it succeeded. While the broker is away the upload waits for ackTimeout, and its notification in
// memory for as long as the store runs.
type notifier struct {
	writer  *kafka.Writer
	log     zerolog.Logger
	queue   chan pending
	closing context.Context // ends when Close is called
	close   context.CancelFunc
	done    chan struct{}
}

// pending is a notification on its way; sent is closed when the broker has it.
type pending struct {
	message kafka.Message
	sent    chan struct{}
}

const (
	ackTimeout = 3 * time.Second
	// queueLength bounds the memory of an outage: a few megabytes.
	queueLength = 10_000
	// batchLength notifications share one write to disk.
	batchLength = 100
	retryPause  = 100 * time.Millisecond
	metadataTTL = 500 * time.Millisecond
)

func newNotifier(o Options) *notifier {
	transport := &kafka.Transport{}
	if o.Broker != nil {
		transport = &kafka.Transport{TLS: o.Broker.TLS, SASL: o.Broker.SASL}
	}
	// The writer believes that an absent broker is away until it looks again, by default after 6 s.
	transport.MetadataTTL = metadataTTL
	n := &notifier{
		log:   o.Log,
		queue: make(chan pending, queueLength),
		done:  make(chan struct{}),
		writer: &kafka.Writer{
			Addr:         kafka.TCP(o.KafkaAddr),
			Topic:        o.ObjectsTopic,
			Balancer:     kafka.Murmur2Balancer{}, // the versions of one object stay in order
			RequiredAcks: kafka.RequireAll,
			BatchTimeout: time.Millisecond,
			MaxAttempts:  1, // send repeats
			Transport:    transport,
		},
	}
	n.closing, n.close = context.WithCancel(context.Background())
	go n.run()
	return n
}

// SendEvent implements s3event.S3EventSender. The gateway calls it before it answers a request that succeeded.
func (n *notifier) SendEvent(c fiber.Ctx, m s3event.EventMeta) {
	bucket, key, _ := strings.Cut(strings.TrimPrefix(c.Path(), "/"), "/")
	if !strings.HasPrefix(string(m.EventName), "s3:ObjectCreated:") || key == "" {
		return
	}
	version := string(c.Response().Header.Peek("x-amz-version-id"))
	value, err := json.Marshal(newEvent(bucket, key, version, m))
	if err != nil {
		n.lost(1, err)
		return
	}
	p := pending{message: kafka.Message{Key: []byte(bucket + "/" + key), Value: value}, sent: make(chan struct{})}
	select {
	case n.queue <- p:
	default:
		n.lost(1, errors.New("too many wait for the broker"))
		return
	}
	timeout := time.NewTimer(ackTimeout)
	defer timeout.Stop()
	select {
	case <-p.sent:
	case <-timeout.C:
	case <-n.done:
	}
}

// run sends what is queued, in order, until Close.
func (n *notifier) run() {
	defer close(n.done)
	for {
		select {
		case p := <-n.queue:
			n.send(n.batch(p))
		case <-n.closing.Done():
			select {
			case p := <-n.queue:
				n.send(n.batch(p))
			default:
				return
			}
		}
	}
}

// batch is first and what waits behind it.
func (n *notifier) batch(first pending) []pending {
	batch := []pending{first}
	for len(batch) < batchLength {
		select {
		case p := <-n.queue:
			batch = append(batch, p)
		default:
			return batch
		}
	}
	return batch
}

// send repeats until the broker has the batch; after Close it tries once. A repeat may send a notification twice, which any
// store may do.
func (n *notifier) send(batch []pending) {
	messages := make([]kafka.Message, len(batch))
	for i, p := range batch {
		messages[i] = p.message
	}
	err := retry.Policy{Least: retryPause, Most: retryPause}.Do(n.closing, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), ackTimeout)
		defer cancel()
		return n.writer.WriteMessages(ctx, messages...)
	})
	if err != nil {
		n.lost(len(batch), err)
		return
	}
	for _, p := range batch {
		close(p.sent)
	}
}

func (n *notifier) lost(count int, err error) {
	n.log.Error().Err(err).Int("count", count).Msg("object notifications are lost; the reconciler of ingest finds their objects")
}

// Close sends what is queued, if the broker takes it, and ends.
func (n *notifier) Close() error {
	n.close()
	<-n.done
	err := n.writer.Close()
	n.writer.Transport.(*kafka.Transport).CloseIdleConnections()
	return err
}

// event is the notification message of AWS S3, with the fields that anybody reads.
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html
type event struct {
	Records []eventRecord
}

type eventRecord struct {
	EventVersion string  `json:"eventVersion"`
	EventSource  string  `json:"eventSource"`
	AWSRegion    string  `json:"awsRegion"`
	EventTime    string  `json:"eventTime"`
	EventName    string  `json:"eventName"`
	S3           eventS3 `json:"s3"`
}

type eventS3 struct {
	SchemaVersion string      `json:"s3SchemaVersion"`
	Bucket        eventBucket `json:"bucket"`
	Object        eventObject `json:"object"`
}

type eventBucket struct {
	Name string `json:"name"`
	ARN  string `json:"arn"`
}

type eventObject struct {
	Key       string `json:"key"`
	Size      int64  `json:"size,omitempty"` // the gateway does not know it for copies and objects in parts
	ETag      string `json:"eTag,omitempty"`
	VersionID string `json:"versionId,omitempty"`
}

// newEvent copies what it keeps: the strings of a request live as long as the request.
func newEvent(bucket, key, version string, m s3event.EventMeta) event {
	object := eventObject{Key: url.QueryEscape(key), Size: m.ObjectSize, VersionID: version}
	if m.ObjectETag != nil {
		object.ETag = strings.Trim(*m.ObjectETag, `"`)
	}
	return event{Records: []eventRecord{{
		EventVersion: "2.1",
		EventSource:  "aws:s3",
		AWSRegion:    Region,
		EventTime:    time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
		EventName:    strings.TrimPrefix(string(m.EventName), "s3:"),
		S3: eventS3{
			SchemaVersion: "1.0",
			Bucket:        eventBucket{Name: bucket, ARN: "arn:aws:s3:::" + bucket},
			Object:        object,
		},
	}}}
}
