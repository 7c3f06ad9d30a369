package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"facestream/internal/verdict"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// judgedOperations are the operations that Defaults carries out.
var judgedOperations = []schema.Operation{schema.OpEnroll, schema.OpPredict}

// usualRefusals are the reasons that Defaults reports even if no photograph is refused for them.
var usualRefusals = []schema.Reason{schema.ReasonNoFace, schema.ReasonSeveralFaces, schema.ReasonSpoofDetected, schema.ReasonFaceRejected, schema.ReasonLivenessUnknown}

// Defaults judges ordinary photographs as the services would: how many proceed to the gallery at enrolment and at
// prediction, and what refuses the others. The photographs are all images in the folder and in its sub-folders. config is
// the configuration of the requests, a JSON object; nil is the default configuration. No person in the photographs is
// compared with another one.
func Defaults(ctx context.Context, o Options, folder string, config json.RawMessage) (*Report, error) {
	files, err := imagesBelow(folder)
	if err != nil {
		return nil, err
	}
	j, err := o.judge(config)
	if err != nil {
		return nil, err
	}
	with := "the default configuration"
	if len(config) > 0 {
		with = "the configuration " + string(config)
	}
	r := &Report{
		Evaluation: "defaults", What: "which ordinary photographs can be enrolled and searched for with " + with,
		Pack: o.Subject.describe(models.RoleDetector, models.RolePose, models.RoleLandmarks, models.RoleAttributes, models.RoleLiveness),
		Data: Data{Folder: folder, Images: len(files)},
	}
	all := make([][]judgement, len(files))
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) (err error) {
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(files[i])))
		if err != nil {
			return dataError(err)
		}
		if all[i], err = j.judge(ctx, data); err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if r.fair(o.Subject, models.NewDataSet(o.dataName(folder), files), []string{"all"}, o.Subject.traitThresholds()...) {
		r.addJudgements(files, all)
	}
	return r, nil
}

// judge carries out operations on single photographs up to the gallery.
type judge struct {
	engine *engine.Engine
	cases  []*verdict.Case // of judgedOperations
}

// judge returns the judge under a configuration. It returns an error if the configuration is invalid or contradicts the
// pack.
func (o Options) judge(config json.RawMessage) (*judge, error) {
	pack, err := verdict.Of(o.Subject.pack, o.Subject.engine.Models())
	if err != nil {
		return nil, err
	}
	j := &judge{engine: o.Subject.engine}
	for _, op := range judgedOperations {
		c, err := caseOf(op, config, pack)
		if err != nil {
			return nil, err
		}
		j.cases = append(j.cases, c)
	}
	return j, nil
}

// caseOf is the case of a request for op about one image. config is its configuration; nil is the default one.
func caseOf(op schema.Operation, config json.RawMessage, pack verdict.Pack) (*verdict.Case, error) {
	job := &schema.Job{Request: schema.Request{ID: "eval", Operation: op, Config: config, Images: []schema.ObjectRef{{Bucket: "eval", Key: "photograph"}}}}
	if problems := job.Resolve(); len(problems) > 0 {
		return nil, problems
	}
	return verdict.New(job, pack)
}

// judgement is the answer of one operation about one photograph.
type judgement struct {
	reason  schema.Reason // empty if the photograph proceeds to the gallery
	message string
	refused schema.FaceTraits // the traits for which the face is refused
	faces   []schema.FaceResult
}

// judge returns the answers of judgedOperations about one photograph.
func (j *judge) judge(ctx context.Context, photograph []byte) ([]judgement, error) {
	var all []judgement
	var seen *engine.Analysis
	var failed error
	var params engine.Params
	for i, c := range j.cases {
		if p := c.Params(); i == 0 || !reflect.DeepEqual(p, params) {
			params = p
			seen, failed = j.engine.Analyze(ctx, photograph, p)
		}
		if reason := schema.ReasonOf(failed); reason != "" {
			all = append(all, judgement{reason: reason, message: schema.MessageOf(failed)})
			continue
		} else if failed != nil {
			return nil, failed
		}
		var found verdict.Found
		for k := range seen.Faces {
			found.Faces = append(found.Faces, c.Face(&seen.Faces[k], 0, len(seen.Faces)))
		}
		answer := judgement{faces: found.Faces}
		if result := c.Answer(found); result != nil {
			answer.reason, answer.message = result.CallStatus.Reason, result.CallStatus.ReturnMessage
			if len(found.Faces) == 1 {
				answer.refused = c.Rejecting(found.Faces[0].Traits)
			}
		}
		all = append(all, answer)
	}
	return all, nil
}

// String says what becomes of the photograph: the reason, then every trait that refuses the face, even if the reason is
// another one.
func (j judgement) String() string {
	if j.reason == "" {
		return "proceeds"
	}
	said := []string{string(j.reason)}
	switch {
	case j.reason == schema.ReasonSpoofDetected && j.faces[0].Liveness.Score != nil:
		l := j.faces[0].Liveness
		said = append(said, fmt.Sprintf("%.3f < %.3f", *l.Score, *l.Threshold))
	case j.refused == 0 || j.reason == schema.ReasonLivenessUnknown:
		said = append(said, j.message)
	}
	return strings.Join(append(said, schema.TraitNames(j.refused)...), ", ")
}

// onRequest are the traits that no default raises: a key has to ask for them.
const onRequest = schema.FTInvalidFaceBackground | schema.FTFaceNotInOval | schema.FTFaceTooSmall | schema.FTFaceNoPadding

// addJudgements reports the answers about files; all[i] are those of judgedOperations about files[i].
func (r *Report) addJudgements(files []string, all [][]judgement) {
	for k, op := range judgedOperations {
		reasons := map[schema.Reason]int{}
		for _, reason := range usualRefusals {
			reasons[reason] = 0
		}
		proceed := 0
		for i := range files {
			if reason := all[i][k].reason; reason != "" {
				reasons[reason]++
			} else {
				proceed++
			}
		}
		r.addRate(fmt.Sprintf("%s: proceeds", op), Rate{proceed, len(files)})
		for _, reason := range slices.Sorted(maps.Keys(reasons)) {
			r.addRate(fmt.Sprintf("%s: %s", op, reason), Rate{reasons[reason], len(files)})
		}
	}
	// A trait counts if one of the operations raises it, whether it refuses the face or not.
	raised := map[string]int{}
	single, spoofs, unassessed := 0, 0, 0
	for _, answers := range all {
		if len(answers[0].faces) != 1 || len(answers[len(answers)-1].faces) != 1 {
			continue
		}
		single++
		var traits schema.FaceTraits
		for _, a := range answers {
			traits |= a.faces[0].Traits
		}
		for _, name := range schema.TraitNames(traits) {
			raised[name]++
		}
		switch answers[0].faces[0].SpoofStatus {
		case schema.SpoofDetected:
			spoofs++
		case schema.SpoofInvalidFace:
			unassessed++
		}
	}
	if single > 0 {
		r.addRate("one face: called a spoof", Rate{spoofs, single})
		r.addRate("one face: liveness not assessable", Rate{unassessed, single})
		for _, name := range schema.TraitNames(verdict.Judged()) {
			if raised[name] == 0 && slices.Contains(schema.TraitNames(onRequest), name) {
				continue // nobody asked for it, so nothing was judged
			}
			r.addRate("one face: "+name, Rate{raised[name], single})
		}
	}
	for i, file := range files {
		enroll, predict := all[i][0].String(), all[i][1].String()
		switch {
		case all[i][0].reason == "" && all[i][1].reason == "":
		case enroll == predict:
			r.fail(file, "%s", enroll)
		default:
			r.fail(file, "enroll: %s; predict: %s", enroll, predict)
		}
	}
}
