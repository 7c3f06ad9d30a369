package face

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// AttributeClassifier says what is seen of a face: by networks where a pack has them, by measures on the landmarks and the
// pixels otherwise. It is safe for concurrent use.
type AttributeClassifier struct{ eyes, mask, occlusion, all *Stage }

// The architectures of the role attributes.
const (
	ocec           = "ocec"            // OCEC, K. Hyodo: the probability that the eye of a crop is open
	seetaMask      = "seeta_mask"      // SeetaFace 6, MaskDetector: the probabilities of a mask and of none
	seetaOcclusion = "seeta_occlusion" // SeetaFace 6, FaceLandmarker with occlusion: x, y, visible, covered of five points
	faceAttributes = "face_attributes" // all of it from one crop: allAttributes probabilities
)

// allAttributes is how many probabilities a network of face_attributes answers: the picture's left eye open, the right one, the
// mouth open, a mask, glasses, and left eye, right eye, nose and mouth covered.
const allAttributes = 9

// allThresholds are those by which the answers of a network of face_attributes become traits. Its manifest has them all: those
// that stand under other roles, and the defaults, belong to other measures.
var allThresholds = []string{ThresholdEyeOpen, ThresholdMouthOpen, ThresholdMask, ThresholdGlasses, ThresholdOccluded}

// NewAttributeClassifier drives the stages as their manifest describes them; none of them is needed. Fatal errors are an unknown
// architecture, one that comes twice, and face_attributes without one of its thresholds or beside another network, which would
// answer what it answers.
func NewAttributeClassifier(stages []Stage) (*AttributeClassifier, error) {
	const op = "face.attributes"
	a := &AttributeClassifier{}
	for _, s := range stages {
		if err := s.check(op, ocec, seetaMask, seetaOcclusion, faceAttributes); err != nil {
			return nil, err
		}
		place := map[string]**Stage{ocec: &a.eyes, seetaMask: &a.mask, seetaOcclusion: &a.occlusion, faceAttributes: &a.all}[s.Model.Architecture]
		if *place != nil {
			return nil, schema.Fatal(op, errTwice(s.Model.Architecture))
		}
		*place = &s
	}
	if a.all == nil {
		return a, nil
	}
	if len(stages) > 1 {
		return nil, schema.Fatal(op, errors.New("a network of the architecture face_attributes answers what the others of the role answer: it stands alone"))
	}
	for _, name := range allThresholds {
		if _, ok := a.all.Model.Thresholds[name]; !ok {
			return nil, schema.Fatal(op, fmt.Errorf("%s: its manifest lacks the threshold %q", a.all.Model.Name, name))
		}
	}
	return a, nil
}

// Thresholds are those of p's manifest by which findings become traits, by name: each that of the first network that has it, of
// the role under which it stands. What a network of face_attributes answers is held against its own.
func Thresholds(p *models.Pack) map[string]models.Threshold {
	m, _ := p.Model(models.RoleAttributes)
	thresholds := map[string]models.Threshold{}
	for name, role := range thresholdRoles {
		if m.Architecture == faceAttributes && slices.Contains(allThresholds, name) {
			role = models.RoleAttributes
		}
		if t, ok := p.Threshold(role, name); ok {
			thresholds[name] = t
		}
	}
	return thresholds
}

type errTwice string

func (e errTwice) Error() string { return "two networks of the architecture " + string(e) }

// Seen is a face with what other stages found of it; nil where they did not run.
type Seen struct {
	Face      Face
	Landmarks *Landmarks
	Pose      *Pose
}

// AttributesResult answers one face: its attributes, or why there are none.
type AttributesResult struct {
	Attributes Attributes
	Err        error
}

// Classify answers each face in order.
func (a *AttributeClassifier) Classify(ctx context.Context, img *imaging.Image, faces []Seen) []AttributesResult {
	results := make([]AttributesResult, len(faces))
	for i, f := range faces {
		r := &results[i].Attributes
		r.Pose = f.Pose
		r.Light, r.Sharpness = measureLight(img, f.Face)
		if f.Landmarks == nil {
			continue
		}
		r.Landmarks, r.LandmarkConfidence = f.Landmarks.Points, f.Landmarks.Confidence
		r.Smile = ptr(smile(r.Landmarks))
		if a.all == nil {
			r.MouthOpen, r.Glasses = ptr(mouthOpen(r.Landmarks)), ptr(glasses(img, r.Landmarks))
		}
	}
	for _, classify := range []func(context.Context, *imaging.Image, []Seen, []AttributesResult){a.classifyEyes, a.classifyOcclusion, a.classifyMask, a.classifyAll} {
		classify(ctx, img, faces, results)
	}
	for i := range results {
		if results[i].Err != nil {
			results[i].Attributes = Attributes{}
		}
	}
	return results
}

func ptr(v float32) *float32 { return &v }

// classifyEyes cuts each eye out along the line through its corners, the manifest's crop times as wide as the eye and as high
// as the network's input is for its width: OCEC was trained on the boxes that a detector draws around eyes.
func (a *AttributeClassifier) classifyEyes(ctx context.Context, img *imaging.Image, faces []Seen, results []AttributesResult) {
	if a.eyes == nil {
		return
	}
	in := a.eyes.Model.Input
	var crops []*imaging.Image
	var targets []**float32
	var owners []int
	for i, f := range faces {
		if f.Landmarks == nil {
			continue
		}
		r := &results[i].Attributes
		for _, eye := range []struct {
			first  int
			target **float32
		}{{rightEye, &r.LeftEyeOpen}, {leftEye, &r.RightEyeOpen}} { // the person's right one is the picture's left one
			w := eyeWindow(f.Landmarks.Points[eye.first:eye.first+6], in.Crop, float64(in.Height)/float64(in.Width))
			crops, targets, owners = append(crops, img.Cut(w, in.Width, in.Height)), append(targets, eye.target), append(owners, i)
		}
	}
	answers, errs := a.eyes.run(ctx, "face.eyes", 1, crops)
	for n, i := range owners {
		if errs[n] != nil {
			results[i].Err = errs[n]
			continue
		}
		*targets[n] = ptr(unitInterval(answers[n][0]))
	}
}

// eyeWindow is around the six points of an eye, crop times its width wide.
func eyeWindow(eye []schema.PointF, crop float32, aspect float64) imaging.Window {
	c := centre(eye...)
	width := float64(distance(eye[0], eye[3]) * crop)
	return imaging.Window{X: float64(c.X), Y: float64(c.Y), Width: max(width, 1), Height: max(width*aspect, 1),
		Turn: float64(degrees(eye[0], eye[3])) * math.Pi / 180}
}

// classifyOcclusion asks whether something covers the eyes, the nose and the mouth. The two corners of the mouth count as one
// region, by the mean of their probabilities.
func (a *AttributeClassifier) classifyOcclusion(ctx context.Context, img *imaging.Image, faces []Seen, results []AttributesResult) {
	if a.occlusion == nil {
		return
	}
	in := a.occlusion.Model.Input
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		crops[i] = img.Cut(square(f.Face.window(float64(in.Crop))), in.Width, in.Height)
	}
	answers, errs := a.occlusion.run(ctx, "face.occlusion", 20, crops)
	for i, answer := range answers {
		if errs[i] != nil {
			results[i].Err = errs[i]
			continue
		}
		covered := func(point int) float32 { return sigmoid(answer[4*point+3] - answer[4*point+2]) } // softmax of two
		results[i].Attributes.Occlusion = map[string]float32{
			"left_eye": covered(0), "right_eye": covered(1), "nose": covered(2), "mouth": (covered(3) + covered(4)) / 2,
		}
		// What covers both eyes are glasses that one cannot see through: all 24 of the 1,601 generated faces on which it does.
		if g := results[i].Attributes.Glasses; g != nil {
			*g = max(*g, min(covered(0), covered(1)))
		}
	}
}

// classifyMask asks the network about the face turned upright. It was trained on faces that look at the camera, and takes some
// that turn away for masked ones; where the pack also says what is covered, a mask has to cover nose and mouth: the answer is
// the network's times the mean of the two.
func (a *AttributeClassifier) classifyMask(ctx context.Context, img *imaging.Image, faces []Seen, results []AttributesResult) {
	if a.mask == nil {
		return
	}
	in := a.mask.Model.Input
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		crops[i] = img.Cut(turnedBy(f.Face.window(float64(in.Crop)), f.Face.Roll()), in.Width, in.Height)
	}
	answers, errs := a.mask.run(ctx, "face.mask", 2, crops)
	for i, answer := range answers {
		if errs[i] != nil {
			results[i].Err = errs[i]
			continue
		}
		p := unitInterval(answer[0])
		if o := results[i].Attributes.Occlusion; o != nil {
			p *= (o["nose"] + o["mouth"]) / 2
		}
		results[i].Attributes.Mask = ptr(p)
	}
}

// classifyAll asks the network that answers everything at once about a square around the face, turned upright. It needs no
// landmarks.
func (a *AttributeClassifier) classifyAll(ctx context.Context, img *imaging.Image, faces []Seen, results []AttributesResult) {
	if a.all == nil {
		return
	}
	in := a.all.Model.Input
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		crops[i] = img.Cut(turnedBy(square(f.Face.window(float64(in.Crop))), f.Face.Roll()), in.Width, in.Height)
	}
	answers, errs := a.all.run(ctx, "face.attributes", allAttributes, crops)
	for i, answer := range answers {
		if errs[i] != nil {
			results[i].Err = errs[i]
			continue
		}
		var p [allAttributes]float32
		for k, v := range answer {
			p[k] = unitInterval(v)
		}
		r := &results[i].Attributes
		r.LeftEyeOpen, r.RightEyeOpen, r.MouthOpen, r.Mask, r.Glasses = &p[0], &p[1], &p[2], &p[3], &p[4]
		r.Occlusion = map[string]float32{"left_eye": p[5], "right_eye": p[6], "nose": p[7], "mouth": p[8]}
	}
}
