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

// Where the items of a caller may be answered apart, callers take turns: nobody with many items keeps others waiting.
func TestCallersTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(4, 1)
		r.Apart = true
		var callers sync.WaitGroup
		for _, text := range []string{"x", "abcdefgh", "1", "2", "3"} {
			callers.Go(func() {
				items := strings.Split(text, "")
				got := r.Do(t.Context(), "key", items)
				for i, x := range items {
					if len(got) != len(items) || got[i] != (answer{text: strings.ToUpper(x)}) {
						t.Errorf("%v: %v", items, got)
					}
				}
			})
			synctest.Wait() // they come one after the other
		}
		callers.Wait()
		want := [][]string{{"x"}, {"a", "1", "2", "3"}, {"b", "c", "d", "e"}, {"f", "g", "h"}}
		if diff := cmp.Diff(want, r.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
}

// A caller whose items are answered by several calls gets the panic of one of them, and an end of its context ends only its own.
func TestApartEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(2, 1)
		r.Apart = true
		ends, end := context.WithCancel(t.Context())
		var callers sync.WaitGroup
		callers.Go(func() { r.Do(t.Context(), "key", []string{"first"}) })
		synctest.Wait()
		callers.Go(func() {
			for i, a := range r.Do(t.Context(), "key", []string{"a", "b", "c"}) {
				if a.err != nil {
					t.Errorf("item %d of the other caller: %v", i, a.err)
				}
			}
		})
		synctest.Wait()
		callers.Go(func() {
			got := r.Do(ends, "key", []string{"c", "d", "e"})
			for i, a := range got {
				if a.err == nil {
					t.Errorf("item %d has the answer %q after the end", i, a.text)
				}
			}
		})
		synctest.Wait()
		end()
		callers.Wait()
		defer func() {
			if recover() == nil {
				t.Error("a panic in the second call did not reach the caller")
			}
		}()
		r.Do(t.Context(), "key", []string{"a", "b", "panic"})
	})
}

// While another call is running, items wait for a full one, but not for longer than Wait. Alone, they do not wait.
func TestWaitForAFullCall(t *testing.T) {
	const wait = callTime / 10
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(3, 3)
		r.Wait = wait
		began := time.Now()
		at := map[string]time.Duration{}
		var callers sync.WaitGroup
		ask := func(x string) {
			callers.Go(func() {
				r.Do(t.Context(), "key", []string{x})
				r.mu.Lock()
				at[x] = time.Since(began) - callTime
				r.mu.Unlock()
			})
			synctest.Wait()
		}
		ask("a") // at once
		ask("b") // waits
		time.Sleep(wait / 2)
		ask("c") // with b
		time.Sleep(wait)
		for _, x := range []string{"d", "e", "f"} { // a full call
			ask(x)
		}
		callers.Wait()
		if diff := cmp.Diff([][]string{{"a"}, {"b", "c"}, {"d", "e", "f"}}, r.calls); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
		for x, want := range map[string]time.Duration{"a": 0, "b": wait, "c": wait, "d": wait + wait/2, "f": wait + wait/2} {
			if at[x] != want {
				t.Errorf("%s began after %v, want %v", x, at[x], want)
			}
		}
	})
}
