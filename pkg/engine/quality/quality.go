// Package quality measures the quality of a face image, in the terms of ISO/IEC 29794-5:2025 and of OFIQ, its reference
// implementation (github.com/BSI-OFIQ/OFIQ-Project). Each [Check] has a native value, in the unit of its doc comment,
// and a scalar 0..100, 100 best. A group ([Groups]) says which native values are allowed.
//
// Where a doc comment names OFIQ, formula and scalar are OFIQ's. They are computed on this project's landmarks, masks
// and luma (ITU-R BT.601), so the values are similar to OFIQ's but not equal. "Own" marks a formula of this project,
// used where the standard has none that can be computed here. Head coverings, red eyes, gaze, reflections and shadows
// on the background are not measured.
//
// A check that cannot be made, because the pack lacks a network or the picture is too small, is reported as not
// assessed and never passes.
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
	// (face.Observation; J. L. Pech-Pacheco et al., 2000). Scalar 100·v/(v+50): own.
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
	// ExpressionNeutrality: how much the face smiles, 0..1 (face.Observation.Smile), low is good. Scalar 100·(1 − v): own; OFIQ asks
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

// The outcomes of a requirement, and of a group: it fails where a requirement does, and passes where all do.
const (
	Pass        schema.QualityStatus = "pass"
	Fail        schema.QualityStatus = "fail"
	NotAssessed schema.QualityStatus = "not_assessed"
)

// Measured is the native value and the scalar of a check; ok is false where it was not assessed.
func Measured(q *schema.FaceQuality, c Check) (native, scalar float32, ok bool) {
	for _, m := range q.Measures {
		if m.Check == string(c) && m.Native != nil {
			return *m.Native, *m.Scalar, true
		}
	}
	return 0, 0, false
}

// Assess adds its quality to each of faces, which stand upright in img: every measure, in the order of this file, and the groups
// that are asked for. all are the faces that were found in img, the assessed ones among them. limits are the thresholds of the
// pack by name (face.Threshold…), which some groups refer to. Another group than those of Groups is a permanent error
// (invalid_configuration).
func Assess(img *imaging.Image, faces []*face.Observation, all []face.Face, groups []string, limits map[string]float32) error {
	if err := CheckGroups(groups); err != nil {
		return err
	}
	picture := measureImage(img)
	for _, o := range faces {
		o.Quality = &schema.FaceQuality{Measures: append(measureFace(img, o, all), picture...), Groups: []schema.QualityGroup{}}
		for _, name := range groups {
			o.Quality.Groups = append(o.Quality.Groups, judge(o.Quality, name, limits))
		}
	}
	return nil
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

// judge holds what was measured against a group.
func judge(q *schema.FaceQuality, name string, limits map[string]float32) schema.QualityGroup {
	group := schema.QualityGroup{Group: name, Status: Pass, Requirements: []schema.Requirement{}}
	for _, rule := range tables[name] {
		r := schema.Requirement{Check: string(rule.check), Status: Pass, Min: rule.min, Max: rule.max}
		native, _, assessed := Measured(q, rule.check)
		if rule.threshold != "" {
			limit, ok := limits[rule.threshold]
			switch {
			case !ok:
				assessed = false
			case rule.atLeast:
				r.Min = &limit
			default:
				r.Max = &limit
			}
		}
		switch {
		case !assessed:
			r.Status = NotAssessed
			if group.Status == Pass {
				group.Status = NotAssessed
			}
		case r.Min != nil && native < *r.Min || r.Max != nil && native > *r.Max:
			r.Status, group.Status = Fail, Fail
		}
		group.Requirements = append(group.Requirements, r)
	}
	return group
}
