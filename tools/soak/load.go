package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image/jpeg"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"facestream/internal/drawn"
	"facestream/internal/objects"
	"facestream/internal/objects/objectstest"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// expected is what must come of one request.
type expected struct {
	operation schema.Operation
	reason    schema.Reason
	person    schema.ExternalID // predict: who must be found
	count     int               // user_delete: how many images must have been there
	object    schema.ObjectRef  // the result must also lie there; "" where it was not asked for
}

// holds says what is wrong with a result, nil where it is as expected.
func (e expected) holds(r schema.Result) error {
	switch {
	case r.Operation != e.operation || r.CallStatus.Reason != e.reason:
		return fmt.Errorf("%s: reason %q, expected %s with %q: %s", r.Operation, r.CallStatus.Reason, e.operation, e.reason, r.CallStatus.ReturnMessage)
	case e.reason != "":
	case e.operation == schema.OpEnroll && (r.Enroll == nil || !r.Enroll.EnrollPerformed):
		return errors.New("nobody was enrolled")
	case e.operation == schema.OpPredict && (r.Predict == nil || r.Predict.Response == nil || r.Predict.Response.List[0].ExternalID != e.person):
		return errors.New("another person was found than the one in the picture")
	case e.operation == schema.OpUserDelete && (r.UserDelete == nil || r.UserDelete.Count != e.count):
		return fmt.Errorf("%v images were deleted, expected %d", r.UserDelete, e.count)
	case e.operation == schema.OpCompare && (r.Compare == nil || !r.Compare.IsMatch):
		return errors.New("two pictures of one person did not match")
	}
	return nil
}

// load sends requests and records the expected outcome of each. The outcomes are compared with this ledger.
type load struct {
	publisher *events.Publisher
	objects   *objects.Store
	store     objects.Config
	bucket    string
	run       string // begins every name, so that runs on one broker do not meet
	results   *results
	people    []drawn.Person
	pause     time.Duration // between two requests of an actor

	sent, silent, skewed atomic.Int64 // requests; uploads without a notification; requests with a wrong clock

	mu       sync.Mutex
	ledger   map[schema.RequestID]expected
	rows     map[schema.Collection]map[string]bool // ids of those that must be in the gallery
	dead     map[string]bool                       // values that must become dead letters
	pictures map[[2]int][]byte
}

const (
	side        = 224 // pixels of a picture. Small ones are quick, and the first two shots of everybody are told apart at this size.
	collections = 4
	maxActors   = 28 // the rest of the drawn people are enrolled throughout, so that no search is in an empty collection
)

func (l *load) picture(person, shot int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := [2]int{person, shot}
	if l.pictures[at] == nil {
		picture, err := drawn.JPEG(l.people[person], shot, side, jpeg.DefaultQuality)
		if err != nil {
			panic(err) // an encoder that writes to memory and fails is a bug
		}
		l.pictures[at] = picture
	}
	return l.pictures[at]
}

// put uploads through outages. A failed upload may have been stored anyway, and another upload of the key would be
// another version and thus another request. So put checks before it retries. Without notification, the store does not
// announce the upload.
func (l *load) put(ctx context.Context, key string, data []byte, notification bool) (schema.ObjectRef, error) {
	at := schema.ObjectRef{Bucket: l.bucket, Key: key}
	for {
		var ref schema.ObjectRef
		var err error
		if notification {
			ref, err = l.objects.Put(ctx, at, data, "image/jpeg", nil)
		} else if err = objectstest.PostForm(ctx, l.store, l.bucket, key, data); err == nil {
			err = errors.New("a form is not told the version")
		}
		for err != nil {
			var info objects.Info
			if info, err = l.objects.Stat(ctx, at); err == nil {
				ref = info.Ref
			} else if schema.ClassOf(err) == schema.ClassPermanent {
				break // it is not there
			}
			if !retry.Sleep(ctx, 200*time.Millisecond) {
				return ref, ctx.Err()
			}
		}
		if err == nil {
			return ref, nil
		}
	}
}

// actor sends the requests about one person in one collection. It sends one at a time, each after the outcome of the
// previous one, so the expected outcome is certain.
type actor struct {
	*load
	random     *rand.Rand
	person     int
	name       schema.ExternalID
	collection schema.Collection
	shots      [2]schema.ObjectRef
	enrolled   []string // ids of rows
	n          int
}

func (l *load) actor(person int, seed uint64) *actor {
	return &actor{
		load: l, random: rand.New(rand.NewPCG(seed, uint64(person)+1000)), person: person,
		name: schema.ExternalID(fmt.Sprintf("person-%d", person)), collection: schema.Collection(fmt.Sprintf("%s-%d", l.run, person%collections)),
	}
}

// prepare uploads the pictures that requests name, where no route covers them.
func (a *actor) prepare(ctx context.Context) error {
	for i := range a.shots {
		var err error
		if a.shots[i], err = a.put(ctx, fmt.Sprintf("%s/%d-%d.jpg", a.run, a.person, i), a.picture(a.person, i), true); err != nil {
			return err
		}
	}
	return nil
}

// live sends requests until stop says so.
func (a *actor) live(ctx context.Context, stop func() bool) error {
	for !stop() {
		if err := a.step(ctx); err != nil {
			return err
		}
		if !retry.Sleep(ctx, time.Duration(a.random.Int64N(int64(2*a.pause)+1))) {
			return ctx.Err()
		}
	}
	return nil
}

func (a *actor) step(ctx context.Context) error {
	shot := a.shots[a.random.IntN(len(a.shots))]
	missing := schema.ObjectRef{Bucket: a.bucket, Key: a.run + "/nobody-put-this.jpg"}
	past := time.Now().Add(-24 * time.Hour)
	switch a.random.IntN(16) {
	case 0, 1:
		return a.enroll(ctx, shot)
	case 2, 3, 4:
		return a.enrollByUpload(ctx)
	case 5, 6:
		return a.delete(ctx)
	case 7, 8, 9, 10:
		return a.predict(ctx, shot)
	case 11:
		return a.ask(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}, ResultObject: true}, expected{})
	case 12:
		return a.ask(ctx, schema.Request{Operation: schema.OpCompare, Images: []schema.ObjectRef{shot, a.shots[0]}, ResultObject: true}, expected{})
	case 13:
		return a.ask(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}, Deadline: &past}, expected{reason: schema.ReasonExpired})
	case 14:
		if a.random.IntN(2) == 0 {
			return a.ask(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{missing}}, expected{reason: schema.ReasonImageNotFound})
		}
		return a.ask(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}, Config: json.RawMessage(`{"no_such_key":1}`)},
			expected{reason: schema.ReasonInvalidConfiguration})
	default:
		return a.nonsense(ctx)
	}
}

func (a *actor) enroll(ctx context.Context, shot schema.ObjectRef) error {
	consent := &schema.Consent{Given: true, At: new(time.Time)}
	*consent.At = time.Now().Add(a.skew())
	r, err := a.request(ctx, schema.Request{Operation: schema.OpEnroll, Collection: a.collection, ExternalID: a.name, Images: []schema.ObjectRef{shot}, Consent: consent, Config: json.RawMessage(drawn.Config)}, expected{})
	a.add(r)
	return err
}

// enrollByUpload enrols by the key of an object. One upload in ten has no notification.
func (a *actor) enrollByUpload(ctx context.Context) error {
	a.n++
	notification := a.random.IntN(10) > 0
	key := fmt.Sprintf("enroll/%s/%s/%d.jpg", a.collection, string(a.name), a.n)
	ref, err := a.put(ctx, key, a.picture(a.person, a.random.IntN(len(a.shots))), notification)
	if err != nil {
		return err
	}
	if !notification {
		a.silent.Add(1)
	}
	r, err := a.outcome(ctx, schema.ObjectRequestID(ref), expected{operation: schema.OpEnroll})
	a.add(r)
	return err
}

func (a *actor) add(r schema.Result) {
	if r.Enroll == nil || r.Enroll.Response == nil {
		return
	}
	a.enrolled = append(a.enrolled, r.Enroll.Response.GUID)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.rows[a.collection] == nil {
		a.rows[a.collection] = map[string]bool{}
	}
	a.rows[a.collection][r.Enroll.Response.GUID] = true
}

func (a *actor) delete(ctx context.Context) error {
	e := expected{count: len(a.enrolled)}
	if e.count == 0 {
		e.reason = schema.ReasonUnknownPUID
	}
	if err := a.ask(ctx, schema.Request{Operation: schema.OpUserDelete, Collection: a.collection, ExternalID: a.name}, e); err != nil {
		return err
	}
	a.mu.Lock()
	for _, id := range a.enrolled {
		delete(a.rows[a.collection], id)
	}
	a.mu.Unlock()
	a.enrolled = nil
	return a.predict(ctx, a.shots[0]) // nobody is found from now on
}

func (a *actor) predict(ctx context.Context, shot schema.ObjectRef) error {
	e := expected{person: a.name}
	if len(a.enrolled) == 0 {
		e.reason = schema.ReasonNoMatch
	}
	return a.ask(ctx, schema.Request{Operation: schema.OpPredict, Collection: a.collection, Images: []schema.ObjectRef{shot}, ResultObject: a.random.IntN(4) == 0, Config: json.RawMessage(drawn.Config)}, e)
}

// nonsense sends a record that cannot be answered. Its outcome is a dead letter.
func (a *actor) nonsense(ctx context.Context) error {
	a.n++
	value := fmt.Sprintf("%s: no request %d of %d", a.run, a.n, a.person)
	a.mu.Lock()
	a.dead[value] = true
	a.mu.Unlock()
	a.sent.Add(1)
	e := events.Event{ID: value, Type: events.TypeRequest, Data: []byte(value)}
	if err := a.publisher.Publish(ctx, events.Requests, e); err != nil {
		return err
	}
	return a.results.buried(ctx, value)
}

// skew is how wrong the clock of a request's author is: up to two days, every other time.
func (a *actor) skew() time.Duration {
	if a.random.IntN(2) == 0 {
		return 0
	}
	return time.Duration(a.random.Int64N(int64(96*time.Hour))) - 48*time.Hour
}

func (a *actor) ask(ctx context.Context, r schema.Request, e expected) error {
	_, err := a.request(ctx, r, e)
	return err
}

// request sends r and waits for its outcome.
func (a *actor) request(ctx context.Context, r schema.Request, e expected) (schema.Result, error) {
	a.n++
	r.ID = schema.RequestID(fmt.Sprintf("%s-%d-%d", a.run, a.person, a.n))
	e.operation = r.Operation
	if r.ResultObject {
		// Beside the image, under one name for all requests about it: so a picture of its own.
		key := fmt.Sprintf("%s/%d-%d-own.jpg", a.run, a.person, a.n)
		image, err := a.put(ctx, key, a.picture(a.person, 0), true)
		if err != nil {
			return schema.Result{}, err
		}
		r.Images[0] = image
		e.object = schema.ObjectRef{Bucket: image.Bucket, Key: image.Key + ".result.json"}
	}
	data, err := json.Marshal(r)
	if err != nil {
		return schema.Result{}, err
	}
	event := events.Event{ID: string(r.ID), Type: events.TypeRequest, Key: string(r.ID), Data: data}
	if skew := a.skew(); skew != 0 {
		event.Time = time.Now().Add(skew)
		a.skewed.Add(1)
	}
	if err := a.publisher.Publish(ctx, events.Requests, event); err != nil {
		return schema.Result{}, err
	}
	return a.outcome(ctx, r.ID, e)
}

// outcome records the expected outcome of a request, waits for its result, and reports at once if it is wrong.
func (a *actor) outcome(ctx context.Context, id schema.RequestID, e expected) (schema.Result, error) {
	a.mu.Lock()
	a.ledger[id] = e
	a.mu.Unlock()
	a.sent.Add(1)
	r, err := a.results.wait(ctx, id)
	if err != nil {
		return r, fmt.Errorf("request %s (%s) has no outcome: %w", id, e.operation, err)
	}
	if err := e.holds(r); err != nil {
		fmt.Printf("WRONG: request %s: %v\n", id, err)
	}
	return r, nil
}
