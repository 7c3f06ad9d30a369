package indexer

import (
	"context"
	"slices"
	"strings"
	"time"

	"facestream/internal/directory"
	"facestream/internal/outcome"
	"facestream/pkg/schema"
)

// How the deletion of somebody whose time has ended is recognised: by its id, and the tag says which end it is about.
const (
	endID  = "facestream-end-"
	endTag = "ttl "
)

// sweepAtOnce is how many deletions one sweep asks for.
const sweepAtOnce = 500

// Sweep asks for the deletion of everybody whose time has ended at now, and returns how many these are. The deletions are
// requests like any other, so they keep the order of each person, and their results say what was done. Their ids follow from
// person and end, so sweeps of several indexers, and sweeps after a crash, ask for each once; somebody who is still there a day
// later is asked for again.
func Sweep(ctx context.Context, d directory.Keeper, now time.Time, submit func(context.Context, schema.Request) error) (int, error) {
	due, err := d.Expired(ctx, now, sweepAtOnce)
	if err != nil {
		return 0, err
	}
	for i, x := range due {
		day := int(now.Sub(x.Expires) / (24 * time.Hour))
		r := schema.Request{
			ID:        schema.RequestID(endID + schema.EndID(x.Collection, x.PUID, x.Expires, day)),
			Operation: schema.OpUserDelete, Collection: x.Collection, PUID: x.PUID, Tag: endTag + x.Expires.Format(time.RFC3339Nano),
		}
		if err := submit(ctx, r); err != nil {
			return i, err
		}
	}
	return len(due), nil
}

// endOf returns the end that a deletion is about; ok is false for one that somebody asked for.
func endOf(a *schema.Analysis) (end time.Time, ok bool) {
	text, tagged := strings.CutPrefix(a.Tag, endTag)
	end, err := time.Parse(time.RFC3339Nano, text)
	return end, tagged && err == nil && strings.HasPrefix(string(a.ID), endID)
}

// end prepares a deletion because a person's time has ended: it removes the images that the person was enrolled from, and
// their result objects. That comes before the directory, which knows of them: after a crash in between the repeat finds them
// again. kept is the result if the end was moved since the sweep; what was decided first is remembered.
func (s *Service) end(ctx context.Context, a *schema.Analysis, end time.Time) (kept *schema.Result, err error) {
	if s.Directory == nil {
		return nil, noDirectory("user_delete at the end of a person")
	}
	p, err := s.Directory.Person(ctx, a.Collection, a.PUID)
	if err != nil {
		return nil, err
	}
	act := directory.Judge{PUID: a.PUID}
	if p != nil && (p.Expires == nil || !p.Expires.Equal(end)) {
		act.Known = []string{"kept"}
	}
	first, err := s.apply(ctx, a, act)
	if err != nil {
		return nil, err
	}
	if len(first.Known) > 0 {
		r := newResult(a, "", "")
		r.UserDelete = &schema.UserDeleteResponse{Status: 1, Message: "kept: the end of the person was moved"}
		return r, nil
	}
	for after := ""; ; {
		page, err := s.Directory.Images(ctx, a.Collection, a.PUID, after, 1000)
		if err != nil {
			return nil, err
		}
		var gone []schema.ObjectRef
		for _, i := range page.Images {
			if o := i.Object; o != nil {
				gone = append(gone, *o, schema.ObjectRef{Bucket: o.Bucket, Key: o.Key + outcome.Suffix})
			}
		}
		if err := s.remove(ctx, slices.Compact(gone)); err != nil {
			return nil, err
		}
		if after = page.Next; after == "" {
			return nil, nil
		}
	}
}
