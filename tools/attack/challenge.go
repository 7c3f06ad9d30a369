package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"facestream/internal/drawn"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// challenge asks for a challenge.
func (f *facestream) challenge(ctx context.Context) (*schema.Challenge, error) {
	r, err := f.call(ctx, schema.Request{Operation: schema.OpChallenge, Config: json.RawMessage(`{"challenge_actions":"turn_left,turn_right,come_closer"}`)})
	if err == nil && r.Challenge == nil {
		err = fmt.Errorf("a challenge is answered %q", r.CallStatus.Reason)
	}
	return r.Challenge, err
}

// answer sends three still pictures as the answer to a challenge.
func (f *facestream) answer(ctx context.Context, id schema.RequestID, token string) (schema.Result, error) {
	r := schema.Request{ID: id, Operation: schema.OpAntiSpoofing, Challenge: token}
	for range schema.MinChallengeFrames {
		image, err := f.face(ctx, 0, 0)
		if err != nil {
			return schema.Result{}, err
		}
		r.Images = append(r.Images, image...)
	}
	return f.call(ctx, r)
}

func forgedChallenge(ctx context.Context, f *facestream) (string, error) {
	for what, forge := range map[string]func(payload []byte, signature string) string{
		"no signature":      func(p []byte, _ string) string { return base64.RawURLEncoding.EncodeToString(p) + "." },
		"no point":          func(p []byte, _ string) string { return base64.RawURLEncoding.EncodeToString(p) },
		"another signature": func(p []byte, s string) string { return base64.RawURLEncoding.EncodeToString(p) + "." + flip(s) },
		"a later expiry": func(p []byte, s string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(p), `"expires":1`, `"expires":9`, 1))) + "." + s
		},
		"no action": func(p []byte, s string) string {
			return base64.RawURLEncoding.EncodeToString([]byte(`{"answer":"x","actions":[],"expires":99999999999}`)) + "." + s
		},
		"padding": func(p []byte, s string) string { return base64.URLEncoding.EncodeToString(append(p, ' ')) + "." + s },
	} {
		c, err := f.challenge(ctx)
		if err != nil {
			return "", err
		}
		left, right, _ := strings.Cut(c.Token, ".")
		payload, err := base64.RawURLEncoding.DecodeString(left)
		if err != nil {
			return "", err
		}
		r, err := f.answer(ctx, c.RequestID, forge(payload, right))
		if err == nil && r.CallStatus.Reason != schema.ReasonChallengeInvalid {
			err = fmt.Errorf("answered %q", r.CallStatus.Reason)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	return "each is challenge_invalid", nil
}

// flip changes the first letter.
func flip(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func replayedChallenge(ctx context.Context, f *facestream) (string, error) {
	c, err := f.challenge(ctx)
	if err != nil {
		return "", err
	}
	if r, err := f.answer(ctx, schema.RequestID(uuid.NewString()), c.Token); err != nil || r.CallStatus.Reason != schema.ReasonChallengeInvalid {
		return "", fmt.Errorf("under another id it is answered %q (%v)", r.CallStatus.Reason, err)
	}
	first, err := f.answer(ctx, c.RequestID, c.Token)
	if err != nil {
		return "", err
	}
	if first.CallStatus.Reason == "" {
		return "", errors.New("still pictures answer a challenge")
	}
	again := fmt.Sprintf(`{"id":%q,"operation":"anti_spoofing","challenge":%q,"images":[{"bucket":%q,"key":"other.jpg"},{"bucket":%q,"key":"other.jpg"},{"bucket":%q,"key":"other.jpg"}],"config":%s}`,
		c.RequestID, c.Token, f.cfg.S3.Bucket, f.cfg.S3.Bucket, f.cfg.S3.Bucket, drawn.Config)
	if err := f.raw(ctx, events.Requests, string(c.RequestID), again); err != nil {
		return "", err
	}
	d, err := f.dead(ctx, func(d events.DeadLetter) bool { return string(d.Value) == again })
	if err == nil && d.Reason != schema.ReasonRequestIDReused {
		err = fmt.Errorf("other frames end as a dead letter for %s", d.Reason)
	}
	return "refused under another id; a second answer is a dead letter", err
}
