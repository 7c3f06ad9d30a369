package reindex

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	former = schema.ModelID("net-a@11111111")
	latter = schema.ModelID("net-b@22222222")
	staff  = schema.Collection("staff")
	guests = schema.Collection("guests")
)

// store holds images by key. The text of an image says what it shows.
type store struct {
	mu     sync.Mutex
	images map[string]string
	errs   map[string]error // instead of an image
	gets   map[string]int
	onGet  func(n int) // told how many were asked for
	total  int
}

func (s *store) Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets[ref.Key]++
	s.total++
	if s.onGet != nil {
		s.onGet(s.total)
	}
	if err := ctx.Err(); err != nil {
		return nil, ref, schema.Transient("store", err)
	}
	if err := s.errs[ref.Key]; err != nil {
		return nil, ref, err
	}
	image, ok := s.images[ref.Key]
	if !ok {
		return nil, ref, schema.Permanent("store", schema.ReasonImageNotFound, nil)
	}
	return []byte(image), ref, nil
}

// seer finds two faces in every image, the enrolled one last, unless the image says otherwise.
type seer struct{}

func box(x float32) schema.BoxF {
	return schema.BoxF{TopLeft: schema.PointF{X: x, Y: 0}, BottomRight: schema.PointF{X: x + 100, Y: 100}}
}

// embedding is that of a face under the latter model.
func embedding(image string, x float32) schema.Embedding {
	h := fnv.New64a()
	fmt.Fprint(h, image, x)
	return gallerytest.Random(latter, "", "", h.Sum64()).Embedding
}

func (seer) Analyze(_ context.Context, image []byte, p engine.Params) (*engine.Analysis, error) {
	if p.Strategy != engine.MultipleFaces || !p.Embed {
		return nil, fmt.Errorf("analysed with %+v", p)
	}
	switch string(image) {
	case "no image":
		return nil, schema.Permanent("seer", schema.ReasonImageUnreadable, errors.New("no image"))
	case "turned away":
		return &engine.Analysis{}, nil
	}
	a := &engine.Analysis{}
	for _, x := range []float32{300, 10} {
		e := embedding(string(image), x)
		a.Faces = append(a.Faces, face.Observation{Face: face.Face{Box: box(x)}, Embedding: &e})
	}
	if string(image) == "upside down" && p.Turn {
		for i := range a.Faces {
			o := &a.Faces[i]
			o.Turned, o.Width, o.Height = 180, 1000, 1000
			o.Box = o.Original() // back and forth are the same
		}
	}
	return a, nil
}

// Hear hears nobody in a recording that says so.
func (seer) Hear(_ context.Context, recording []byte) (*engine.Heard, error) {
	switch string(recording) {
	case "no recording":
		return nil, schema.Permanent("seer", schema.ReasonAudioUnreadable, errors.New("no recording"))
	case "silence":
		return &engine.Heard{Heard: &voice.Heard{}}, nil
	}
	e := embedding(string(recording), 10)
	return &engine.Heard{Heard: &voice.Heard{Embedding: &e}}, nil
}

// bench is a gallery that serves, and what a reindexer of it needs.
type bench struct {
	t       *testing.T
	dir     string
	serving *local.Gallery
	store   *store
	quiet   error
}

func newBench(t *testing.T) *bench {
	b := &bench{t: t, dir: t.TempDir(), store: &store{images: map[string]string{}, errs: map[string]error{}, gets: map[string]int{}}}
	b.open()
	t.Cleanup(b.close)
	return b
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	if b.serving, err = local.Open(context.Background(), b.dir); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) close() {
	if b.serving != nil {
		if err := b.serving.Close(); err != nil {
			b.t.Error(err)
		}
		b.serving = nil
	}
}

// enroll writes a row of person and keeps its image.
func (b *bench) enroll(c schema.Collection, id string, person schema.PUID) {
	b.t.Helper()
	b.store.mu.Lock()
	b.store.images[id] = "image of " + id
	b.store.mu.Unlock()
	row := gallerytest.Random(former, id, person, uint64(len(id)))
	row.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: id}, Box: box(0)}
	row.Consent = &schema.Consent{Given: true, Reference: "form of " + id}
	b.put(c, row)
}

func (b *bench) put(c schema.Collection, row gallery.Row) {
	b.t.Helper()
	if err := b.serving.Upsert(b.t.Context(), c, []gallery.Row{row})[0]; err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) delete(c schema.Collection, person schema.PUID, request schema.RequestID) {
	b.t.Helper()
	if o := b.serving.Delete(b.t.Context(), c, []gallery.Deletion{{PUID: person, Request: request}})[0]; o.Err != nil || o.Value == 0 {
		b.t.Fatal(o)
	}
}

// run does a step as another process would.
func (b *bench) run(ctx context.Context, step func(*Reindexer, context.Context) (Report, error), wrap ...func(*Reindexer)) (Report, error) {
	b.t.Helper()
	reader, err := local.OpenReader(context.Background(), b.dir)
	if err != nil {
		b.t.Fatal(err)
	}
	staging := local.NewStaging(b.dir, gallery.Tie{Model: latter, Dimension: 32})
	defer func() {
		if err := errors.Join(staging.Close(), reader.Close()); err != nil {
			b.t.Error(err)
		}
	}()
	r := &Reindexer{
		Serving: reader, Staging: staging, Objects: b.store, Engine: seer{}, Model: latter, Empty: true, MaxBytes: 1000, Concurrency: 4,
		Quiet: func(context.Context) error { return b.quiet },
	}
	for _, w := range wrap {
		w(r)
	}
	return step(r, ctx)
}

func (b *bench) build() Report {
	b.t.Helper()
	report, err := b.run(b.t.Context(), (*Reindexer).Build)
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

func switchWith(most int) func(*Reindexer, context.Context) (Report, error) {
	return func(r *Reindexer, ctx context.Context) (Report, error) { return r.Switch(ctx, most) }
}

// change stops the indexer, switches, and starts it again.
func (b *bench) change(most int) Report {
	b.t.Helper()
	b.close()
	defer b.open()
	report, err := b.run(b.t.Context(), switchWith(most))
	if err != nil {
		b.t.Fatal(err)
	}
	return report
}

func (b *bench) wantTally(r Report, want ...Tally) {
	b.t.Helper()
	for i := range want {
		want[i].From = former
	}
	if diff := cmp.Diff(want, r.Collections, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "total" }, cmp.Ignore())); diff != "" {
		b.t.Errorf("collections (-want +got):\n%s", diff)
	}
}

// wantServed looks at each row of a collection: its embedding is that of its own image's face, under the latter model.
func (b *bench) wantServed(c schema.Collection, ids ...string) {
	b.t.Helper()
	page, err := b.serving.List(b.t.Context(), c, "", 10000)
	if err != nil {
		b.t.Fatal(err)
	}
	var got []string
	for _, row := range page.Rows {
		got = append(got, row.ID)
		o := b.serving.Search(b.t.Context(), c, []schema.Embedding{embedding("image of "+row.ID, 10)}, 1)[0]
		if o.Err != nil || len(o.Value) != 1 || o.Value[0].Row.ID != row.ID || o.Value[0].Score < 0.9999 {
			b.t.Errorf("row %s is not found by its own face under the latter model: %v", row.ID, o)
		}
		if row.Source == nil || row.Source.Image.Key != row.ID {
			b.t.Errorf("row %s has lost its source", row.ID)
		}
		if row.Consent == nil || row.Consent.Reference != "form of "+row.ID {
			b.t.Errorf("row %s has lost its consent", row.ID)
		}
	}
	slices.Sort(ids)
	if diff := cmp.Diff(ids, got); diff != "" {
		b.t.Errorf("rows of %s (-want +got):\n%s", c, diff)
	}
}

func TestReindex(t *testing.T) {
	b := newBench(t)
	b.enroll(staff, "a", "ann")
	b.enroll(staff, "b", "bob")
	b.enroll(staff, "c", "cid")
	b.enroll(guests, "g", "ann")
	b.enroll("emptied", "e", "eve")
	b.delete("emptied", "eve", "d0")

	planned, err := b.run(t.Context(), (*Reindexer).Plan)
	if err != nil {
		t.Fatal(err)
	}
	b.wantTally(planned, Tally{Collection: "emptied"}, Tally{Collection: guests, Rows: 1}, Tally{Collection: staff, Rows: 3})
	if b.store.total > 0 {
		t.Errorf("planning fetched %d images", b.store.total)
	}
	b.wantTally(b.build(), Tally{Collection: "emptied"}, Tally{Collection: guests, Rows: 1, Staged: 1, Embedded: 1}, Tally{Collection: staff, Rows: 3, Staged: 3, Embedded: 3})

	// The old gallery serves meanwhile, and changes.
	if o := b.serving.Search(t.Context(), staff, []schema.Embedding{gallerytest.Random(former, "", "", 1).Embedding}, 9)[0]; o.Err != nil || len(o.Value) != 3 {
		t.Errorf("a search under the former model: %v", o)
	}
	b.delete(staff, "bob", "d1")
	b.enroll(staff, "d", "dee")
	renamed := gallerytest.Random(former, "c", "cid", 1)
	renamed.ExternalID, renamed.Source = "a new name", &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "c"}, Box: box(0)}
	renamed.Consent = &schema.Consent{Reference: "form of c"}
	b.put(staff, renamed)
	planned, err = b.run(t.Context(), (*Reindexer).Plan)
	if err != nil {
		t.Fatal(err)
	}
	b.wantTally(planned, Tally{Collection: "emptied"}, Tally{Collection: guests, Rows: 1, Staged: 1}, Tally{Collection: staff, Rows: 3, Staged: 1, Surplus: 2})
	b.wantTally(b.build(), Tally{Collection: "emptied"}, Tally{Collection: guests, Rows: 1, Staged: 1}, Tally{Collection: staff, Rows: 3, Staged: 3, Embedded: 2, Removed: 2})
	b.enroll(staff, "f", "fay")

	report := b.change(0)
	if !report.Switched {
		t.Fatalf("not switched: %+v", report)
	}
	b.wantTally(report, Tally{Collection: "emptied"}, Tally{Collection: guests, Rows: 1, Staged: 1}, Tally{Collection: staff, Rows: 4, Staged: 4, Embedded: 1})
	b.wantServed(staff, "a", "c", "d", "f")
	b.wantServed(guests, "g")
	b.wantServed("emptied")
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1, "c": 2, "d": 1, "f": 1, "g": 1}, b.store.gets); diff != "" {
		t.Errorf("images fetched (-want +got):\n%s", diff)
	}
	page, err := b.serving.List(t.Context(), staff, "a", 1)
	if err != nil || page.Rows[0].ID != "c" || page.Rows[0].ExternalID != "a new name" {
		t.Errorf("what was changed while the gallery was built is not in it: %v", err)
	}

	// People who were deleted stay deleted, whatever is repeated late. A new enrolment is written.
	late := gallerytest.Random(latter, "b", "bob", 1)
	again := gallerytest.Random(latter, "b2", "bob", 1)
	b.put(staff, late)
	b.put(staff, again)
	b.delete(staff, "bob", "d2")
	if o := b.serving.Delete(t.Context(), staff, []gallery.Deletion{{PUID: "bob", Request: "d1"}})[0]; o.Value != 1 || o.Err != nil {
		t.Errorf("the deletion repeated: %v", o)
	}
	b.wantServed(staff, "a", "c", "d", "f")

	// Everything is done, so nothing more happens.
	fetched := b.store.total
	for _, step := range []func() Report{b.build, func() Report { return b.change(0) }} {
		if r := step(); len(r.Collections) > 0 || b.store.total > fetched {
			t.Errorf("after the switch: %+v", r)
		}
	}
}

// TestVoices: the collections of voices move apart from those of faces, and are built from the recordings. One in which nobody is left
// moves with either where that is asked for.
func TestVoices(t *testing.T) {
	const callers = schema.Collection("callers")
	b := newBench(t)
	b.enroll(staff, "a", "ann")
	b.enroll("emptied", "e", "eve")
	b.delete("emptied", "eve", "d0")
	for _, id := range []string{"u", "v", "w", "x"} {
		b.enroll(callers, id, schema.PUID("of "+id))
		row := gallerytest.Random(former, id, schema.PUID("of "+id), uint64(len(id)))
		row.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: id}, Recording: true}
		row.Consent = &schema.Consent{Given: true, Reference: "form of " + id}
		b.put(callers, row)
	}
	b.store.images["w"], b.store.images["x"] = "silence", "no recording"

	b.wantTally(b.build(), Tally{Collection: "emptied"}, Tally{Collection: staff, Rows: 1, Staged: 1, Embedded: 1})
	if n := b.store.gets["u"]; n > 0 {
		t.Errorf("a recording was fetched %d times to find faces in it", n)
	}
	voices := func(r *Reindexer) { r.Voices, r.Empty = true, false }
	report, err := b.run(t.Context(), (*Reindexer).Build, voices)
	if err != nil {
		t.Fatal(err)
	}
	b.wantTally(report, Tally{Collection: callers, Rows: 4, Staged: 2, Embedded: 2})
	lost := []Left{{callers, "w", "too_little_speech"}, {callers, "x", "audio_unreadable"}}
	slices.SortFunc(report.Lost, func(a, b Left) int { return strings.Compare(a.GUID, b.GUID) })
	if diff := cmp.Diff(lost, report.Lost); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	b.close()
	report, err = b.run(t.Context(), switchWith(2), voices)
	b.open()
	if err != nil || !report.Switched {
		t.Fatalf("not switched: %+v, %v", report, err)
	}
	b.wantServed(callers, "u", "v")
	if o := b.serving.Search(t.Context(), staff, []schema.Embedding{gallerytest.Random(former, "", "", 1).Embedding}, 9)[0]; o.Err != nil || len(o.Value) != 1 {
		t.Errorf("the collection of faces does not serve as before: %v", o)
	}
}

// A step that is interrupted at any image, or before or after any write to what is staged, is continued by the next one.
func TestCutOff(t *testing.T) {
	const people = 150 // more than a batch, less than three
	b := newBench(t)
	var ids []string
	for i := range people {
		id := fmt.Sprintf("%03d", i)
		ids = append(ids, id)
		b.enroll(staff, id, schema.PUID(id))
	}
	cuts := 0
	cutAt := func(wrap func(cut func(), n int) func(*Reindexer), points ...int) {
		for _, n := range points {
			ctx, cancel := context.WithCancel(t.Context())
			_, err := b.run(ctx, (*Reindexer).Build, wrap(cancel, n))
			cancel()
			b.store.onGet = nil
			if err == nil {
				continue
			}
			cuts++
			if !errors.Is(err, context.Canceled) {
				t.Fatalf("cut off: %v", err)
			}
		}
	}
	atImage := func(cut func(), n int) func(*Reindexer) {
		b.store.total = 0
		b.store.onGet = func(total int) {
			if total == n {
				cut()
			}
		}
		return func(*Reindexer) {}
	}
	atWrite := func(after bool) func(cut func(), n int) func(*Reindexer) {
		return func(cut func(), n int) func(*Reindexer) {
			return func(r *Reindexer) { r.Staging = &cutStaging{Staging: r.Staging, cut: cut, at: n, after: after} }
		}
	}
	cutAt(atImage, 1, 5, 63)
	cutAt(atWrite(false), 1)
	cutAt(atWrite(true), 1)
	cutAt(atImage, 64, 70)
	b.delete(staff, "003", "d1")
	b.enroll(staff, "new", "new")
	cutAt(atWrite(true), 1, 1)
	cutAt(atImage, 20)
	if cuts < 8 {
		t.Errorf("only %d steps were cut off", cuts)
	}
	most := 0
	for _, n := range b.store.gets {
		most = max(most, n)
	}
	if most > cuts+1 {
		t.Errorf("an image was fetched %d times, for %d steps that were cut off", most, cuts)
	}
	clear(b.store.gets)
	report := b.build()
	if report.Collections[0].Embedded == people || report.Collections[0].Staged != people {
		t.Errorf("the last step: %+v", report)
	}
	for id, n := range b.store.gets {
		if n != 1 {
			t.Errorf("the last step fetched image %s %d times", id, n)
		}
	}
	if len(b.store.gets) != report.Collections[0].Embedded {
		t.Errorf("the last step fetched %d images for %d rows", len(b.store.gets), report.Collections[0].Embedded)
	}

	// The same for the switch.
	b.close()
	for _, after := range []bool{false, true} {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := b.run(ctx, switchWith(0), func(r *Reindexer) {
			r.Staging = &cutStaging{Staging: r.Staging, cut: cancel, switches: true, after: after}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("a switch that was cut off: %v", err)
		}
	}
	b.open()
	b.change(0)
	b.wantServed(staff, append(slices.DeleteFunc(ids, func(id string) bool { return id == "003" }), "new")...)
}

// cutStaging cancels the caller's context at a write and then fails, like a process that ends.
type cutStaging struct {
	gallery.Staging
	cut      func()
	at       int // the number of the Upsert
	switches bool
	after    bool // the write is done
	n        int
}

func (s *cutStaging) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	if s.n++; s.n != s.at {
		return s.Staging.Upsert(ctx, c, rows)
	}
	if s.after {
		s.Staging.Upsert(ctx, c, rows)
	}
	s.cut()
	return slices.Repeat([]error{schema.Transient("cut", context.Canceled)}, len(rows))
}

func (s *cutStaging) Switch(ctx context.Context, collections []schema.Collection) error {
	if !s.switches {
		return s.Staging.Switch(ctx, collections)
	}
	if s.after {
		if err := s.Staging.Switch(ctx, collections); err != nil {
			return err
		}
	}
	s.cut()
	return schema.Transient("cut", context.Canceled)
}

// Rows that cannot be rebuilt are named only by id. They prevent a switch unless the operator allows them to be dropped.
func TestLostRows(t *testing.T) {
	b := newBench(t)
	for _, id := range []string{"gone", "changed", "large", "broken", "turned", "moved", "good"} {
		b.enroll(staff, id, schema.PUID("secret person "+id))
	}
	old := gallerytest.Random(former, "old", "secret person old", 1)
	old.ExternalID = "secret name"
	b.put(staff, old)
	delete(b.store.images, "gone")
	b.store.errs["changed"] = schema.Permanent("store", schema.ReasonImageChanged, nil)
	b.store.errs["large"] = schema.Permanent("store", schema.ReasonImageTooLarge, nil)
	b.store.images["broken"], b.store.images["turned"] = "no image", "turned away"
	moved := gallerytest.Random(former, "moved", "secret person moved", 1)
	moved.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "moved"}, Box: box(150)} // between the two
	b.put(staff, moved)

	want := []Left{
		{staff, "broken", string(schema.ReasonImageUnreadable)}, {staff, "changed", string(schema.ReasonImageChanged)},
		{staff, "gone", string(schema.ReasonImageNotFound)}, {staff, "large", string(schema.ReasonImageTooLarge)},
		{staff, "moved", string(schema.ReasonNoFace)}, {staff, "old", Unsourced}, {staff, "turned", string(schema.ReasonNoFace)},
	}
	check := func(r Report, switched bool) {
		t.Helper()
		slices.SortFunc(r.Lost, func(a, b Left) int { return strings.Compare(a.GUID, b.GUID) })
		if diff := cmp.Diff(want, r.Lost); diff != "" || r.Switched != switched || len(r.Unread) > 0 {
			t.Errorf("switched: %v; unread: %v; lost (-want +got):\n%s", r.Switched, r.Unread, diff)
		}
		if text := fmt.Sprintf("%+v", r); strings.Contains(text, "secret") {
			t.Errorf("the report names people: %s", text)
		}
	}
	check(b.build(), false)
	check(b.change(0), false)
	check(b.change(6), false)
	if o := b.serving.Search(t.Context(), staff, []schema.Embedding{gallerytest.Random(former, "", "", 1).Embedding}, 9)[0]; o.Err != nil || len(o.Value) != 8 {
		t.Fatalf("the gallery does not serve as before: %v", o)
	}
	check(b.change(7), true)
	b.wantServed(staff, "good")
}

// The box of a face belongs to the picture as it was uploaded, and the new model may see the picture turned.
func TestTurnedPicture(t *testing.T) {
	b := newBench(t)
	b.enroll(staff, "a", "ann")
	b.store.images["a"] = "upside down"
	if r := b.build(); len(r.Lost) > 0 || r.Collections[0].Staged != 1 {
		t.Errorf("%+v", r)
	}
}

// An image that cannot be fetched does not stop the others and is left for the next run.
func TestUnreadRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.enroll(staff, "a", "ann")
		b.enroll(staff, "b", "bob")
		b.store.errs["a"] = schema.Transient("store", errors.New("busy"))
		check := func(r Report, err error) {
			t.Helper()
			if err != nil || len(r.Unread) != 1 || r.Unread[0].GUID != "a" || !strings.Contains(r.Unread[0].Why, "busy") || r.Collections[0].Staged != 1 || r.Switched || len(r.Lost) > 0 {
				t.Errorf("%+v, %v", r, err)
			}
		}
		check(b.run(t.Context(), (*Reindexer).Build))
		if b.store.gets["a"] != again.Tries || b.store.gets["b"] != 1 {
			t.Errorf("images fetched: %v", b.store.gets)
		}
		check(b.change(100), nil)
		delete(b.store.errs, "a")
		if r := b.change(0); !r.Switched {
			t.Errorf("%+v", r)
		}
		b.wantServed(staff, "a", "b")
		b.close()
	})
}

// A store that is away for a short time only delays a step. If it stays away, the step ends and says so.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range 200 {
			b.enroll(staff, fmt.Sprintf("%03d", i), "ann")
		}
		away := schema.Transient("store", errors.New("no route to host"))
		back := time.Now().Add(10 * time.Second)
		b.store.onGet = func(n int) {
			for id := range b.store.images {
				if delete(b.store.errs, id); time.Now().Before(back) {
					b.store.errs[id] = away
				}
			}
		}
		back = time.Now().Add(time.Hour)
		_, err := b.run(t.Context(), (*Reindexer).Build)
		if err == nil || !strings.Contains(err.Error(), "no route to host") || !strings.Contains(err.Error(), "run this again") {
			t.Errorf("a store that is away: %v", err)
		}
		back = time.Now().Add(10 * time.Second)
		if r := b.build(); r.Collections[0].Staged != 200 || len(r.Unread) > 0 {
			t.Errorf("a store that was away for 10 s: %+v", r)
		}
		b.store.onGet = nil
		b.store.errs = map[string]error{"refused": schema.Fatal("store", errors.New("wrong password"))}
		b.enroll(staff, "refused", "bob")
		if _, err := b.run(t.Context(), (*Reindexer).Build); schema.ClassOf(err) != schema.ClassFatal || b.store.gets["refused"] != 1 {
			t.Errorf("a store that refuses us: %v", err)
		}
		b.close()
	})
}

// A switch asks whether somebody still works on the gallery, before and after it builds.
func TestSwitchWaitsForQuiet(t *testing.T) {
	b := newBench(t)
	b.enroll(staff, "a", "ann")
	b.close()
	busy := errors.New("an indexer runs")
	for quietFor := range 2 {
		asked := 0
		r, err := b.run(t.Context(), switchWith(0), func(r *Reindexer) {
			r.Quiet = func(context.Context) error {
				if asked++; asked > quietFor {
					return busy
				}
				return nil
			}
		})
		if !errors.Is(err, busy) || r.Switched {
			t.Errorf("quiet %d times: %+v, %v", quietFor, r, err)
		}
	}
	b.open()
	if o := b.serving.Search(t.Context(), staff, []schema.Embedding{gallerytest.Random(former, "", "", 1).Embedding}, 1)[0]; o.Err != nil || len(o.Value) != 1 {
		t.Errorf("the gallery does not serve as before: %v", o)
	}

	// A write between the build and the switch is noticed, even if Quiet did not say so.
	_, err := b.run(t.Context(), switchWith(0), func(r *Reindexer) {
		r.Staging = &lateWriter{Staging: r.Staging, write: func() { b.enroll(staff, "b", "bob") }}
	})
	if err == nil || !strings.Contains(err.Error(), "changed in the meantime") {
		t.Errorf("a row that came after the build: %v", err)
	}
}

// lateWriter writes to the serving gallery after the build has listed what is there.
type lateWriter struct {
	gallery.Staging
	lists int
	write func()
}

func (s *lateWriter) List(ctx context.Context, c schema.Collection, after string, limit int) (gallery.Page, error) {
	if s.lists++; s.lists == 1 {
		s.write()
	}
	return s.Staging.List(ctx, c, after, limit)
}

// Listings that are longer than a page, where each side lacks other rows.
func TestManyPages(t *testing.T) {
	b := newBench(t)
	var rows []gallery.Row
	for i := range 3*pageRows + 7 {
		id := fmt.Sprintf("%05d", i)
		row := gallerytest.Random(former, id, schema.PUID(fmt.Sprint("p", i%10)), uint64(i))
		row.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: id}, Box: box(0)}
		b.store.images[id] = "image of " + id
		rows = append(rows, row)
	}
	upsert := func(rows []gallery.Row) {
		if err := errors.Join(b.serving.Upsert(t.Context(), staff, rows)...); err != nil {
			t.Fatal(err)
		}
	}
	upsert(rows[:2*pageRows])
	progress := 0
	b.run(t.Context(), (*Reindexer).Build, func(r *Reindexer) {
		r.Progress = func(c schema.Collection, done, total int) {
			if c != staff || total != 2*pageRows || done < progress || done > total {
				t.Errorf("progress of %s: %d of %d after %d", c, done, total, progress)
			}
			progress = done
		}
	})
	if progress != 2*pageRows {
		t.Errorf("the last progress is %d", progress)
	}
	for i := range 5 { // half of the first rows
		b.delete(staff, schema.PUID(fmt.Sprint("p", 2*i)), "d")
	}
	upsert(rows[2*pageRows:])
	n := pageRows + pageRows + 7
	b.wantTally(b.build(), Tally{Collection: staff, Rows: n, Staged: n, Embedded: pageRows + 7, Removed: pageRows})
	if r := b.change(0); !r.Switched || b.store.total != len(rows) {
		t.Errorf("%d images fetched for %d rows; %+v", b.store.total, len(rows), r)
	}
}
