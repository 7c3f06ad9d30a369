package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/schema"
)

// TestBudgetAdmits: heavy pictures wait for memory in the order in which they came, leave the queue when their caller does, and
// never keep light ones waiting.
func TestBudgetAdmits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(3, 1200) // 100 for a light picture, 900 for the heavy ones
		take := func(ctx context.Context, bytes int64) *admission {
			t.Helper()
			p, err := b.admit(ctx, bytes, false, "it")
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		first := take(t.Context(), 600)
		var order []int
		var mu sync.Mutex
		var all sync.WaitGroup
		for i, bytes := range []int64{800, 200, 800} { // no two in a row fit together
			all.Go(func() {
				p := take(t.Context(), bytes)
				mu.Lock()
				order = append(order, i)
				mu.Unlock()
				time.Sleep(time.Second)
				p.leave()
			})
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.admit(ctx, 200, false, "it"); schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller who left: %v", err)
		}
		for range 5 {
			start := time.Now()
			take(t.Context(), 100).leave()
			if waited := time.Since(start); waited > 0 {
				t.Errorf("a light picture waited %v for heavy ones", waited)
			}
		}
		if len(order) > 0 {
			t.Errorf("%v were admitted beyond the memory", order)
		}
		first.leave()
		all.Wait()
		if fmt.Sprint(order) != "[0 1 2]" {
			t.Errorf("admitted in the order %v", order)
		}
		_, err := b.admit(t.Context(), 901, false, "it")
		if schema.ReasonOf(err) != schema.ReasonImageTooLarge {
			t.Errorf("one that never fits: %v", err)
		}
		take(t.Context(), 900).leave() // everything was given back
	})
}

// TestHostileTIFF: a file of 388 kB that costs 1.6 GB is refused by its header where that is too much, and the message says so.
func TestHostileTIFF(t *testing.T) {
	e := &Engine{pool: &pool{budget: newBudget(2, 1<<30)}}
	file := imagingtest.DeepTIFF(7071, 7071)
	start := time.Now()
	taken, allocated := imagingtest.Peak(func() {
		_, err := e.Analyze(t.Context(), file, Params{})
		if schema.ReasonOf(err) != schema.ReasonImageTooLarge || !strings.Contains(err.Error(), "takes up to 1602 MB of memory, the limit is 805 MB") {
			t.Error(err)
		}
	})
	if taken > 1e6 || allocated > 1e6 {
		t.Errorf("%d bytes were taken, %d allocated, for a picture that is refused", taken, allocated)
	}
	t.Logf("%d bytes are refused in %v", len(file), time.Since(start)/3)
}

// TestAnalysisTime: what a picture shows costs no more than the time, and the time that a caller takes to keep portraits does not count.
func TestAnalysisTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &Engine{time: 10 * time.Second, pool: &pool{budget: newBudget(1, 0)}}
		place, err := e.pool.budget.admit(t.Context(), 1, false, "it")
		if err != nil {
			t.Fatal(err)
		}
		w := e.begin(t.Context(), place)
		time.Sleep(6 * time.Second)
		if err := w.pause(func() error {
			if len(e.pool.budget.slots) != 0 {
				t.Error("the slot is kept while nothing is done")
			}
			time.Sleep(time.Hour)
			return nil
		}); err != nil || w.ctx.Err() != nil || len(e.pool.budget.slots) != 1 {
			t.Fatalf("%v, %v", err, w.ctx.Err())
		}
		time.Sleep(3 * time.Second)
		if w.ctx.Err() != nil {
			t.Error("the time is over too soon")
		}
		time.Sleep(2 * time.Second)
		if err := w.end(schema.Transient("step", w.ctx.Err())); schema.ReasonOf(err) != schema.ReasonImageTooLarge || !strings.Contains(err.Error(), "10s") {
			t.Errorf("%v, want the time named", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		w = e.begin(ctx, place)
		cancel()
		if err := w.end(schema.Transient("step", w.ctx.Err())); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("a caller who left: %v", err)
		}
		place.leave()
	})
}

// TestPortraitsFit: 64 faces with portraits of 4096 pixels are refused before one is made.
func TestPortraitsFit(t *testing.T) {
	large := []face.PortraitOptions{{Preset: face.Crop1x1, Width: 4096}}
	for _, c := range []struct {
		p     Params
		faces int
		fits  bool
	}{
		{Params{Portraits: large}, 64, false},
		{Params{Portraits: large}, 5, true},
		{Params{Portraits: large}, 6, false},
		{Params{Portraits: large, PortraitPixels: 30e6}, 2, false},
		{Params{Portraits: large}, schema.MaxDetailedFaces + 1, true}, // gets none
		{Params{Portraits: large, MostPortrayed: 1}, 6, true},         // likewise
		{Params{Portraits: []face.PortraitOptions{{}}}, 64, true},
		{Params{}, 64, true},
	} {
		err := c.p.portraitsFit(c.faces)
		if (err == nil) != c.fits || err != nil && schema.ReasonOf(err) != schema.ReasonInvalidConfiguration {
			t.Errorf("%d faces, %+v: %v", c.faces, c.p, err)
		}
	}
}

// TestPortray takes the portraits of a group one after the other, while another picture is worked on.
func TestPortray(t *testing.T) {
	group := starter(t, Options{Concurrency: 1})
	both := imaging.New(800, 400)
	for i, p := range people()[:2] {
		paste(both, picture(p, 0, 400), 400*i, 0)
	}
	file := encoded(t, both)
	kept := Params{Portraits: []face.PortraitOptions{{Width: 96}}}
	all, err := group.Analyze(t.Context(), file, kept)
	if err != nil || len(all.Faces) < 2 {
		t.Fatalf("%d faces, %v", len(all.Faces), err)
	}
	seen := map[int]*face.Portrait{}
	var between atomic.Int32
	taken := kept
	taken.Portray = func(ctx context.Context, i, faces int, portraits []*face.Portrait) error {
		if faces != len(all.Faces) || seen[i] != nil || len(portraits) != 1 {
			t.Errorf("face %d of %d, %d portraits", i, faces, len(portraits))
		}
		seen[i] = portraits[0]
		_, err := group.Analyze(ctx, imagingtest.JPEG(imagingtest.Gradient(64, 64)), Params{})
		between.Add(1)
		return err
	}
	found, err := group.Analyze(t.Context(), file, taken)
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range found.Faces {
		want := all.Faces[i].Portraits
		if len(f.Portraits) != 0 || len(want) != 1 || seen[i] == nil || string(seen[i].File) != string(want[0].File) {
			t.Errorf("face %d: %d portraits kept, %v", i, len(f.Portraits), seen[i])
		}
	}
	stop := errors.New("the store is full")
	taken.Portray = func(context.Context, int, int, []*face.Portrait) error { return stop }
	if _, err := group.Analyze(t.Context(), file, taken); !errors.Is(err, stop) {
		t.Errorf("%v, want the caller's error", err)
	}
	if len(group.pool.budget.slots) != 0 {
		t.Error("a slot was lost")
	}
}

// TestCrowd: a crowd, however small its picture, is worked on among the heavy pictures, and a group among the light ones.
func TestCrowd(t *testing.T) {
	e := starter(t, Options{Concurrency: 2})
	const side = 160
	one := picture(people()[0], 0, side)
	for _, c := range []struct {
		columns, rows, heavy int
	}{{2, 1, 0}, {6, 4, 1}} {
		crowd := imaging.New(side*c.columns, side*c.rows)
		for i := range c.columns * c.rows {
			paste(crowd, one, side*(i%c.columns), side*(i/c.columns))
		}
		portrayed := 0
		a, err := e.Analyze(t.Context(), encoded(t, crowd), Params{Portraits: []face.PortraitOptions{{Width: 48}}, Portray: func(context.Context, int, int, []*face.Portrait) error {
			portrayed++
			if got := len(e.pool.budget.heavy); got != c.heavy {
				t.Errorf("%d faces: %d heavy pictures in work, want %d", c.columns*c.rows, got, c.heavy)
			}
			return nil
		}})
		if err != nil || portrayed != len(a.Faces) || (portrayed > facesAtOnce) != (c.heavy > 0) {
			t.Errorf("%d faces: %d portraits, %v", c.columns*c.rows, portrayed, err)
		}
		if len(e.pool.budget.heavy) != 0 || len(e.pool.budget.slots) != 0 {
			t.Error("a place was lost")
		}
	}
}

// TestDocumentsCount: the straightened document, and its file, are counted before the picture is decoded.
func TestDocumentsCount(t *testing.T) {
	file, err := imaging.Open(imagingtest.PNG(imagingtest.Gradient(2000, 1500)), imaging.DefaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	const pixels = 2000 * 1500
	plain, scanned := Params{Turn: true}, Params{Turn: true, Document: &DocumentParams{}}
	kept := Params{Turn: true, Document: &DocumentParams{Keep: func(context.Context, *face.Portrait) error { return nil }}}
	if more := scanned.memory(file) - plain.memory(file); more < 3*pixels {
		t.Errorf("a straightened document counts as %d bytes; its pixels alone are %d", more, 3*pixels)
	}
	if more := kept.memory(file) - scanned.memory(file); more < 4*pixels {
		t.Errorf("the file of a straightened document counts as %d bytes; the pixels that are encoded are %d", more, 4*pixels)
	}
}
