package indexer

import (
	"context"
	"slices"
	"sync"

	"facestream/internal/directory"
	"facestream/internal/gallery"
	"facestream/pkg/schema"
)

// turns lets enrolments into one collection take turns, where each looks at what the others did. It is safe for concurrent use.
type turns struct {
	mu  sync.Mutex
	all map[schema.Collection]*sync.Mutex
}

// take waits for the turn in a collection and returns what ends it.
func (t *turns) take(c schema.Collection) (end func()) {
	t.mu.Lock()
	if t.all == nil {
		t.all = map[schema.Collection]*sync.Mutex{}
	}
	turn := t.all[c]
	if turn == nil {
		turn = &sync.Mutex{}
		t.all[c] = turn
	}
	t.mu.Unlock()
	turn.Lock()
	return turn.Unlock
}

// likeness is what a collection says of a face that is to be enrolled.
type likeness struct {
	others []schema.Candidate // people under other names who have this face, the most similar first
	own    *float32           // the cosine to the most similar image of the person; nil if there is none yet
	unlike bool               // own does not match
}

// refusal is why duplicate_policy refuse does not enrol the face, "" if it does.
func (l likeness) refusal() schema.Reason {
	switch {
	case len(l.others) > 0:
		return schema.ReasonDuplicateFace
	case l.unlike:
		return schema.ReasonUnlikePerson
	}
	return ""
}

// likeness looks for the face of a in the collection.
func (s *Service) likeness(ctx context.Context, a *schema.Analysis, puid schema.PUID, most int) (l likeness, err error) {
	const later = 16 // people whom a repeat may find besides, because they were enrolled since
	found := s.Gallery.Search(ctx, a.Collection, a.Probes, most+1+later)[0]
	if schema.ReasonOf(found.Err) == schema.ReasonUnknownCollection {
		return l, nil
	}
	if found.Err != nil {
		return l, found.Err
	}
	for _, m := range found.Value {
		if t := thresholds(a, m); m.Row.PUID != puid && t.Identifies(m.Score) {
			l.others = append(l.others, candidate(m, t))
		}
	}
	own := s.Gallery.Search(ctx, a.Collection, a.Probes, 1, puid)[0]
	if own.Err != nil {
		return l, own.Err
	}
	if len(own.Value) > 0 {
		l.own = &own.Value[0].Score
		l.unlike = !thresholds(a, own.Value[0]).Matches(*l.own)
	}
	return l, nil
}

func candidate(m gallery.Match, t schema.Thresholds) schema.Candidate {
	return schema.Candidate{GUID: m.Row.ID, PUID: m.Row.PUID, ExternalID: m.Row.ExternalID, Score: m.Score, Distance: 1 - m.Score, Level: t.Level(m.Score)}
}

// judge decides by duplicate_policy whether a enrols the face, and remembers that and what was found, so that a repeat decides and
// says the same, except of people who were deleted since. refused is the result of an enrolment that is refused, else nil.
func (s *Service) judge(ctx context.Context, a *schema.Analysis, puid schema.PUID, policy schema.DuplicatePolicy, most int) (l likeness, refused *schema.Result, err error) {
	if s.Directory == nil {
		return l, nil, noDirectory("enroll with duplicate_policy")
	}
	if l, err = s.likeness(ctx, a, puid, most); err != nil {
		return l, nil, err
	}
	act := directory.Judge{PUID: puid, Judgement: directory.Judgement{Score: l.own}}
	for _, c := range l.others[:min(most, len(l.others))] {
		act.Known = append(act.Known, c.GUID)
	}
	if policy == schema.DuplicatesRefuse {
		act.Refused = l.refusal()
	}
	first, err := s.apply(ctx, a, act)
	reason := schema.ReasonOf(err)
	if reason == "" && err != nil {
		return l, nil, err
	}
	l.own = first.Score
	l.others = slices.DeleteFunc(l.others, func(c schema.Candidate) bool { return !slices.Contains(first.Known, c.GUID) })
	if reason == "" {
		return l, nil, nil
	}
	message := "the collection knows this face under another name"
	if reason == schema.ReasonUnlikePerson {
		message = "the person's enrolled images show another face"
	}
	refused = newResult(a, reason, message)
	refused.Enroll = &schema.EnrollData{Message: "refused", Response: &schema.EnrollResponse{Status: 1, Message: message}}
	l.into(refused.Enroll.Response)
	return l, refused, nil
}

// into adds to an answer what was found.
func (l likeness) into(r *schema.EnrollResponse) { r.Duplicates, r.PersonScore = l.others, l.own }
