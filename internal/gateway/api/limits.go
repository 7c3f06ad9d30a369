package api

import (
	"sync"
	"time"
)

// Limits bound what one caller may do at one gateway.
type Limits struct {
	Rate     int   // requests per second over time; a burst may have twice as many
	InFlight int   // requests at once
	Bytes    int64 // of the bodies of requests at once
	Streams  int   // of results at once
}

// ledger counts what callers do. It is safe for concurrent use.
type ledger struct {
	limits Limits
	now    func() time.Time

	mu      sync.Mutex
	callers map[string]*account
	streams int       // of all callers
	open    func(int) // is told how many streams are open
}

// account is what one caller does.
type account struct {
	credit   float64 // requests that may be sent now
	at       time.Time
	inFlight int
	bytes    int64
	streams  int
}

// manyAccounts is how many are kept before idle ones are forgotten.
const manyAccounts = 4096

func newLedger(limits Limits, open func(int)) *ledger {
	return &ledger{limits: limits, now: time.Now, callers: map[string]*account{}, open: open}
}

// account returns that of a caller. mu is held.
func (l *ledger) account(name string) *account {
	now := l.now()
	a, ok := l.callers[name]
	if !ok {
		if len(l.callers) >= manyAccounts {
			for other, x := range l.callers {
				if x.inFlight == 0 && x.streams == 0 && now.Sub(x.at) > time.Minute {
					delete(l.callers, other)
				}
			}
		}
		a = &account{credit: float64(2 * l.limits.Rate), at: now}
		l.callers[name] = a
	}
	a.credit = min(float64(2*l.limits.Rate), a.credit+now.Sub(a.at).Seconds()*float64(l.limits.Rate))
	a.at = now
	return a
}

// rate counts a request of a caller, or says why it comes too soon.
func (l *ledger) rate(name string) *Problem {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(name)
	if a.credit < 1 {
		p := problem(CauseRateLimited, "%d requests per second are allowed", l.limits.Rate)
		p.retryAfter = time.Second
		return p
	}
	a.credit--
	return nil
}

// begin counts a request with a body of that size until end is called.
func (l *ledger) begin(name string, bytes int64) (end func(), refused *Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(name)
	switch {
	case a.inFlight >= l.limits.InFlight:
		refused = problem(CauseTooMany, "%d requests at once are allowed", l.limits.InFlight)
	case a.bytes+bytes > l.limits.Bytes:
		refused = problem(CauseTooMany, "requests with bodies of %d bytes at once are allowed", l.limits.Bytes)
	}
	if refused != nil {
		refused.retryAfter = time.Second
		return nil, refused
	}
	a.inFlight++
	a.bytes += bytes
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		a.inFlight--
		a.bytes -= bytes
	}, nil
}

// stream counts a stream of results until end is called. most bounds those of all callers.
func (l *ledger) stream(name string, most int) (end func(), refused *Problem) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.account(name)
	var cause Cause
	switch {
	case a.streams >= l.limits.Streams:
		cause = CauseTooMany
	case l.streams >= most:
		cause = CauseUnavailable
	}
	if cause != "" {
		refused = problem(cause, "there are as many streams as are allowed; close one, or fetch results by their id")
		refused.retryAfter = 5 * time.Second
		return nil, refused
	}
	count := func(n int) {
		a.streams += n
		l.streams += n
		if l.open != nil {
			l.open(l.streams)
		}
	}
	count(1)
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		count(-1)
	}, nil
}
