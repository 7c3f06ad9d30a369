package ingest

import (
	"context"
	"time"
)

// Reconciler feeds the uploads whose notification was lost: object stores drop, repeat and reorder them.
type Reconciler struct {
	Service  *Service
	Interval time.Duration
	Grace    time.Duration // younger objects are left to their notification
	Window   time.Duration // older objects are left alone: their outcome may have passed the retention of the results
	OnPass   func(listed, fed int, took time.Duration)
}

// Run makes a pass every Interval until ctx ends. A pass that fails is tried again at the next one.
func (r *Reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(r.Interval)
	defer tick.Stop()
	for {
		start := time.Now()
		listed, fed, err := r.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.Service.Log.Warn().Err(err).Msg("reconciliation stopped half-way; the next pass goes on")
		case r.OnPass != nil:
			r.OnPass(listed, fed, time.Since(start))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Pass lists every watched prefix once and accepts each object that has neither a job nor an outcome.
func (r *Reconciler) Pass(ctx context.Context) (listed, fed int, err error) {
	s := r.Service
	for _, at := range s.Routes.watched(s.Buckets) {
		now := time.Now()
		for info, err := range s.Objects.List(ctx, at.bucket, at.prefix) {
			if err != nil {
				return listed, fed, err
			}
			listed++
			age := now.Sub(info.Modified)
			route, ok := s.Routes.Match(at.bucket, info.Ref.Key)
			if !ok || unwatchable(info.Ref.Key) != "" || age < r.Grace || age > r.Window {
				continue
			}
			req := route.Request(info.Ref)
			if _, seen, err := s.Ledger.Seen(ctx, req.ID); err != nil {
				return listed, fed, err
			} else if seen {
				continue
			}
			if err := s.acceptObject(ctx, info.Ref, ""); err != nil {
				return listed, fed, err
			}
			fed++
		}
	}
	return listed, fed, nil
}

type watchedPrefix struct{ bucket, prefix string }

// watched is every place that a route takes objects from, without repeats.
func (rs Routes) watched(buckets []string) []watchedPrefix {
	var out []watchedPrefix
	seen := map[watchedPrefix]bool{}
	for _, r := range rs {
		for _, b := range buckets {
			at := watchedPrefix{b, r.Prefix()}
			if (r.Bucket == "" || r.Bucket == b) && !seen[at] {
				seen[at] = true
				out = append(out, at)
			}
		}
	}
	return out
}
