package allinone_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/rs/zerolog"
	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	"facestream/internal/services/worker"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// A broker that asks for users (FACESTREAM_KAFKA_SASL_MECHANISM) is one of tools/kafka/up.sh, with one password for all:
//
//   - the user of the settings may do everything; it creates the topics, gives the others their rights, and is the client
//     of every test;
//   - ingest, worker, indexer and store run the services and the store's notifications, and client stands for another
//     program. They have exactly the rights that docs/operations.md lists;
//   - probe has all rights of a service except one.

// right is one line of an access-control list.
type right struct {
	operation kafka.ACLOperationType
	kind      kafka.ResourceType
	name      string
	prefixed  bool
}

func (r right) String() string {
	return fmt.Sprintf("%s on %s %s", title(r.operation.String()), strings.ToLower(r.kind.String()), r.name)
}

func title(s string) string { return strings.ToUpper(s[:1]) + strings.ToLower(s[1:]) }

// documentedRights reads the table of docs/operations.md: what each user may read and write, and which group it may join.
func documentedRights(root string) (map[string][]right, error) {
	page, err := os.ReadFile(filepath.Join(root, "docs", "operations.md"))
	if err != nil {
		return nil, err
	}
	names := regexp.MustCompile("`([^`]+)`")
	out := map[string][]right{}
	_, table, found := strings.Cut(string(page), "\n**Rights.**")
	if !found {
		return nil, errors.New("docs/operations.md has no paragraph Rights")
	}
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 7 || !strings.Contains(cells[1], "`") {
			if len(out) > 0 {
				break // the table is over
			}
			continue
		}
		user := names.FindStringSubmatch(cells[1])[1]
		for i, template := range []right{
			{operation: kafka.ACLOperationTypeDescribe, kind: kafka.ResourceTypeTopic, prefixed: true},
			{operation: kafka.ACLOperationTypeRead, kind: kafka.ResourceTypeTopic},
			{operation: kafka.ACLOperationTypeWrite, kind: kafka.ResourceTypeTopic},
			{operation: kafka.ACLOperationTypeRead, kind: kafka.ResourceTypeGroup},
		} {
			for _, name := range names.FindAllStringSubmatch(cells[2+i], -1) {
				template.name = name[1]
				out[user] = append(out[user], template)
			}
		}
	}
	return out, nil
}

func (s *stream) secured() bool {
	return s.realBroker && s.cfg.Kafka.SASL.Mechanism != config.SASLNone
}

// as returns the configuration of user.
func (s *stream) as(user string) config.Config {
	cfg := s.cfg
	cfg.Kafka.SASL.Username = user
	return cfg
}

// transport connects to the broker as user; "" is the user of the settings.
func (s *stream) transport(user string) (*kafka.Transport, error) {
	cfg := s.cfg
	if user != "" {
		cfg = s.as(user)
	}
	k, err := host.KafkaConfig(cfg.Kafka)
	if err != nil {
		return nil, err
	}
	var mechanism sasl.Mechanism
	switch user, password := k.SASL.Username, string(k.SASL.Password); k.SASL.Mechanism {
	case events.Plain:
		mechanism = plain.Mechanism{Username: user, Password: password}
	case events.ScramSHA256:
		mechanism, err = scram.Mechanism(scram.SHA256, user, password)
	case events.ScramSHA512:
		mechanism, err = scram.Mechanism(scram.SHA512, user, password)
	}
	return &kafka.Transport{TLS: k.TLS, SASL: mechanism}, err
}

// grantAll gives every user of the table exactly its rights.
func (s *stream) grantAll(ctx context.Context) error {
	documented, err := documentedRights(s.root)
	if err != nil {
		return err
	}
	for user, rights := range documented {
		if err := s.grant(ctx, user, rights); err != nil {
			return err
		}
	}
	return nil
}

// grant replaces the rights of user.
func (s *stream) grant(ctx context.Context, user string, rights []right) error {
	transport, err := s.transport("")
	if err != nil {
		return err
	}
	defer transport.CloseIdleConnections()
	client := kafka.Client{Addr: kafka.TCP(s.cfg.Kafka.Brokers...), Transport: transport, Timeout: 10 * time.Second}
	deleted, err := client.DeleteACLs(ctx, &kafka.DeleteACLsRequest{Filters: []kafka.DeleteACLsFilter{{
		ResourceTypeFilter: kafka.ResourceTypeAny, ResourcePatternTypeFilter: kafka.PatternTypeAny, PrincipalFilter: "User:" + user,
		Operation: kafka.ACLOperationTypeAny, PermissionType: kafka.ACLPermissionTypeAny,
	}}})
	if err != nil {
		return err
	}
	for _, r := range deleted.Results {
		if r.Error != nil {
			return fmt.Errorf("taking the rights of %s: %w", user, r.Error)
		}
	}
	var entries []kafka.ACLEntry
	for _, r := range rights {
		pattern := kafka.PatternTypeLiteral
		if r.prefixed {
			pattern = kafka.PatternTypePrefixed
		}
		entries = append(entries, kafka.ACLEntry{
			ResourceType: r.kind, ResourceName: r.name, ResourcePatternType: pattern,
			Principal: "User:" + user, Host: "*", Operation: r.operation, PermissionType: kafka.ACLPermissionTypeAllow,
		})
	}
	if len(entries) == 0 {
		return nil
	}
	created, err := client.CreateACLs(ctx, &kafka.CreateACLsRequest{ACLs: entries})
	if err != nil {
		return err
	}
	return errors.Join(created.Errors...)
}

// TestMissingRightIsNamed takes each documented right in turn from a user and runs the service as that user: the service says
// which right is missing. That also shows that each line of the table is needed.
func TestMissingRightIsNamed(t *testing.T) {
	s := useStream(t)
	if !s.secured() {
		t.Skip("SKIPPED: it needs a broker that asks for users; `make test-real` has one")
	}
	documented, err := documentedRights(s.root)
	if err != nil {
		t.Fatal(err)
	}
	image := s.put(t, unique("test")+"/a.jpg", portrait(t, 12, 0), nil)
	request := func(op schema.Operation, images ...schema.ObjectRef) func(*testing.T) {
		return func(t *testing.T) {
			r := schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: op, Collection: schema.Collection(unique(probed)), Images: images, Config: forDrawn("")}
			if err := s.client.Submit(t.Context(), s.publisher, r); err != nil {
				t.Fatal(err)
			}
		}
	}
	garbage := func(topic events.Topic) func(*testing.T) {
		return func(t *testing.T) {
			id := uuid.NewString()
			if err := s.publisher.Publish(t.Context(), topic, events.Event{ID: id, Type: "test", Key: id, Data: []byte("garbage")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	elsewhere := func(t *testing.T) { // under a key that is not the request's id
		id := uuid.NewString()
		if err := s.publisher.Publish(t.Context(), events.Requests, events.Event{ID: id, Type: events.TypeRequest, Key: "another " + id, Data: fmt.Appendf(nil, `{"id":%q}`, id)}); err != nil {
			t.Fatal(err)
		}
	}
	second := int64(1)
	ends := func(t *testing.T) { // somebody whose time is over soon
		r := schema.Request{ID: schema.RequestID(uuid.NewString()), Operation: schema.OpPersonCreate, Collection: schema.Collection(unique(probed)), Fields: &schema.PersonFields{TTL: &second}}
		if err := s.client.Submit(t.Context(), s.publisher, r); err != nil {
			t.Fatal(err)
		}
	}
	none := func(*testing.T) {}
	for _, c := range []struct {
		service string
		run     host.Service
		// provoke makes the service write to a topic; where it only reads, nothing needs to happen.
		provoke map[events.Topic]func(*testing.T)
	}{
		{"ingest", ingest.Run, map[events.Topic]func(*testing.T){
			events.Jobs: request(schema.OpValidate, image), events.Results: request(schema.OpValidate), events.DeadLetters: garbage(events.Requests),
			events.Requests: elsewhere,
		}},
		{"worker", worker.Run, map[events.Topic]func(*testing.T){
			events.Analyses: request(schema.OpEnroll, image), events.Results: request(schema.OpValidate, image), events.DeadLetters: garbage(events.Jobs),
		}},
		{"indexer", indexer.Run, map[events.Topic]func(*testing.T){
			events.Results: request(schema.OpPredict, image), events.DeadLetters: garbage(events.Analyses),
			events.Requests: ends,
		}},
	} {
		rights := documented[c.service]
		if len(rights) == 0 {
			t.Fatalf("docs/operations.md lists no rights of %s", c.service)
		}
		for i, missing := range rights {
			t.Run(c.service+" without "+missing.String(), func(t *testing.T) {
				if err := s.grant(t.Context(), "probe", slices.Delete(slices.Clone(rights), i, i+1)); err != nil {
					t.Fatal(err)
				}
				provoke := none
				if missing.operation == kafka.ACLOperationTypeWrite {
					if provoke = c.provoke[events.Topic(missing.name)]; provoke == nil {
						t.Fatalf("the test does not know how to make %s write to %s", c.service, missing.name)
					}
				}
				want := "grant " + missing.String()
				said := s.runUntil(t, c.run, want, provoke)
				t.Logf("%s", said)
			})
		}
	}
}

// runUntil runs a service as the user probe until a line of its log, or its error, contains text. It calls provoke
// repeatedly.
func (s *stream) runUntil(t *testing.T, service host.Service, text string, provoke func(*testing.T)) string {
	t.Helper()
	cfg := s.as("probe")
	cfg.SetDataDir(t.TempDir())
	cfg.Consumer.DrainTimeout = time.Second
	log := &syncBuffer{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Serve(ctx, cfg, zerolog.New(log).Level(zerolog.WarnLevel), service) }()
	var err error
	running := true
	for deadline := time.Now().Add(patience); running && !strings.Contains(log.String(), text) && time.Now().Before(deadline); {
		provoke(t)
		select {
		case err = <-ended:
			running = false
		case <-time.After(300 * time.Millisecond):
		}
	}
	cancel()
	if running {
		err = <-ended
	}
	for line := range bytes.Lines([]byte(log.String())) {
		if strings.Contains(string(line), text) {
			return strings.TrimSpace(string(line))
		}
	}
	if err != nil && strings.Contains(err.Error(), text) {
		return err.Error()
	}
	t.Fatalf("nothing said %q\nthe service ended with: %v\nits log:\n%s", text, err, log.String())
	return ""
}
