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

// A user of the system submits a request and reads its outcome. The broker here is one in the process; a running
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
	publisher := client.NewPublisher(events.PublisherConfig{Source: "shop"})
	defer publisher.Close()

	// Begin to read before submitting, and nothing is missed.
	results := client.Results(ctx, events.ResultsOptions{From: events.Latest()})
	defer results.Close()
	if err := results.Ready(ctx); err != nil {
		fmt.Println(err)
		return
	}
	request := schema.Request{
		ID: "order-4711", Operation: schema.OpValidate,
		Images: []schema.ObjectRef{{Bucket: "images", Key: "customers/4711.jpg"}},
	}
	if err := client.Submit(ctx, publisher, request); err != nil {
		fmt.Println(err)
		return
	}
	answerAsFacestreamWould(ctx, publisher, request)
	result, event, err := results.Await(ctx, request.ID)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(event.Type, result.RequestID, result.Operation, result.CallStatus.ReturnCode, result.CallStatus.ReturnMessage)
	// Output: facestream.result.v1 order-4711 validate API_NO_ERROR ok
}

func answerAsFacestreamWould(ctx context.Context, p *events.Publisher, r schema.Request) {
	data, err := json.Marshal(schema.NewResult(&schema.Job{Request: r}, "", ""))
	if err != nil {
		fmt.Println(err)
		return
	}
	err = p.Publish(ctx, events.Results, events.Event{
		ID: schema.EventID(events.TypeResult, r.ID), Type: events.TypeResult, Key: r.RecordKey(), Data: data,
	})
	if err != nil {
		fmt.Println(err)
	}
}
