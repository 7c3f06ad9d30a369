package events

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is the wait before try n+1 (n ≥ 1): least doubled n-1 times, at most most, less up to a half at random, so
// that what failed together does not come back together.
func backoff(n int, least, most time.Duration) time.Duration {
	d := most
	if n < 32 {
		d = min(most, least<<(n-1))
	}
	return d - rand.N(d/2+1)
}

// sleep waits for d; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}
