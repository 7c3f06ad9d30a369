package worker_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"facestream/internal/worker"
	"facestream/pkg/schema"
)

// slow is a store whose files take a second to fetch.
type slow struct {
	worker.Objects
	size        int64
	held, most  atomic.Int64 // bytes that are being fetched
	allowed     atomic.Int64 // of the last fetch
	unreachable bool
}

func (s *slow) Get(_ context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error) {
	s.allowed.Store(maxBytes)
	s.most.Store(max(s.most.Load(), s.held.Add(s.size)))
	defer s.held.Add(-s.size)
	time.Sleep(time.Second)
	if s.unreachable {
		return nil, ref, schema.Transient("slow.get", context.DeadlineExceeded)
	}
	return make([]byte, s.size), ref, nil
}

// TestFiles: the files that jobs hold take no more memory together than there is for them, and what failed gives it back.
func TestFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slow{size: 60}
		s := &worker.Service{Objects: store, MaxBytes: 60, Files: worker.NewFiles(130)}
		for _, store.unreachable = range []bool{true, false} {
			done := make(chan error)
			for i := range 6 {
				go func() {
					_, err := worker.Fetch(s, t.Context(), &schema.Job{Request: schema.Request{Images: images(fmt.Sprint(i))}})
					done <- err
				}()
			}
			for range 6 {
				if err := <-done; (err != nil) != store.unreachable {
					t.Error(err)
				}
			}
			if store.most.Load() != 120 {
				t.Errorf("%d bytes were fetched at once, want 120", store.most.Load())
			}
		}
		s.MaxBytes = 1000
		if _, err := worker.Fetch(s, t.Context(), &schema.Job{Request: schema.Request{Images: images("a")}}); err != nil || store.allowed.Load() != 130 {
			t.Errorf("a file may have %d bytes where all may have 130 together: %v", store.allowed.Load(), err)
		}
	})
}
