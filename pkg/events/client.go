package events

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"facestream/pkg/retry"
	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go"
	"golang.org/x/sync/semaphore"
)

// Config says which cluster to speak to and as whom.
type Config struct {
	Brokers  []string     // host:port; one is enough, the others are found through it
	ClientID string       // appears in the broker's logs and quotas
	TLS      *tls.Config  // nil: plaintext
	SASL     SASL         // the zero value: no authentication
	Logger   *slog.Logger // nil: logs nothing
}

// Client speaks to one Kafka cluster. It is safe for concurrent use. Everything that is made from it shares its
// connections.
type Client struct {
	cfg       Config
	conns     *connections
	transport *kafka.Transport
	dialer    *kafka.Dialer
	kafka     *kafka.Client
	log       *slog.Logger
	// handlers has one unit per running handler of this process, and all for one that must run alone.
	handlers *semaphore.Weighted
	// stallAfter is how long a partition may make no progress, though there is more to read or no answer comes, before
	// all connections are renewed: kafka-go is known to stall after broker restarts.
	stallAfter time.Duration
}

const (
	dialTimeout    = 3 * time.Second
	requestTimeout = 10 * time.Second
	// wholeProcess is more handlers than ever run at once.
	wholeProcess = 1 << 20
	// metadataTTL bounds how long a moved partition leader, a new topic or a broker's return stays unnoticed.
	metadataTTL = 2 * time.Second
)

// NewClient prepares a client. It does no I/O.
func NewClient(cfg Config) *Client {
	conns := &connections{dialer: net.Dialer{Timeout: dialTimeout}}
	mechanism := cfg.SASL.client()
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	transport := &kafka.Transport{
		Dial: conns.dial, DialTimeout: dialTimeout, MetadataTTL: metadataTTL, ClientID: cfg.ClientID, TLS: cfg.TLS, SASL: mechanism,
	}
	return &Client{
		cfg:       cfg,
		conns:     conns,
		transport: transport,
		dialer:    &kafka.Dialer{ClientID: cfg.ClientID, DialFunc: conns.dial, Timeout: dialTimeout, TLS: cfg.TLS, SASLMechanism: mechanism},
		kafka:     &kafka.Client{Addr: kafka.TCP(cfg.Brokers...), Timeout: requestTimeout, Transport: transport},
		handlers:  semaphore.NewWeighted(wholeProcess),
		log:       cfg.Logger, stallAfter: 10 * time.Second,
	}
}

// Close closes the connections. Close everything that was made from the client first.
func (c *Client) Close() {
	c.transport.CloseIdleConnections()
	c.conns.close()
}

// Ping asks a broker for its API versions: nil means that it is reachable and accepts the credentials.
func (c *Client) Ping(ctx context.Context) error {
	if len(c.cfg.Brokers) == 0 {
		return schema.Fatal("events.ping", errors.New("no broker address is configured; set kafka.brokers"))
	}
	var err error
	// The first try may meet a pooled connection that a restarted broker has forgotten.
	for range 2 {
		if _, err = c.kafka.ApiVersions(ctx, &kafka.ApiVersionsRequest{}); err == nil || ctx.Err() != nil {
			break
		}
	}
	if err != nil {
		return schema.Transient("events.ping", fmt.Errorf("%w (is the broker running, and do TLS and SASL match its listener?)", err))
	}
	return nil
}

// CheckTopics returns nil when every topic exists, and otherwise an error that names the missing ones. It may take some
// seconds to notice that a topic was created or deleted.
func (c *Client) CheckTopics(ctx context.Context, topics ...Topic) error {
	meta, err := c.metadata(ctx)
	if err != nil {
		return schema.Transient("events.check_topics", err)
	}
	var missing []error
	for _, t := range topics {
		if _, ok := meta[t]; !ok {
			missing = append(missing, fmt.Errorf("the topic %s does not exist, or this user may not see it; restart a service, which creates it, or grant Describe on it", t))
		}
	}
	if len(missing) > 0 {
		return schema.Transient("events.check_topics", errors.Join(missing...))
	}
	return nil
}

// EnsureTopics creates the topics that are missing, with the partitions, retention and record size of their specs, and
// waits until every partition has a leader. It does not change topics that exist, and logs one that has fewer partitions
// than its spec. It keeps trying until ctx ends (transient) or the broker refuses a spec (fatal); where the user lacks a
// right it waits too, because the right may still be granted. It returns the names of the topics that it created.
func (c *Client) EnsureTopics(ctx context.Context, specs []TopicSpec) ([]string, error) {
	const op = "events.ensure_topics"
	var created []string
	reported := map[Topic]bool{}
	err := c.retry(ctx, op, func() error {
		meta, err := c.metadata(ctx)
		if err != nil {
			return err
		}
		var missing []kafka.TopicConfig
		for _, s := range specs {
			t, ok := meta[s.Topic]
			if !ok {
				missing = append(missing, s.config())
				continue
			}
			if len(t.Partitions) < s.Partitions && !reported[s.Topic] {
				reported[s.Topic] = true
				c.log.Warn("topic has fewer partitions than configured; it is left as it is, because more partitions would move keys",
					"topic", string(s.Topic), "partitions", len(t.Partitions), "wanted", s.Partitions)
			}
			for _, p := range t.Partitions {
				if p.Leader.Host == "" {
					return fmt.Errorf("partition %d of %s has no leader yet", p.ID, s.Topic)
				}
			}
		}
		if len(missing) == 0 {
			return nil
		}
		res, err := c.kafka.CreateTopics(ctx, &kafka.CreateTopicsRequest{Topics: missing})
		if err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(res.Errors)) {
			switch err := res.Errors[name]; {
			case err == nil:
				created = append(created, name)
			case errors.Is(err, kafka.TopicAlreadyExists): // another process was faster
			case refused(err):
				return fmt.Errorf("this user sees no topic %s and may not create it: %w; if the topic exists, grant Describe on topic %s to this user, else create it or grant Create", name, err, name)
			case errors.Is(err, kafka.InvalidReplicationFactor), errors.Is(err, kafka.InvalidPartitionNumber),
				errors.Is(err, kafka.InvalidConfiguration), errors.Is(err, kafka.PolicyViolation), errors.Is(err, kafka.InvalidTopic):
				return schema.Fatal(op, fmt.Errorf("topic %s: %w; correct its spec or create the topic yourself", name, err))
			default:
				return fmt.Errorf("topic %s: %w", name, err)
			}
		}
		return errors.New("the new topics are not visible yet")
	})
	return created, err
}

// naming adds the right that the user lacks to a refusal by the broker's ACLs. Other errors stay as they are. Callers go on
// trying, because rights can be granted at any time.
func naming(err error, right, resource string) error {
	if refused(err) {
		return fmt.Errorf("%w; grant %s on %s to this user", err, right, resource)
	}
	return err
}

func refused(err error) bool {
	return errors.Is(err, kafka.TopicAuthorizationFailed) || errors.Is(err, kafka.GroupAuthorizationFailed) ||
		errors.Is(err, kafka.ClusterAuthorizationFailed)
}

// worthSaying reports whether the n-th failure in a row is logged: the first refusal, because waiting does not help against
// it, and the tenth failure of any kind, because shorter outages need no attention.
func worthSaying(err error, n int) bool { return n == 10 || n == 1 && refused(err) }

func (s TopicSpec) config() kafka.TopicConfig {
	ms := func(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
	out := kafka.TopicConfig{
		Topic: string(s.Topic), NumPartitions: s.Partitions,
		ReplicationFactor: cmp.Or(s.Replicas, -1), // -1: the broker's default.replication.factor
		ConfigEntries: []kafka.ConfigEntry{
			{ConfigName: "cleanup.policy", ConfigValue: "delete"},
			{ConfigName: "retention.ms", ConfigValue: ms(s.Retention)},
			{ConfigName: "segment.ms", ConfigValue: ms(s.segmentAge())},
			{ConfigName: "max.message.bytes", ConfigValue: strconv.Itoa(s.MaxBytes)},
		},
	}
	if s.Replicas >= 3 {
		// An acknowledgement by all replicas in sync could otherwise be that of one alone, whose loss loses the record.
		out.ConfigEntries = append(out.ConfigEntries, kafka.ConfigEntry{ConfigName: "min.insync.replicas", ConfigValue: "2"})
	}
	return out
}

// TopicStatus is what a broker says about one topic.
type TopicStatus struct {
	Topic      Topic             `json:"topic"`
	Exists     bool              `json:"exists"`
	Partitions []PartitionStatus `json:"partitions,omitempty"`
	Retention  time.Duration     `json:"retention"` // negative: kept for ever; 0: unknown
	MaxBytes   int               `json:"max_bytes"` // largest record batch; 0: unknown
	Groups     []GroupLag        `json:"groups,omitempty"`
}

// PartitionStatus is the range of offsets that can be read from a partition. First is the oldest record's. Last is the
// next record's, or that of the first record of the oldest open transaction, because readers wait there until it ends.
type PartitionStatus struct {
	ID    int   `json:"id"`
	First int64 `json:"first"`
	Last  int64 `json:"last"`
}

// GroupLag is how far a consumer group is behind in a topic.
type GroupLag struct {
	Group string `json:"group"`
	// Lag is the number of offsets between what the group committed and Last, over all partitions. Where the group
	// committed nothing yet, the whole partition counts.
	Lag       int64         `json:"lag"`
	Committed map[int]int64 `json:"committed"` // by partition; absent: nothing committed
}

// Records is the number of offsets that the topic holds.
func (s TopicStatus) Records() int64 {
	var n int64
	for _, p := range s.Partitions {
		n += p.Last - p.First
	}
	return n
}

// Describe returns the state of topics (default: [Topics]): their offsets, their settings, and the lag of every group that
// has committed in them. A topic that does not exist has Exists false. Errors are transient.
func (c *Client) Describe(ctx context.Context, topics ...Topic) ([]TopicStatus, error) {
	const op = "events.describe"
	if len(topics) == 0 {
		topics = Topics()
	}
	meta, err := c.metadata(ctx)
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	out := make([]TopicStatus, len(topics))
	committedIn := map[string][]int{}
	for i, t := range topics {
		out[i].Topic = t
		m, ok := meta[t]
		if !ok {
			continue
		}
		out[i].Exists = true
		ids := partitionIDs(m)
		committedIn[string(t)] = ids
		ranges, err := c.ranges(ctx, t, ids)
		if err != nil {
			return nil, schema.Transient(op, err)
		}
		out[i].Partitions = ranges
	}
	if len(committedIn) == 0 {
		return out, nil
	}
	if err := c.describeConfigs(ctx, out); err != nil {
		return nil, schema.Transient(op, err)
	}
	groups, err := c.kafka.ListGroups(ctx, &kafka.ListGroupsRequest{})
	if err == nil {
		err = groups.Error
	}
	if err != nil {
		return nil, schema.Transient(op, err)
	}
	slices.SortFunc(groups.Groups, func(a, b kafka.ListGroupsResponseGroup) int { return cmp.Compare(a.GroupID, b.GroupID) })
	for _, g := range groups.Groups {
		res, err := c.committed(ctx, g.GroupID, committedIn)
		if err != nil {
			return nil, schema.Transient(op, err)
		}
		for i := range out {
			if lag, any := groupLag(g.GroupID, out[i].Partitions, res[string(out[i].Topic)]); any {
				out[i].Groups = append(out[i].Groups, lag)
			}
		}
	}
	return out, nil
}

// Members returns how many consumers are members of a group. A member that was killed counts until its session ends. A
// group that does not exist has none. Errors are transient.
func (c *Client) Members(ctx context.Context, group string) (int, error) {
	const op = "events.members"
	members := 0
	err := groupRequest.Do(ctx, func() error {
		res, err := c.kafka.DescribeGroups(ctx, &kafka.DescribeGroupsRequest{GroupIDs: []string{group}})
		if err == nil && len(res.Groups) != 1 {
			err = errors.New("the broker did not describe it")
		}
		if err == nil {
			members, err = len(res.Groups[0].Members), res.Groups[0].Error
		}
		return err
	})
	if err != nil {
		return 0, schema.Transient(op, fmt.Errorf("group %s: %w", group, naming(err, "Describe", "group "+group)))
	}
	return members, nil
}

// groupLag compares committed with the ranges; any is false when the group committed nothing in the topic.
func groupLag(group string, ranges []PartitionStatus, committed []kafka.OffsetFetchPartition) (lag GroupLag, any bool) {
	lag = GroupLag{Group: group, Committed: map[int]int64{}}
	for _, p := range committed {
		if p.Error == nil && p.CommittedOffset >= 0 {
			lag.Committed[p.Partition] = p.CommittedOffset
		}
	}
	for _, r := range ranges {
		lag.Lag += max(0, r.Last-max(r.First, lag.Committed[r.ID]))
	}
	return lag, len(lag.Committed) > 0
}

// committed fetches the offsets of a group.
func (c *Client) committed(ctx context.Context, group string, in map[string][]int) (map[string][]kafka.OffsetFetchPartition, error) {
	var res *kafka.OffsetFetchResponse
	err := groupRequest.Do(ctx, func() error {
		var err error
		if res, err = c.kafka.OffsetFetch(ctx, &kafka.OffsetFetchRequest{GroupID: group, Topics: in}); err == nil {
			err = res.Error
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("offsets of group %s: %w", group, err)
	}
	return res.Topics, nil
}

// groupRequest is for requests about a group. They are known to fail with an unexpected EOF just after a broker came
// back, and for want of a coordinator on a broker that had no group before. A refusal stays one.
var groupRequest = retry.Policy{Least: 100 * time.Millisecond, Most: time.Second, Tries: 10, Stop: refused}

func (c *Client) describeConfigs(ctx context.Context, out []TopicStatus) error {
	req := &kafka.DescribeConfigsRequest{}
	for _, s := range out {
		if s.Exists {
			req.Resources = append(req.Resources, kafka.DescribeConfigRequestResource{
				ResourceType: kafka.ResourceTypeTopic, ResourceName: string(s.Topic),
				ConfigNames: []string{"retention.ms", "max.message.bytes"},
			})
		}
	}
	res, err := c.kafka.DescribeConfigs(ctx, req)
	if err != nil {
		return err
	}
	for _, r := range res.Resources {
		i := slices.IndexFunc(out, func(s TopicStatus) bool { return string(s.Topic) == r.ResourceName })
		if i < 0 {
			continue
		}
		for _, e := range r.ConfigEntries {
			n, err := strconv.ParseInt(e.ConfigValue, 10, 64)
			switch {
			case err != nil: // left unknown
			case e.ConfigName == "retention.ms" && n < 0:
				out[i].Retention = -1
			case e.ConfigName == "retention.ms":
				out[i].Retention = time.Duration(n) * time.Millisecond
			case e.ConfigName == "max.message.bytes":
				out[i].MaxBytes = int(n)
			}
		}
	}
	return nil
}

// metadata returns every topic of the cluster; at most metadataTTL old.
func (c *Client) metadata(ctx context.Context) (map[Topic]kafka.Topic, error) {
	res, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{})
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("%w: the broker closed the connection (do TLS and SASL match its listener, and is the password right?)", err)
	}
	if err != nil {
		return nil, err
	}
	out := make(map[Topic]kafka.Topic, len(res.Topics))
	for _, t := range res.Topics {
		if t.Error == nil {
			out[Topic(t.Name)] = t
		}
	}
	return out, nil
}

// partitions returns the partition ids of a topic, in ascending order; it fails when the topic does not exist.
func (c *Client) partitions(ctx context.Context, topic Topic) ([]int, error) {
	meta, err := c.metadata(ctx)
	if err != nil {
		return nil, err
	}
	t, ok := meta[topic]
	if !ok || len(t.Partitions) == 0 {
		return nil, fmt.Errorf("topic %s: %w; the services create their topics when they start, and a user without Describe on a topic does not see it", topic, kafka.UnknownTopicOrPartition)
	}
	return partitionIDs(t), nil
}

func partitionIDs(t kafka.Topic) []int {
	ids := make([]int, len(t.Partitions))
	for i, p := range t.Partitions {
		ids[i] = p.ID
	}
	slices.Sort(ids)
	return ids
}

// ranges returns the first and last offset of the given partitions, in their order. The last is the end of what can be
// read: records of an open transaction, and what lies behind them, come later.
func (c *Client) ranges(ctx context.Context, topic Topic, ids []int) ([]PartitionStatus, error) {
	return c.rangesAt(ctx, kafka.ReadCommitted, topic, ids)
}

func (c *Client) rangesAt(ctx context.Context, level kafka.IsolationLevel, topic Topic, ids []int) ([]PartitionStatus, error) {
	asked := make([]kafka.OffsetRequest, 0, 2*len(ids))
	for _, id := range ids {
		asked = append(asked, kafka.FirstOffsetOf(id), kafka.LastOffsetOf(id))
	}
	answers, err := c.listOffsets(ctx, level, topic, asked)
	if err != nil {
		return nil, err
	}
	out := make([]PartitionStatus, len(ids))
	for i, id := range ids {
		a, ok := answers[id]
		if !ok || a.FirstOffset < 0 || a.LastOffset < 0 {
			return nil, fmt.Errorf("partition %d of %s: the broker did not say its offsets", id, topic)
		}
		out[i] = PartitionStatus{ID: id, First: a.FirstOffset, Last: a.LastOffset}
	}
	return out, nil
}

func (c *Client) listOffsets(ctx context.Context, level kafka.IsolationLevel, topic Topic, asked []kafka.OffsetRequest) (map[int]kafka.PartitionOffsets, error) {
	res, err := c.kafka.ListOffsets(ctx, &kafka.ListOffsetsRequest{
		Topics: map[string][]kafka.OffsetRequest{string(topic): asked}, IsolationLevel: level,
	})
	if err != nil {
		return nil, err
	}
	out := map[int]kafka.PartitionOffsets{}
	for _, p := range res.Topics[string(topic)] {
		if p.Error != nil {
			return nil, fmt.Errorf("partition %d of %s: %w", p.Partition, topic, p.Error)
		}
		out[p.Partition] = p
	}
	return out, nil
}

// Cluster returns the id of the cluster, which it keeps as long as its data. The error is transient.
func (c *Client) Cluster(ctx context.Context) (string, error) {
	res, err := c.kafka.Metadata(ctx, &kafka.MetadataRequest{})
	if err != nil {
		return "", schema.Transient("events.cluster", err)
	}
	return res.ClusterID, nil
}

// Ends returns, for each topic, the offset that the next record of each partition gets, in the order of the partitions.
// Every record that was acknowledged by all replicas before the call lies before it, also in an open transaction. A
// partition that was added in the last two seconds may be missing. The error is transient.
func (c *Client) Ends(ctx context.Context, topics ...Topic) (map[Topic][]int64, error) {
	const op = "events.ends"
	out := map[Topic][]int64{}
	for _, t := range topics {
		ids, err := c.partitions(ctx, t)
		if err != nil {
			return nil, schema.Transient(op, err)
		}
		ranges, err := c.rangesAt(ctx, kafka.ReadUncommitted, t, ids)
		if err != nil {
			return nil, schema.Transient(op, err)
		}
		for _, r := range ranges {
			out[t] = append(out[t], r.Last)
		}
	}
	return out, nil
}

// again is how requests to the broker are repeated.
var again = retry.Policy{Least: 50 * time.Millisecond, Most: time.Second}

// retry calls f until it succeeds, fails for good (fatal, permanent), or ctx ends: then the error is transient and
// carries the last cause.
func (c *Client) retry(ctx context.Context, op string, f func() error) error {
	policy := again
	policy.Failed = func(n int, err error) {
		if worthSaying(err, n) {
			c.log.Warn("still trying", "op", op, "error", err)
		}
	}
	err := policy.Do(ctx, f)
	if err != nil && schema.ClassOf(err) == schema.ClassUnknown {
		return schema.Transient(op, err)
	}
	return err
}
