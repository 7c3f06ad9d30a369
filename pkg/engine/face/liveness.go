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

const (
	// leastLiveSide is the least width and height in pixels of a face that is judged. The crop of the 128 × 128 network is
	// then enlarged by a third, and MiniFASNet's is not: below, the texture that both go by is not in the picture.
	leastLiveSide = 64
	// leastInside is the least share of the box that lies inside the picture.
	leastInside = 0.9
)

// Liveness is the answer of the networks that tell a living face from a picture of one.
type Liveness struct {
	// Assessable is false where the face is too small, or too near the picture's border, to be judged; Why says so to people.
	Assessable bool
	Why        string
	// Score is the probability that the face is live, 0..1: the mean of the networks that ran.
	Score float32
	// Scores are those of each network, in the order of the pack.
	Scores []float32
}

// Observe is Observer's, with the networks of a mode. A face that cannot be judged is not an error: its Liveness says why.
func (l *LivenessDetector) Observe(ctx context.Context, img *imaging.Image, faces []*Observation, mode int) []error {
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
		if found[i].Why = notAssessable(img, f.Face); found[i].Why == "" {
			found[i].Assessable = true
			judged = append(judged, i)
		}
	}
	for _, s := range stages {
		crops := make([]*imaging.Image, len(judged))
		for n, i := range judged {
			crops[n] = liveCrop(img, faces[i].Face, s)
		}
		classes, live := 3, 1
		if s.Model.Architecture == antispoof {
			classes, live = 2, 0
		}
		for n, answer := range s.run(ctx, op, classes, crops) {
			i := judged[n]
			if answer.Err != nil {
				errs[i] = cmp.Or(errs[i], answer.Err)
				continue
			}
			p := softmax(answer.Value)[live]
			found[i].Scores = append(found[i].Scores, p)
			found[i].Score += p / float32(len(stages))
		}
	}
	for i, f := range faces {
		if errs[i] == nil {
			f.Liveness = &found[i]
		}
	}
	return errs
}

func notAssessable(img *imaging.Image, f Face) string {
	w := f.window(1)
	if side := min(w.Width, w.Height); side < leastLiveSide {
		return fmt.Sprintf("the face is %.0f pixels wide, and %d are needed", math.Round(w.Width), leastLiveSide)
	}
	insideX := min(w.X+w.Width/2, float64(img.Width)) - max(w.X-w.Width/2, 0)
	insideY := min(w.Y+w.Height/2, float64(img.Height)) - max(w.Y-w.Height/2, 0)
	if max(insideX, 0)*max(insideY, 0) < leastInside*w.Width*w.Height {
		return "the face is cut off by the border of the picture"
	}
	return ""
}

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
		return img.Crop(x, y, x+n, y+n, imaging.Reflect).Resize(in.Width, in.Height)
	}
	width, height := float64(img.Width), float64(img.Height)
	scale := min((height-1)/w.Height, (width-1)/w.Width, float64(in.Crop))
	half := [2]float64{w.Width * scale / 2, w.Height * scale / 2}
	x := min(max(w.X, half[0]), width-1-half[0])
	y := min(max(w.Y, half[1]), height-1-half[1])
	x0, y0 := max(int(x-half[0]), 0), max(int(y-half[1]), 0)
	x1, y1 := min(int(x+half[0])+1, img.Width), min(int(y+half[1])+1, img.Height)
	return img.SampleLinear(x0, y0, max(x1, x0+1), max(y1, y0+1), in.Width, in.Height)
}
