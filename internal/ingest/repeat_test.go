package ingest_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"facestream/internal/ingest"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// peers are other ingest processes: what they know is in the ledger only after CatchUp.
type peers struct {
	*surroundings
	known     map[schema.RequestID]string // by the ledger: digests
	elsewhere map[schema.RequestID]string // what others accepted
	home      int
	forwarded []schema.RequestID
	tooLarge  bool
}

func (p *peers) Seen(_ context.Context, id schema.RequestID) (string, bool, error) {
	digest, ok := p.known[id]
	return digest, ok, nil
}

func (p *peers) Record(_ context.Context, id schema.RequestID, digest string, _ time.Time) error {
	p.known[id] = digest
	return nil
}

func (p *peers) Home(context.Context, schema.RequestID) (int, error) { return p.home, nil }

func (p *peers) Forward(_ context.Context, _ events.Record, id schema.RequestID) error {
	if p.tooLarge {
		return schema.Permanent("forward", schema.ReasonInternal, fmt.Errorf("too large"))
	}
	p.forwarded = append(p.forwarded, id)
	return nil
}

func (p *peers) CatchUp(context.Context) error {
	for id, digest := range p.elsewhere {
		p.known[id] = digest
	}
	return nil
}

// TestARequestIsDecidedAtItsHome: all requests with one id are decided in one partition, whatever their keys are. One that
// cannot be brought there is decided where it is, by a ledger that knows what other processes have accepted.
func TestARequestIsDecidedAtItsHome(t *testing.T) {
	const home, away = 3, 4
	forwarded := []events.Header{{Key: "fs_forwarded", Value: []byte("1")}}
	for name, tt := range map[string]struct {
		record   events.Record
		tooLarge bool
		forwards int
		jobs     int
		reused   bool
	}{
		"keyed by its id, at home":             {record: events.Record{Key: []byte("r"), Partition: home}, jobs: 1},
		"keyed by its id, elsewhere":           {record: events.Record{Key: []byte("r"), Partition: away}, forwards: 1},
		"without a key":                        {record: events.Record{Partition: away}, forwards: 1},
		"without a key, at home":               {record: events.Record{Partition: home}, forwards: 1}, // its key makes the order there
		"forwarded, and partitions added":      {record: events.Record{Key: []byte("r"), Partition: away, Headers: forwarded}, jobs: 1},
		"another key":                          {record: events.Record{Key: []byte("person"), Partition: away}, forwards: 1},
		"another key, at home":                 {record: events.Record{Key: []byte("person"), Partition: home}, forwards: 1},
		"too large for the topic uncompressed": {record: events.Record{Partition: away}, tooLarge: true, reused: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &peers{surroundings: &surroundings{}, known: map[schema.RequestID]string{}, elsewhere: map[schema.RequestID]string{"r": "of another request"}, home: home, tooLarge: tt.tooLarge}
			s := &ingest.Service{Publisher: p, Objects: p, Ledger: p, Peers: p, Results: &outcome.Sink{Service: "ingest", Publisher: p}, Buckets: []string{"b"}}
			tt.record.Topic = events.Requests
			tt.record.Event.Data = []byte(`{"id":"r","operation":"predict","images":[{"bucket":"b","key":"k"}]}`)
			err := s.Handle(t.Context(), tt.record)
			if reused := schema.ReasonOf(err) == schema.ReasonRequestIDReused; reused != tt.reused || err != nil && !reused {
				t.Errorf("got %v", err)
			}
			if len(p.jobs) != tt.jobs || len(p.forwarded) != tt.forwards {
				t.Errorf("%d jobs, forwarded %d times; want %d and %d", len(p.jobs), len(p.forwarded), tt.jobs, tt.forwards)
			}
		})
	}
}

// TestUnknownIsNotARepeat: a request vanishes as a repeat only if its content is known to be that of the earlier one. Uploads
// are recognised by their object, however their metadata reads.
func TestUnknownIsNotARepeat(t *testing.T) {
	request := func(data string) events.Record {
		return events.Record{Topic: events.Requests, Key: []byte("r"), Event: events.Event{Data: []byte(data)}}
	}
	ours := request(`{"id":"r","operation":"predict","images":[{"bucket":"b","key":"k"}]}`)
	other := request(`{"id":"r","operation":"predict","images":[{"bucket":"b","key":"other"}]}`)
	p := &peers{surroundings: &surroundings{}, known: map[schema.RequestID]string{}}
	s := &ingest.Service{Publisher: p, Objects: p, Ledger: p, Peers: p, Results: &outcome.Sink{Service: "ingest", Publisher: p}, Buckets: []string{"b"}}
	if err := s.Handle(t.Context(), ours); err != nil || len(p.jobs) != 1 {
		t.Fatalf("%d jobs, %v", len(p.jobs), err)
	}
	if err := s.Handle(t.Context(), ours); err != nil || len(p.jobs) != 1 {
		t.Errorf("the repeat led to %d jobs, %v", len(p.jobs), err)
	}
	if err := s.Handle(t.Context(), other); schema.ReasonOf(err) != schema.ReasonRequestIDReused || len(p.jobs) != 1 {
		t.Errorf("the other request led to %d jobs, %v", len(p.jobs), err)
	}
	p.known["r"] = "" // as an outcome of an earlier version is known
	if err := s.Handle(t.Context(), ours); schema.ReasonOf(err) != schema.ReasonRequestIDReused || len(p.jobs) != 1 {
		t.Errorf("a request whose id has an unknown outcome led to %d jobs, %v", len(p.jobs), err)
	}
}
