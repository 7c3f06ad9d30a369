package groupcommit_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/groupcommit"
)

const callTime = time.Second

var errCall = errors.New("the call was cancelled")

// answer is an item in capital letters, or why there is none.
type answer struct {
	text string
	err  error
}

// recorder is calls that take callTime and are written down.
type recorder struct {
	groupcommit.Calls[string, string, answer]
	mu    sync.Mutex
	calls [][]string
}

func newRecorder(most, atOnce int) *recorder {
	r := &recorder{}
	r.Most, r.AtOnce = most, atOnce
	r.Ended = func(err error) answer { return answer{err: err} }
	r.Call = func(ctx context.Context, _ string, items []string) []answer {
		r.mu.Lock()
		r.calls = append(r.calls, slices.Clone(items))
		r.mu.Unlock()
		var err error
		select {
		case <-time.After(callTime):
		case <-ctx.Done():
			err = errCall
		}
		answers := make([]answer, len(items))
		for i, x := range items {
			if x == "panic" {
				panic("as the test wants it")
			}
			answers[i] = answer{strings.ToUpper(x), err}
		}
		return answers
	}
	return r
}

func TestCallersShareTheNextCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(3, 1)
		began := time.Now()
		var callers sync.WaitGroup
		for _, items := range [][]string{{"a"}, {"b", "c"}, {"d"}, {"e", "f", "g", "h"}, {"i"}} {
			callers.Go(func() {
				got := r.Do(t.Context(), "key", items)
				for i, x := range items {
					if len(got) != len(items) || got[i] != (answer{text: strings.ToUpper(x)}) {
						t.Errorf("%v: %v", items, got)
					}
				}
			})
			synctest.Wait() // they come one after the other
		}
		callers.Go(func() { r.Do(t.Context(), "another key", []string{"x"}) })
		callers.Wait()
		// "a" starts at once; a call has three items at most, unless they are of one caller.
		want := [][]string{{"a"}, {"x"}, {"b", "c", "d"}, {"e", "f", "g", "h"}, {"i"}}
		if diff := cmp.Diff(want, r.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		if took := time.Since(began); took != 4*callTime {
			t.Errorf("%s for four calls in a row", took)
		}
	})
}

func TestCallsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(10, 2)
		began := time.Now()
		var callers sync.WaitGroup
		for _, x := range []string{"a", "b", "c", "d"} {
			callers.Go(func() { r.Do(t.Context(), "key", []string{x}) })
			synctest.Wait()
		}
		callers.Wait()
		if diff := cmp.Diff([][]string{{"a"}, {"b"}, {"c", "d"}}, r.calls); diff != "" || time.Since(began) != 2*callTime {
			t.Errorf("after %s (-want +got):\n%s", time.Since(began), diff)
		}
	})
}

// A caller whose context ends is left out before its call, and does not end the call of others.
func TestEndedCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(10, 1)
		ends, end := context.WithCancel(t.Context())
		lasts := t.Context()
		answers := map[string]answer{}
		var mu sync.Mutex
		var callers sync.WaitGroup
		call := func(ctx context.Context, item string) {
			callers.Go(func() {
				a := r.Do(ctx, "key", []string{item})[0]
				mu.Lock()
				defer mu.Unlock()
				answers[item] = a
			})
			synctest.Wait()
		}
		call(ends, "running alone")
		call(ends, "waiting")
		call(lasts, "lasting")
		end()
		callers.Wait()
		want := map[string]error{"running alone": errCall, "waiting": context.Canceled, "lasting": nil}
		for item, err := range want {
			if !errors.Is(answers[item].err, err) {
				t.Errorf("%s: %v, want %v", item, answers[item].err, err)
			}
		}
		if diff := cmp.Diff([][]string{{"running alone"}, {"lasting"}}, r.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

func TestPanicReachesTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(10, 1)
		func() {
			defer func() {
				if p := recover(); p != "as the test wants it" {
					t.Errorf("Do panicked with %v", p)
				}
			}()
			r.Do(t.Context(), "key", []string{"panic"})
		}()
		if got := r.Do(t.Context(), "key", []string{"a"}); got[0].text != "A" {
			t.Errorf("after the panic: %v", got)
		}
	})
}
