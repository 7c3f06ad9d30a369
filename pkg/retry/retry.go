// Package retry calls a function again until it succeeds, trying again is useless, or the context ends.
package retry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"facestream/pkg/schema"
)

// Policy says how long to wait between tries and when to stop. It is safe for concurrent use.
type Policy struct {
	// Least and Most bound the wait before the next try. It doubles with each failure, less up to a half at random, so
	// that what failed together does not come back together.
	Least, Most time.Duration
	// Tries bounds how often the function is called; 0: until the context ends.
	Tries int
	// Stop reports that trying again after err is useless. Default: err is permanent or fatal, see schema.ClassOf.
	Stop func(err error) bool
	// Failed is called after each failure that another try follows, with the number of the failure, from 1, and its error.
	// It may be nil.
	Failed func(try int, err error)
}

// Do calls f until it returns nil, Stop says so, Tries is reached, or ctx ends. It returns the last error of f; when ctx
// ended between two tries, that error is wrapped together with the cause of the end.
func (p Policy) Do(ctx context.Context, f func() error) error {
	for try := 1; ; try++ {
		err := f()
		if err == nil || p.useless(err) || try == p.Tries {
			return err
		}
		if p.Failed != nil {
			p.Failed(try, err)
		}
		if !p.Pause(ctx, try) {
			return fmt.Errorf("%w; the last error: %w", context.Cause(ctx), err)
		}
	}
}

// Pause waits as long as Do would after so many failures in a row. It returns false when ctx ended first.
func (p Policy) Pause(ctx context.Context, failures int) bool {
	d := p.Most
	if failures < 32 {
		d = min(p.Most, p.Least<<(max(failures, 1)-1))
	}
	return Sleep(ctx, d-rand.N(d/2+1))
}

func (p Policy) useless(err error) bool {
	if p.Stop != nil {
		return p.Stop(err)
	}
	class := schema.ClassOf(err)
	return class == schema.ClassPermanent || class == schema.ClassFatal
}

// Sleep waits for d. It returns false when ctx ended first.
func Sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
