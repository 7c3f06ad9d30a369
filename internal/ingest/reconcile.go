package ingest

import (
	"context"
	"maps"
	"time"

	"facestream/internal/routes"
	"facestream/pkg/schema"
)

// Reconciler processes uploads whose notification was lost. Object stores drop, repeat and reorder notifications.
type Reconciler struct {
	Service  *Service
	Interval time.Duration
	Grace    time.Duration // younger objects are left to their notification
	Window   time.Duration // older objects are left alone: their outcome may have passed the retention of the results
	OnPass   func(c Counts, took time.Duration)

	failed map[schema.RequestID]bool // the objects that the last pass skipped

	// An upload that no record announced is younger than what the topics held when a listing did not have it yet. So it does
	// not bring back a person whose deletion was sent after the upload.
	began    *schema.Order                      // the ends when the last complete pass began; nil before it
	unlisted map[schema.RequestID]*schema.Order // began when an object was listed first that no pass has accepted
}

// Counts are the objects of one pass: those that were listed, those of them that were fed, and those that were skipped
// because the store could not name or answer for them.
type Counts struct{ Listed, Fed, Skipped int }

// Run makes a pass every Interval until ctx ends. After a failed pass it continues with the next one.
func (r *Reconciler) Run(ctx context.Context) error {
	tick := time.NewTicker(r.Interval)
	defer tick.Stop()
	for {
		start := time.Now()
		counts, err := r.Pass(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			r.Service.Log.Warn().Err(err).Msg("reconciliation stopped half-way; the next pass goes on")
		case r.OnPass != nil:
			r.OnPass(counts, time.Since(start))
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// tolerated is how many failures in a row can be the fault of the objects. More of them mean that the store, the broker or
// the ledger is away.
const tolerated = 10

// Pass lists every watched prefix once and accepts each object that has neither a job nor an outcome. It skips an object
// that cannot be accepted, because the others must not wait for it. Objects that failed in the last pass do not count
// among the tolerated failures: even many of them next to each other delay the others by a few passes only.
func (r *Reconciler) Pass(ctx context.Context) (c Counts, err error) {
	s := r.Service
	failed := map[schema.RequestID]bool{}
	unlisted := map[schema.RequestID]*schema.Order{}
	if r.unlisted == nil {
		r.unlisted = map[schema.RequestID]*schema.Order{}
	}
	began, err := s.ends(ctx)
	if err != nil {
		return c, err
	}
	var cause error
	inARow := 0
	defer func() {
		if err == nil {
			r.began = began
		} else {
			maps.Copy(r.unlisted, unlisted) // the pass may not have come to the others
			unlisted = r.unlisted
		}
		r.failed, r.unlisted = failed, unlisted
		if c.Skipped > 0 && ctx.Err() == nil {
			s.Log.Warn().AnErr("cause", cause).Int("count", c.Skipped).Msg("reconciliation skipped objects; the next pass tries them again")
		}
	}()
	for _, at := range s.Routes.Prefixes(s.Buckets) {
		now := time.Now()
		for info, err := range s.Objects.List(ctx, at.Bucket, at.Key) {
			if schema.ReasonOf(err) == schema.ReasonUnparsable { // this entry alone
				cause = err
				c.Skipped++
				continue
			}
			if err != nil {
				return c, err
			}
			c.Listed++
			age := now.Sub(info.Modified)
			match, ok := s.Routes.Match(at.Bucket, info.Ref.Key)
			if !ok || routes.IsFolder(info.Ref.Key) || age > r.Window {
				continue
			}
			req, _ := match.Request(info.Ref)
			if unlisted[req.ID] = r.unlistedAt(req.ID, began.Cluster); age < r.Grace {
				continue
			}
			if _, seen, err := s.Ledger.Seen(ctx, req.ID); err != nil {
				return c, err
			} else if seen {
				delete(unlisted, req.ID)
				continue
			}
			switch upload, err := s.acceptObject(ctx, info.Ref, source{unlisted: unlisted[req.ID]}); {
			case err == nil:
				inARow = 0
				delete(unlisted, req.ID)
				if upload {
					c.Fed++
				}
			case ctx.Err() != nil || schema.ClassOf(err) == schema.ClassFatal:
				return c, err
			default:
				failed[req.ID], cause = true, err
				c.Skipped++
				if !r.failed[req.ID] {
					inARow++
				}
				if inARow > tolerated {
					return c, err
				}
			}
		}
	}
	return c, nil
}

// unlistedAt is the order of an object: the latest moment that is known to lie before its upload.
func (r *Reconciler) unlistedAt(id schema.RequestID, cluster string) *schema.Order {
	if order, ok := r.unlisted[id]; ok {
		return order
	}
	if r.began == nil {
		return &schema.Order{Cluster: cluster}
	}
	return r.began
}
