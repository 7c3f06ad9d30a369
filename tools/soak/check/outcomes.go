package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// The kinds of violations.
const (
	lost       = "a request has no outcome"
	late       = "an outcome came after the deadline"
	unasked    = "an outcome was never asked for"
	two        = "a request has two outcomes"
	uncaused   = "a result was published again although nothing had failed"
	wrong      = "an outcome is not the expected one"
	other      = "a result does not say what was asked"
	unburied   = "a record is not a dead letter"
	buried     = "a record is a dead letter and should not be"
	score      = "a score or rank is not that of the vectors"
	stranger   = "somebody was recognised who is not enrolled"
	embedding  = "the face of a picture has another embedding"
	rows       = "a row of the gallery is not as enrolled"
	doubled    = "a row of the gallery is there twice"
	unordered  = "what was answered about a person cannot have happened in any order"
	object     = "a result object is not the result"
	backwards  = "a committed offset went back"
	heavy      = "a service took too much memory"
	unreadable = "a record contradicts another"
	identity   = "a person has two puids, or two persons one"
)

// close is how far a score may be from the one that is recomputed: both are sums of float32 in some order.
const close = 2e-5

// aftermath is how long after a fault its consequences may last: sessions end and members join again.
const aftermath = 12 * time.Second

// verdict is what is wrong, by its kind, and what was looked at.
type verdict struct {
	problems                         map[string][]string
	results, copies, later, objects  int
	scores, searches, persons, steps int
}

func (v *verdict) wrong(kind, format string, args ...any) {
	v.problems[kind] = append(v.problems[kind], fmt.Sprintf(format, args...))
}

// check judges a history.
func check(h *history) *verdict {
	v := &verdict{problems: map[string][]string{}}
	slices.SortFunc(h.causes, func(a, b span) int { return int(a.from - b.from) })
	rows := h.enrolled()
	for _, id := range slices.Sorted(maps.Keys(h.requests)) {
		a := h.requests[id]
		if a.sending == nil {
			v.wrong(unasked, "request %s was never sent", id)
			continue
		}
		v.outcome(h, a)
		v.answer(h, a, rows)
		v.object(a)
	}
	v.buried(h)
	v.gallery(h, rows)
	v.identities(h)
	v.linearizable(h, rows)
	for _, m := range h.memories {
		if m.Most > 0 && m.Peak > m.Most {
			v.wrong(heavy, "%s had %d MiB, of %d", m.Process, m.Peak>>20, m.Most>>20)
		}
	}
	for _, c := range h.commits {
		v.wrong(backwards, "%s", c)
	}
	for _, b := range h.broken {
		v.wrong(unreadable, "%s", b)
	}
	return v
}

// caused reports whether a fault can have led to something that happened between from and to.
func (h *history) caused(from, to int64) bool {
	return slices.ContainsFunc(h.causes, func(s span) bool { return s.from <= to && s.to+int64(aftermath) >= from })
}

// outcome checks that a request has one outcome, in time, however often it was published.
func (v *verdict) outcome(h *history, a *asked) {
	id := a.Request.ID
	if len(a.copies) == 0 {
		v.wrong(lost, "request %s (%s), sent at %.1f s", id, a.Request.Operation, seconds(a.Begun))
		return
	}
	v.results++
	first := a.copies[0]
	if took := time.Duration(first.t - a.Begun); took > h.deadline {
		v.wrong(late, "request %s (%s): after %v", id, a.Request.Operation, took)
	}
	for i, c := range a.copies {
		if i == 0 {
			continue
		}
		v.copies++
		reads := a.Request.Operation == "predict" || a.Request.Operation == "verify"
		switch {
		case c.event != first.event:
			v.wrong(two, "request %s: events %s and %s", id, first.event, c.event)
		case c.whole == first.whole:
		case reads:
			v.later++
		default:
			v.wrong(two, "request %s (%s) was answered differently: %s", id, a.Request.Operation, difference(first.whole, c.whole))
		}
		// A slow upload can reach one ingest by its notification and another one by its listing, whose dates are whole seconds.
		slow := a.Via == "upload" && h.listed > 0 && time.Duration(first.t-a.Begun) > h.listed-time.Second
		if !slow && !h.caused(a.Begun, c.t) {
			v.wrong(uncaused, "request %s (%s): sent at %.1f s, answered at %.1f s and again at %.1f s", id, a.Request.Operation, seconds(a.Begun), seconds(first.t), seconds(c.t))
		}
	}
}

func seconds(t int64) float64 { return time.Duration(t).Seconds() }

// difference shows where two texts begin to differ.
func difference(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	part := func(s string) string { return s[max(0, i-30):min(len(s), i+40)] }
	return fmt.Sprintf("…%s… and …%s…", part(a), part(b))
}

// answer checks each publication of a result by itself.
func (v *verdict) answer(h *history, a *asked, rows map[string]*asked) {
	r := a.Request
	for i, c := range a.copies {
		if i > 0 && c.whole == a.copies[0].whole {
			continue
		}
		reason := c.CallStatus.Reason
		if c.Operation != r.Operation || c.Collection != r.Collection && r.Collection != "" || c.ExternalID != r.ExternalID || c.CallStatus.Tag != r.Tag {
			v.wrong(other, "request %s asked for %s in %q, the result is of %s in %q", r.ID, r.Operation, r.Collection, c.Operation, c.Collection)
		}
		if reason == "" && !slices.Equal(c.Images, r.Images) {
			v.wrong(other, "request %s: the result is about other images", r.ID)
		}
		if a.Expect.Stranger && (reason != "no_match" || slices.ContainsFunc(c.list(), func(x candidate) bool { return x.Level == 3 })) {
			v.wrong(stranger, "request %s: reason %q", r.ID, reason)
			continue
		}
		allowed := a.Expect.Reasons
		if allowed == nil {
			allowed = possible[r.Operation]
		}
		if !slices.Contains(allowed, reason) {
			v.wrong(wrong, "request %s (%s): reason %q, expected one of %q", r.ID, r.Operation, reason, allowed)
			continue
		}
		if (c.CallStatus.ReturnCode == 0) != (reason == "" || slices.Contains(findings, reason)) {
			v.wrong(wrong, "request %s (%s): return code %d with the reason %q", r.ID, r.Operation, c.CallStatus.ReturnCode, reason)
		}
		switch r.Operation {
		case "enroll":
			v.enrolment(a, c)
		case "user_delete":
			if (reason == "") != (c.UserDelete != nil && c.UserDelete.Count > 0) {
				v.wrong(wrong, "request %s: a deletion with the reason %q and %+v", r.ID, reason, c.UserDelete)
			}
		case "predict":
			v.search(a, c, rows)
		case "verify":
			v.verification(a, c, rows)
		case "compare":
			v.comparison(h, a, c)
		}
	}
	if len(r.Images) > 0 && a.probe != nil {
		if shows := h.pictures[r.Images[0]]; shows != nil && (len(shows) != 1 || !slices.Equal(shows[0], a.probe)) {
			v.wrong(embedding, "request %s", r.ID)
		}
	}
}

// findings are the reasons that are no failures.
var findings = []string{"no_match", "no_face", "several_faces"}

// possible are the reasons of operations whose outcome depends on others.
var possible = map[string][]string{
	"enroll":      {"", "deleted_meanwhile"},
	"user_delete": {"", "unknown_puid"},
	"predict":     {"", "no_match"},
	"verify":      {"", "no_match", "unknown_puid"},
}

func (v *verdict) enrolment(a *asked, c copied) {
	if c.CallStatus.Reason != "" {
		if c.Enroll != nil && c.Enroll.Performed {
			v.wrong(wrong, "request %s was refused (%s) and enrolled", c.RequestID, c.CallStatus.Reason)
		}
		return
	}
	e := c.Enroll
	switch {
	case e == nil || !e.Performed || e.Response == nil || e.Response.GUID == "" || e.Response.PUID == "":
		v.wrong(wrong, "request %s: nobody was enrolled", c.RequestID)
	case len(c.Faces) != 1 || c.Faces[0].IDs == nil || c.Faces[0].IDs.GUID != e.Response.GUID || c.Faces[0].IDs.PUID != e.Response.PUID:
		v.wrong(wrong, "request %s: the face has other ids than the enrolment", c.RequestID)
	case a.probe == nil:
		v.wrong(unreadable, "request %s was enrolled without an analysis", c.RequestID)
	}
}

func (c *copied) list() []candidate {
	if c.Predict == nil || c.Predict.Response == nil {
		return nil
	}
	return c.Predict.Response.List
}

// search checks the list of a search against the vectors. Whom it must have is checked with the histories of the persons.
func (v *verdict) search(a *asked, c copied, rows map[string]*asked) {
	id := c.RequestID
	if a.probe == nil || c.Predict == nil || c.Predict.Response == nil || len(c.Predict.Response.Thresholds) != 3 {
		v.wrong(wrong, "request %s: a search without an answer", id)
		return
	}
	v.searches++
	r := c.Predict.Response
	least, most := r.Thresholds[0], r.Thresholds[2]
	seen := map[string]bool{}
	for i, x := range r.List {
		level := 0
		for _, t := range r.Thresholds {
			if x.Score >= t {
				level++
			}
		}
		switch {
		case x.Score < least || level != x.Level:
			v.wrong(score, "request %s: candidate %d has the score %v and the level %d", id, i, x.Score, x.Level)
		case i > 0 && (x.Score > r.List[i-1].Score || x.Score == r.List[i-1].Score && x.GUID < r.List[i-1].GUID):
			v.wrong(score, "request %s: candidate %d does not come after the one before", id, i)
		case seen[x.PUID]:
			v.wrong(score, "request %s: a person is listed twice", id)
		}
		seen[x.PUID] = true
		v.candidate(a, x.GUID, x.PUID, x.Score, rows)
		if row := rows[x.GUID]; row != nil && (row.Request.ExternalID != x.ExternalID || row.Request.Collection != c.Collection) {
			v.wrong(score, "request %s: candidate %d is somebody else", id, i)
		}
	}
	found := len(r.List) > 0 && r.List[0].Score >= most
	if found != (c.CallStatus.Reason == "") {
		v.wrong(wrong, "request %s: reason %q with the best candidate at %v of %v", id, c.CallStatus.Reason, r.Score, most)
	}
	if found && (r.GUID != r.List[0].GUID || r.PUID != r.List[0].PUID || r.Score != r.List[0].Score || len(c.Faces) != 1 || c.Faces[0].IDs == nil || c.Faces[0].IDs.GUID != r.GUID) {
		v.wrong(wrong, "request %s: the person is not the best candidate", id)
	}
	if want := neighbours(a.Request); len(r.List) > want {
		v.wrong(score, "request %s lists %d candidates, of %d", id, len(r.List), want)
	}
}

// candidate recomputes the score of a row.
func (v *verdict) candidate(a *asked, guid, puid string, got float64, rows map[string]*asked) {
	row := rows[guid]
	if row == nil {
		v.wrong(score, "request %s: found a row that nobody enrolled", a.Request.ID)
		return
	}
	v.scores++
	if want := cosine(a.probe, row.probe); !(math.Abs(want-got) < close) || row.model != a.model {
		v.wrong(score, "request %s: %v for a row with %v", a.Request.ID, got, want)
	}
	if puid != row.puid() {
		v.wrong(identity, "request %s: a row with the puid of somebody else", a.Request.ID)
	}
}

// puid is what the enrolment was told.
func (a *asked) puid() string {
	for _, c := range a.copies {
		if c.Enroll != nil && c.Enroll.Response != nil {
			return c.Enroll.Response.PUID
		}
	}
	return ""
}

func (v *verdict) verification(a *asked, c copied, rows map[string]*asked) {
	if c.CallStatus.Reason == "unknown_puid" {
		if c.Verify != nil {
			v.wrong(wrong, "request %s: nobody was compared, and yet there is a result", c.RequestID)
		}
		return
	}
	if c.Verify == nil || a.probe == nil || len(c.Verify.Thresholds) != 3 {
		v.wrong(wrong, "request %s: a verification without an answer", c.RequestID)
		return
	}
	v.candidate(a, c.Verify.GUID, c.Verify.PUID, c.Verify.Similarity, rows)
	if matches := c.Verify.Similarity >= c.Verify.Thresholds[1]; matches != c.Verify.IsMatch || matches != (c.CallStatus.Reason == "") {
		v.wrong(wrong, "request %s: match %v and reason %q at %v of %v", c.RequestID, c.Verify.IsMatch, c.CallStatus.Reason, c.Verify.Similarity, c.Verify.Thresholds[1])
	}
}

// comparison recomputes the similarity where it is known what the pictures show.
func (v *verdict) comparison(h *history, a *asked, c copied) {
	if c.Compare == nil || !c.Compare.IsMatch {
		v.wrong(wrong, "request %s: two pictures of one person did not match", c.RequestID)
		return
	}
	x, y := h.pictures[a.Request.Images[0]], h.pictures[a.Request.Images[1]]
	if len(x) != 1 || len(y) != 1 {
		return
	}
	v.scores++
	if want := cosine(x[0], y[0]); !(math.Abs(want-c.Compare.Similarity) < close) {
		v.wrong(score, "request %s: a similarity of %v for %v", c.RequestID, c.Compare.Similarity, want)
	}
}

// object checks that a result object is one of the publications of the result.
func (v *verdict) object(a *asked) {
	if !a.Request.ResultObject {
		return
	}
	v.objects++
	if len(a.objects) != 1 || !slices.ContainsFunc(a.copies, func(c copied) bool { return c.whole == a.objects[0] }) {
		v.wrong(object, "request %s: %.200s", a.Request.ID, strings.Join(a.objects, ", "))
	}
}

// buried checks the dead letters: those that must be there are, once where nothing failed, and no others.
func (v *verdict) buried(h *history) {
	must, found := map[string]*sending{}, map[string][]dead{}
	for _, d := range h.dead {
		found[d.Value] = append(found[d.Value], d)
	}
	for _, s := range h.records {
		must[s.Value] = s
		at := found[s.Value]
		if len(at) == 0 {
			v.wrong(unburied, "%.120q", s.Value)
			continue
		}
		if took := time.Duration(at[0].T - s.Begun); took > h.deadline {
			v.wrong(late, "%.120q: after %v", s.Value, took)
		}
		for i, d := range at {
			if d.Reason != s.Expect.Dead {
				v.wrong(wrong, "%.120q is a dead letter for the reason %s, expected %s", s.Value, d.Reason, s.Expect.Dead)
			}
			if i > 0 && !h.caused(s.Begun, d.T) {
				v.wrong(uncaused, "the dead letter %.120q", s.Value)
			}
		}
	}
	for _, d := range h.dead {
		if must[d.Value] == nil {
			v.wrong(buried, "from %s, %s: %.300s", d.Origin, d.Reason, d.Value)
		}
	}
}
