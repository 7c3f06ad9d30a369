package regula

import (
	"net/http"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Transaction is the outcome of a check of liveness: of the request to anti_spoofing whose id is the transaction's.
type Transaction struct {
	Code          Code             `json:"code"`
	Status        *int             `json:"status"` // 0 live, 1 not; null where it cannot be assessed
	Tag           string           `json:"tag"`
	TransactionID schema.RequestID `json:"transactionId"`
	Video         string           `json:"video"`
	Age           []map[string]int `json:"age"`
	Portrait      string           `json:"portrait"`
	Metadata      struct{}         `json:"metadata"`
	Type          int              `json:"type"` // 0 active, with a challenge; 1 passive
}

// transaction is the result that the query names.
func transaction(c *api.Call) (*schema.Result, *api.Problem) {
	r, refusal := c.Result(schema.RequestID(c.Request.URL.Query().Get("transactionId")))
	if refusal == nil && r.Operation != schema.OpAntiSpoofing {
		refusal = api.Refuse(api.CauseNotFound, "the transaction is none of liveness")
	}
	return r, refusal
}

func liveness(c *api.Call) *api.Problem {
	r, refusal := transaction(c)
	if refusal != nil {
		return refusal
	}
	t := Transaction{Tag: r.CallStatus.OperationTag, TransactionID: r.RequestID, Age: []map[string]int{}, Type: 1,
		Portrait: "/api/v2/liveness/portrait?transactionId=" + string(r.RequestID)}
	if r.Answer != nil {
		t.Type = 0
	}
	live, spoof := 0, 1
	for _, f := range r.Faces {
		switch f.SpoofStatus {
		case schema.SpoofNone:
			if t.Status == nil {
				t.Status = &live
			}
		case schema.SpoofDetected:
			t.Status = &spoof
		}
		if f.Age != nil {
			t.Age = append(t.Age, map[string]int{"min": int(f.Age.Estimated - f.Age.Deviation), "max": int(f.Age.Estimated + f.Age.Deviation)})
		}
	}
	code, refusal := codeOf(r)
	switch {
	case refusal != nil: // it was not carried out
		t.Code = GeneralError
	case code != OK:
		t.Code = code
	case t.Status == &spoof:
		t.Code = PassiveLivenessFail
	case t.Status == nil && len(r.Faces) == 0:
		t.Code = FaceNotDetected
	case t.Status == nil:
		t.Code = FailedLiveness
	}
	return c.Answer(http.StatusOK, t)
}

func livenessPortrait(c *api.Call) *api.Problem {
	r, refusal := transaction(c)
	if refusal != nil {
		return refusal
	}
	if len(r.Images) == 0 {
		return api.Refuse(api.CauseNotFound, "the transaction has no image")
	}
	content, refusal := c.Object(r.Images[0])
	if refusal != nil {
		return refusal
	}
	return c.Image(content)
}
