package face

import (
	"context"

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

// NewPoseEstimator drives the stages as their manifest describes them; their answers are averaged. Another architecture than
// "fsanet" and "head_pose" is a Fatal error.
func NewPoseEstimator(stages []Stage) (*PoseEstimator, error) {
	for _, s := range stages {
		if err := s.check("face.pose", fsaNet, headPose); err != nil {
			return nil, err
		}
	}
	return &PoseEstimator{stages}, nil
}

// PoseResult answers one face: its pose, or why there is none.
type PoseResult struct {
	Pose Pose
	Err  error
}

// Estimate answers each face in order. The networks see a square around the box, of the manifest's crop times its longer side.
func (p *PoseEstimator) Estimate(ctx context.Context, img *imaging.Image, faces []Face) []PoseResult {
	results := make([]PoseResult, len(faces))
	share := 1 / float32(len(p.stages))
	for _, s := range p.stages {
		yaw := share
		if s.Model.Architecture == fsaNet {
			yaw = -share
		}
		crops := make([]*imaging.Image, len(faces))
		for i, f := range faces {
			crops[i] = img.Cut(square(f.window(float64(s.Model.Input.Crop))), s.Model.Input.Width, s.Model.Input.Height)
		}
		answers, errs := s.run(ctx, "face.pose", 3, crops)
		for i, a := range answers {
			switch {
			case results[i].Err != nil:
			case errs[i] != nil:
				results[i] = PoseResult{Err: errs[i]}
			default:
				results[i].Pose.Yaw += yaw * a[0]
				results[i].Pose.Pitch += share * a[1]
				results[i].Pose.Roll += share * a[2]
			}
		}
	}
	for i := range results {
		r := &results[i].Pose
		r.Yaw, r.Pitch, r.Roll = min(max(r.Yaw, -90), 90), min(max(r.Pitch, -90), 90), min(max(r.Roll, -180), 180)
	}
	return results
}
