// Package indexer answers what needs the gallery: it enrolls, searches and deletes, one analysis at a time per person.
package indexer

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/gallery"
	"facestream/internal/outcome"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Service handles the records of facestream.analyses. Its fields are set once, before use.
type Service struct {
	Gallery gallery.Gallery
	Results *outcome.Sink
	Stage   func(stage string, took time.Duration) // measures a stage; may be nil
	Log     zerolog.Logger
}

// Handle answers one analysis. nil means that the change to the gallery and the result are durable, in this order, so
// that a result never promises what the gallery has not (invariant 4).
func (s *Service) Handle(ctx context.Context, r events.Record) error {
	var a schema.Analysis
	if err := json.Unmarshal(r.Event.Data, &a); err != nil || a.ID == "" {
		return schema.Permanent("indexer.analysis", schema.ReasonUnparsable, fmt.Errorf("the record is no analysis: %w", err))
	}
	start := time.Now()
	result, err := s.answer(ctx, &a)
	if reason := schema.ReasonOf(err); reason != "" {
		result, err = newResult(&a, reason, schema.MessageOf(err)), nil
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

func (s *Service) answer(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	if a.Operation.Images() > 0 && (len(a.Faces) != 1 || len(a.Probes) != 1 || a.Thresholds == nil) {
		return nil, schema.Permanent("indexer.analysis", schema.ReasonInternal, fmt.Errorf("an analysis for %s must carry one face, its embedding and thresholds", a.Operation))
	}
	switch a.Operation {
	case schema.OpEnroll:
		return s.enroll(ctx, a)
	case schema.OpPredict:
		return s.predict(ctx, a)
	case schema.OpVerify:
		return s.verify(ctx, a)
	case schema.OpUserDelete:
		return s.delete(ctx, a)
	}
	return nil, schema.Permanent("indexer.analysis", schema.ReasonOperationUnavailable, fmt.Errorf("the indexer does not perform %s", a.Operation))
}

func (s *Service) enroll(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	image := a.Images[0]
	row := gallery.Row{
		ID: schema.RowID(a.ID, image, 0), FormerID: schema.FormerRowID(a.ID, image, 0, a.Probes[0].Model),
		PUID: a.Subject(), ExternalID: a.ExternalID, Embedding: a.Probes[0], Consent: a.Consent, Created: a.AcceptedAt,
		Source: &gallery.Source{Image: image, Box: a.Faces[0].Geometry.InPicture()},
	}
	if err := s.Gallery.Upsert(ctx, a.Collection, []gallery.Row{row})[0]; err != nil {
		return nil, err
	}
	r := newResult(a, "", "")
	r.Faces[0].IDs = &schema.FaceID{PUID: row.PUID, GUID: row.ID}
	r.Enroll = &schema.EnrollData{EnrollPerformed: true, Message: "enrolled",
		Response: &schema.EnrollResponse{GUID: row.ID, PUID: row.PUID, Message: "enrolled"}}
	return r, nil
}

func (s *Service) predict(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	config, problems := schema.ResolveConfig(a.Operation, a.Config)
	if len(problems) > 0 {
		return nil, schema.Permanent("indexer.config", problems.Reason(), problems)
	}
	found := s.Gallery.Search(ctx, a.Collection, a.Probes, config.Neighbors)[0]
	if found.Err != nil {
		return nil, found.Err
	}
	t := *a.Thresholds
	var candidates []schema.Candidate
	for _, m := range found.Value {
		if level := t.Level(m.Score); m.Score >= t.Min {
			candidates = append(candidates, schema.Candidate{GUID: m.Row.ID, PUID: m.Row.PUID, ExternalID: m.Row.ExternalID, Score: m.Score, Level: level})
		}
	}
	if len(candidates) == 0 || !t.Identifies(candidates[0].Score) {
		r := newResult(a, schema.ReasonNoMatch, "nobody in the collection is similar enough")
		r.Predict = &schema.PredictData{PredictPerformed: true, Message: "no match",
			Response: &schema.PredictResponse{Status: 1, Message: "no match", List: candidates}}
		return r, nil
	}
	best := candidates[0]
	r := newResult(a, "", "")
	r.Faces[0].IDs = &schema.FaceID{PUID: best.PUID, GUID: best.GUID}
	r.Predict = &schema.PredictData{PredictPerformed: true, Message: "matched",
		Response: &schema.PredictResponse{GUID: best.GUID, PUID: best.PUID, Message: "matched", Score: best.Score, List: candidates}}
	return r, nil
}

// verify compares the face with the images of one person. The most similar of them decides.
func (s *Service) verify(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	found := s.Gallery.Search(ctx, a.Collection, a.Probes, 1, a.Person())[0]
	if found.Err != nil {
		return nil, found.Err
	}
	if len(found.Value) == 0 {
		const message = "nobody in the collection has this puid or external id"
		r := newResult(a, schema.ReasonUnknownPUID, message)
		r.Verify = &schema.VerifyResult{Message: message}
		return r, nil
	}
	t, best := *a.Thresholds, found.Value[0]
	v := &schema.VerifyResult{
		VerifyPerformed: true, Message: "matched", IsMatch: t.Matches(best.Score), Similarity: best.Score, Confidence: t.Confidence(best.Score),
		PUID: best.Row.PUID, GUID: best.Row.ID, FaceThresholds: []float32{t.Min, t.Med, t.Max},
	}
	r := newResult(a, "", "")
	if v.IsMatch {
		r.Faces[0].IDs = &schema.FaceID{PUID: best.Row.PUID, GUID: best.Row.ID}
	} else {
		v.Message = "no match"
		r = newResult(a, schema.ReasonNoMatch, "the face is not similar enough to that of the person")
	}
	r.Verify = v
	return r, nil
}

func (s *Service) delete(ctx context.Context, a *schema.Analysis) (*schema.Result, error) {
	deleted := s.Gallery.Delete(ctx, a.Collection, []gallery.Deletion{{PUID: a.Subject(), Request: a.ID}})[0]
	if deleted.Err != nil {
		return nil, deleted.Err
	}
	if deleted.Value == 0 {
		r := newResult(a, schema.ReasonUnknownPUID, "nobody in the collection has this puid or external id")
		r.UserDelete = &schema.UserDeleteResponse{Status: 1, Message: "nobody had this id"}
		return r, nil
	}
	r := newResult(a, "", "")
	r.UserDelete = &schema.UserDeleteResponse{Count: deleted.Value, Message: "deleted"}
	return r, nil
}

func newResult(a *schema.Analysis, reason schema.Reason, message string) *schema.Result {
	r := schema.NewResult(&a.Job, reason, message)
	r.Faces, r.Models, r.Timings, r.Feedback = a.Faces, a.Models, a.Timings, a.Feedback
	return r
}
