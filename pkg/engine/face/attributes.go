package face

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// AttributeClassifier describes a face: with networks if the pack has them, else by measuring landmarks and pixels. It is safe for
// concurrent use.
type AttributeClassifier struct{ eyes, mask, occlusion, glasses, all *Stage }

// The architectures of the role attributes.
const (
	ocec           = "ocec"            // OCEC, K. Hyodo: the probability that the eye of a crop is open
	seetaMask      = "seeta_mask"      // SeetaFace 6, MaskDetector: the probabilities of a mask and of none
	seetaOcclusion = "seeta_occlusion" // SeetaFace 6, FaceLandmarker with occlusion: x, y, visible, covered of five points
	eyeglasses     = "eyeglasses"      // the probability that glasses are worn, from a crop around both eyes
	faceAttributes = "face_attributes" // all of it from one crop: allAttributes probabilities
)

// allAttributes is how many probabilities a network of face_attributes answers: the picture's left eye open, the right one, the
// mouth open, a mask, glasses, and left eye, right eye, nose and mouth covered.
const allAttributes = 9

// allThresholds are those by which the answers of a network of face_attributes become traits. Its manifest has them all: those
// that stand under other roles, and the defaults, belong to other measures. An eyeglasses network beside it has that of glasses.
var allThresholds = []string{ThresholdEyeOpen, ThresholdMouthOpen, ThresholdMask, ThresholdGlasses, ThresholdOccluded}

// NewAttributeClassifier returns an AttributeClassifier for the networks of the stages. There may be none. Fatal errors are an unknown
// architecture, two networks of one architecture, a network that lacks one of the thresholds of its architecture, and a
// face_attributes network beside another one than eyeglasses, which would answer the same questions.
func NewAttributeClassifier(stages []Stage) (*AttributeClassifier, error) {
	const op = "face.attributes"
	a := &AttributeClassifier{}
	for _, s := range stages {
		if err := s.check(op, ocec, seetaMask, seetaOcclusion, eyeglasses, faceAttributes); err != nil {
			return nil, err
		}
		place := map[string]**Stage{ocec: &a.eyes, seetaMask: &a.mask, seetaOcclusion: &a.occlusion, eyeglasses: &a.glasses, faceAttributes: &a.all}[s.Model.Architecture]
		if *place != nil {
			return nil, schema.Fatal(op, errTwice(s.Model.Architecture))
		}
		*place = &s
	}
	needs := func(s *Stage, names ...string) error {
		for _, name := range names {
			if _, ok := s.Model.Thresholds[name]; !ok {
				return schema.Fatal(op, fmt.Errorf("%s: its manifest lacks the threshold %q", s.Model.Name, name))
			}
		}
		return nil
	}
	if a.glasses != nil {
		if err := needs(a.glasses, ThresholdGlasses); err != nil {
			return nil, err
		}
	}
	if a.all == nil {
		return a, nil
	}
	if a.eyes != nil || a.mask != nil || a.occlusion != nil {
		return nil, schema.Fatal(op, errors.New("a network of the architecture face_attributes answers what the others of the role answer: only eyeglasses may stand beside it"))
	}
	answered := allThresholds
	if a.glasses != nil {
		answered = slices.DeleteFunc(slices.Clone(answered), func(name string) bool { return name == ThresholdGlasses })
	}
	if err := needs(a.all, answered...); err != nil {
		return nil, err
	}
	return a, nil
}

type errTwice string

func (e errTwice) Error() string { return "two networks of the architecture " + string(e) }

// Observe implements Observer. It measures light and sharpness of every face, and adds what the networks and the landmarks show.
func (a *AttributeClassifier) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	seen := make([]Observation, len(faces))
	errs := make([]error, len(faces))
	for i, f := range faces {
		seen[i] = *f
		o := &seen[i]
		light, sharpness := measureLight(img, f.Face)
		o.Light, o.Sharpness = &light, &sharpness
		if f.Landmarks == nil {
			continue
		}
		o.Smile = ptr(smile(f.Landmarks))
		if a.all == nil {
			o.MouthOpen = ptr(mouthOpen(f.Landmarks))
			if a.glasses == nil {
				o.Glasses = ptr(glasses(img, f.Landmarks))
			}
		}
	}
	for _, classify := range []func(context.Context, *imaging.Image, []Observation, []error){a.classifyEyes, a.classifyOcclusion, a.classifyMask, a.classifyAll, a.classifyGlasses} {
		classify(ctx, img, seen, errs)
	}
	for i, err := range errs {
		if err == nil {
			*faces[i] = seen[i]
		}
	}
	return errs
}

func ptr(v float32) *float32 { return &v }

// classifyEyes cuts each eye out along the line through its corners, the manifest's crop times as wide as the eye and as high
// as the network's input is for its width: OCEC was trained on the boxes that a detector draws around eyes.
func (a *AttributeClassifier) classifyEyes(ctx context.Context, img *imaging.Image, faces []Observation, errs []error) {
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
		o := &faces[i]
		for _, eye := range []struct {
			first  int
			target **float32
		}{{rightEye, &o.LeftEyeOpen}, {leftEye, &o.RightEyeOpen}} { // the person's right one is the picture's left one
			w := eyeWindow(f.Landmarks[eye.first:eye.first+6], in.Crop, float64(in.Height)/float64(in.Width))
			crops, targets, owners = append(crops, img.Cut(w, in.Width, in.Height)), append(targets, eye.target), append(owners, i)
		}
	}
	answers := a.eyes.run(ctx, "face.eyes", 1, crops)
	for n, i := range owners {
		if answers[n].Err != nil {
			errs[i] = answers[n].Err
			continue
		}
		*targets[n] = ptr(unitInterval(answers[n].Value[0]))
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
func (a *AttributeClassifier) classifyOcclusion(ctx context.Context, img *imaging.Image, faces []Observation, errs []error) {
	if a.occlusion == nil {
		return
	}
	in := a.occlusion.Model.Input
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		crops[i] = img.Cut(square(f.standing(float64(in.Crop))), in.Width, in.Height)
	}
	answers := a.occlusion.run(ctx, "face.occlusion", 20, crops)
	for i, answer := range answers {
		if answer.Err != nil {
			errs[i] = answer.Err
			continue
		}
		covered := func(point int) float32 { return sigmoid(answer.Value[4*point+3] - answer.Value[4*point+2]) } // softmax of two
		faces[i].Occlusion = map[string]float32{
			"left_eye": covered(0), "right_eye": covered(1), "nose": covered(2), "mouth": (covered(3) + covered(4)) / 2,
		}
		// What covers both eyes are glasses that one cannot see through: all 24 of the 1,601 generated faces on which it does.
		if g := faces[i].Glasses; g != nil {
			*g = max(*g, min(covered(0), covered(1)))
		}
	}
}

// classifyMask asks the network about the face turned upright. It was trained on faces that look at the camera, and takes some
// faces that look aside for masked ones. If the pack also says what is covered, a mask must cover nose and mouth: the answer is
// then the network's times the mean of the two.
func (a *AttributeClassifier) classifyMask(ctx context.Context, img *imaging.Image, faces []Observation, errs []error) {
	if a.mask == nil {
		return
	}
	in := a.mask.Model.Input
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		crops[i] = img.Cut(turnedBy(f.window(float64(in.Crop)), f.Roll()), in.Width, in.Height)
	}
	answers := a.mask.run(ctx, "face.mask", 2, crops)
	for i, answer := range answers {
		if answer.Err != nil {
			errs[i] = answer.Err
			continue
		}
		p := unitInterval(answer.Value[0])
		if o := faces[i].Occlusion; o != nil {
			p *= (o["nose"] + o["mouth"]) / 2
		}
		faces[i].Mask = ptr(p)
	}
}

// classifyAll asks the network that answers everything at once about a square around the face, turned upright. It needs no
// landmarks.
func (a *AttributeClassifier) classifyAll(ctx context.Context, img *imaging.Image, faces []Observation, errs []error) {
	if a.all == nil {
		return
	}
	in := a.all.Model.Input
	crops := make([]*imaging.Image, len(faces))
	for i, f := range faces {
		crops[i] = img.Cut(turnedBy(square(f.window(float64(in.Crop))), f.Roll()), in.Width, in.Height)
	}
	answers := a.all.run(ctx, "face.attributes", allAttributes, crops)
	for i, answer := range answers {
		if answer.Err != nil {
			errs[i] = answer.Err
			continue
		}
		var p [allAttributes]float32
		for k, v := range answer.Value {
			p[k] = unitInterval(v)
		}
		o := &faces[i]
		o.LeftEyeOpen, o.RightEyeOpen, o.MouthOpen, o.Mask, o.Glasses = &p[0], &p[1], &p[2], &p[3], &p[4]
		o.Occlusion = map[string]float32{"left_eye": p[5], "right_eye": p[6], "nose": p[7], "mouth": p[8]}
	}
}

// eyesBelow is how far below the line through the eyes the middle of what an eyeglasses network sees lies, in distances of the eyes.
const eyesBelow = 0.15

// classifyGlasses asks the network about a square around the eyes, the manifest's crop times their distance wide, along the line through
// them, and about its mirror image: the answer is the mean of the log odds, so a picture and its mirror image have the same one. A face
// without landmarks has none.
func (a *AttributeClassifier) classifyGlasses(ctx context.Context, img *imaging.Image, faces []Observation, errs []error) {
	if a.glasses == nil {
		return
	}
	in := a.glasses.Model.Input
	var crops []*imaging.Image
	var owners []int
	for i, f := range faces {
		faces[i].Glasses = nil
		if f.Landmarks == nil {
			continue
		}
		left, right := centre(f.Landmarks[rightEye:rightEye+6]...), centre(f.Landmarks[leftEye:leftEye+6]...)
		c, apart, turn := centre(left, right), float64(distance(left, right)), float64(degrees(left, right))*math.Pi/180
		sin, cos := math.Sincos(turn)
		side := max(apart*float64(in.Crop), 1)
		crop := img.Cut(imaging.Window{X: float64(c.X) - eyesBelow*apart*sin, Y: float64(c.Y) + eyesBelow*apart*cos, Width: side, Height: side, Turn: turn}, in.Width, in.Height)
		crops, owners = append(crops, crop, crop.Mirrored()), append(owners, i)
	}
	answers := a.glasses.run(ctx, "face.glasses", 1, crops)
	for n, i := range owners {
		one, other := answers[2*n], answers[2*n+1]
		if err := cmp.Or(one.Err, other.Err); err != nil {
			errs[i] = err
			continue
		}
		faces[i].Glasses = ptr(sigmoid(float32(logit(unitInterval(one.Value[0]))+logit(unitInterval(other.Value[0]))) / 2))
	}
}
