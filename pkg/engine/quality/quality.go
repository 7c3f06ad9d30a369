// Package quality says how well a picture shows a face, in the vocabulary of ISO/IEC 29794-5:2025 and of OFIQ, its reference
// implementation (github.com/BSI-OFIQ/OFIQ-Project). Each [Check] has a native value, in the unit of its doc comment, and a
// scalar 0..100, 100 best. A group ([Groups]) says which native values are allowed.
//
// Where a doc comment names OFIQ, formula and scalar are its own, on this project's landmarks, masks and luma (ITU-R BT.601), so
// that values are like OFIQ's and not equal to them. "Own" is what the standard has no formula for that can be computed here. Not
// measured at all are head coverings, red eyes, gaze, reflections and shadows on the background.
//
// What could not be assessed, because the pack lacks a network or the picture the pixels, is said so and never passes.
package quality

import (
	"fmt"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// Check names a measure. Its doc comment has the unit and range of the native value, which end is good, the formula and its source.
// T is the distance from the middle between the eyes to the chin, D that between the eyes' centres, W × H the picture.
type Check string

// The checks of a face.
const (
	// Sharpness: variance of the Laplacian of the luma, of the face scaled to a width of 112 pixels, 0 … thousands, high is good
	// (face.Attributes; J. L. Pech-Pacheco et al., 2000). Scalar 100·v/(v+50): own.
	Sharpness Check = "sharpness"
	// UnderExposure: share of the face's pixels with a luma of 0..25, 0..1, low is good. Scalar
	// 120·(0.832 − sigmoid(v; 0.92, 0.05)). OFIQ, UnderExposurePrevention.
	UnderExposure Check = "under_exposure_prevention"
	// OverExposure: share of the face's pixels with a luma of 247..255, 0..1, low is good. Scalar 1/(v + 0.01). OFIQ,
	// OverExposurePrevention.
	OverExposure Check = "over_exposure_prevention"
	// LuminanceMean: mean luma of the face, 0..1, about a half is good. Scalar
	// 100·sigmoid(v; 0.2, 0.05)·(1 − sigmoid(v; 0.8, 0.05)). OFIQ, Luminance.
	LuminanceMean Check = "luminance_mean"
	// LuminanceVariance: variance of the luma 0..1 of the face, 0..0.25, neither end is good. Scalar
	// 100·sin(π·60v/(60v+1)). OFIQ, Luminance.
	LuminanceVariance Check = "luminance_variance"
	// DynamicRange: entropy of the histogram of the face's luma, 0..8 bits, high is good. Scalar 12.5·v. OFIQ, DynamicRange.
	DynamicRange Check = "dynamic_range"
	// NaturalColour: how far the mean colour of the cheeks lies outside 5..25 of a* and 5..35 of b*, CIELAB; 100 where one of them
	// is negative; low is good. Scalar 200·(1 − sigmoid(v; 0, 10)). OFIQ, NaturalColour.
	NaturalColour Check = "natural_colour"
	// IlluminationUniformity: intersection of the histograms of the two cheeks' luma, 0..1, high is good; squares of 0.3 D half
	// way from the eyes to the mouth, 64 bins. Scalar 100·v^0.3. OFIQ, IlluminationUniformity.
	IlluminationUniformity Check = "illumination_uniformity"
	// BackgroundUniformity: mean of the Sobel gradient's length of the luma 0..255 behind the person, 354 pixels high, low is
	// good; needs the role segmentation. Scalar 190·(1 − sigmoid(v; 10, 100)). OFIQ, BackgroundUniformity.
	BackgroundUniformity Check = "background_uniformity"
	// Compression: luma step at the borders of the 8 × 8 blocks of JPEG beyond that inside of them, 0..255, low is good. Own,
	// after Z. Wang, H. R. Sheikh and A. C. Bovik, "No-Reference Perceptual Quality Assessment of JPEG Compressed Images", ICIP
	// 2002; the standard asks a network. Scalar 100·exp(−v/3).
	Compression Check = "compression_artefacts"
	// Noise: standard deviation of the luma 0..255 as the smoothest half of the face's pixels shows it, low is good. J.
	// Immerkær, "Fast Noise Variance Estimation", CVIU 64(2), 1996. Scalar 100·exp(−v/10): own.
	Noise Check = "noise"

	// InterEyeDistance: D over the cosine of the yaw, pixels, high is good. Scalar 100·sigmoid(v; 70, 20). OFIQ.
	InterEyeDistance Check = "inter_eye_distance"
	// HeadSize: T/H; 0.45 is best. A head is twice T high from chin to crown. Scalar 200·(1 − sigmoid(|v − 0.45|; 0, 0.05)). OFIQ.
	HeadSize Check = "head_size"
	// HeadWidth: width of the face's outline over W. Scalar 200·(1 − sigmoid(|v − 0.625|; 0, 0.1)): own.
	HeadWidth Check = "head_width"
	// HeadX: the middle between the eyes over W, 0..1, a half is best. Scalar 100·(1 − 2·|v − 0.5|): own.
	HeadX Check = "head_location_x"
	// HeadY: the middle between the eyes over H, from the top, 0..1, 0.4 is best (the middle of what ISO/IEC 19794-5 allows).
	// Scalar 100·(1 − |v − 0.4|/0.6): own.
	HeadY Check = "head_location_y"
	// MarginLeft and MarginRight: from the eye to the picture's border at its side, over D, high is good. Scalar
	// 100·sigmoid(v; 0.9, 0.1). OFIQ, Left- and RightwardCropOfTheFaceImage.
	MarginLeft  Check = "margin_left"
	MarginRight Check = "margin_right"
	// MarginAbove: from the middle between the eyes to the upper border, over T, high is good. Scalar
	// 100·sigmoid(v; 1.4, 0.1). OFIQ, DownwardCropOfTheFaceImage.
	MarginAbove Check = "margin_above"
	// MarginBelow: to the lower border. Scalar 100·sigmoid(v; 1.8, 0.1). OFIQ, UpwardCropOfTheFaceImage.
	MarginBelow Check = "margin_below"
	// Padding: least distance of the face's box from the border, pixels, negative beyond it, high is good. Scalar v, 0..100: own.
	Padding Check = "padding"
	// FaceShare: share of the picture that the face's box takes, 0..1, high is good. Scalar 100·v/0.25: own.
	FaceShare Check = "face_share"
	// Yaw, Pitch, Roll: degrees as face.Pose has them, 0 is best; Roll is that of the line through the eyes. Scalar 100·cos². OFIQ,
	// HeadPose.
	Yaw   Check = "head_pose_yaw"
	Pitch Check = "head_pose_pitch"
	Roll  Check = "head_pose_roll"

	// EyesOpen: probability that the less open eye is open, 0..1, high is good. Scalar 100·v: own; OFIQ measures the lids'
	// distance.
	EyesOpen Check = "eyes_open"
	// MouthClosed: greatest gap between the inner lips over T, 0 for closed ones, low is good. Scalar
	// 100·(1 − sigmoid(v; 0.2, 0.06)). OFIQ, MouthClosed.
	MouthClosed Check = "mouth_closed"
	// EyesVisible, NoseVisible, MouthVisible: probability that something covers one of the eyes, the nose, the mouth, 0..1, low
	// is good. Scalar 100·(1 − v): own; OFIQ segments what covers them.
	EyesVisible  Check = "eyes_visible"
	NoseVisible  Check = "nose_visible"
	MouthVisible Check = "mouth_occlusion_prevention"
	// NoMask, NoGlasses: probability that one is worn, 0..1, low is good. Scalar 100·(1 − v): own.
	NoMask    Check = "no_mask"
	NoGlasses Check = "no_glasses"
	// ExpressionNeutrality: how much the face smiles, 0..1 (face.Attributes.Smile), low is good. Scalar 100·(1 − v): own; OFIQ asks
	// networks.
	ExpressionNeutrality Check = "expression_neutrality"
	// SingleFace: area of the largest other face over that of this one, at most 1, low is good. Scalar 100·(1 − v). OFIQ,
	// SingleFacePresent.
	SingleFace Check = "single_face_present"
)

// The checks of the whole picture, the same for each of its faces: those above on a copy of at most 640 pixels a side.
const (
	ImageSharpness     Check = "image_sharpness" // variance of the Laplacian, as Sharpness
	ImageUnderExposure Check = "image_under_exposure_prevention"
	ImageOverExposure  Check = "image_over_exposure_prevention"
	ImageDynamicRange  Check = "image_dynamic_range"
	// ImageColourBalance: difference of the greatest and the least of the mean red, green and blue over their mean, 0..3, low
	// is good: none in a picture that is grey on average (G. Buchsbaum, "A Spatial Processor Model for Object Colour
	// Perception", 1980). Scalar 100·(1 − v): own.
	ImageColourBalance Check = "image_colour_balance"
	// ImageWidth and ImageHeight: pixels. Scalar 100·v/600: own.
	ImageWidth  Check = "image_width"
	ImageHeight Check = "image_height"
	// ImageAspect: W/H. Scalar 100·(1 − |v − 0.75|): own.
	ImageAspect Check = "image_aspect"
)

// Measure is the outcome of a check. Native and Scalar are 0 where it was not Assessed; Why says so to people.
type Measure struct {
	Check    Check
	Assessed bool
	Why      string
	Native   float32
	Scalar   float32 // 0..100, 100 best
}

// Status says whether a value is allowed.
type Status string

// The outcomes.
const (
	Pass        Status = "pass"
	Fail        Status = "fail"
	NotAssessed Status = "not_assessed"
)

// Range is what a group allows, ends included; nil is no bound.
type Range struct{ Min, Max *float32 }

func (r Range) has(v float32) bool {
	return (r.Min == nil || v >= *r.Min) && (r.Max == nil || v <= *r.Max)
}

// Row is a measure with what a group allows of it.
type Row struct {
	Measure
	Allowed Range
	Status  Status
}

// Result is what became of a group: Fail where a row fails, else NotAssessed where a row is, else Pass.
type Result struct {
	Group  string
	Rows   []Row
	Status Status
}

// Report is the quality of a face: every measure, in the order of this file, and the groups that were asked for.
type Report struct {
	Measures []Measure
	Groups   []Result
}

// Measure is the measure of that check; it is not assessed where there is none.
func (r *Report) Measure(c Check) Measure {
	for _, m := range r.Measures {
		if m.Check == c {
			return m
		}
	}
	return Measure{Check: c, Why: "no such check"}
}

// Subject is a face with what is known of it.
type Subject struct {
	Face       face.Face
	Attributes face.Attributes
	// Mask shows the person without others (face.Segmenter.Person); nil where the pack lacks segmentation.
	Mask *face.Mask
}

// Assess measures each of the subjects in img, the upright picture, and judges it by the groups. all are the faces that were
// found in it, the subjects among them. limits are the thresholds of the pack by name (face.Threshold…), which some groups
// refer to. Another group than those of Groups is a permanent error (invalid_configuration).
func Assess(img *imaging.Image, subjects []Subject, all []face.Face, groups []string, limits map[string]float32) ([]*Report, error) {
	if err := CheckGroups(groups); err != nil {
		return nil, err
	}
	picture := measureImage(img)
	reports := make([]*Report, len(subjects))
	for i, s := range subjects {
		r := &Report{Measures: append(measureFace(img, s, all), picture...)}
		for _, name := range groups {
			r.Groups = append(r.Groups, r.judge(name, limits))
		}
		reports[i] = r
	}
	return reports, nil
}

// CheckGroups says as a permanent error (invalid_configuration) which of the groups does not exist.
func CheckGroups(groups []string) error {
	for _, name := range groups {
		if _, ok := tables[name]; !ok {
			return schema.Permanent("quality", schema.ReasonInvalidConfiguration, fmt.Errorf("the quality group %q is none of %q", name, Groups()))
		}
	}
	return nil
}

func (r *Report) judge(name string, limits map[string]float32) Result {
	result := Result{Group: name, Status: Pass}
	for _, rule := range tables[name] {
		row := Row{Measure: r.Measure(rule.check), Allowed: Range{rule.min, rule.max}, Status: Pass}
		if rule.threshold != "" {
			limit, ok := limits[rule.threshold]
			switch {
			case !ok && row.Assessed:
				row.Measure = Measure{Check: rule.check, Why: fmt.Sprintf("the model pack has no threshold %q", rule.threshold)}
			case rule.atLeast:
				row.Allowed.Min = &limit
			default:
				row.Allowed.Max = &limit
			}
		}
		switch {
		case !row.Assessed:
			row.Status = NotAssessed
			if result.Status == Pass {
				result.Status = NotAssessed
			}
		case !row.Allowed.has(row.Native):
			row.Status, result.Status = Fail, Fail
		}
		result.Rows = append(result.Rows, row)
	}
	return result
}
