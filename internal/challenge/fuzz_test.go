package challenge

import (
	"testing"
	"time"

	"facestream/pkg/schema"
)

// FuzzToken: whatever a token says, one that was not signed here is refused with a reason.
func FuzzToken(f *testing.F) {
	i := Issuer{Keys: [][]byte{[]byte("a key that only tests know, of 40 bytes.."), []byte("the key before it, also of 40 bytes......")}, ValidFor: time.Hour}
	stranger := Issuer{Keys: [][]byte{[]byte("a key that somebody else knows, 40 bytes.")}, ValidFor: time.Hour}
	c, problems := schema.ResolveConfig(schema.OpChallenge, nil)
	if len(problems) > 0 {
		f.Fatal(problems)
	}
	job := schema.Job{Request: schema.Request{ID: "r", Operation: schema.OpChallenge}}
	foreign, err := stranger.Issue(&job, c.Challenge)
	if err != nil {
		f.Fatal(err)
	}
	own, err := i.Issue(&job, c.Challenge)
	if err != nil {
		f.Fatal(err)
	}
	for _, token := range []string{foreign.Token, own.Token[1:], "", ".", "a.b", "e30.e30"} {
		f.Add(token)
	}
	f.Fuzz(func(t *testing.T, token string) {
		answer := job
		answer.Challenge = token
		if actions, err := i.Check(&answer); schema.ReasonOf(err) == "" {
			t.Errorf("%q: %v, %v", token, actions, err)
		}
	})
}
