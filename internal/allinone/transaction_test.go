package allinone_test

import (
	"encoding/json"
	"testing"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// TestAbortedRequestIsNotCarriedOut: a producer enrols one person in a transaction that it aborts and another one in a
// transaction that it commits. Only the second enrolment happens.
func TestAbortedRequestIsNotCarriedOut(t *testing.T) {
	s := useStream(t)
	if s.secured() {
		t.Skip("SKIPPED: no user may write transactions; the stream without users shows it")
	}
	collection := schema.Collection(unique("transactions"))
	producer, err := kgo.NewClient(kgo.SeedBrokers(s.cfg.Kafka.Brokers...), kgo.TransactionalID(uuid.NewString()))
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	enroll := func(name schema.ExternalID, person int, end kgo.TransactionEndTry) schema.RequestID {
		t.Helper()
		request := schema.Request{
			ID: schema.RequestID(uuid.NewString()), Operation: schema.OpEnroll, Collection: collection, ExternalID: name,
			Images: []schema.ObjectRef{s.put(t, unique("test")+"/a.jpg", portrait(t, person, 0), nil)}, Config: forDrawn(""),
		}
		value, err := json.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		if err := producer.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		// One key, and so one partition: whoever reads the second has passed the first.
		record := &kgo.Record{Topic: string(events.Requests), Key: []byte(collection), Value: value}
		if err := producer.ProduceSync(t.Context(), record).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := producer.EndTransaction(t.Context(), end); err != nil {
			t.Fatal(err)
		}
		return request.ID
	}
	aborted := enroll("alice", 0, kgo.TryAbort)
	committed := enroll("bob", 1, kgo.TryCommit)
	if r := s.outcome(t, committed); r.Enroll == nil || !r.Enroll.EnrollPerformed {
		t.Errorf("the committed request: %+v", r.CallStatus)
	}
	if rows := s.rows(t, collection); len(rows) != 1 || rows[0].ExternalID != "bob" {
		t.Errorf("%d rows, want that of the committed request", len(rows))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.results[aborted]; len(got) != 0 {
		t.Errorf("the aborted request has an outcome: %+v", got[0].result.CallStatus)
	}
}
