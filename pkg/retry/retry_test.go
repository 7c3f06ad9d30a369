package retry_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"facestream/pkg/retry"
	"facestream/pkg/schema"
)

var errTest = errors.New("as the test wants it")

func TestDo(t *testing.T) {
	transient, permanent := schema.Transient("op", errTest), schema.Permanent("op", schema.ReasonInternal, errTest)
	for name, tt := range map[string]struct {
		policy retry.Policy
		errs   []error // of one call after the other; then nil
		calls  int
		want   error
	}{
		"success at once":     {calls: 1},
		"success in the end":  {errs: []error{errTest, transient}, calls: 3},
		"permanent":           {errs: []error{transient, permanent}, calls: 2, want: permanent},
		"fatal":               {errs: []error{schema.Fatal("op", errTest)}, calls: 1, want: errTest},
		"as often as allowed": {policy: retry.Policy{Tries: 2}, errs: []error{errTest, transient, transient}, calls: 2, want: transient},
		"in vain":             {policy: retry.Policy{Stop: func(err error) bool { return err == errTest }}, errs: []error{permanent, errTest}, calls: 2, want: errTest},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tt.policy.Least, tt.policy.Most = time.Second, time.Minute
				calls := 0
				err := tt.policy.Do(t.Context(), func() error {
					if calls++; calls > len(tt.errs) {
						return nil
					}
					return tt.errs[calls-1]
				})
				if !errors.Is(err, tt.want) || calls != tt.calls {
					t.Errorf("%v after %d calls, want %v after %d", err, calls, tt.want, tt.calls)
				}
			})
		})
	}
}

// The wait doubles from Least to Most, less up to a half, and Failed is told of each failure before it.
func TestWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Time
		policy := retry.Policy{Least: time.Second, Most: 8 * time.Second, Tries: 50, Failed: func(try int, err error) {
			if at = append(at, time.Now()); try != len(at) || err != errTest {
				t.Errorf("failure %d was reported as %d: %v", len(at), try, err)
			}
		}}
		if err := policy.Do(t.Context(), func() error { return errTest }); err != errTest || len(at) != 49 {
			t.Fatalf("%v after %d waits, want 49", err, len(at))
		}
		for i := 1; i < len(at); i++ {
			most := min(8*time.Second, time.Second<<min(i-1, 10))
			if wait := at[i].Sub(at[i-1]); wait > most || wait < most/2 {
				t.Errorf("wait %d took %s, want %s to %s", i, wait, most/2, most)
			}
		}
	})
}

func TestEndOfContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		why := errors.New("the caller has gone")
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(10*time.Second, func() { cancel(why) })
		began := time.Now()
		err := retry.Policy{Least: time.Minute, Most: time.Minute}.Do(ctx, func() error { return errTest })
		if !errors.Is(err, why) || !errors.Is(err, errTest) || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %s, want both causes after 10 s", err, time.Since(began))
		}
		if retry.Sleep(ctx, 0) {
			t.Error("Sleep says that the context goes on")
		}
	})
}
