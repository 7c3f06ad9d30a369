package events_test

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"

	"github.com/twmb/franz-go/pkg/kfake"
)

// A user of the system submits a request and waits for its result. The broker here is one in the process; a running
// facestream has its own, by default at 127.0.0.1:9092.
func Example() {
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer broker.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	client := events.NewClient(events.Config{Brokers: broker.ListenAddrs(), ClientID: "shop"})
	defer client.Close()
	if _, err := client.EnsureTopics(ctx, events.DefaultSpecs()); err != nil {
		fmt.Println(err)
		return
	}
	defer answerAsFacestreamWould(ctx, client)()

	// From here on no result is missed. One caller serves any number of requests at a time.
	caller, err := client.OpenCaller(ctx, events.PublisherConfig{Source: "shop"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer caller.Close()
	answer, err := caller.Call(ctx, schema.Request{
		ID: "order-4711", Operation: schema.OpValidate,
		Images: []schema.ObjectRef{{Bucket: "images", Key: "customers/4711.jpg"}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(answer.RequestID, answer.Operation, answer.CallStatus.ReturnCode, answer.CallStatus.ReturnMessage)
	// Output: order-4711 validate API_NO_ERROR ok
}

// answerAsFacestreamWould publishes a result for each request until stop is called.
func answerAsFacestreamWould(ctx context.Context, client *events.Client) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	publisher := client.NewPublisher(events.PublisherConfig{Source: "example"})
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := client.ReadAll(ctx, events.Requests, nil, func(r events.Record) error {
			var job schema.Job
			if err := json.Unmarshal(r.Event.Data, &job.Request); err != nil {
				return err
			}
			data, err := json.Marshal(schema.NewResult(&job, "", ""))
			if err != nil {
				return err
			}
			return publisher.Publish(ctx, events.Results, events.Event{
				ID: schema.EventID(events.TypeResult, job.ID), Type: events.TypeResult, Key: job.RecordKey(), Data: data,
			})
		}, nil)
		if err != nil {
			fmt.Println(err)
		}
	}()
	return func() {
		cancel()
		<-done
		publisher.Close()
	}
}
