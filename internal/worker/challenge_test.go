package worker_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/internal/verdict"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// turnedTo is someone whose head is turned to their left by yaw degrees and raised by pitch. The nose of a real head stands
// before the plane of eyes and mouth, so it moves against them; that of a flat one does not.
func turnedTo(yaw, pitch float32, flat bool) face.Observation {
	o := someone(0)
	o.Pose = &face.Pose{Yaw: yaw, Pitch: pitch}
	if !flat {
		o.Points[2].X += 0.5 * yaw
		o.Points[2].Y -= 0.5 * pitch
	}
	return o
}

// doing is someone doing the action.
func doing(a schema.ChallengeAction, flat bool) face.Observation {
	switch a {
	case schema.TurnLeft:
		return turnedTo(25, 0, flat)
	case schema.TurnRight:
		return turnedTo(-25, 0, flat)
	case schema.LookUp:
		return turnedTo(0, 15, flat)
	case schema.Blink:
		o := someone(0)
		o.LeftEyeOpen, o.RightEyeOpen = p(0.05), p(0.05)
		return o
	}
	o := someone(0) // closer
	o.Box.TopLeft.X, o.Box.TopLeft.Y, o.Box.BottomRight.X, o.Box.BottomRight.Y = 100, 130, 300, 370
	return o
}

// TestChallenge answers challenges with frames as a person, a still picture, a picture that is turned in the hand, and
// others would.
func TestChallenge(t *testing.T) {
	d := newDesk(t)
	d.pack.Models = append(slices.Clone(everyRole), schema.ModelRun{Role: "pose", ID: "p@1"}, schema.ModelRun{Role: "attributes", ID: "t@1"})
	// answer asks for a challenge with the actions, and answers it with the frames that make returns for them.
	answer := func(t *testing.T, actions string, frames func(asked []schema.ChallengeAction) []face.Observation) (*schema.Challenge, schema.Result) {
		c := d.ask(schema.Request{Operation: schema.OpChallenge, Config: json.RawMessage(fmt.Sprintf(`{"challenge_actions":%q,"challenge_count":4}`, actions))}).Challenge
		if c == nil || len(c.Actions) != 1+strings.Count(actions, ",") {
			t.Fatalf("challenge %+v", c)
		}
		var names []string
		for i, o := range frames(c.Actions) {
			names = append(names, fmt.Sprint("frame", i))
			d.pictures[names[i]] = picture{faces: []face.Observation{o}}
		}
		job := schema.Job{Request: schema.Request{ID: c.RequestID, Operation: schema.OpAntiSpoofing, Challenge: c.Token, Images: images(names...)}, AcceptedAt: time.Unix(1700000030, 0)}
		if problems := job.Resolve(); len(problems) > 0 {
			t.Fatal(problems)
		}
		return c, d.do(job)
	}
	neutral := func() face.Observation { return someone(0) }
	properly := func(asked []schema.ChallengeAction) []face.Observation {
		frames := []face.Observation{neutral()}
		for _, a := range asked {
			frames = append(frames, doing(a, false), neutral())
		}
		return frames
	}
	for _, a := range schema.ChallengeActions() {
		if _, r := answer(t, string(a), properly); r.CallStatus.Reason != "" || r.Answer == nil || !r.Answer.Met || r.Answer.Actions[0].Image != 1 {
			t.Errorf("%s, done: %+v, %+v", a, r.CallStatus, r.Answer)
		}
	}
	const two = "turn_left,come_closer"
	c, met := answer(t, two, properly)
	if met.CallStatus.Reason != "" || met.Answer == nil || !met.Answer.Met || len(met.Faces) != 5 {
		t.Errorf("two actions, done: %+v, %+v", met.CallStatus, met.Answer)
	}
	for name, frames := range map[string]func([]schema.ChallengeAction) []face.Observation{
		"a still picture": func([]schema.ChallengeAction) []face.Observation {
			return []face.Observation{neutral(), neutral(), neutral(), neutral()}
		},
		"a picture turned in the hand": func(asked []schema.ChallengeAction) []face.Observation {
			frames := []face.Observation{neutral()}
			for _, a := range asked {
				frames = append(frames, doing(a, true), neutral())
			}
			return frames
		},
		"the order of the frames reversed": func(asked []schema.ChallengeAction) []face.Observation {
			frames := properly(asked)[:4]
			slices.Reverse(frames)
			return frames
		},
		"the actions in the other order": func(asked []schema.ChallengeAction) []face.Observation {
			asked = slices.Clone(asked)
			slices.Reverse(asked)
			return properly(asked)[:4]
		},
		"a mirrored picture": func(asked []schema.ChallengeAction) []face.Observation {
			frames := properly(asked)
			for i := range frames {
				frames[i].Pose = &face.Pose{Yaw: -frames[i].Pose.Yaw}
			}
			return frames
		},
		"another person in the middle": func(asked []schema.ChallengeAction) []face.Observation {
			frames := properly(asked)
			frames[2].Embedding = someone(90).Embedding
			return frames
		},
		"no frame that looks straight": func(asked []schema.ChallengeAction) []face.Observation {
			frames := properly(asked)
			for i := range frames {
				frames[i].Pose = &face.Pose{Yaw: frames[i].Pose.Yaw - 40}
			}
			return frames
		},
	} {
		if _, r := answer(t, two, frames); r.CallStatus.Reason != schema.ReasonChallengeFailed || r.Answer == nil || r.Answer.Met || r.Feedback == "" {
			t.Errorf("%s: %+v, %+v", name, r.CallStatus, r.Answer)
		}
	}
	if _, r := answer(t, two, func(asked []schema.ChallengeAction) []face.Observation {
		frames := properly(asked)
		for i := range frames {
			frames[i].Liveness = &face.Liveness{Score: 0.1}
		}
		return frames
	}); r.CallStatus.Reason != schema.ReasonSpoofDetected || r.Answer.Met {
		t.Errorf("frames that the networks take for a screen: %+v, %+v", r.CallStatus, r.Answer)
	}
	replay := schema.Request{Operation: schema.OpAntiSpoofing, Challenge: c.Token, Images: images("frame0", "frame1", "frame2")}
	if r := d.ask(replay); r.CallStatus.Reason != schema.ReasonChallengeInvalid || len(r.Faces) > 0 {
		t.Errorf("a challenge that is answered under another id: %+v", r.CallStatus)
	}
	for _, r := range []schema.Request{
		{Operation: schema.OpAntiSpoofing, Images: images("frame0", "frame1", "frame2")},
		{Operation: schema.OpAntiSpoofing, Challenge: c.Token, Images: images("frame0", "frame1")},
		{Operation: schema.OpValidate, Challenge: c.Token, Images: images("frame0")},
	} {
		if got := d.ask(r).CallStatus; got.Reason != schema.ReasonInvalidRequest {
			t.Errorf("%s with %d images: %+v", r.Operation, len(r.Images), got)
		}
	}
}

// TestChallengeNeedsItsNetworks: a pack that cannot see an action says so instead of refusing people.
func TestChallengeNeedsItsNetworks(t *testing.T) {
	job := &schema.Job{Request: schema.Request{Operation: schema.OpAntiSpoofing, Challenge: "x"}}
	pack := verdict.Pack{Name: "small", Models: append(slices.Clone(everyRole), schema.ModelRun{Role: "pose", ID: "p@1"}), Matching: schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75}}
	c, err := verdict.New(job, pack)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Challenge([]schema.ChallengeAction{schema.TurnLeft}); err != nil {
		t.Error(err)
	}
	if err := c.Challenge([]schema.ChallengeAction{schema.Blink}); schema.ReasonOf(err) != schema.ReasonRoleAbsent {
		t.Errorf("blink without attributes: %v", err)
	}
}
