package regula

import "facestream/pkg/schema"

// A characteristic is one of FaceQualityConfigName: its group, and how it is measured here. Without a value it is never assessed.
type characteristic struct {
	name  string
	group int
	check string                             // of the result's measures, whose requirement decides where the request has no range
	value func(f schema.FaceResult) *float32 // in the unit of the API
}

// groups are the names of the groups, from 1 on.
var groups = [...]string{"ImageCharacteristics", "HeadSizeAndPosition", "FaceQuality", "EyesCharacteristics", "ShadowsAndLightning", "PoseAndExpression", "HeadOcclusion", "Background"}

// characteristics are those of the API, in its order.
var characteristics = []characteristic{
	measured("ImageWidth", 1, "image_width"), measured("ImageHeight", 1, "image_height"), measured("ImageWidthToHeight", 1, "image_aspect"),
	absent("ImageChannelsNumber", 1), absent("PaddingRatio", 1), absent("ArtFace", 1),
	measured("FaceMidPointHorizontalPosition", 2, "head_location_x"), measured("FaceMidPointVerticalPosition", 2, "head_location_y"),
	measured("HeadWidthRatio", 2, "head_width"), measured("HeadHeightRatio", 2, "head_size"), measured("EyesDistance", 2, "inter_eye_distance"),
	measured("Yaw", 6, "head_pose_yaw"), measured("Pitch", 6, "head_pose_pitch"), measured("Roll", 6, "head_pose_roll"),
	lacking("BlurLevel", 3, "sharpness"), lacking("NoiseLevel", 3, "noise"), absent("UnnaturalSkinTone", 3), measured("FaceDynamicRange", 3, "dynamic_range"),
	closed("EyeRightClosed", schema.MetricEyeLeftOpen), closed("EyeLeftClosed", schema.MetricEyeRightOpen), // the person's own
	scored("EyeRightOccluded", 4, "", schema.MetricOcclusionLeftEye), scored("EyeLeftOccluded", 4, "", schema.MetricOcclusionRightEye),
	absent("EyesRed", 4), absent("EyeRightCoveredWithHair", 4), absent("EyeLeftCoveredWithHair", 4), absent("OffGaze", 4), absent("ContactLenses", 4),
	measured("TooDark", 5, "under_exposure_prevention"), measured("TooLight", 5, "over_exposure_prevention"),
	absent("FaceGlare", 5), lacking("ShadowsOnFace", 5, "illumination_uniformity"),
	absent("ShouldersPose", 6), measured("ExpressionLevel", 6, "expression_neutrality"),
	scored("MouthOpen", 6, "mouth_closed", schema.MetricMouthOpen), scored("Smile", 6, "expression_neutrality", schema.MetricSmile),
	absent("DarkGlasses", 7), absent("ReflectionOnGlasses", 7), absent("FramesTooHeavy", 7), measured("FaceOccluded", 7, "mouth_occlusion_prevention"),
	absent("HeadCovering", 7), absent("ForeheadCovering", 7), absent("StrongMakeup", 7), absent("Headphones", 7), measured("MedicalMask", 7, "no_mask"),
	lacking("BackgroundUniformity", 8, "background_uniformity"), absent("ShadowsOnBackground", 8), measured("OtherFaces", 8, "single_face_present"),
	absent("BackgroundColorMatch", 8),
}

// measured is the native value of a check.
func measured(name string, group int, check string) characteristic {
	return characteristic{name, group, check, func(f schema.FaceResult) *float32 { return f.Native(check) }}
}

// lacking is how much is missing to the best scalar of a check, 0..1.
func lacking(name string, group int, check string) characteristic {
	return characteristic{name, group, check, func(f schema.FaceResult) *float32 {
		m := f.Measure(check)
		if m == nil || m.Scalar == nil {
			return nil
		}
		v := 1 - *m.Scalar/100
		return &v
	}}
}

// scored is a score of the face, 0..1.
func scored(name string, group int, check, metric string) characteristic {
	return characteristic{name, group, check, func(f schema.FaceResult) *float32 { return f.Score(metric) }}
}

// closed is the probability that an eye is not open.
func closed(name, open string) characteristic {
	return characteristic{name, 4, "eyes_open", func(f schema.FaceResult) *float32 {
		p := f.Score(open)
		if p == nil {
			return nil
		}
		v := 1 - *p
		return &v
	}}
}

func absent(name string, group int) characteristic { return characteristic{name: name, group: group} }

func known(name string) bool {
	for _, c := range characteristics {
		if c.name == name {
			return true
		}
	}
	return false
}

// The values of FaceImageQualityStatus.
const (
	outside     = 0
	inside      = 1
	notAssessed = 2
)

// assess holds a face against the ranges that were asked for, or else against what the group of quality requires. Without any names all
// characteristics are assessed.
func assess(f schema.FaceResult, group string, asked []QualityConfig) *Quality {
	q := &Quality{NonCompliant: []string{}, Details: []QualityDetail{}, Groups: []QualityTotal{}, Score: -1}
	var total, compliant [len(groups)]int
	for _, c := range characteristics {
		d := QualityDetail{Group: c.group, Name: c.name, Status: notAssessed}
		wanted := len(asked) == 0
		for _, one := range asked {
			if one.Name == c.name {
				wanted, d.Range = true, one.Range
			}
		}
		if !wanted {
			continue
		}
		if c.value != nil {
			if v := c.value(f); v != nil {
				d.Value = *v
				switch required := requirement(f, group, c.check); {
				case len(d.Range) == 2 && d.Range[0] <= *v && *v <= d.Range[1]:
					d.Status = inside
				case len(d.Range) == 2:
					d.Status = outside
				case required != nil && required.Status == "pass":
					d.Status = inside
				case required != nil && required.Status == "fail":
					d.Status = outside
				}
			}
		}
		switch d.Status {
		case inside:
			compliant[c.group-1]++
		case outside:
			q.NonCompliant = append(q.NonCompliant, c.name)
		}
		total[c.group-1]++
		q.Details = append(q.Details, d)
	}
	met := 0
	for i, n := range total {
		if n > 0 {
			q.Groups = append(q.Groups, QualityTotal{i + 1, groups[i], n, compliant[i]})
		}
		met += compliant[i]
	}
	if judged := met + len(q.NonCompliant); judged > 0 {
		q.Score = float32(met) / float32(judged)
	}
	return q
}

// requirement is what the group requires of a check; nil where it requires nothing.
func requirement(f schema.FaceResult, group, check string) *schema.Requirement {
	if f.Quality == nil || check == "" {
		return nil
	}
	for _, g := range f.Quality.Groups {
		if g.Group != group {
			continue
		}
		for i, r := range g.Requirements {
			if r.Check == check {
				return &g.Requirements[i]
			}
		}
	}
	return nil
}
