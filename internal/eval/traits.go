package eval

import (
	"context"
	"path/filepath"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
)

// trait is a property of a face that follows from a number and a threshold of the manifest.
type trait struct {
	name, column, value string // the label of a face that has it
	threshold           string
	below               bool // a face has it below the threshold, not at or above it
	score               func(*face.Observation) *float32
}

var traits = []trait{
	{"left eye closed", "left_eye", "closed", face.ThresholdEyeOpen, true, func(o *face.Observation) *float32 { return o.LeftEyeOpen }},
	{"right eye closed", "right_eye", "closed", face.ThresholdEyeOpen, true, func(o *face.Observation) *float32 { return o.RightEyeOpen }},
	{"mouth open", "mouth", "open", face.ThresholdMouthOpen, false, func(o *face.Observation) *float32 { return o.MouthOpen }},
	{"smile", "smile", "yes", face.ThresholdSmile, false, func(o *face.Observation) *float32 { return o.Smile }},
	{"mask", "mask", "yes", face.ThresholdMask, false, func(o *face.Observation) *float32 { return o.Mask }},
	{"glasses", "glasses", "yes", face.ThresholdGlasses, false, func(o *face.Observation) *float32 { return o.Glasses }},
	{"blurred", "blurred", "yes", face.ThresholdSharpness, true, func(o *face.Observation) *float32 { return o.Sharpness }},
	{"dark", "dark", "yes", face.ThresholdLight, true, func(o *face.Observation) *float32 { return &o.Light.Mean }},
}

// Traits compares the traits of labelled faces with their labels, at the thresholds of the manifest.
func Traits(ctx context.Context, o Options) (*Report, error) {
	all, err := readLabels(o.Data)
	if err != nil {
		return nil, err
	}
	var columns []string
	for _, t := range traits {
		columns = append(columns, t.column)
	}
	all = with(all, columns...)
	r := &Report{
		Evaluation: "traits", What: "traits of the best face of labelled photographs, at the manifest's thresholds",
		Pack: o.Subject.describe(models.RoleDetector, models.RolePose, models.RoleLandmarks, models.RoleAttributes),
		Data: Data{Folder: filepath.Join(o.Data, "faces"), Images: len(all)},
	}
	found, err := o.analyze(ctx, r, fileNames(all), engine.Params{Attributes: true})
	if err != nil {
		return nil, err
	}
	for _, t := range traits {
		threshold, err := o.Subject.threshold(t.threshold)
		if err != nil {
			r.fail(t.name, "not measured: %v", err)
			continue
		}
		var hits, alarms Rate
		for i, l := range all {
			label := l.labels[t.column]
			if label == "" || found[i] == nil {
				continue
			}
			score := t.score(found[i])
			if score == nil {
				continue
			}
			has, said := label == t.value, (*score >= threshold) != t.below
			counted := &alarms
			if has {
				counted = &hits
			}
			counted.Of++
			if said {
				counted.Count++
			}
			if has != said {
				r.fail(l.file, "%s: %.3f, labelled %s", t.name, *score, label)
			}
		}
		if hits.Of+alarms.Of == 0 {
			r.fail(t.name, "not measured: no labelled face was judged")
		}
		if hits.Of > 0 {
			r.addRateAt(t.name+": hits", hits, threshold)
		}
		if alarms.Of > 0 {
			r.addRateAt(t.name+": false alarms", alarms, threshold)
		}
	}
	return r, nil
}

// turned is the least angle, in degrees, at which a head counts as turned: three times the yaw and pitch that ISO/IEC
// 19794-5 allows in a portrait. Below it the head looks straight ahead.
const turned = 15

// HeadPose compares the poses of heads with their labels: the sign of each angle, and whether the head is turned at
// all.
func HeadPose(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RolePose); err != nil {
		return nil, err
	}
	all, err := readLabels(o.Data)
	if err != nil {
		return nil, err
	}
	all = with(all, "yaw", "pitch", "roll")
	r := &Report{
		Evaluation: "pose", What: "sign and coarse bin of each labelled angle; a head is turned at 15 degrees or more",
		Pack: o.Subject.describe(models.RoleDetector, models.RolePose),
		Data: Data{Folder: filepath.Join(o.Data, "faces"), Images: len(all)},
	}
	found, err := o.analyze(ctx, r, fileNames(all), engine.Params{Attributes: true})
	if err != nil {
		return nil, err
	}
	for _, axis := range []struct {
		name                string
		minus, middle, plus string
		angle               func(face.Pose) float32
	}{
		{"yaw", "left", "front", "right", func(p face.Pose) float32 { return p.Yaw }},
		{"pitch", "down", "level", "up", func(p face.Pose) float32 { return p.Pitch }},
		{"roll", "left", "upright", "right", func(p face.Pose) float32 { return p.Roll }},
	} {
		var sign, bin Rate
		for i, l := range all {
			label := l.labels[axis.name]
			if label == "" || found[i] == nil {
				continue
			}
			angle := axis.angle(*found[i].Pose)
			said := axis.middle
			if angle <= -turned {
				said = axis.minus
			} else if angle >= turned {
				said = axis.plus
			}
			bin.Of++
			if said == label {
				bin.Count++
			} else {
				r.fail(l.file, "%s: %.0f°, labelled %s", axis.name, angle, label)
			}
			if label == axis.middle {
				continue
			}
			sign.Of++
			if angle < 0 == (label == axis.minus) {
				sign.Count++
			}
		}
		if sign.Of > 0 {
			r.addRate(axis.name+": sign", sign)
		}
		if bin.Of > 0 {
			r.addRate(axis.name+": bin", bin)
		}
	}
	return r, nil
}
