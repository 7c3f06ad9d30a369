package allinone_test

import (
	"bytes"
	"encoding/json"
	"image/jpeg"
	"math"
	"slices"
	"testing"

	"facestream/internal/drawn"
	"facestream/pkg/schema"
)

// TestChallenge answers challenges through the stream with drawn frames: as asked, as somebody would who has one picture of
// the person, or frames of an earlier answer, and again under another id.
func TestChallenge(t *testing.T) {
	s := useStream(t)
	const unrefused = `{"anti_spoofing_mode":0}` // drawn people are not live
	someone, other := drawn.Cast()[0], drawn.Cast()[8]
	frame := func(p drawn.Person, change func(*drawn.Shot)) []byte {
		shot := p.Shot(0)
		shot.Yaw, shot.Roll = 0, 0
		if change != nil {
			change(&shot)
		}
		var file bytes.Buffer
		if err := jpeg.Encode(&file, drawn.Render(p, shot, 400), &jpeg.Options{Quality: 92}); err != nil {
			t.Fatal(err)
		}
		return file.Bytes()
	}
	doing := func(p drawn.Person, a schema.ChallengeAction) []byte {
		return frame(p, func(s *drawn.Shot) {
			switch a {
			case schema.TurnLeft: // the picture's right
				s.Yaw = 28 * math.Pi / 180
			case schema.TurnRight:
				s.Yaw = -28 * math.Pi / 180
			case schema.ComeCloser:
				s.Scale *= 1.35
			}
		})
	}
	issue := func() *schema.Challenge {
		t.Helper()
		r := s.send(t, schema.Request{Operation: schema.OpChallenge, Config: json.RawMessage(`{"challenge_actions":"turn_left,turn_right,come_closer"}`)})
		if r.Challenge == nil || len(r.Challenge.Actions) != 2 {
			t.Fatalf("challenge: %+v, %+v", r.CallStatus, r.Challenge)
		}
		return r.Challenge
	}
	request := func(c *schema.Challenge, frames ...[]byte) schema.Request {
		r := schema.Request{ID: c.RequestID, Operation: schema.OpAntiSpoofing, Challenge: c.Token, Config: json.RawMessage(unrefused)}
		for _, f := range frames {
			r.Images = append(r.Images, s.put(t, unique("frames")+"/a.jpg", f, nil))
		}
		return r
	}
	properly := func(c *schema.Challenge) [][]byte {
		return [][]byte{frame(someone, nil), doing(someone, c.Actions[0]), frame(someone, nil), doing(someone, c.Actions[1])}
	}

	c := issue()
	met := request(c, properly(c)...)
	if r := s.send(t, met); r.CallStatus.Reason != "" || r.Answer == nil || !r.Answer.Met || r.Answer.Actions[1].Image != 3 || len(r.Faces) != 4 {
		t.Fatalf("%v, done: %+v, %+v", c.Actions, r.CallStatus, r.Answer)
	}
	if r := s.send(t, met); r.CallStatus.Reason != "" { // the same request again is a repeat, not a replay
		t.Errorf("the same request again: %+v", r.CallStatus)
	}
	replayed := met
	replayed.ID = ""
	if r := s.send(t, replayed); r.CallStatus.Reason != schema.ReasonChallengeInvalid {
		t.Errorf("the same challenge under another id: %+v", r.CallStatus)
	}
	for name, frames := range map[string]func(c *schema.Challenge) [][]byte{
		"a still picture": func(*schema.Challenge) [][]byte {
			f := frame(someone, nil)
			return [][]byte{f, f, f}
		},
		"the frames in the reverse order": func(c *schema.Challenge) [][]byte {
			frames := properly(c)
			slices.Reverse(frames)
			return frames
		},
		"another person does it": func(c *schema.Challenge) [][]byte {
			return [][]byte{frame(someone, nil), doing(other, c.Actions[0]), frame(other, nil), doing(other, c.Actions[1])}
		},
		"frames that answer the opposite": func(c *schema.Challenge) [][]byte {
			return [][]byte{frame(someone, nil), doing(someone, c.Actions[1]), frame(someone, nil), doing(someone, c.Actions[0])}
		},
	} {
		c := issue()
		if r := s.send(t, request(c, frames(c)...)); r.CallStatus.Reason != schema.ReasonChallengeFailed || r.Answer == nil || r.Answer.Met {
			t.Errorf("%s, %v: %+v, %+v", name, c.Actions, r.CallStatus, r.Answer)
		}
	}
}
