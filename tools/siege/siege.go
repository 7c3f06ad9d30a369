package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/draw"
	"maps"
	"math"
	"os"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/memory"
	"facestream/internal/outcome"
	services "facestream/internal/services/worker"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/packs"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

type options struct {
	memory           int64
	threads, hostile int
	duration, alone  time.Duration
	slower           float64
	small            bool // the hostile pictures are small, for a quick test
}

// request is a kind of request.
type request struct {
	name      string
	operation schema.Operation
	image     []byte
	config    string
}

// report is what a siege showed.
type report struct {
	limit        string // what bounds the memory
	budget, most int64  // bytes: of images in work, and that were resident
	alone, among []time.Duration
	outcomes     map[string]map[schema.Reason]int // of hostile requests, by their names
	slowest      map[string]time.Duration         // the longest answer
}

func (r report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "memory: %s; %d MB for images in work, at most %d MB resident\n", r.limit, r.budget/1e6, r.most/1e6)
	for what, times := range map[string][]time.Duration{"alone": r.alone, "among hostile ones": r.among} {
		fmt.Fprintf(&b, "%d innocent requests %s: mean %v, 50%% within %v, 99%% within %v\n", len(times), what, mean(times), percentile(times, 50), percentile(times, 99))
	}
	for _, name := range slices.Sorted(maps.Keys(r.outcomes)) {
		fmt.Fprintf(&b, "  %-34s", name)
		for _, reason := range slices.Sorted(maps.Keys(r.outcomes[name])) {
			fmt.Fprintf(&b, " %s %d,", cmp.Or(reason, "answered"), r.outcomes[name][reason])
		}
		fmt.Fprintf(&b, " at most %v\n", r.slowest[name].Round(time.Millisecond))
	}
	return b.String()
}

func mean(times []time.Duration) time.Duration {
	var sum time.Duration
	for _, t := range times {
		sum += t
	}
	return (sum / time.Duration(max(len(times), 1))).Round(time.Millisecond)
}

func percentile(times []time.Duration, p int) time.Duration {
	if len(times) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(times))
	return sorted[min(len(sorted)*p/100, len(sorted)-1)].Round(time.Millisecond)
}

// bench is a worker with its store and its consumer in memory.
type bench struct {
	worker.Service
	images map[string][]byte
	mu     sync.Mutex
	last   map[schema.RequestID]schema.Reason
}

// Get implements worker.Objects.
func (b *bench) Get(_ context.Context, ref schema.ObjectRef, most int64) ([]byte, schema.ObjectRef, error) {
	data := b.images[ref.Key]
	if int64(len(data)) > most {
		return nil, ref, schema.Permanent("siege.get", schema.ReasonImageTooLarge, fmt.Errorf("%d bytes, the limit is %d", len(data), most))
	}
	return bytes.Clone(data), ref, nil
}

// Put implements worker.Objects.
func (b *bench) Put(_ context.Context, ref schema.ObjectRef, _ []byte, _ string, _ map[string]string) (schema.ObjectRef, error) {
	return ref, nil
}

// Remove implements worker.Objects.
func (b *bench) Remove(context.Context, schema.ObjectRef) error { return nil }

// Publish implements outcome.Publisher.
func (b *bench) Publish(_ context.Context, _ events.Topic, all ...events.Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range all {
		var r schema.Result
		if err := json.Unmarshal(e.Data, &r); err != nil {
			return err
		}
		b.last[r.RequestID] = r.CallStatus.Reason
	}
	return nil
}

var serial atomic.Int64

// ask sends a request and returns its outcome.
func (b *bench) ask(ctx context.Context, r request) (schema.Reason, time.Duration, error) {
	id := schema.RequestID(fmt.Sprintf("%s %d", r.name, serial.Add(1)))
	job := schema.Job{Request: schema.Request{ID: id, Operation: r.operation, Config: json.RawMessage(r.config), Images: []schema.ObjectRef{{Bucket: "b", Key: r.name}}}}
	if problems := job.Resolve(); len(problems) > 0 {
		return "", 0, problems
	}
	data, err := json.Marshal(job)
	if err != nil {
		return "", 0, err
	}
	start := time.Now()
	if err := b.Handle(ctx, events.Record{Topic: events.Jobs, Event: events.Event{Data: data}}); err != nil {
		return "", 0, fmt.Errorf("%s has no outcome: %w", r.name, err)
	}
	took := time.Since(start)
	b.mu.Lock()
	defer b.mu.Unlock()
	reason, ok := b.last[id]
	if !ok {
		return "", 0, fmt.Errorf("%s has no outcome", r.name)
	}
	delete(b.last, id)
	return reason, took, nil
}

// limit makes the process believe that it has so many bytes, unless its cgroup says less, and returns what bounds it.
func limit(bytes int64) (string, error) {
	if most, source := memory.Limit(); source == "the cgroup" && most <= bytes {
		memory.Keep(0)
		return fmt.Sprintf("a cgroup of %d MB", most/1e6), nil
	}
	goes := bytes * 3 / 4
	debug.SetMemoryLimit(goes)
	return fmt.Sprintf("GOMEMLIMIT of %d MB; more than %d MB resident fail", goes/1e6, bytes/1e6), os.Setenv("GOMEMLIMIT", strconv.FormatInt(goes, 10))
}

func run(ctx context.Context, o options) (report, error) {
	r := report{outcomes: map[string]map[schema.Reason]int{}, slowest: map[string]time.Duration{}}
	innocents, hostile, err := requests(o.small)
	if err != nil {
		return r, err
	}
	debug.FreeOSMemory() // what drawing took
	if r.limit, err = limit(o.memory); err != nil {
		return r, err
	}
	b := &bench{images: map[string][]byte{}, last: map[schema.RequestID]schema.Reason{}}
	for _, x := range slices.Concat(innocents, hostile) {
		b.images[x.name] = x.image
	}
	cfg := config.Default()
	cfg.Worker.Concurrency = o.threads
	cfg.Resolve()
	pack, err := models.Locate(packs.Starter)
	if err != nil {
		return r, err
	}
	e, err := services.OpenEngine(ctx, cfg.Worker, pack, nil)
	if err != nil {
		return r, err
	}
	defer e.Close()
	judged, err := verdict.Of(pack, e.Models())
	if err != nil {
		return r, err
	}
	all, files, _ := services.Budget(cfg.Worker)
	r.budget = all
	b.Service = worker.Service{
		Objects: b, Publisher: b, Results: &outcome.Sink{Service: "siege", Publisher: b, Objects: b}, MaxBytes: int64(cfg.Worker.MaxBytes), Files: worker.NewFiles(files),
		Packs: func(schema.Collection) []worker.Pack { return []worker.Pack{{Engine: e, Verdict: judged}} },
	}
	// innocent sends innocent requests, one at a time, until ctx ends.
	innocent := func(ctx context.Context) (times []time.Duration, err error) {
		for n := 0; ctx.Err() == nil; n++ {
			reason, took, err := b.ask(context.WithoutCancel(ctx), innocents[n%len(innocents)])
			if err != nil || reason != "" {
				return times, errors.Join(err, fmt.Errorf("an innocent request was answered %q", reason))
			}
			times = append(times, took)
		}
		return times, nil
	}
	begun, cancel := context.WithTimeout(ctx, o.alone)
	defer cancel()
	if r.alone, err = innocent(begun); err != nil {
		return r, err
	}
	siege, done := context.WithTimeout(ctx, o.duration)
	defer done()
	g, inner := errgroup.WithContext(siege)
	g.Go(func() (err error) {
		r.among, err = innocent(inner)
		return err
	})
	g.Go(func() error {
		for inner.Err() == nil {
			resident, err := residentNow()
			if err != nil {
				return err
			}
			if r.most = max(r.most, resident); resident > o.memory {
				return fmt.Errorf("%d MB are resident, of %d", resident/1e6, o.memory/1e6)
			}
			time.Sleep(5 * time.Millisecond)
		}
		return nil
	})
	var mu sync.Mutex
	for i := range o.hostile {
		g.Go(func() error {
			for n := i; inner.Err() == nil; n += 1 + i { // each in an order of its own
				x := hostile[n%len(hostile)]
				reason, took, err := b.ask(context.WithoutCancel(inner), x)
				if err != nil {
					return err
				}
				mu.Lock()
				if r.outcomes[x.name] == nil {
					r.outcomes[x.name] = map[schema.Reason]int{}
				}
				r.outcomes[x.name][reason]++
				r.slowest[x.name] = max(r.slowest[x.name], took)
				mu.Unlock()
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return r, err
	}
	if most := time.Duration(o.slower * float64(mean(r.alone))); o.slower > 0 && percentile(r.among, 99) > most {
		return r, fmt.Errorf("99 %% of the innocent requests were answered within %v, and %v are allowed", percentile(r.among, 99), most)
	}
	return r, nil
}

// residentNow is the number of bytes of this process in memory.
func residentNow() (int64, error) {
	text, err := os.ReadFile("/proc/self/statm")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 2 {
		return 0, fmt.Errorf("/proc/self/statm: %q, %w", text, err)
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// requests draws the pictures.
func requests(small bool) (innocents, hostile []request, err error) {
	person := func(size int) ([]byte, error) { return drawn.JPEG(drawn.New(0x353cb0a47ccd382b), 1, size, 92) }
	for _, size := range []int{480, 1000} {
		picture, err := person(size)
		if err != nil {
			return nil, nil, err
		}
		innocents = append(innocents, request{fmt.Sprintf("innocent of %d pixels", size), schema.OpValidate, picture, `{}`})
	}
	side := 7071
	crowd := 64
	if small {
		side, crowd = 1500, 9
	}
	one := image.NewRGBA(image.Rect(0, 0, 200, 200))
	draw.Draw(one, one.Rect, drawn.Render(drawn.New(0xc17b47865a4c0fc), drawn.New(0xc17b47865a4c0fc).Shot(0), 200), image.Point{}, draw.Src)
	columns := int(math.Sqrt(float64(crowd)))
	group := image.NewRGBA(image.Rect(0, 0, 200*columns, 200*columns))
	for i := range crowd {
		at := image.Pt(200*(i%columns), 200*(i/columns))
		draw.Draw(group, image.Rectangle{at, at.Add(one.Rect.Size())}, one, image.Point{}, draw.Src)
	}
	portrait, err := person(800)
	if err != nil {
		return nil, nil, err
	}
	const every = `{"face_detection_strategy":0}`
	hostile = []request{
		{"TIFF of 16 bits in one strip", schema.OpValidate, imagingtest.DeepTIFF(side, side), `{}`},
		{"TIFF of 16 bits, a fifth as large", schema.OpValidate, imagingtest.DeepTIFF(side/2, side/3), `{}`},
		{"progressive JPEG, 100 scans", schema.OpValidate, imagingtest.ProgressiveJPEG(side, side, 1, 100), `{}`},
		{"progressive JPEG, 3 channels", schema.OpValidate, imagingtest.ProgressiveJPEG(side*2/3, side*2/3, 3, 3), `{}`},
		{"PNG of 16 bits", schema.OpValidate, imagingtest.PNG(image.NewNRGBA64(image.Rect(0, 0, side*2/3, side*2/3))), every},
		{"GIF", schema.OpValidate, imagingtest.AnimatedGIF(side, side, 1), `{}`},
		{"crowd", schema.OpValidate, imagingtest.JPEG(group), every},
		{"crowd with the largest portraits", schema.OpValidate, imagingtest.JPEG(group), `{"face_detection_strategy":0,"crop_faces":true,"portrait_preset":"crop_1x1","portrait_width":4096}`},
		{"the largest portrait", schema.OpFaceISO, portrait, `{"portrait_width":3072}`},
	}
	for i, c := range imagingtest.Hostile() {
		hostile = append(hostile, request{fmt.Sprintf("corpus %d: %s", i, c.Name), schema.OpValidate, c.Data, `{}`})
	}
	return innocents, hostile, nil
}
