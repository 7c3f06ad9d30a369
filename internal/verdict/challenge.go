package verdict

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// What the frames of an answer must show. They are not operating points: nobody has measured an error rate of challenges.
const (
	neutralYaw   = 12   // most degrees, either way, of a face from which actions are measured
	neutralPitch = 20   // likewise
	leastTurn    = 15   // degrees between that face and a turned one
	leastLookUp  = 10   // degrees
	leastGrowth  = 1.2  // of the side of a face that came closer
	leastDepth   = 0.05 // shift of the nose against eyes and mouth when a head turns, in distances between the eyes; see depth
)

// Challenge makes c the answer to a challenge: its images are frames that must show the actions, in this order. It returns
// a permanent error with the reason role_absent if the pack cannot see one of them.
func (c *Case) Challenge(actions []schema.ChallengeAction) error {
	c.actions = actions
	need := []models.Role{models.RolePose, models.RoleEmbedding}
	if slices.Contains(actions, schema.Blink) {
		need = append(need, models.RoleAttributes)
	}
	for _, role := range need {
		if !c.pack.has(role) {
			return schema.Permanent("verdict.challenge", schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has no %s network, which the challenge needs", c.pack.Name, role))
		}
	}
	return nil
}

// frame is what a challenge is judged by in one image.
type frame struct {
	yaw, pitch float32 // degrees, positive to the person's left and up
	size       float32 // geometric mean of the sides of the box, in pixels
	closed     float32 // score eyes_closed
	points     []schema.PointF
	brightness float64
}

// answered answers the request whose images are frames.
func (c *Case) answered(f Found) *schema.Result {
	if len(f.Faces) == 0 {
		return c.result(f, schema.ReasonNoFace, "no face was found")
	}
	frames, err := framesOf(f, len(c.job.Images))
	if err != nil {
		return c.result(f, schema.ReasonChallengeFailed, err.Error())
	}
	answer, why := c.judge(frames, f.Probes)
	reason, message := schema.Reason(""), ""
	switch {
	case why != "":
		reason, message = schema.ReasonChallengeFailed, why
	case mostlySpoof(f.Faces):
		answer.Met = false
		reason, message = schema.ReasonSpoofDetected, "most frames show a presentation attack, not a person who is present"
	}
	r := c.result(f, reason, message)
	r.Answer = answer
	return r
}

// framesOf returns the one face of each of n images.
func framesOf(f Found, n int) ([]frame, error) {
	frames := make([]frame, n)
	seen := make([]int, n)
	for _, face := range f.Faces {
		scores := map[string]float32{}
		for _, m := range face.Scores {
			scores[m.Name] = m.Value
		}
		seen[face.Image]++
		if face.Pose == nil {
			return nil, fmt.Errorf("images[%d]: the pose of the head could not be measured", face.Image)
		}
		box := face.Geometry.BoundingBox
		side := math.Sqrt(math.Abs(float64((box.BottomRight.X - box.TopLeft.X) * (box.BottomRight.Y - box.TopLeft.Y))))
		frames[face.Image] = frame{face.Pose.Yaw, face.Pose.Pitch, float32(side), scores[schema.MetricEyesClosed], face.Geometry.Landmarks,
			float64(scores[schema.MetricBrightness])}
	}
	var problems []error
	for i, count := range seen {
		switch {
		case count == 0:
			problems = append(problems, fmt.Errorf("images[%d] shows no face", i))
		case count > 1:
			problems = append(problems, fmt.Errorf("images[%d] shows %d faces; each frame must show one", i, count))
		}
	}
	return frames, errors.Join(problems...)
}

// judge compares the frames with the actions. why is "" if they are met, else what is wrong, for people.
func (c *Case) judge(frames []frame, probes []schema.Embedding) (answer *schema.ChallengeAnswer, why string) {
	answer = &schema.ChallengeAnswer{LeastSimilarity: 1, Flicker: flicker(frames)}
	for _, a := range c.actions {
		answer.Actions = append(answer.Actions, schema.ActionAnswer{Action: a})
	}
	from := slices.IndexFunc(frames, func(f frame) bool { return c.neutral(f) })
	if from < 0 || from == len(frames)-1 {
		return answer, "no frame before the actions shows the face looking straight into the camera with open eyes"
	}
	base := frames[from]
	for i := range frames {
		// Frames of one minute before one camera resemble each other more than photographs do, and a turned head less.
		similarity, least := schema.Cosine(probes[from].Vector, probes[i].Vector), c.thresholds.Med
		if c.neutral(frames[i]) {
			least = c.thresholds.Max
		}
		answer.LeastSimilarity = min(answer.LeastSimilarity, similarity)
		if similarity < least {
			return answer, fmt.Sprintf("images[%d] shows another person than images[%d]", i, from)
		}
	}
	for k := range answer.Actions {
		a := &answer.Actions[k]
		at, flat := c.find(a.Action, base, frames, from+1)
		if flat {
			return answer, fmt.Sprintf("the face moves like a flat picture in images[%d]", at)
		}
		if at < 0 {
			return answer, fmt.Sprintf("the frames after images[%d] do not show the action %s", from, strings.ReplaceAll(string(a.Action), "_", " "))
		}
		a.Met, a.Image, from = true, at, at
	}
	answer.Met = true
	return answer, ""
}

func (c *Case) neutral(f frame) bool {
	return abs(f.yaw) <= neutralYaw && abs(f.pitch) <= neutralPitch && c.open(f)
}

func (c *Case) open(f frame) bool { return f.closed < c.config.Quality.EyesClosed }

// find returns the first frame, from the index start on, that shows the action, or -1. flat says that it only seems to:
// the face moved as a picture of one does.
func (c *Case) find(a schema.ChallengeAction, base frame, frames []frame, start int) (at int, flat bool) {
	for i := start; i < len(frames); i++ {
		f := frames[i]
		turned := f.yaw - base.yaw
		switch a {
		case schema.TurnLeft:
			if turned >= leastTurn {
				return i, depth(base.points, f.points) < leastDepth
			}
		case schema.TurnRight:
			if turned <= -leastTurn {
				return i, depth(base.points, f.points) < leastDepth
			}
		case schema.LookUp:
			if f.pitch-base.pitch >= leastLookUp {
				return i, depth(base.points, f.points) < leastDepth
			}
		case schema.Blink:
			if !c.open(f) && slices.ContainsFunc(frames[i+1:], c.open) {
				return i, false
			}
		case schema.ComeCloser:
			if f.size >= leastGrowth*base.size {
				return i, false
			}
		}
	}
	return -1, false
}

// depth is how far the nose of a face is from where it would be if the face were flat, in distances between the eyes: the
// affine map of eyes and corners of the mouth from one picture to the other, in least squares, places the nose of a flat
// face exactly, whichever way the picture is held. The tip of a real nose stands about 0.4 of these distances before them,
// so a turn by 15 degrees moves it by 0.1.
func depth(from, to []schema.PointF) float32 {
	if len(from) != 5 || len(to) != 5 {
		return 0
	}
	around := []int{0, 1, 3, 4}
	mean := func(p []schema.PointF) (m schema.PointF) {
		for _, i := range around {
			m.X, m.Y = m.X+p[i].X/4, m.Y+p[i].Y/4
		}
		return m
	}
	a, b := mean(from), mean(to)
	// The normal equations: S is the scatter of from, T that of to against from.
	var sxx, sxy, syy, txx, txy, tyx, tyy float64
	for _, i := range around {
		x, y := float64(from[i].X-a.X), float64(from[i].Y-a.Y)
		u, v := float64(to[i].X-b.X), float64(to[i].Y-b.Y)
		sxx, sxy, syy = sxx+x*x, sxy+x*y, syy+y*y
		txx, txy, tyx, tyy = txx+u*x, txy+u*y, tyx+v*x, tyy+v*y
	}
	det := sxx*syy - sxy*sxy
	eyes := math.Hypot(float64(to[1].X-to[0].X), float64(to[1].Y-to[0].Y))
	if det < 1e-9 || eyes < 1e-9 {
		return 0
	}
	x, y := float64(from[2].X-a.X), float64(from[2].Y-a.Y)
	p, q := (x*syy-y*sxy)/det, (y*sxx-x*sxy)/det
	u, v := txx*p+txy*q, tyx*p+tyy*q
	return float32(math.Hypot(float64(to[2].X-b.X)-u, float64(to[2].Y-b.Y)-v) / eyes)
}

// flicker is the mean difference between the brightness of a frame and that halfway between its neighbours, as a share of
// the mean brightness. A slow change of light is none.
func flicker(frames []frame) float32 {
	var jumps, mean float64
	for i, f := range frames {
		mean += f.brightness / float64(len(frames))
		if i > 0 && i < len(frames)-1 {
			jumps += math.Abs(f.brightness-(frames[i-1].brightness+frames[i+1].brightness)/2) / float64(len(frames)-2)
		}
	}
	if mean == 0 {
		return 0
	}
	return float32(jumps / mean)
}

// mostlySpoof reports whether more than half of the faces that the liveness networks judged are spoofs.
func mostlySpoof(faces []schema.FaceResult) bool {
	var live, spoof int
	for _, f := range faces {
		switch f.SpoofStatus {
		case schema.SpoofNone:
			live++
		case schema.SpoofDetected:
			spoof++
		}
	}
	return spoof > live
}

func abs(x float32) float32 { return max(x, -x) }
