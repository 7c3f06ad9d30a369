package face

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// LivenessDetector tells a living face from a picture of one, from a single photograph. It is safe for concurrent use.
type LivenessDetector struct {
	modes [maxMode + 1][]Stage // by mode; none for 0
}

// maxMode is the last mode of anti_spoofing_mode.
const maxMode = 3

// The architectures of the role liveness.
const (
	miniFASNet = "minifasnet" // Silent-Face-Anti-Spoofing, minivision-ai: 3 classes, 1 is live
	antispoof  = "antispoof"  // MiniFASNetV2-SE at 128 × 128, face-antispoof-onnx: 2 classes, 0 is live
)

// NewLivenessDetector returns a LivenessDetector for the networks of the stages. An architecture other than "minifasnet" and
// "antispoof" is a Fatal error.
func NewLivenessDetector(stages []Stage) (*LivenessDetector, error) {
	l := &LivenessDetector{}
	for _, s := range stages {
		if err := s.check("face.liveness", miniFASNet, antispoof); err != nil {
			return nil, err
		}
		modes := s.Model.Modes
		if modes == nil {
			modes = []int{map[string]int{miniFASNet: 1, antispoof: 2}[s.Model.Architecture]}
		}
		for _, mode := range modes {
			l.modes[mode] = append(l.modes[mode], s)
		}
	}
	// Without both, all would be no more than the other mode.
	if len(l.modes[1]) > 0 && len(l.modes[2]) > 0 {
		l.modes[3] = slices.DeleteFunc(slices.Clone(stages), func(s Stage) bool {
			return s.Model.Modes != nil && !slices.Contains(s.Model.Modes, 3)
		})
	}
	return l, nil
}

// Mode returns the networks of a mode of anti_spoofing_mode, in the order of the pack: those whose manifest names it. If a manifest
// names no mode, a MiniFASNet belongs to mode 1 and any other network to mode 2, and both belong to mode 3 if the pack has networks
// of both modes. A mode without a network is an error, because no other network may stand in for it.
func (l *LivenessDetector) Mode(mode int) ([]Stage, error) {
	if mode < 1 || mode > maxMode {
		return nil, fmt.Errorf("anti-spoofing mode %d; there are 1 to %d", mode, maxMode)
	}
	if len(l.modes[mode]) == 0 {
		return nil, fmt.Errorf("no network is for the anti-spoofing mode %d", mode)
	}
	return l.modes[mode], nil
}

// The limits of what is judged. The networks were made for upright colour photographs with some surroundings; beyond the limits
// they take living faces for attacks.
const (
	// leastLiveSide is the least width and height in pixels of a face that is judged. The crop of the 128 × 128 network is
	// then enlarged by a third, and MiniFASNet's is not: below, the texture that both go by is not in the picture.
	leastLiveSide = 64
	// leastInside is the least share of the box that lies inside the picture.
	leastInside = 0.9
	// leastSurroundings is the least size of the picture in boxes of the face, as [surroundings] measures it. 257 composed photographs
	// of generated people, cut in eleven ways each: of the cuts from 1.4 on the four networks of the open pack take 0.3 % for
	// attacks, of those between 1.25 and 1.4 0.7 %, and of the tighter ones 6.6 %. Of press photographs that end 30 % beside the box that
	// the face has in the whole photograph they take 2 % for attacks, and 18 % of those that end at 15 %. A detector draws a
	// larger box where less is seen around it: those at 30 % are 1.4 boxes large.
	leastSurroundings = 1.4
	// leastColour is the least mean difference of the largest and the smallest channel in the box, of 255. A photograph in
	// colour has 6 and more. MiniFASNet refuses more than four of five living faces without colour.
	leastColour = 3
	// leastLiveLight and leastLiveSharpness are the least brightness and sharpness ([Observation]).
	leastLiveLight     = 0.1
	leastLiveSharpness = 8
	// The largest angles of the head from the front, in degrees.
	mostLiveYaw, mostLivePitch, mostLiveRoll = 50, 40, 35
	// rivalArea is the least area of another face, as a share of the face's, that makes it doubtful who is meant.
	rivalArea = 0.5
)

// sizes are the factors by which the face's box is scaled for the crops that a network sees; its answer is their mean. A detector
// puts the box of one face a few per cent differently in two pictures. Of 143 photographs and 6 boxes shifted or scaled by 10 %
// each, one crop flips 1.4 % of the verdicts of the open pack's four networks at 0.87, these two 0.8 %, and seven crops 0.9 %.
var sizes = []float64{0.9, 1.1}

// farthestLogit is the largest part, in natural logarithms of the odds, that one network has in the answer.
const farthestLogit = 8

// Liveness is the answer of the networks that tell a living face from a picture of one.
type Liveness struct {
	// Unassessable says why the face cannot be judged, and Why says it to people. Both are empty if it was judged.
	Unassessable schema.Unassessable
	Why          string
	// Score is how far the networks take the face for a living one, 0..1: the logistic function of the mean of their log odds,
	// each limited to ±8. The log odds are the logit of the living class less the logarithm of the summed exponentials of the
	// other classes' logits; they are the means over crops of several sizes.
	Score float32
	// Scores are those of each network, in the order of the pack.
	Scores []float32
}

// Observe is Observer's, with the networks of a mode. A face that cannot be judged is not an error: its Liveness says why.
// others are further faces in img if the caller is about one face only: it cannot be judged beside another one of about its size.
func (l *LivenessDetector) Observe(ctx context.Context, img *imaging.Image, faces []*Observation, mode int, others []Face) []error {
	const op = "face.liveness"
	errs := make([]error, len(faces))
	stages, err := l.Mode(mode)
	if err != nil {
		for i := range errs {
			errs[i] = schema.Permanent(op, schema.ReasonRoleAbsent, err)
		}
		return errs
	}
	found := make([]Liveness, len(faces))
	var judged []int
	for i, f := range faces {
		if found[i].Unassessable, found[i].Why = unassessable(img, f, others); found[i].Unassessable == "" {
			judged = append(judged, i)
		}
	}
	sums := make([]float32, len(faces))
	var shown *view
	defer func() { shown.release() }()
	for _, s := range stages {
		if !shown.shows(s) {
			shown.release()
			crops := make([]*imaging.Image, 0, len(judged)*len(sizes))
			for _, i := range judged {
				for _, size := range sizes {
					crops = append(crops, liveCrop(img, faces[i].Moved(0, 0, size), s))
				}
			}
			shown = s.view(crops)
		}
		classes, live := 3, 1
		if s.Model.Architecture == antispoof {
			classes, live = 2, 0
		}
		answers := s.ask(ctx, op, classes, shown)
		for n, i := range judged {
			var odds float32
			for _, answer := range answers[n*len(sizes) : (n+1)*len(sizes)] {
				if answer.Err != nil {
					errs[i] = cmp.Or(errs[i], answer.Err)
					continue
				}
				odds += min(max(logOdds(answer.Value, live), -farthestLogit), farthestLogit) / float32(len(sizes))
			}
			found[i].Scores = append(found[i].Scores, sigmoid(odds))
			sums[i] += odds
		}
	}
	for _, i := range judged {
		found[i].Score = sigmoid(sums[i] / float32(len(stages)))
	}
	for i, f := range faces {
		if errs[i] == nil {
			f.Liveness = &found[i]
		}
	}
	return errs
}

// logOdds returns the logarithm of the odds of a class under the softmax of logits.
func logOdds(logits []float32, class int) float32 {
	others := slices.Delete(slices.Clone(logits), class, class+1)
	top := slices.Max(others)
	var sum float64
	for _, l := range others {
		sum += math.Exp(float64(l - top))
	}
	return logits[class] - top - float32(math.Log(sum))
}

// unassessable says why a face cannot be judged, to programs and to people. Both are empty if it can be.
func unassessable(img *imaging.Image, o *Observation, others []Face) (schema.Unassessable, string) {
	w := o.window(1)
	if side := min(w.Width, w.Height); !(side >= leastLiveSide) {
		return schema.UnassessableSmall, fmt.Sprintf("the face is %.0f pixels wide, and %d are needed", math.Round(w.Width), leastLiveSide)
	}
	insideX := min(w.X+w.Width/2, float64(img.Width)) - max(w.X-w.Width/2, 0)
	insideY := min(w.Y+w.Height/2, float64(img.Height)) - max(w.Y-w.Height/2, 0)
	if max(insideX, 0)*max(insideY, 0) < leastInside*w.Width*w.Height {
		return schema.UnassessableCut, "the face is cut off by the border of the picture"
	}
	if around := surroundings(img, o.Face); around < leastSurroundings {
		return schema.UnassessableTight, fmt.Sprintf("the picture is %.2f times as large as the face, and %.1f are needed: too little is seen around it", around, leastSurroundings)
	}
	for _, other := range others {
		if other != o.Face && other.Area() >= rivalArea*o.Area() {
			return schema.UnassessableSeveral, "the picture shows another face of about this size"
		}
	}
	light, sharpness := o.Light, o.Sharpness
	if light == nil || sharpness == nil {
		l, s := measureLight(img, o.Face)
		light, sharpness = &l, &s
	}
	switch {
	case light.Mean < leastLiveLight:
		return schema.UnassessableDark, "the face is too dark"
	case colour(img, o.Face) < leastColour:
		return schema.UnassessableGrey, "the face has no colour: a greyscale or an infrared picture"
	case *sharpness < leastLiveSharpness:
		return schema.UnassessableBlurred, "the face is too blurred"
	case tooFar(o.leaning(), mostLiveRoll):
		return schema.UnassessableTurned, "the head leans too far to one side"
	case o.Pose != nil && tooFar(o.Pose.Yaw, mostLiveYaw):
		return schema.UnassessableTurned, "the head is turned too far to one side"
	case o.Pose != nil && tooFar(o.Pose.Pitch, mostLivePitch):
		return schema.UnassessableTurned, "the head is turned too far up or down"
	}
	return "", ""
}

func tooFar(angle, most float32) bool { return angle > most || angle < -most }

// surroundings returns how many times as large as the face's box the picture is, in the direction in which that is less
// (Silent-Face-Anti-Spoofing, src/generate_patches.py, CropImage._get_new_box).
func surroundings(img *imaging.Image, f Face) float64 {
	w := f.window(1)
	return min(float64(img.Height-1)/w.Height, float64(img.Width-1)/w.Width)
}

// colour returns the mean difference of the largest and the smallest channel in the face's box, 0..255.
func colour(img *imaging.Image, f Face) float64 {
	const side = 64
	cut := img.Cut(f.window(1), side, side)
	defer cut.Release()
	sum := 0
	for i := 0; i < len(cut.Pix); i += 3 {
		p := cut.Pix[i : i+3]
		sum += int(slices.Max(p)) - int(slices.Min(p))
	}
	return float64(sum) / (side * side)
}

// mostMirrored is the side of the largest square, in pixels, that may be larger than its picture.
const mostMirrored = 2048

// liveCrop is what a network was trained to see of a face.
//
// MiniFASNet: the box enlarged by the manifest's crop, by less where the picture is not large enough for it, and shifted to lie
// inside the picture; stretched to the input by the nearest four pixels (Silent-Face-Anti-Spoofing,
// src/generate_patches.py, CropImage._get_new_box and crop).
//
// Antispoof: a square of the manifest's crop times the box's longer side, mirrored where it reaches beyond the picture
// (face-antispoof-onnx, src/inference/preprocess.py, crop).
func liveCrop(img *imaging.Image, f Face, s Stage) *imaging.Image {
	in := s.Model.Input
	w := f.window(1)
	if s.Model.Architecture == antispoof {
		side := max(w.Width, w.Height) * float64(in.Crop)
		x, y, n := int(math.Floor(w.X-side/2)), int(math.Floor(w.Y-side/2)), max(int(side), 1)
		if n > mostMirrored && n > img.Width*img.Height/n {
			// The square would be larger than the picture: it is cut out of a smaller copy.
			small := (n + mostMirrored - 1) / mostMirrored
			img = img.ResizePart(0, 0, img.Width, img.Height, max(img.Width/small, 1), max(img.Height/small, 1))
			defer img.Release()
			x, y, n = x/small, y/small, n/small
		}
		return img.ResizePart(x, y, x+n, y+n, in.Width, in.Height)
	}
	width, height := float64(img.Width), float64(img.Height)
	scale := min(surroundings(img, f), float64(in.Crop))
	half := [2]float64{w.Width * scale / 2, w.Height * scale / 2}
	x := min(max(w.X, half[0]), width-1-half[0])
	y := min(max(w.Y, half[1]), height-1-half[1])
	x0, y0 := max(int(x-half[0]), 0), max(int(y-half[1]), 0)
	x1, y1 := min(int(x+half[0])+1, img.Width), min(int(y+half[1])+1, img.Height)
	return img.SampleLinear(x0, y0, max(x1, x0+1), max(y1, y0+1), in.Width, in.Height)
}
