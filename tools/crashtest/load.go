package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/jpeg"
	"math/rand/v2"
	"time"

	"facestream/internal/objects"
	"facestream/internal/portraits"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// expected is what the ledger of the test says about one request.
type expected struct {
	operation schema.Operation
	reason    schema.Reason
	person    schema.ExternalID // enroll: who; predict: who must be found
}

// load sends requests and writes down what must come of each.
type load struct {
	client     *events.Client
	publisher  *events.Publisher
	objects    *objects.Store
	bucket     string
	collection schema.Collection
	random     *rand.Rand
	people     []portraits.Person
	ledger     map[schema.RequestID]expected
	deleted    map[schema.ExternalID]bool
	pictures   map[[2]int][]byte
}

func (l *load) picture(person, shot int) []byte {
	at := [2]int{person, shot}
	if l.pictures[at] == nil {
		var b bytes.Buffer
		p := l.people[person]
		if err := jpeg.Encode(&b, portraits.Render(p, p.Shot(shot), 224), nil); err != nil {
			panic(err) // an encoder that writes to memory and fails is a bug
		}
		l.pictures[at] = b.Bytes()
	}
	return l.pictures[at]
}

// put uploads through outages: the test kills the store as well.
func (l *load) put(ctx context.Context, key string, data []byte) (schema.ObjectRef, error) {
	for {
		ref, err := l.objects.Put(ctx, schema.ObjectRef{Bucket: l.bucket, Key: key}, data, "image/jpeg", nil)
		if schema.ClassOf(err) != schema.ClassTransient || ctx.Err() != nil {
			return ref, err
		}
		time.Sleep(200 * time.Millisecond)
	}
}

func (l *load) submit(ctx context.Context, id schema.RequestID, r schema.Request, e expected) error {
	r.ID = id
	e.operation = r.Operation
	l.ledger[id] = e
	return l.client.Submit(ctx, l.publisher, r)
}

func external(person int) schema.ExternalID {
	return schema.ExternalID(fmt.Sprintf("person-%d", person))
}

// known enrols the first n people, half of them by upload; the predictions of the later phase look for them.
func (l *load) known(ctx context.Context, n int) error {
	for p := range n {
		if p%2 == 0 {
			ref, err := l.put(ctx, fmt.Sprintf("enroll/%s/%s/a.jpg", l.collection, string(external(p))), l.picture(p, 0))
			if err != nil {
				return err
			}
			l.ledger[schema.ObjectRequestID(ref)] = expected{operation: schema.OpEnroll, person: external(p)}
			continue
		}
		ref, err := l.put(ctx, fmt.Sprintf("crash/known-%d.jpg", p), l.picture(p, 0))
		if err != nil {
			return err
		}
		err = l.submit(ctx, schema.RequestID(fmt.Sprintf("known-%d", p)),
			schema.Request{Operation: schema.OpEnroll, Collection: l.collection, ExternalID: external(p), Images: []schema.ObjectRef{ref}}, expected{person: external(p)})
		if err != nil {
			return err
		}
	}
	return nil
}

// mixed sends n requests of every kind. Predictions look in the collection of known; enrolments and deletions work in
// another one, so that each outcome is certain whatever the order. The requests are spread over the time of the kills.
func (l *load) mixed(ctx context.Context, n, known int, over time.Duration) error {
	churn := schema.Collection("churn")
	for i := range n {
		id := schema.RequestID(fmt.Sprintf("mixed-%d", i))
		person := l.random.IntN(known)
		ref, err := l.put(ctx, fmt.Sprintf("crash/%d.jpg", i), l.picture(person, 1))
		if err != nil {
			return err
		}
		images := []schema.ObjectRef{ref}
		switch i % 8 {
		case 0:
			err = l.submit(ctx, id, schema.Request{Operation: schema.OpValidate, Images: images}, expected{})
		case 1, 2:
			err = l.submit(ctx, id, schema.Request{Operation: schema.OpPredict, Collection: l.collection, Images: images}, expected{person: external(person)})
		case 3:
			err = l.submit(ctx, id, schema.Request{Operation: schema.OpEnroll, Collection: churn, ExternalID: schema.ExternalID(id), Images: images}, expected{person: schema.ExternalID(id)})
		case 4:
			var uploaded schema.ObjectRef
			if uploaded, err = l.put(ctx, fmt.Sprintf("enroll/%s/up-%d/a.jpg", churn, i), l.picture(person, 1)); err == nil {
				l.ledger[schema.ObjectRequestID(uploaded)] = expected{operation: schema.OpEnroll, person: schema.ExternalID(fmt.Sprintf("up-%d", i))}
			}
		case 5:
			err = l.submit(ctx, id, schema.Request{Operation: schema.OpCompare, Images: []schema.ObjectRef{ref, ref}}, expected{})
		case 6:
			missing := []schema.ObjectRef{{Bucket: l.bucket, Key: fmt.Sprintf("crash/missing-%d.jpg", i)}}
			err = l.submit(ctx, id, schema.Request{Operation: schema.OpValidate, Images: missing}, expected{reason: schema.ReasonImageNotFound})
		case 7:
			err = l.submit(ctx, id, schema.Request{Operation: schema.OpValidate, Images: images, Config: json.RawMessage(`{"no_such_key":1}`)}, expected{reason: schema.ReasonInvalidConfiguration})
		}
		if err != nil {
			return err
		}
		time.Sleep(over / time.Duration(n))
	}
	return nil
}

// deletions deletes the people that settled enrolments of the churn collection left, one in two.
func (l *load) deletions(ctx context.Context, enrolled []schema.ExternalID) error {
	for i, person := range enrolled {
		if i%2 == 1 {
			continue
		}
		l.deleted[person] = true
		err := l.submit(ctx, schema.RequestID(fmt.Sprintf("delete-%d", i)),
			schema.Request{Operation: schema.OpUserDelete, Collection: "churn", ExternalID: person}, expected{})
		if err != nil {
			return err
		}
	}
	return nil
}
