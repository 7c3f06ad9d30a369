package perse

import (
	"math"
	"net/http"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Detect is the answer to detect.
type Detect struct {
	Status       int           `json:"status"` // 200
	TotalFaces   int           `json:"total_faces"`
	Faces        []Face        `json:"faces"`
	ImageMetrics *ImageMetrics `json:"image_metrics"` // null where no face was found, because it is measured beside one
	Thresholds   *Thresholds   `json:"default_thresholds"`
	TimeTaken    float64       `json:"time_taken"` // seconds
}

// Face is one face of an image.
type Face struct {
	Landmarks   map[string][2]int `json:"landmarks"`    // x, y in pixels from the top left
	BoundingBox [4]int            `json:"bounding_box"` // x, y, width, height
	FaceMetrics FaceMetrics       `json:"face_metrics"`
	Liveness    *float32          `json:"liveness_score"` // null where it cannot be assessed
}

// ImageMetrics is the quality of a picture, each 0..1; null where it cannot be measured. Sharpness and Color are best at 1 and at 0.
type ImageMetrics struct {
	Underexposure *float32 `json:"underexposure"`
	Overexposure  *float32 `json:"overexposure"`
	Sharpness     *float32 `json:"sharpness"`
	Color         *float32 `json:"color"`
}

// FaceMetrics is that of a face, with the angle by which the head is turned away from the camera, in degrees.
type FaceMetrics struct {
	ImageMetrics
	Rotation *float32 `json:"rotation"`
}

// Thresholds are those that the measures are held against.
type Thresholds struct {
	Underexposure float32  `json:"underexposure"`
	Overexposure  float32  `json:"overexposure"`
	Sharpness     float32  `json:"sharpness"`
	Color         float32  `json:"color"`
	Rotation      float32  `json:"rotation"`
	Liveness      *float32 `json:"liveness"` // the model pack's; null where no face was assessed
}

// The thresholds of quality. Exposure is refused from the default of underexposure_threshold and overexposure_threshold on. The others are
// the middle of the scalar of ISO/IEC 29794-5, and the rotation within which the group default wants a head.
const (
	darkest, brightest = 0.3, 0.1
	half               = 0.5
	turned             = 30
)

func detect(c *api.Call) *api.Problem {
	found, refusal := form(c, []string{imageFile}, nil)
	if refusal == nil {
		refusal = need(found, imageFile)
	}
	if refusal != nil {
		return refusal
	}
	r, refusal := c.Do(schema.Request{Operation: schema.OpValidate, Consent: declared(c),
		Config: config(map[string]any{"face_detection_strategy": 0, "quality_groups": "default"})}, found[imageFile])
	if refusal == nil && r.CallStatus.Reason != schema.ReasonNoFace {
		refusal = refused(r)
	}
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, detected(r, taken(c)))
}

// detected translates a result.
func detected(r *schema.Result, took float64) Detect {
	d := Detect{Status: http.StatusOK, TotalFaces: len(r.Faces), Faces: []Face{}, TimeTaken: took,
		Thresholds: &Thresholds{Underexposure: darkest, Overexposure: brightest, Sharpness: half, Color: half, Rotation: turned}}
	for _, f := range r.Faces {
		out := Face{Landmarks: landmarks(f.Geometry), BoundingBox: box(f.Geometry.InPicture()), FaceMetrics: FaceMetrics{
			ImageMetrics: ImageMetrics{f.Score(schema.MetricUnderexposure), f.Score(schema.MetricOverexposure), scalar(f, "sharpness", false), scalar(f, "natural_colour", true)},
			Rotation:     rotation(f.Pose),
		}}
		if f.Liveness != nil {
			out.Liveness = f.Liveness.Score
			if d.Thresholds.Liveness == nil {
				d.Thresholds.Liveness = f.Liveness.Threshold
			}
		}
		if d.ImageMetrics == nil {
			d.ImageMetrics = &ImageMetrics{f.Native("image_under_exposure_prevention"), f.Native("image_over_exposure_prevention"),
				scalar(f, "image_sharpness", false), scalar(f, "image_colour_balance", true)}
		}
		d.Faces = append(d.Faces, out)
	}
	return d
}

func landmarks(g schema.FaceGeometry) map[string][2]int {
	names := [...]string{"left_eye", "right_eye", "nose", "mouth_left", "mouth_right"} // sides of the image
	points := map[string][2]int{}
	for i, p := range g.Landmarks {
		if i < len(names) {
			at := p.Pixel()
			points[names[i]] = [2]int{at.X, at.Y}
		}
	}
	return points
}

func box(b schema.BoxF) [4]int {
	r := b.Pixels()
	return [4]int{r.Min.X, r.Min.Y, r.Dx(), r.Dy()}
}

// rotation is the angle between the direction in which a head looks and the camera, or its lean, whichever is larger.
func rotation(p *schema.PoseAngles) *float32 {
	if p == nil {
		return nil
	}
	const degree = math.Pi / 180
	away := math.Acos(math.Cos(float64(p.Yaw)*degree)*math.Cos(float64(p.Pitch)*degree)) / degree
	angle := float32(max(away, math.Abs(float64(p.Roll))))
	return &angle
}

// scalar is a measure of quality as 0..1, 1 best; with turned over 0 is best.
func scalar(f schema.FaceResult, check string, over bool) *float32 {
	m := f.Measure(check)
	if m == nil || m.Scalar == nil {
		return nil
	}
	v := *m.Scalar / 100
	if over {
		v = 1 - v
	}
	return &v
}
