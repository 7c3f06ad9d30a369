package events

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"facestream/pkg/retry"
)

// gate holds records back while a dependency is down: one of them asks, all of them wait. A dependency that answers and
// still refuses writes is asked by trying one of the records that it refused.
type gate struct {
	ready  func(context.Context) error
	outage func(down bool)
	state  *outageState
	log    *slog.Logger
	pauses retry.Policy // between two tries that ask

	turn      chan struct{} // holds one token, which the record that asks owns; guards the fields below
	asked     time.Time     // when ready last said yes
	recovered time.Time     // when the last outage ended
	down      bool          // ready says no
	failed    int           // tries in a row that ended with an outage; 0: writes are not refused
	told      bool          // what outage was told last
}

// outageState is the outage that the records of a consumer wait for; nil while there is none.
type outageState struct{ err atomic.Pointer[error] }

func (o *outageState) set(err error) { o.err.Store(&err) }
func (o *outageState) clear()        { o.err.Store(nil) }

func (o *outageState) get() error {
	if err := o.err.Load(); err != nil {
		return *err
	}
	return nil
}

func newGate(cfg ConsumerConfig, state *outageState, log *slog.Logger) *gate {
	return &gate{
		ready: cfg.Ready, outage: cfg.Hooks.Outage, state: state, log: log, turn: make(chan struct{}, 1),
		pauses: retry.Policy{Least: readyInterval, Most: max(cfg.BackoffMax, readyInterval)},
	}
}

// tell says when an outage begins or ends.
func (g *gate) tell() {
	if down := g.down || g.failed > 0; down != g.told {
		g.told = down
		g.outage(down)
	}
}

// refused is wait for a record that failed with an outage. It returns when the record may be tried again: because writes
// succeed again, or because it is this record's turn to find out. Then probing is true, and the turn is the record's until
// it calls probed.
func (g *gate) refused(ctx context.Context, failedAt time.Time, cause error) (probing bool, err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	if g.recovered.After(failedAt) {
		<-g.turn
		return false, nil
	}
	if g.failed == 0 {
		g.failed = 1
		g.log.Warn("a dependency takes no writes; records wait for it, nothing is given up", "error", cause)
	}
	g.state.set(cause)
	g.tell()
	if err = g.untilReady(ctx); err == nil && !g.pauses.Pause(ctx, g.failed) {
		err = ctx.Err()
	}
	if err != nil {
		<-g.turn
		return false, err
	}
	return true, nil
}

// probed gives the turn back. over says that the record was written, or fails for another cause than the outage.
func (g *gate) probed(over bool) {
	if over {
		g.failed, g.recovered = 0, time.Now()
		g.state.clear()
		g.log.Info("the dependency takes writes again; going on")
		g.tell()
	} else {
		g.failed++
	}
	<-g.turn
}

// wait returns when the dependencies are ready or ctx has ended. failedAt is when the record failed. waited reports that the
// dependencies were not ready at some time since then, so that the outage, and not the record, caused the failure.
func (g *gate) wait(ctx context.Context, failedAt time.Time) (waited bool, err error) {
	select {
	case g.turn <- struct{}{}:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	defer func() { <-g.turn }()
	switch {
	case g.recovered.After(failedAt):
		return true, nil
	case g.failed > 0: // perhaps the cause of this failure, too
		if !retry.Sleep(ctx, readyInterval) {
			return true, ctx.Err()
		}
		return true, nil
	case g.asked.After(failedAt):
		return false, nil
	}
	err = g.untilReady(ctx)
	return g.recovered.After(failedAt), err
}

// untilReady returns when the dependencies are ready, or with an error when ctx has ended. The caller has the turn.
func (g *gate) untilReady(ctx context.Context) error {
	defer func() {
		g.down = false
		g.tell()
	}()
	for {
		asking, cancel := context.WithTimeout(ctx, readyTimeout)
		err := g.ready(asking)
		cancel()
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			g.asked = time.Now()
			if g.down && g.failed == 0 {
				g.recovered = g.asked
				g.log.Info("the dependency is back; going on")
			}
			return nil
		}
		if !g.down {
			g.down = true
			g.tell()
			g.log.Warn("a dependency is down; records wait for it, nothing is given up", "error", err)
		}
		if !retry.Sleep(ctx, readyInterval) {
			return ctx.Err()
		}
	}
}
