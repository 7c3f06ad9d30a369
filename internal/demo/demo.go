// Package demo shows the whole flow with drawn people. It enrols them by upload and by request, recognises other
// pictures of them, rejects strangers, compares, scans specimen documents and matches them with selfies, deletes one person, and checks
// every outcome.
package demo

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"facestream/internal/drawn"
	"facestream/internal/objects"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Options says where to run the demo.
type Options struct {
	Client  *events.Client
	Objects *objects.Store
	Bucket  string
	Out     io.Writer
	Started time.Time // when the process started, for the time to the first result
}

const (
	pictureSide = 400 // pixels
	patience    = 2 * time.Minute
)

// person is a member of the cast with a name.
type person struct {
	drawn.Person
	index int
	name  schema.ExternalID
}

// run is one run of the demo.
type run struct {
	Options
	results    *events.Caller
	drawing    chan struct{} // limits the number of pictures that are drawn at once
	collection schema.Collection
	people     []person
	first      sync.Once
	toFirst    time.Duration // from the start of the process to the first result
	checks     []check
}

type check struct {
	what      string
	got, want int
	took      time.Duration
}

// Run runs the demo and prints its table. It returns an error if an outcome was not the expected one.
func Run(ctx context.Context, o Options) error {
	r := &run{Options: o, drawing: make(chan struct{}, runtime.GOMAXPROCS(0)), collection: schema.Collection("demo-" + uuid.NewString()[:8])}
	for i, p := range drawn.Cast() {
		r.people = append(r.people, person{p, i, schema.ExternalID(fmt.Sprintf("person-%02d", i+1))})
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var err error
	if r.results, err = o.Client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/demo"}); err != nil {
		return err
	}
	defer r.results.Close()
	if err := r.script(ctx); err != nil {
		return err
	}
	return r.report()
}

func (r *run) script(ctx context.Context) error {
	known, strangers := r.people[:drawn.Enrolled], r.people[drawn.Enrolled:]
	fmt.Fprintf(r.Out, "Drawing %d people who do not exist, chosen for being unlike each other; the match threshold is the model pack's.\n", len(r.people))
	puids := make([]schema.PUID, len(r.people))
	if err := r.each(ctx, fmt.Sprintf("%d people enrolled, half by upload, half by request", drawn.Enrolled), known, func(ctx context.Context, p person) (bool, error) {
		result, err := r.enroll(ctx, p)
		if err != nil || result.Enroll == nil || !result.Enroll.EnrollPerformed {
			return false, err
		}
		puids[p.index] = result.Enroll.Response.PUID
		return true, nil
	}); err != nil {
		return err
	}
	if err := r.each(ctx, fmt.Sprintf("%d other pictures of them, the right person at rank 1", drawn.Enrolled), known, func(ctx context.Context, p person) (bool, error) {
		result, err := r.request(ctx, schema.OpPredict, p, 1)
		return matched(result) == puids[p.index] && puids[p.index] != "", err
	}); err != nil {
		return err
	}
	if err := r.each(ctx, fmt.Sprintf("%d strangers, nobody recognised", len(strangers)), strangers, func(ctx context.Context, p person) (bool, error) {
		result, err := r.request(ctx, schema.OpPredict, p, 1)
		return result.CallStatus.Reason == schema.ReasonNoMatch, err
	}); err != nil {
		return err
	}
	if err := r.each(ctx, "2 pictures of one person compared: the same", known[:1], func(ctx context.Context, p person) (bool, error) {
		result, err := r.compare(ctx, p, 0, p, 1)
		return result.Compare != nil && result.Compare.IsMatch, err
	}); err != nil {
		return err
	}
	if err := r.each(ctx, "pictures of two people compared: different", known[:1], func(ctx context.Context, p person) (bool, error) {
		result, err := r.compare(ctx, p, 0, known[1], 0)
		return result.Compare != nil && !result.Compare.IsMatch, err
	}); err != nil {
		return err
	}
	if err := r.documents(ctx, known[1:1+documentOwners]); err != nil {
		return err
	}
	return r.each(ctx, "1 person deleted, and not found again", known[:1], func(ctx context.Context, p person) (bool, error) {
		deletion, err := r.send(ctx, schema.Request{Operation: schema.OpUserDelete, Collection: r.collection, PUID: puids[p.index]})
		if err != nil || deletion.UserDelete == nil || deletion.UserDelete.Count != 1 {
			return false, err
		}
		result, err := r.request(ctx, schema.OpPredict, p, 1)
		return result.CallStatus.Reason == schema.ReasonNoMatch, err
	})
}

// each runs one step for all people concurrently and records how many had the expected outcome.
func (r *run) each(ctx context.Context, what string, people []person, step func(context.Context, person) (bool, error)) error {
	start := time.Now()
	var mu sync.Mutex
	got := 0
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range people {
		g.Go(func() error {
			ok, err := step(ctx, p)
			if ok {
				mu.Lock()
				got++
				mu.Unlock()
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	c := check{what, got, len(people), time.Since(start)}
	r.checks = append(r.checks, c)
	fmt.Fprintln(r.Out, c)
	return nil
}

func (c check) String() string {
	mark := "ok  "
	if c.got != c.want {
		mark = "FAIL"
	}
	return fmt.Sprintf("  %s  %3d of %-3d %-62s %7.2f s", mark, c.got, c.want, c.what, c.took.Seconds())
}

func (r *run) report() error {
	fmt.Fprintf(r.Out, "First result %.2f s after the start.\n", r.toFirst.Seconds())
	if i := slices.IndexFunc(r.checks, func(c check) bool { return c.got != c.want }); i >= 0 {
		return fmt.Errorf("%s: %d of %d", r.checks[i].what, r.checks[i].got, r.checks[i].want)
	}
	return nil
}

// Prefix begins the keys of the demo's uploads. Drawn people are not alive, so these uploads need a route of their own, whose
// configuration is Config: an uploader cannot choose a laxer one.
const (
	Prefix = "drawn/"
	Config = drawn.Config
)

// enroll enrols one half of the people by upload and the other half by request.
func (r *run) enroll(ctx context.Context, p person) (schema.Result, error) {
	if p.index%2 == 1 {
		return r.request(ctx, schema.OpEnroll, p, 0)
	}
	data, err := r.picture(p, 0)
	if err != nil {
		return schema.Result{}, err
	}
	ref, err := r.Objects.Put(ctx, schema.ObjectRef{Bucket: r.Bucket, Key: fmt.Sprintf("%senroll/%s/%s/portrait.jpg", Prefix, r.collection, string(p.name))}, data, "image/jpeg", nil)
	if err != nil {
		return schema.Result{}, err
	}
	return r.took(r.results.Await(ctx, schema.ObjectRequestID(ref)))
}

// request uploads a picture of p outside the watched keys and sends a request that names it.
func (r *run) request(ctx context.Context, op schema.Operation, p person, shot int) (schema.Result, error) {
	ref, err := r.upload(ctx, p, shot)
	if err != nil {
		return schema.Result{}, err
	}
	req := schema.Request{Operation: op, Collection: r.collection, Images: []schema.ObjectRef{ref}, Config: json.RawMessage(drawn.Config)}
	if op == schema.OpEnroll {
		req.ExternalID = p.name
	}
	return r.send(ctx, req)
}

func (r *run) compare(ctx context.Context, a person, shotA int, b person, shotB int) (schema.Result, error) {
	left, err := r.upload(ctx, a, shotA)
	if err != nil {
		return schema.Result{}, err
	}
	right, err := r.upload(ctx, b, shotB)
	if err != nil {
		return schema.Result{}, err
	}
	return r.send(ctx, schema.Request{Operation: schema.OpCompare, Images: []schema.ObjectRef{left, right}})
}

func (r *run) upload(ctx context.Context, p person, shot int) (schema.ObjectRef, error) {
	data, err := r.picture(p, shot)
	if err != nil {
		return schema.ObjectRef{}, err
	}
	return r.Objects.Put(ctx, schema.ObjectRef{Bucket: r.Bucket, Key: fmt.Sprintf("demo/%s-%d-%d.jpg", r.collection, p.index, shot)}, data, "image/jpeg", nil)
}

func (r *run) send(ctx context.Context, req schema.Request) (schema.Result, error) {
	return r.took(r.results.Call(ctx, req))
}

// took records the time of the first result.
func (r *run) took(a events.Answer, err error) (schema.Result, error) {
	if err == nil {
		r.first.Do(func() { r.toFirst = time.Since(r.Started) })
	}
	return a.Result, err
}

func matched(r schema.Result) schema.PUID {
	if r.Predict == nil || r.Predict.Response == nil {
		return ""
	}
	return r.Predict.Response.PUID
}

// picture returns a JPEG of p; shot chooses pose, light and background. One picture per processor is drawn at a time,
// so the first can be sent while others are still being drawn.
func (r *run) picture(p person, shot int) ([]byte, error) {
	r.drawing <- struct{}{}
	defer func() { <-r.drawing }()
	return drawn.JPEG(p.Person, shot, pictureSide, 92)
}
