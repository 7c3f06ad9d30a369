package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/objects"
	"facestream/internal/objects/objectstest"
	"facestream/pkg/events"
	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

// load sends requests about many people and notes them in the history. Some of them have one possible outcome; what must come of
// the others follows from the history.
type load struct {
	publisher *events.Publisher
	objects   *objects.Store
	store     objects.Config
	bucket    string
	run       string // begins every name, so that runs on one broker do not meet
	results   *results
	history   *history
	album     album
	pause     time.Duration // between two requests of a flow
	deadline  time.Duration // for an outcome

	sent, silent, skewed, late atomic.Int64 // requests; uploads without a notification; requests with a wrong clock or without an outcome

	mu       sync.Mutex
	objectOf map[schema.RequestID]schema.ObjectRef // where the result must also lie
}

const (
	collections = 4
	maxActors   = 24
	residents   = 4 // are enrolled throughout, so that no search is in an empty collection
	strangers   = 4 // are never enrolled
)

// candidates is how many people a search lists, at most.
const candidates = 8

// searching is the configuration of a search. The drawn and the simulated faces are not asked for liveness and traits.
var (
	searching = json.RawMessage(fmt.Sprintf(`{"anti_spoofing_mode":0,"face_validations_off":true,"neighbors":%d}`, candidates))
	plain     = json.RawMessage(`{"anti_spoofing_mode":0,"face_validations_off":true}`)
)

// upload is put with a note of what the picture shows.
func (l *load) upload(ctx context.Context, key string, p picture, notification bool) (schema.ObjectRef, error) {
	ref, err := l.put(ctx, key, p.data, notification)
	if err == nil {
		l.history.note("picture", notePicture{ref, p.vectors})
	}
	return ref, err
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

// actor sends the requests about one person in one collection. Several of them are under way at a time.
type actor struct {
	*load
	person     int
	name       schema.ExternalID
	collection schema.Collection
	shots      [2]schema.ObjectRef
	n          atomic.Int64
}

func (l *load) actor(person int) *actor {
	return &actor{
		load: l, person: person,
		name: schema.ExternalID(fmt.Sprintf("person-%d", person)), collection: schema.Collection(fmt.Sprintf("%s-%d", l.run, person%collections)),
	}
}

// prepare uploads the pictures that requests name, where no route covers them.
func (a *actor) prepare(ctx context.Context) error {
	for i := range a.shots {
		var err error
		if a.shots[i], err = a.upload(ctx, fmt.Sprintf("%s/%d-%d.jpg", a.run, a.person, i), a.album.picture(a.person, i), true); err != nil {
			return err
		}
	}
	return nil
}

// flow sends the requests of an actor one at a time, each after the outcome of the one before, beside the other flows of the actor.
type flow struct {
	*actor
	random *rand.Rand
}

// flows are n flows of an actor.
func (a *actor) flows(n int, seed uint64) []flow {
	var out []flow
	for i := range n {
		out = append(out, flow{a, rand.New(rand.NewPCG(seed, uint64(a.person*1000+i)+1000))})
	}
	return out
}

// live sends requests until stop says so.
func (f flow) live(ctx context.Context, stop func() bool) error {
	for !stop() {
		if err := f.step(ctx); err != nil {
			return err
		}
		if !retry.Sleep(ctx, time.Duration(f.random.Int64N(int64(2*f.pause)+1))) {
			return ctx.Err()
		}
	}
	return nil
}

func (f flow) step(ctx context.Context) error {
	shot := f.shots[f.random.IntN(len(f.shots))]
	switch f.random.IntN(20) {
	case 0, 1, 2:
		return f.enroll(ctx, shot)
	case 3, 4, 5:
		return f.enrollByUpload(ctx)
	case 6, 7:
		if err := f.ask(ctx, schema.Request{Operation: schema.OpUserDelete, Collection: f.collection, ExternalID: f.name}, expect{}); err != nil {
			return err
		}
		return f.predict(ctx, shot, expect{})
	case 8, 9, 10:
		return f.predict(ctx, shot, expect{})
	case 11, 12:
		return f.ask(ctx, schema.Request{Operation: schema.OpVerify, Collection: f.collection, ExternalID: f.name, Images: []schema.ObjectRef{shot}, Config: plain}, expect{})
	case 13:
		return f.ask(ctx, schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}, ResultObject: true}, succeeds)
	case 14:
		return f.ask(ctx, schema.Request{Operation: schema.OpCompare, Images: []schema.ObjectRef{shot, f.shots[0]}, ResultObject: true}, succeeds)
	case 15:
		return f.refused(ctx, shot)
	case 16:
		return f.nonsense(ctx)
	case 17:
		return f.reuse(ctx, shot)
	case 18:
		return f.hostile(ctx)
	default:
		return f.stranger(ctx)
	}
}

var succeeds = expect{Reasons: []schema.Reason{""}}

func (f flow) enroll(ctx context.Context, shot schema.ObjectRef) error {
	consent := &schema.Consent{Given: true, Reference: fmt.Sprintf("form %d", f.random.IntN(1000)), At: new(time.Time)}
	*consent.At = time.Now().Add(f.skew()).UTC()
	return f.ask(ctx, schema.Request{Operation: schema.OpEnroll, Collection: f.collection, ExternalID: f.name, Images: []schema.ObjectRef{shot}, Consent: consent, Config: plain}, expect{})
}

// enrollByUpload enrols by the key of an object. One upload in ten has no notification.
func (f flow) enrollByUpload(ctx context.Context) error {
	notification := f.random.IntN(10) > 0
	key := fmt.Sprintf("enroll/%s/%s/%d.jpg", f.collection, string(f.name), f.n.Add(1))
	// The request begins when the object is there, which may be before put returns.
	n := f.results.number()
	begun := f.history.since(time.Now())
	ref, err := f.upload(ctx, key, f.album.picture(f.person, f.random.IntN(len(f.shots))), notification)
	if err != nil {
		return err
	}
	if !notification {
		f.silent.Add(1)
	}
	r := schema.Request{ID: schema.ObjectRequestID(ref), Operation: schema.OpEnroll, Collection: f.collection, ExternalID: f.name, Images: []schema.ObjectRef{ref}}
	f.history.note("upload", noteUpload{noteSend{N: n, Via: "upload", Request: &r}, begun})
	f.history.note("ack", noteAck{n})
	return f.outcome(ctx, r.ID)
}

func (f flow) predict(ctx context.Context, shot schema.ObjectRef, e expect) error {
	return f.ask(ctx, schema.Request{Operation: schema.OpPredict, Collection: f.collection, Images: []schema.ObjectRef{shot}, ResultObject: f.random.IntN(4) == 0, Config: searching}, e)
}

// stranger searches for somebody who is not enrolled.
func (f flow) stranger(ctx context.Context) error {
	who := maxActors + residents + f.random.IntN(strangers)
	shot, err := f.upload(ctx, fmt.Sprintf("%s/%d-%d-stranger.jpg", f.run, f.person, f.n.Add(1)), f.album.picture(who, f.random.IntN(len(f.shots))), true)
	if err != nil {
		return err
	}
	return f.predict(ctx, shot, expect{Reasons: []schema.Reason{schema.ReasonNoMatch}, Stranger: true})
}

// refused sends a request that is answered without any face.
func (f flow) refused(ctx context.Context, shot schema.ObjectRef) error {
	validate := schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}}
	switch f.random.IntN(4) {
	case 0:
		past := time.Now().Add(-24 * time.Hour)
		validate.Deadline = &past
		return f.ask(ctx, validate, expect{Reasons: []schema.Reason{schema.ReasonExpired}})
	case 1:
		validate.Images = []schema.ObjectRef{{Bucket: f.bucket, Key: f.run + "/nobody-put-this.jpg"}}
		return f.ask(ctx, validate, expect{Reasons: []schema.Reason{schema.ReasonImageNotFound}})
	case 2:
		validate.Config = json.RawMessage(`{"no_such_key":1}`)
		return f.ask(ctx, validate, expect{Reasons: []schema.Reason{schema.ReasonInvalidConfiguration}})
	}
	return f.ask(ctx, schema.Request{Operation: schema.OpEnroll, Collection: f.collection, ExternalID: f.name, Images: []schema.ObjectRef{shot}, Consent: &schema.Consent{}, Config: plain},
		expect{Reasons: []schema.Reason{schema.ReasonConsentMissing}})
}

// nonsense sends a record that cannot be answered. Its outcome is a dead letter.
func (f flow) nonsense(ctx context.Context) error {
	value := fmt.Sprintf("%s: no request %d of %d", f.run, f.n.Add(1), f.person)
	return f.bury(ctx, value, value, schema.ReasonUnparsable)
}

// bury sends a record and waits until it is a dead letter.
func (f flow) bury(ctx context.Context, id, value string, reason schema.Reason) error {
	f.sent.Add(1)
	n := f.results.number()
	f.history.note("send", noteSend{N: n, Via: "record", Value: value, Expect: expect{Dead: string(reason)}})
	if err := f.publish(ctx, n, events.Event{ID: id, Type: events.TypeRequest, Key: f.key(), Data: []byte(value)}); err != nil {
		return err
	}
	return f.await(ctx, func(ctx context.Context) error { return f.results.buried(ctx, value) })
}

// hostile uploads a file that is no picture, or a broken one, and asks for its faces.
func (f flow) hostile(ctx context.Context) error {
	p := f.album.hostile(f.random)
	shot, err := f.upload(ctx, fmt.Sprintf("%s/%d-%d-hostile.jpg", f.run, f.person, f.n.Add(1)), p, true)
	if err != nil {
		return err
	}
	r := schema.Request{Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}, Config: plain}
	if f.random.IntN(2) == 0 {
		r.Operation, r.Collection, r.ExternalID = schema.OpEnroll, f.collection, f.name
	}
	return f.ask(ctx, r, expect{Reasons: []schema.Reason{schema.ReasonImageUnreadable, schema.ReasonImageTooLarge, schema.ReasonNoFace}})
}

// reuse sends a request, the same again, and another one under its id.
func (f flow) reuse(ctx context.Context, shot schema.ObjectRef) error {
	first := schema.Request{ID: f.id(), Operation: schema.OpValidate, Images: []schema.ObjectRef{shot}, Tag: "first"}
	if err := f.ask(ctx, first, succeeds); err != nil {
		return err
	}
	if err := f.send(ctx, first, expect{Repeat: true}); err != nil {
		return err
	}
	other := first
	other.Tag = fmt.Sprintf("other %d of %s", f.n.Add(1), string(f.name))
	data, err := json.Marshal(other)
	if err != nil {
		return err
	}
	return f.bury(ctx, string(other.ID), string(data), schema.ReasonRequestIDReused)
}

// skew is how wrong the clock of a request's author is: up to two days, every other time.
func (f flow) skew() time.Duration {
	if f.random.IntN(2) == 0 {
		return 0
	}
	return time.Duration(f.random.Int64N(int64(96*time.Hour))) - 48*time.Hour
}

func (f flow) id() schema.RequestID {
	return schema.RequestID(fmt.Sprintf("%s-%d-%d", f.run, f.person, f.n.Add(1)))
}

// key orders the requests about one person.
func (f flow) key() string { return string(f.collection) + "/" + string(f.name) }

// ask sends r and waits for its outcome.
func (f flow) ask(ctx context.Context, r schema.Request, e expect) error {
	if r.ID == "" {
		r.ID = f.id()
	}
	if r.ResultObject {
		// Beside the image, under one name for all requests about it: so a picture of its own.
		p := f.album.picture(f.person, 0)
		if e.Stranger {
			p = f.album.picture(maxActors+residents, 0)
		}
		image, err := f.upload(ctx, fmt.Sprintf("%s/%d-%d-own.jpg", f.run, f.person, f.n.Add(1)), p, true)
		if err != nil {
			return err
		}
		r.Images[0] = image
		f.mu.Lock()
		f.objectOf[r.ID] = schema.ObjectRef{Bucket: image.Bucket, Key: image.Key + ".result.json"}
		f.mu.Unlock()
	}
	if err := f.send(ctx, r, e); err != nil {
		return err
	}
	return f.outcome(ctx, r.ID)
}

func (f flow) send(ctx context.Context, r schema.Request, e expect) error {
	data, err := json.Marshal(r)
	if err != nil {
		return err
	}
	n := f.results.number()
	f.history.note("send", noteSend{N: n, Via: "request", Request: &r, Expect: e})
	event := events.Event{ID: string(r.ID), Type: events.TypeRequest, Key: f.key(), Data: data}
	if skew := f.skew(); skew != 0 {
		event.Time = time.Now().Add(skew)
		f.skewed.Add(1)
	}
	return f.publish(ctx, n, event)
}

func (f flow) publish(ctx context.Context, n int64, e events.Event) error {
	err := f.publisher.Publish(ctx, events.Requests, e)
	if err == nil {
		f.history.note("ack", noteAck{n})
	}
	return err
}

// outcome waits for the result of a request.
func (f flow) outcome(ctx context.Context, id schema.RequestID) error {
	f.sent.Add(1)
	return f.await(ctx, func(ctx context.Context) error { return f.results.wait(ctx, id) })
}

// await waits for at most the deadline. Command check finds what came late or never.
func (f flow) await(ctx context.Context, wait func(context.Context) error) error {
	patient, cancel := context.WithTimeout(ctx, f.deadline)
	defer cancel()
	err := wait(patient)
	if err != nil && ctx.Err() == nil {
		f.late.Add(1)
		return nil
	}
	return err
}

// settle enrols those that stay throughout and prepares the actors, before anything goes wrong.
func (l *load) settle(ctx context.Context, o options) ([]*actor, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	var actors []*actor
	for person := range maxActors + residents {
		stays := person >= maxActors
		if !stays && person >= o.actors {
			continue
		}
		a := l.actor(person)
		if !stays {
			actors = append(actors, a)
		}
		g.Go(func() error {
			if err := a.prepare(ctx); err != nil || !stays {
				return err
			}
			return a.flows(1, o.seed)[0].enroll(ctx, a.shots[0])
		})
	}
	return actors, g.Wait()
}

// calmTime is how long nothing is broken before the first fault and after the last one. The check excuses a copy of a result for 12 s
// after a fault, and after a service has joined or left.
const calmTime = 16 * time.Second

// rounds has every flow of the actors send n requests, and more until calmTime is over.
func rounds(ctx context.Context, flows []flow, n int) error {
	began := time.Now()
	g, ctx := errgroup.WithContext(ctx)
	for _, f := range flows {
		g.Go(func() error {
			left := n
			return f.live(ctx, func() bool { left--; return left < 0 && time.Since(began) > calmTime })
		})
	}
	return g.Wait()
}
