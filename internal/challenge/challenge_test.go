package challenge

import (
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/pkg/schema"
)

var (
	accepted = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	issuer   = Issuer{Keys: [][]byte{[]byte(strings.Repeat("k", MinKey))}, ValidFor: time.Minute}
	config   = schema.DefaultConfig(schema.OpChallenge).Challenge
)

func issue(t *testing.T, i Issuer, id schema.RequestID) *schema.Challenge {
	t.Helper()
	c, err := i.Issue(&schema.Job{Request: schema.Request{ID: id}, AcceptedAt: accepted}, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answer(c *schema.Challenge, after time.Duration) *schema.Job {
	return &schema.Job{Request: schema.Request{ID: c.RequestID, Challenge: c.Token}, AcceptedAt: accepted.Add(after)}
}

// TestIssue: a repeated job gets the same challenge, and other requests get others.
func TestIssue(t *testing.T) {
	c := issue(t, issuer, "a")
	if again := issue(t, issuer, "a"); again.Token != c.Token || again.RequestID != c.RequestID {
		t.Errorf("a repeat gets %+v instead of %+v", again, c)
	}
	seen := map[string]bool{}
	for i := range 200 {
		c := issue(t, issuer, schema.RequestID(strings.Repeat("x", i+1)))
		if len(c.Actions) != 2 || c.Actions[0] == c.Actions[1] {
			t.Fatalf("actions %v", c.Actions)
		}
		seen[string(c.Actions[0]+" "+c.Actions[1])] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d of the 20 sequences of two actions were drawn in 200 challenges", len(seen))
	}
	if _, err := (Issuer{}).Issue(&schema.Job{}, config); schema.ReasonOf(err) != schema.ReasonOperationUnavailable {
		t.Errorf("without a key: %v", err)
	}
}

func TestCheck(t *testing.T) {
	c := issue(t, issuer, "a")
	newer := Issuer{Keys: [][]byte{[]byte(strings.Repeat("n", MinKey)), issuer.Keys[0]}}
	for _, i := range []Issuer{issuer, newer} {
		if actions, err := i.Check(answer(c, 59*time.Second)); err != nil || !slices.Equal(actions, c.Actions) {
			t.Errorf("a good answer: %v, %v", actions, err)
		}
	}
	payload, signature, _ := strings.Cut(c.Token, ".")
	other := issue(t, issuer, "b")
	foreign := issue(t, Issuer{Keys: newer.Keys[:1], ValidFor: time.Hour}, "a")
	otherPayload, _, _ := strings.Cut(other.Token, ".")
	for name, job := range map[string]*schema.Job{
		"late":                   answer(c, 61*time.Second),
		"another request id":     {Request: schema.Request{ID: "mine", Challenge: c.Token}, AcceptedAt: accepted},
		"another challenge's id": {Request: schema.Request{ID: other.RequestID, Challenge: c.Token}, AcceptedAt: accepted},
		"another payload":        {Request: schema.Request{ID: other.RequestID, Challenge: otherPayload + "." + signature}, AcceptedAt: accepted},
		"another key":            answer(foreign, 0),
		"no signature":           {Request: schema.Request{ID: c.RequestID, Challenge: payload}, AcceptedAt: accepted},
		"an empty signature":     {Request: schema.Request{ID: c.RequestID, Challenge: payload + "."}, AcceptedAt: accepted},
		"no token":               {Request: schema.Request{ID: c.RequestID, Challenge: "."}, AcceptedAt: accepted},
	} {
		if actions, err := issuer.Check(job); schema.ReasonOf(err) != schema.ReasonChallengeInvalid || actions != nil {
			t.Errorf("%s: %v, %v", name, actions, err)
		}
	}
}

func TestParseKeys(t *testing.T) {
	long := strings.Repeat("a", MinKey)
	if keys, err := ParseKeys(schema.Secret(long + "," + long + "b")); err != nil || len(keys) != 2 {
		t.Errorf("two keys: %d, %v", len(keys), err)
	}
	if keys, err := ParseKeys(""); err != nil || keys != nil {
		t.Errorf("no key: %v, %v", keys, err)
	}
	for _, text := range []string{"short", long + ",", "," + long} {
		if _, err := ParseKeys(schema.Secret(text)); err == nil || strings.Contains(err.Error(), long) {
			t.Errorf("%d bytes: %v", len(text), err)
		}
	}
}
