package face

import (
	"cmp"
	"context"
	"math"

	"facestream/pkg/engine/imaging"
)

// PoseEstimator estimates how heads are turned. It is safe for concurrent use.
type PoseEstimator struct{ stages []Stage }

// The architectures of the role pose: networks that answer yaw, pitch and roll in degrees.
const (
	// FSA-Net: T.-Y. Yang et al., "FSA-Net: Learning Fine-Grained Structure Aggregation for Head Pose Estimation from a Single
	// Image", CVPR 2019. Its yaw grows to the picture's left (headpose-fsanet-pytorch, src/demo.py and draw_axis).
	fsaNet = "fsanet"
	// The signs are those of Pose.
	headPose = "head_pose"
)

// NewPoseEstimator returns a PoseEstimator for the networks of the stages; their answers are averaged. Any architecture but
// "fsanet" and "head_pose" is a Fatal error.
func NewPoseEstimator(stages []Stage) (*PoseEstimator, error) {
	for _, s := range stages {
		if err := s.check("face.pose", fsaNet, headPose); err != nil {
			return nil, err
		}
	}
	return &PoseEstimator{stages}, nil
}

// Pose is how the head is turned, in degrees, -90..90 (Roll -180..180). Yaw is positive when the person looks to the
// picture's right (their own left), Pitch when they look up, Roll when the head leans to the picture's right (clockwise).
type Pose struct {
	Yaw, Pitch, Roll float32
}

// Observe implements Observer. The offset of each network's manifest is added to its answer. The networks see a square around the box, of the manifest's crop times its longer side, turned upright
// if the head leans far.
func (p *PoseEstimator) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	poses, errs := make([]Pose, len(faces)), make([]error, len(faces))
	share := 1 / float32(len(p.stages))
	var shown *view
	defer func() { shown.release() }()
	for _, s := range p.stages {
		yaw := share
		if s.Model.Architecture == fsaNet {
			yaw = -share
		}
		if !shown.shows(s) {
			shown.release()
			crops := make([]*imaging.Image, len(faces))
			for i, f := range faces {
				crops[i] = img.Cut(square(f.standing(float64(s.Model.Input.Crop))), s.Model.Input.Width, s.Model.Input.Height)
			}
			shown = s.view(crops)
		}
		for i, answer := range s.ask(ctx, "face.pose", 3, shown) {
			if answer.Err != nil {
				errs[i] = cmp.Or(errs[i], answer.Err)
				continue
			}
			poses[i].Yaw += yaw * answer.Value[0]
			poses[i].Pitch += share * (answer.Value[1] + s.Model.Offset.Pitch)
			poses[i].Roll += share * answer.Value[2]
		}
	}
	for i, f := range faces {
		if errs[i] == nil {
			r := poses[i]
			r.Roll = float32(math.Remainder(float64(r.Roll+f.tilt()), 360))
			f.Pose = &Pose{Yaw: min(max(r.Yaw, -90), 90), Pitch: min(max(r.Pitch, -90), 90), Roll: r.Roll}
		}
	}
	return errs
}
