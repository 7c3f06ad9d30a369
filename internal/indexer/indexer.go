// Package indexer answers the requests that need the gallery. It enrols, searches and deletes, one analysis at a time
// per person.
package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/directory"
	"facestream/internal/gallery"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Service handles the records of facestream.analyses. Its fields are set once, before use.
type Service struct {
	Gallery gallery.Gallery
	// Directory is nil where an installation keeps none.
	Directory directory.Directory
	Objects   Objects // nil: what facestream wrote beside images stays there
	Results   *outcome.Sink
	Stage     func(stage string, took time.Duration) // measures a stage; may be nil
	Log       zerolog.Logger

	judging turns
}

// Handle answers one analysis. nil means that first the change to the gallery and then the result became durable. A
// result therefore never promises what the gallery does not hold (invariant 4).
func (s *Service) Handle(ctx context.Context, r events.Record) error {
	var a schema.Analysis
	if err := json.Unmarshal(r.Event.Data, &a); err != nil || a.ID == "" {
		return schema.Permanent("indexer.analysis", schema.ReasonUnparsable, fmt.Errorf("the record is not an analysis: %w", schema.Unread(err)))
	}
	start := time.Now()
	result, err := s.decide(ctx, &a)
	if reason := schema.ReasonOf(err); reason != "" {
		result, err = newResult(&a, reason, schema.MessageOf(err)), nil
	}
	if err == nil {
		err = s.removeUnnamed(ctx, &a, result)
	}
	if err != nil {
		return err
	}
	took := time.Since(start)
	if s.Stage != nil {
		s.Stage("gallery", took)
	}
	if result.Timings == nil {
		result.Timings = map[string]float64{}
	}
	result.Timings["gallery"] = float64(took.Microseconds()) / 1000
	return s.Results.Publish(ctx, &a.Job, result, r.Event.TraceParent)
}

// decide answers by what the pack found whose model is the collection's. A collection that is new takes the model of the
// first pack, so nobody is enrolled there whom that pack refuses.
func (s *Service) decide(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	const op = "indexer.analysis"
	var refused *schema.Result
	var mismatch error
	for _, a := range a.ByPack() {
		if a.Answer != nil {
			if refused == nil {
				refused = a.Answer
			}
			continue
		}
		if refused != nil && len(a.Probes) > 0 {
			err := s.Gallery.Search(ctx, a.Collection, a.Probes[:1], 1)[0].Err
			switch reason := schema.ReasonOf(err); {
			case reason == schema.ReasonModelMismatch || reason == schema.ReasonUnknownCollection:
				continue
			case err != nil:
				return nil, err
			}
		}
		result, err := s.answer(ctx, a)
		if schema.ReasonOf(err) != schema.ReasonModelMismatch {
			return result, err
		}
		if mismatch == nil {
			mismatch = err
		}
	}
	if refused != nil {
		return refused, nil
	}
	return nil, schema.Permanent(op, schema.ReasonModelMismatch, fmt.Errorf("%s; let the workers serve the collection with a pack of its model as well (worker.models, worker.collections), or take it to the other model with facestream reindex", schema.MessageOf(mismatch)))
}

// answer answers by what one pack found.
func (s *Service) answer(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	found := len(a.Faces)
	if a.Operation.OnVoices() {
		found = len(a.Recordings)
	}
	if a.Operation.Images() > 0 && (len(a.Images) == 0 || found != 1 || len(a.Probes) != 1 || a.Thresholds == nil) {
		return nil, schema.Permanent("indexer.analysis", schema.ReasonInternal, fmt.Errorf("an analysis for %s must carry an image, one %s, its embedding and thresholds", a.Operation, subject(a)))
	}
	if r, ok, err := s.directed(ctx, a); ok {
		return r, err
	}
	switch a.Operation {
	case schema.OpEnroll, schema.OpVoiceEnroll:
		return s.enroll(ctx, a)
	case schema.OpPredict, schema.OpVoicePredict:
		return s.predict(ctx, a)
	case schema.OpVerify, schema.OpVoiceVerify:
		return s.verify(ctx, a)
	case schema.OpUserDelete:
		return s.delete(ctx, a)
	}
	return nil, schema.Permanent("indexer.analysis", schema.ReasonOperationUnavailable, fmt.Errorf("the indexer does not perform %s", a.Operation))
}

func (s *Service) enroll(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	image := a.Images[0]
	if err := s.admits(ctx, a); err != nil {
		return nil, err
	}
	puid, also, err := s.enrolledAs(ctx, a)
	if err != nil {
		return nil, err
	}
	joins, err := s.joins(ctx, a)
	if err != nil {
		return nil, err
	}
	config, problems := a.Configuration()
	if len(problems) > 0 {
		return nil, schema.Permanent("indexer.config", problems.Reason(), problems)
	}
	var like likeness
	if policy := config.Matching.Duplicates; policy != schema.DuplicatesAllow {
		defer s.judging.take(a.Collection)()
		var refused *schema.Result
		if like, refused, err = s.judge(ctx, a, puid, policy, config.Matching.Neighbors); refused != nil || err != nil {
			return refused, err
		}
	}
	row := gallery.Row{
		ID: schema.RowID(a.ID, image, 0), FormerID: schema.FormerRowID(a.ID, image, 0, a.Probes[0].Model),
		PUID: puid, ExternalID: a.ExternalID.Normal(), Embedding: a.Probes[0], Consent: a.Consent, Created: a.AcceptedAt,
		Source: sourceOf(a, config),
		Order:  a.Order,
		Joins:  joins, // nobody but facestream gives puids
		Also:   also,
	}
	if err := s.Gallery.Upsert(ctx, a.Collection, []gallery.Row{row})[0]; err != nil {
		return nil, err
	}
	if err := s.landed(ctx, a, row); err != nil {
		return nil, err
	}
	r := newResult(a, "", "")
	identify(r, row)
	r.Enroll = &schema.EnrollData{EnrollPerformed: true, Message: "enrolled",
		Response: &schema.EnrollResponse{GUID: row.ID, PUID: row.PUID, Message: "enrolled"}}
	like.into(r.Enroll.Response)
	return r, nil
}

// subject is what a is about.
func subject(a *schema.Analysis) string {
	if a.Operation.OnVoices() {
		return "voice"
	}
	return "face"
}

// identify names in r whose row the face is. A recording has no place for it: the block of its operation says it.
func identify(r *schema.Result, row gallery.Row) {
	if len(r.Faces) > 0 {
		r.Faces[0].IDs = &schema.FaceID{PUID: row.PUID, GUID: row.ID}
	}
}

// named are the thresholds t of a as a result names them: of faces or of voices.
func named(a *schema.Analysis, t schema.Thresholds) (faces, voices []float32) {
	all := []float32{t.Min, t.Med, t.Max}
	if a.Operation.OnVoices() {
		return nil, all
	}
	return all, nil
}

// enrolledAs returns the puid to which an enrolment adds its face or voice. A person whom an earlier version stored under
// another spelling of the name keeps that puid. If nobody is stored, also are the puids that the person could have had.
func (s *Service) enrolledAs(ctx context.Context, a *schema.Analysis) (puid schema.PUID, also []schema.PUID, err error) {
	persons := a.Persons()
	if len(persons) == 1 {
		return a.Person(), nil, nil
	}
	stored, err := s.person(ctx, a)
	switch {
	case schema.ReasonOf(err) == schema.ReasonUnknownCollection || err == nil && len(stored) == 0:
		return a.Person(), persons, nil
	case err != nil:
		return "", nil, err
	}
	return stored[0].Row.PUID, nil, nil
}

// person returns the most similar row of the person whom a names, as a list of one, or an empty list if nobody is
// stored. The spelling of the request comes before the others.
func (s *Service) person(ctx context.Context, a *schema.Analysis) ([]gallery.Match, error) {
	for _, puid := range a.Persons() {
		found := s.Gallery.Search(ctx, a.Collection, a.Probes, 1, puid)[0]
		if found.Err != nil || len(found.Value) > 0 {
			return found.Value, found.Err
		}
	}
	return nil, nil
}

func (s *Service) predict(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	config, problems := a.Configuration()
	if len(problems) > 0 {
		return nil, schema.Permanent("indexer.config", problems.Reason(), problems)
	}
	found, err := s.search(ctx, a, config.Matching.Neighbors)
	if err != nil {
		return nil, err
	}
	t := *a.Thresholds // of the best candidate
	response := &schema.PredictResponse{}
	for _, m := range found {
		if own := thresholds(a, m); m.Score >= own.Min {
			if len(response.List) == 0 {
				t = own
			}
			response.List = append(response.List, candidate(m, own))
		}
	}
	response.FaceThresholds, response.VoiceThresholds = named(a, t)
	if len(response.List) == 0 || !t.Identifies(response.List[0].Score) {
		response.Status, response.Message = 1, "no match"
		r := newResult(a, schema.ReasonNoMatch, "nobody in the collection is similar enough")
		r.Predict = &schema.PredictData{PredictPerformed: true, Message: response.Message, Response: response}
		return r, nil
	}
	best := response.List[0]
	response.GUID, response.PUID, response.Score, response.Message = best.GUID, best.PUID, best.Score, "matched"
	r := newResult(a, "", "")
	identify(r, gallery.Row{PUID: best.PUID, ID: best.GUID})
	r.Predict = &schema.PredictData{PredictPerformed: true, Message: response.Message, Response: response}
	return r, nil
}

// thresholds are those by which the match m of the analysis a is judged.
func thresholds(a *schema.Analysis, m gallery.Match) schema.Thresholds {
	if m.Document && a.DocumentThresholds != nil {
		return *a.DocumentThresholds
	}
	return *a.Thresholds
}

// verify compares the face or voice with those of one person. The most similar of them decides, by the thresholds of its kind.
func (s *Service) verify(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	stored, err := s.person(ctx, a)
	if err != nil {
		return nil, err
	}
	if len(stored) == 0 {
		return newResult(a, schema.ReasonUnknownPUID, nobody), nil
	}
	best := stored[0]
	t := thresholds(a, best)
	v := &schema.VerifyResult{
		VerifyPerformed: true, Message: "matched", IsMatch: t.Matches(best.Score), Similarity: best.Score, Confidence: t.Confidence(best.Score),
		PUID: best.Row.PUID, GUID: best.Row.ID,
	}
	v.FaceThresholds, v.VoiceThresholds = named(a, t)
	r := newResult(a, "", "")
	if v.IsMatch {
		identify(r, best.Row)
	} else {
		v.Message = "no match"
		r = newResult(a, schema.ReasonNoMatch, fmt.Sprintf("the %s is not similar enough to that of the person", subject(a)))
	}
	r.Verify = v
	return r, nil
}

// delete erases the person under every spelling of the name, so that nothing of them is left.
func (s *Service) delete(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	var deletions []gallery.Deletion
	for _, puid := range a.Persons() {
		deletions = append(deletions, gallery.Deletion{PUID: puid, Request: a.ID, Order: a.Order})
	}
	if end, ok := endOf(a); ok {
		if kept, err := s.end(ctx, a, end); kept != nil || err != nil {
			return kept, err
		}
	}
	if err := s.removeOf(ctx, a); err != nil {
		return nil, err
	}
	count := 0
	var unknown error // the gallery's answer where nobody was ever enrolled
	for _, deleted := range s.Gallery.Delete(ctx, a.Collection, deletions) {
		if schema.ReasonOf(deleted.Err) == schema.ReasonUnknownCollection {
			unknown = deleted.Err
		} else if deleted.Err != nil {
			return nil, deleted.Err
		}
		count += deleted.Value
	}
	existed := count > 0
	for _, puid := range a.Persons() {
		forgot, err := s.forget(ctx, a, puid)
		if err != nil {
			return nil, err
		}
		existed = existed || forgot
	}
	if !existed {
		if unknown != nil {
			return nil, unknown
		}
		return newResult(a, schema.ReasonUnknownPUID, nobody), nil
	}
	r := newResult(a, "", "")
	r.UserDelete = &schema.UserDeleteResponse{Count: count, Message: "deleted"}
	return r, nil
}

// nobody is the message of the reason unknown_puid.
const nobody = "nobody in the collection has this puid or external id"

// newResult starts the outcome of a with what the worker found, unless it is a failure, which carries no data.
func newResult(a *schema.Analysis, reason schema.Reason, message string) *schema.Result {
	r := schema.NewResult(&a.Job, reason, message)
	r.Work = a.Work
	if reason.Code() == schema.CodeNoError {
		r.Faces, r.Feedback = a.Faces, a.Feedback
	}
	return r
}
