package schema

import "time"

// ChallengeAction is what a challenge asks a person to do before the camera. Left and right are the person's own.
type ChallengeAction string

// The actions.
const (
	TurnLeft   ChallengeAction = "turn_left"   // the head, by 15 degrees or more
	TurnRight  ChallengeAction = "turn_right"  // likewise
	LookUp     ChallengeAction = "look_up"     // by 10 degrees or more
	Blink      ChallengeAction = "blink"       // both eyes, which are open before and after
	ComeCloser ChallengeAction = "come_closer" // until the face is a fifth larger or more
)

// ChallengeActions returns every action.
func ChallengeActions() []ChallengeAction {
	return []ChallengeAction{TurnLeft, TurnRight, LookUp, Blink, ComeCloser}
}

// The number of frames that answer a challenge.
const (
	MinChallengeFrames = 3
	MaxChallengeFrames = 10
)

// Challenge is what the operation challenge issues: Actions, to be done in this order before ExpiresAt. The answer is a
// request for anti_spoofing under the id RequestID, with Token and with frames in the order in which they were taken. A
// challenge is answered once, because a request id is used once.
type Challenge struct {
	Token     string            `json:"token"` // signed; whoever changes it invalidates it
	RequestID RequestID         `json:"request_id"`
	Actions   []ChallengeAction `json:"actions"`
	ExpiresAt time.Time         `json:"expires_at"`
}

// ChallengeAnswer says whether frames answer a challenge. Met is true if every action was done, in order, by one person
// whose head is not flat. LeastSimilarity is the lowest cosine, -1..1, of a frame to the frame from which the actions are
// measured. Flicker is how much the brightness of the face jumps from frame to frame, as a share of its mean; a screen
// before the camera often flickers. It is evidence and decides nothing.
type ChallengeAnswer struct {
	Met             bool           `json:"met"`
	Actions         []ActionAnswer `json:"actions"`
	LeastSimilarity float32        `json:"least_similarity"`
	Flicker         float32        `json:"flicker"`
}

// ActionAnswer says whether an action was done. Image is the index of the frame that shows it.
type ActionAnswer struct {
	Action ChallengeAction `json:"action"`
	Met    bool            `json:"met"`
	Image  int             `json:"image,omitempty"`
}

// ChallengeAnswerID returns the id of the request that answers the challenge which the request challenge issued.
func ChallengeAnswerID(challenge RequestID) RequestID {
	return RequestID(derive(nsRoot, "challenge", string(challenge)))
}
