package ingest

import (
	"context"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// source is where ingest learned of a request: a record, or a listing of a bucket.
type source struct {
	record *events.Record // nil for a listing
	// unlisted is an order with the ends of the topics at a moment when a listing did not have the object yet.
	unlisted *schema.Order
}

func (f source) trace() string {
	if f.record == nil {
		return ""
	}
	return f.record.Event.TraceParent
}

// incoming are the topics that requests come from.
var incoming = []events.Topic{events.Requests, events.Objects}

// order returns the order of a job that changes the gallery. A deletion is given the ends of the topics as they are when
// ingest accepts it, so it is younger than every enrolment that a broker had acknowledged by then.
func (s *Service) order(ctx context.Context, job *schema.Job, from source) (*schema.Order, error) {
	if from.record == nil {
		return from.unlisted, nil
	}
	here, err := s.position(ctx, from.record)
	if err != nil || job.Operation != schema.OpUserDelete {
		return here, err
	}
	order, err := s.ends(ctx)
	if err != nil {
		return nil, err
	}
	if own := order.Ends[here.Topic]; here.Partition < len(own) {
		own[here.Partition] = here.Offset + 1
	}
	return order, nil
}

// ends is an order with the present ends of the incoming topics.
func (s *Service) ends(ctx context.Context) (*schema.Order, error) {
	cluster, err := s.Broker.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	ends, err := s.Broker.Ends(ctx, incoming...)
	if err != nil {
		return nil, err
	}
	order := &schema.Order{Cluster: cluster, Ends: schema.Ends{}}
	for topic, offsets := range ends {
		order.Ends[string(topic)] = offsets
	}
	return order, nil
}

// position is where the broker put a record. A replayed or forwarded record keeps the position that it had first. Whoever may write
// requests can also write the header that says so. A position that the topic does not have yet would put an enrolment
// after deletions to come, so it does not count.
func (s *Service) position(ctx context.Context, r *events.Record) (*schema.Order, error) {
	cluster, err := s.Broker.Cluster(ctx)
	if err != nil {
		return nil, err
	}
	here := &schema.Order{Cluster: cluster, Topic: string(r.Topic), Partition: r.Partition, Offset: r.Offset}
	partition, offset, moved := r.First()
	if !moved {
		return here, nil
	}
	ends, err := s.Broker.Ends(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	if offsets := ends[r.Topic]; partition < len(offsets) && offset < offsets[partition] {
		here.Partition, here.Offset = partition, offset
	}
	return here, nil
}
