package events

import (
	"context"
	"log/slog"
	"time"

	"facestream/pkg/retry"
)

// gate holds records back while a dependency is down: one of them asks, all of them wait.
type gate struct {
	ready  func(context.Context) error
	outage func(down bool)
	log    *slog.Logger

	turn      chan struct{} // holds one token, which the record that asks owns; guards the fields below
	asked     time.Time     // when ready last said yes
	recovered time.Time     // when the last outage ended
}

func newGate(ready func(context.Context) error, outage func(bool), log *slog.Logger) *gate {
	return &gate{ready: ready, outage: outage, log: log, turn: make(chan struct{}, 1)}
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
	if g.recovered.After(failedAt) {
		return true, nil
	}
	if g.asked.After(failedAt) {
		return false, nil
	}
	down := false
	defer func() {
		if down {
			g.outage(false)
		}
	}()
	for {
		asking, cancel := context.WithTimeout(ctx, readyTimeout)
		err := g.ready(asking)
		cancel()
		if ctx.Err() != nil {
			return down, ctx.Err()
		}
		if err == nil {
			g.asked = time.Now()
			if down {
				g.recovered = g.asked
				g.log.Info("the dependency is back; going on")
			}
			return down, nil
		}
		if !down {
			down = true
			g.outage(true)
			g.log.Warn("a dependency is down; records wait for it, nothing is given up", "error", err)
		}
		if !retry.Sleep(ctx, readyInterval) {
			return down, ctx.Err()
		}
	}
}
