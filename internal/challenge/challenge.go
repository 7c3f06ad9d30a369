// Package challenge issues challenges, which ask a person to move before the camera, and checks those that come back.
// Nothing is stored: a token carries what was asked for, under a signature, and names the one request id that may answer
// it.
package challenge

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"facestream/pkg/schema"
)

// Issuer issues and checks challenges. All workers need the same one.
type Issuer struct {
	Keys     [][]byte      // the first signs; a token is good under any of them
	ValidFor time.Duration // from the moment at which the request for a challenge was accepted
}

// MinKey is the least length of a key in bytes.
const MinKey = 32

// ParseKeys reads keys that are separated by commas. Each has at least MinKey bytes.
func ParseKeys(text schema.Secret) ([][]byte, error) {
	if text == "" {
		return nil, nil
	}
	var keys [][]byte
	for key := range strings.SplitSeq(string(text), ",") {
		if len(key) < MinKey {
			return nil, fmt.Errorf("key %d has %d bytes; at least %d are needed", len(keys)+1, len(key), MinKey)
		}
		keys = append(keys, []byte(key))
	}
	return keys, nil
}

// claim is what a token says.
type claim struct {
	Answer  schema.RequestID         `json:"answer"`
	Actions []schema.ChallengeAction `json:"actions"`
	Expires int64                    `json:"expires"` // Unix seconds
}

// Issue returns the challenge of a job. The same job always gets the same one (invariant 3). Without a key the error is
// permanent, with the reason operation_unavailable.
func (i Issuer) Issue(job *schema.Job, config schema.ChallengeConfig) (*schema.Challenge, error) {
	if len(i.Keys) == 0 {
		return nil, schema.Permanent("challenge.issue", schema.ReasonOperationUnavailable, errors.New("this installation has no key that signs challenges (worker.challenge.keys)"))
	}
	expires := job.AcceptedAt.Add(i.ValidFor).UTC().Truncate(time.Second)
	c := claim{Answer: schema.ChallengeAnswerID(job.ID), Actions: i.draw(job.ID, config), Expires: expires.Unix()}
	payload, err := json.Marshal(c)
	if err != nil {
		return nil, schema.Fatal("challenge.issue", err)
	}
	token := encode(payload) + "." + encode(sign(i.Keys[0], payload))
	return &schema.Challenge{Token: token, RequestID: c.Answer, Actions: c.Actions, ExpiresAt: expires}, nil
}

// draw chooses actions by the request id and the key, so that nobody else can foresee them.
func (i Issuer) draw(id schema.RequestID, config schema.ChallengeConfig) []schema.ChallengeAction {
	var actions []schema.ChallengeAction
	for _, a := range config.ActionNames() {
		if !slices.Contains(actions, a) {
			actions = append(actions, a)
		}
	}
	dice := rand.New(rand.NewChaCha8([32]byte(sign(i.Keys[0], []byte("actions of "+id)))))
	dice.Shuffle(len(actions), func(a, b int) { actions[a], actions[b] = actions[b], actions[a] })
	return actions[:min(config.Count, len(actions))]
}

// Check returns the actions that a job with a challenge must show. A token that was not issued here, has expired or
// belongs to another request id is a permanent error with the reason challenge_invalid.
func (i Issuer) Check(job *schema.Job) ([]schema.ChallengeAction, error) {
	refuse := func(format string, args ...any) ([]schema.ChallengeAction, error) {
		return nil, schema.Permanent("challenge.check", schema.ReasonChallengeInvalid, fmt.Errorf(format, args...))
	}
	left, right, _ := strings.Cut(job.Challenge, ".")
	payload, err := base64.RawURLEncoding.DecodeString(left)
	signature, err2 := base64.RawURLEncoding.DecodeString(right)
	if err != nil || err2 != nil || !slices.ContainsFunc(i.Keys, func(key []byte) bool { return hmac.Equal(signature, sign(key, payload)) }) {
		return refuse("challenge: is not one that this installation issued")
	}
	var c claim
	if err := json.Unmarshal(payload, &c); err != nil || len(c.Actions) == 0 {
		return refuse("challenge: is of another version")
	}
	// Ingest takes one request under an id and sets others aside, so this makes a second answer impossible.
	if job.ID != c.Answer {
		return refuse("challenge: is to be answered under the request id %s, and only there", c.Answer)
	}
	if expires := time.Unix(c.Expires, 0).UTC(); job.AcceptedAt.After(expires) {
		return refuse("challenge: expired at %s", expires.Format(time.RFC3339))
	}
	return c.Actions, nil
}

func sign(key, payload []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(payload)
	return mac.Sum(nil)
}

func encode(data []byte) string { return base64.RawURLEncoding.EncodeToString(data) }
