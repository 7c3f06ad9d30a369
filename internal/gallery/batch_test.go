package gallery_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const callTime = 10 * time.Millisecond

// slow is a gallery whose upserts take callTime.
type slow struct {
	mu      sync.Mutex
	calls   [][]string // the rows of each call
	now     int        // calls under way
	most    int
	refused string // the row that is refused; the row "panic" panics
}

func (s *slow) call(ctx context.Context, rows []string) error {
	s.mu.Lock()
	s.calls = append(s.calls, rows)
	s.now++
	s.most = max(s.most, s.now)
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.now--
		s.mu.Unlock()
	}()
	if slices.Contains(rows, "panic") {
		panic("of the driver")
	}
	select {
	case <-time.After(callTime):
		return nil
	case <-ctx.Done():
		return schema.Transient("slow", ctx.Err())
	}
}

func (s *slow) Upsert(ctx context.Context, c schema.Collection, rows []gallery.Row) []error {
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = string(c) + r.ID
	}
	errs := slices.Repeat([]error{s.call(ctx, ids)}, len(rows))
	for i, r := range rows {
		if r.ID == s.refused {
			errs[i] = schema.Permanent("slow", schema.ReasonInvalidRequest, errors.New("refused "+r.ID))
		}
	}
	return errs
}

func (s *slow) Search(context.Context, schema.Collection, []schema.Embedding, int, ...schema.PUID) []gallery.Outcome[[]gallery.Match] {
	return nil
}

func (s *slow) Delete(context.Context, schema.Collection, []gallery.Deletion) []gallery.Outcome[int] {
	return nil
}

func (s *slow) List(context.Context, schema.Collection, string, int, ...schema.PUID) (gallery.Page, error) {
	return gallery.Page{}, nil
}

// together runs f of 0 to n-1 at the same time.
func together(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}

func id(i int) string { return fmt.Sprintf("r%03d", i) }

func upsert(ctx context.Context, g gallery.Gallery, c schema.Collection, ids ...string) []error {
	rows := make([]gallery.Row, len(ids))
	for i, id := range ids {
		rows[i].ID = id
	}
	return g.Upsert(ctx, c, rows)
}

func TestBatchSharesCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		g := gallery.Batch(s)
		const n = 600
		start := time.Now()
		together(n, func(i int) {
			if err := upsert(t.Context(), g, "", id(i))[0]; err != nil {
				t.Error(err)
			}
		})
		took := time.Since(start)
		// At most: two alone, then 598 in parts of 256, two at a time.
		if len(s.calls) > 5 || s.most > 2 || took > 3*callTime {
			t.Errorf("%d calls of one row became %d, %d of them at once, in %v; want at most 5, 2, %v", n, len(s.calls), s.most, took, 3*callTime)
		}
		var all []string
		for _, c := range s.calls {
			if len(c) > 256 {
				t.Errorf("a call of %d rows", len(c))
			}
			all = append(all, c...)
		}
		slices.Sort(all)
		if len(all) != n || len(slices.Compact(all)) != n {
			t.Errorf("%d of %d rows reached the driver", len(slices.Compact(all)), n)
		}
	})
}

// A single caller does not wait, and upserts that cannot share a call do not wait for each other.
func TestBatchWaitsForNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		g := gallery.Batch(s)
		start := time.Now()
		upsert(t.Context(), g, "a", "x")
		if took := time.Since(start); took != callTime {
			t.Errorf("one caller alone took %v, a call %v", took, callTime)
		}
		start = time.Now()
		together(20, func(i int) { upsert(t.Context(), g, schema.Collection(id(i)), "x") })
		if took := time.Since(start); took != callTime {
			t.Errorf("20 collections took %v, a call %v", took, callTime)
		}
	})
}

func TestBatchAnswersPerRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{refused: id(50)}
		g := gallery.Batch(s)
		together(100, func(i int) {
			errs := upsert(t.Context(), g, "", id(i), "also "+id(i))
			if len(errs) != 2 || errs[1] != nil || (errs[0] != nil) != (i == 50) {
				t.Errorf("the rows of caller %d got %v", i, errs)
			}
			if i == 50 && schema.ReasonOf(errs[0]) != schema.ReasonInvalidRequest {
				t.Errorf("the refused row got %v", errs[0])
			}
		})
		if len(s.calls) > 3 {
			t.Errorf("%d calls", len(s.calls))
		}
	})
}

// When one caller gives up, the others get their answer. When all give up, their call ends.
func TestBatchAndTheEndOfCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &slow{}
		g := gallery.Batch(s)
		ended, end := context.WithCancel(t.Context())
		ctx := func(i int) context.Context {
			if i%2 == 0 {
				return ended
			}
			return t.Context()
		}
		// Two callers go first, one of which will give up. Then 98 wait.
		var wg sync.WaitGroup
		start := func(i int) {
			wg.Go(func() {
				err := upsert(ctx(i), g, "", id(i))[0]
				if want := i%2 == 0; errors.Is(err, context.Canceled) != want || (err != nil) != want {
					t.Errorf("caller %d got %v", i, err)
				}
				if err != nil && schema.ClassOf(err) != schema.ClassTransient {
					t.Errorf("%v is not transient", err)
				}
			})
		}
		for i := range 2 {
			start(i)
			synctest.Wait()
		}
		for i := 2; i < 100; i++ {
			start(i)
		}
		synctest.Wait()
		end()
		wg.Wait()
		for _, c := range s.calls[2:] {
			for _, item := range c {
				if (item[len(item)-1]-'0')%2 == 0 {
					t.Errorf("%s was written for a caller who had ended before", item)
				}
			}
		}

		// One of two callers that share a call gives up during the call: both get its answer.
		ended, end = context.WithCancel(t.Context())
		for range 2 {
			wg.Go(func() { upsert(t.Context(), g, "", "goes first") })
			synctest.Wait()
		}
		for i := range 2 {
			wg.Go(func() {
				if err := upsert(ctx(i), g, "", "shared")[0]; err != nil {
					t.Errorf("caller %d of a call that went on: %v", i, err)
				}
			})
		}
		time.Sleep(callTime + callTime/2)
		end()
		wg.Wait()
	})
}

func TestBatchPanicsLikeTheDriver(t *testing.T) {
	g := gallery.Batch(&slow{})
	defer func() {
		if p := recover(); p != "of the driver" {
			t.Errorf("recovered %v", p)
		}
		if err := upsert(t.Context(), g, "", "next")[0]; err != nil {
			t.Errorf("the next call: %v", err)
		}
	}()
	upsert(t.Context(), g, "", "panic")
}
