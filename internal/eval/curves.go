package eval

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"facestream/internal/verdict"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Curve is how many ordinary portraits raise a trait at each of several limits.
type Curve struct {
	Trait string `json:"trait"`
	// Key is the key of the configuration that sets the limit, or the threshold of the manifest where no key does. Operation is
	// the one whose default is Default.
	Key       string           `json:"key"`
	Operation schema.Operation `json:"operation"`
	Default   float64          `json:"default"`
	Limits    []float64        `json:"limits"` // from the laxest to the strictest
	Sets      []CurveSet       `json:"sets"`
}

// CurveSet are the counts of one set of portraits: Raised[i] of Of raise the trait at the curve's i-th limit.
type CurveSet struct {
	Name   string `json:"name"`
	Of     int    `json:"of"`
	Raised []int  `json:"raised"`
}

// limited are the traits with a limit, and the limits at which Curves counts them, from the laxest to the strictest. The default is
// among them; TestCurvesHaveTheDefaults holds them to it. point is set where no key of the configuration but an operating point
// of the pack is the limit; then limits are those around any pack's.
var limited = []struct {
	trait  schema.FaceTraits
	op     schema.Operation
	key    string
	limits []float64
	point  func(*verdict.TraitPoints) *float32
}{
	{schema.FTFaceTooClose, schema.OpEnroll, "threshold_user_too_close", []float64{0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3}, nil},
	{schema.FTFaceTooFar, schema.OpEnroll, "threshold_user_too_far", []float64{0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.15}, nil},
	{schema.FTFaceRight, schema.OpEnroll, "threshold_user_right", []float64{0, 0.01, 0.02, 0.05, 0.1, 0.2}, nil},
	{schema.FTFaceLeft, schema.OpEnroll, "threshold_user_left", []float64{1, 0.99, 0.98, 0.95, 0.9, 0.8}, nil},
	{schema.FTFaceUp, schema.OpEnroll, "threshold_user_up", []float64{0, 0.01, 0.02, 0.05, 0.1, 0.2}, nil},
	{schema.FTFaceDown, schema.OpEnroll, "threshold_user_down", []float64{1, 0.99, 0.98, 0.95, 0.9, 0.8}, nil},
	{schema.FTImageBlurr, schema.OpEnroll, "blur_threshold_enroll_pred", []float64{2, 5, 10, 20, 50, 100, 200}, nil},
	{schema.FTLookingLeft | schema.FTLookingRight, schema.OpEnroll, "threshold_profile_enroll", []float64{0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98}, nil},
	{schema.FTLookingLeft | schema.FTLookingRight, schema.OpPredict, "threshold_profile_predict", []float64{0.5, 0.7, 0.8, 0.85, 0.9, 0.95, 0.98}, nil},
	{schema.FTLookingHigh, schema.OpEnroll, "threshold_high_vertical_enroll", []float64{-0.25, -0.2, -0.15, -0.12, -0.1, -0.08, -0.05}, nil},
	{schema.FTLookingDown, schema.OpEnroll, "threshold_down_vertical_enroll", []float64{0.25, 0.2, 0.15, 0.12, 0.1, 0.08, 0.05}, nil},
	{schema.FTFaceTooDark, schema.OpEnroll, "face_too_dark", []float64{0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35}, nil},
	{schema.FTFaceTooDark, schema.OpEnroll, "underexposure_threshold", []float64{0.6, 0.4, 0.3, 0.2, 0.1, 0.05}, nil},
	{schema.FTFaceTooBright, schema.OpEnroll, "face_too_bright", []float64{0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65}, nil},
	{schema.FTFaceTooBright, schema.OpEnroll, "overexposure_threshold", []float64{0.3, 0.2, 0.1, 0.05, 0.02, 0.01}, nil},
	{schema.FTFaceLowValConf, schema.OpEnroll, "landmark_confidence_score_threshold", []float64{0.3, 0.4, 0.5, 0.6, 0.7, 0.8}, nil},
	{schema.FTEyeBlink, schema.OpEnroll, "eyes_blinking_threshold", []float64{0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3}, nil},
	{schema.FTMouthOpened, schema.OpEnroll, "mouth_opened_threshold", []float64{0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4}, nil},
	{schema.FTFaceRotatedRight, schema.OpEnroll, "angle_rotation_right_threshold", []float64{45, 30, 20, 15, 10, 5}, nil},
	{schema.FTFaceRotatedLeft, schema.OpEnroll, "angle_rotation_left_threshold", []float64{45, 30, 20, 15, 10, 5}, nil},
	{schema.FTFaceTooSmall, schema.OpEnroll, "min_inter_eye_distance", []float64{0, 20, 40, 60, 90, 120}, nil},
	{schema.FTFaceNoPadding, schema.OpEnroll, "min_face_padding", []float64{0, 1, 3, 10, 20, 50}, nil},
	{schema.FTFaceWithGlass, schema.OpEnroll, face.ThresholdGlasses, tenths, func(p *verdict.TraitPoints) *float32 { return &p.Glasses }},
	{schema.FTFaceWithMask, schema.OpEnroll, face.ThresholdMask, tenths, func(p *verdict.TraitPoints) *float32 { return &p.Mask }},
	{schema.FTEyeCovered, schema.OpEnroll, face.ThresholdOccluded, tenths, func(p *verdict.TraitPoints) *float32 { return &p.Occluded }},
	{schema.FTNoseCovered, schema.OpEnroll, face.ThresholdOccluded, tenths, func(p *verdict.TraitPoints) *float32 { return &p.Occluded }},
	{schema.FTMouthCovered, schema.OpEnroll, face.ThresholdOccluded, tenths, func(p *verdict.TraitPoints) *float32 { return &p.Occluded }},
}

var tenths = []float64{0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.3}

// Curves counts how many ordinary portraits raise each trait at limits around its default. All other keys have their defaults. The
// portraits are those of root/faces/pairs and those of root/labelled/ages, which are cut closely: on the latter the traits of size and
// position say little. Nothing says who of them wears glasses or closes an eye, so a trait can be what a portrait shows.
func Curves(ctx context.Context, o Options) (*Report, error) {
	pack, err := verdict.Of(o.Subject.pack, o.Subject.engine.Models())
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "curves", What: "ordinary portraits that raise a trait, at limits around the default",
		Pack: o.Subject.describe(models.RoleDetector, models.RolePose, models.RoleLandmarks, models.RoleAttributes),
		Data: Data{Folder: o.Data},
	}
	type portraits struct {
		name  string
		faces []*face.Observation
	}
	var sets []portraits
	for _, name := range []string{"faces/pairs", path.Dir(PeopleFile)} {
		folder := filepath.Join(o.Data, filepath.FromSlash(name))
		files, err := imagesBelow(folder)
		if Lacking(err) && len(sets) > 0 {
			r.Notes = append(r.Notes, name+" is missing")
			continue
		} else if err != nil {
			return nil, err
		}
		if !r.fair(o.Subject, models.NewDataSet(name, files), []string{name}, o.Subject.traitThresholds()...) {
			continue
		}
		r.Data.Images += len(files)
		read := func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(folder, filepath.FromSlash(file))) }
		params := engine.Params{Strategy: engine.BestConfidence, MinConfidence: o.Subject.minConfidence(), Attributes: true}
		found, err := o.firstFaces(ctx, name, files, read, params, func(file, why string) { r.fail(path.Join(name, file), "%s", why) })
		if err != nil {
			return nil, err
		}
		sets = append(sets, portraits{name, slices.DeleteFunc(found, func(f *face.Observation) bool { return f == nil })})
	}
	for _, l := range limited {
		limits, usual := l.limits, 0.0
		if l.point != nil {
			usual = rounded(*l.point(&pack.Traits))
			limits = between(limits, usual)
		} else if usual, err = defaultOf(l.op, l.key); err != nil {
			return nil, err
		}
		c := Curve{Trait: strings.Join(schema.TraitNames(l.trait), ", "), Key: l.key, Operation: l.op, Default: usual, Limits: limits}
		cases := make([]*verdict.Case, len(limits))
		for i, limit := range limits {
			p, config := pack, json.RawMessage(nil)
			if l.point != nil {
				*l.point(&p.Traits) = float32(limit)
			} else {
				config = json.RawMessage(fmt.Sprintf(`{%q: %v}`, l.key, limit))
			}
			if cases[i], err = caseOf(l.op, config, p); err != nil {
				return nil, err
			}
		}
		for _, set := range sets {
			counts := CurveSet{Name: set.name, Of: len(set.faces), Raised: make([]int, len(limits))}
			for _, f := range set.faces {
				for i := range limits {
					if cases[i].Face(f, 0, 1).Traits&l.trait != 0 {
						counts.Raised[i]++
					}
				}
			}
			c.Sets = append(c.Sets, counts)
			at := Rate{counts.Raised[slices.Index(limits, usual)], counts.Of}
			r.addRateAt(fmt.Sprintf("%s by %s, %s", c.Trait, c.Key, set.name), at, float32(usual))
		}
		r.Curves = append(r.Curves, c)
	}
	return r, nil
}

// defaultOf is the number that a key has in op where nobody sets it.
func defaultOf(op schema.Operation, key string) (float64, error) {
	text, err := json.Marshal(schema.DefaultConfig(op))
	if err != nil {
		return 0, err
	}
	var all map[string]any
	if err := json.Unmarshal(text, &all); err != nil {
		return 0, err
	}
	value, ok := all[key].(float64)
	if !ok {
		return 0, fmt.Errorf("the key %s has no number as its default", key)
	}
	return value, nil
}

// rounded is a threshold as the manifest writes it.
func rounded(v float32) float64 {
	f, _ := strconv.ParseFloat(strconv.FormatFloat(float64(v), 'g', -1, 32), 64)
	return f
}

// between puts v into limits, which fall, unless it is there.
func between(limits []float64, v float64) []float64 {
	at := slices.IndexFunc(limits, func(l float64) bool { return l <= v })
	switch {
	case at < 0:
		return append(slices.Clone(limits), v)
	case limits[at] == v:
		return limits
	}
	return slices.Insert(slices.Clone(limits), at, v)
}

// title names the trait, the key and its default.
func (c Curve) title() string {
	return fmt.Sprintf("%s: %s at %s, by default %s", c.Trait, c.Key, c.Operation, strconv.FormatFloat(c.Default, 'g', -1, 64))
}

// rows are the limits, the default between the marks, and below it the shares of each set.
func (c Curve) rows(before, after string) [][]string {
	limits := []string{"limit"}
	for _, l := range c.Limits {
		text := strconv.FormatFloat(l, 'g', -1, 64)
		if l == c.Default {
			text = before + text + after
		}
		limits = append(limits, text)
	}
	rows := [][]string{limits}
	for _, s := range c.Sets {
		row := []string{fmt.Sprintf("%s, of %d", s.Name, s.Of)}
		for _, n := range s.Raised {
			row = append(row, fmt.Sprintf("%.1f %%", 100*Rate{n, s.Of}.Value()))
		}
		rows = append(rows, row)
	}
	return rows
}
