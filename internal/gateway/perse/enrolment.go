package perse

import (
	"net/http"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// Enrolment is the answer to create and update.
type Enrolment struct {
	Status    int         `json:"status"` // 200
	UserToken schema.PUID `json:"user_token"`
	TimeTaken float64     `json:"time_taken"` // seconds
}

// Enrolments is the answer to list.
type Enrolments struct {
	Status     int           `json:"status"` // 200
	UserTokens []schema.PUID `json:"user_tokens"`
	TotalUsers int           `json:"total_users"`
	TimeTaken  float64       `json:"time_taken"` // seconds
}

// Removal is the answer to delete.
type Removal struct {
	Status    int     `json:"status"`     // 200
	TimeTaken float64 `json:"time_taken"` // seconds
}

func create(c *api.Call) *api.Problem { return enrol(c, false) }

// update enrols a further image of a person, whose former images stay.
func update(c *api.Call) *api.Problem { return enrol(c, true) }

// tolerated are the traits that refuse no enrolment. Perse refuses faces that are badly exposed, covered, or not completely in the picture.
const tolerated = schema.AllFaceTraits &^ (schema.FTFaceTooDark | schema.FTFaceTooBright | schema.FTFaceWithMask | schema.CoveredFaceTraits |
	schema.FTFaceLeft | schema.FTFaceRight | schema.FTFaceUp | schema.FTFaceDown | schema.FTFaceNoPadding)

func enrol(c *api.Call, known bool) *api.Problem {
	texts := []string{}
	if known {
		texts = append(texts, userToken)
	}
	found, refusal := form(c, []string{imageFile}, texts)
	if refusal == nil {
		refusal = need(found, append(texts, imageFile)...)
	}
	if refusal != nil {
		return refusal
	}
	r, refusal := c.Do(schema.Request{Operation: schema.OpEnroll, Collection: Collection, PUID: schema.PUID(found[userToken]), Consent: declared(c),
		Config: config(map[string]any{"face_detection_strategy": largest, "refuse_bad_exposure": true, "allowed_face_traits_flags": int64(tolerated)})}, found[imageFile])
	if refusal == nil {
		refusal = refused(r)
	}
	if refusal != nil {
		return refusal
	}
	if r.Enroll == nil || r.Enroll.Response == nil {
		return api.Refuse(api.Cause(schema.ReasonInternal), "the result has no enrolment")
	}
	return c.Answer(http.StatusOK, Enrolment{http.StatusOK, r.Enroll.Response.PUID, taken(c)})
}

func remove(c *api.Call) *api.Problem {
	r, refusal := c.Do(schema.Request{Operation: schema.OpUserDelete, Collection: Collection, PUID: schema.PUID(c.Request.PathValue(userToken))})
	if refusal == nil {
		refusal = refused(r)
	}
	if refusal == nil && r.UserDelete != nil && r.UserDelete.Count == 0 {
		refusal = api.Refuse(api.Cause(schema.ReasonUnknownPUID), "nobody is enrolled under this user_token")
		refusal.Status = http.StatusUnprocessableEntity
	}
	if refusal != nil {
		return refusal
	}
	return c.Answer(http.StatusOK, Removal{http.StatusOK, taken(c)})
}

// page is how many persons are asked for at once.
const page = 100

func list(c *api.Call) *api.Problem {
	all := Enrolments{Status: http.StatusOK, UserTokens: []schema.PUID{}}
	for after := ""; ; {
		r, refusal := c.Do(schema.Request{Operation: schema.OpUserList, Collection: Collection, Page: &schema.PageQuery{Limit: page, After: after}})
		if refusal == nil && r.CallStatus.Reason != schema.ReasonUnknownCollection { // nobody was ever enrolled
			refusal = refused(r)
		}
		if refusal != nil {
			return refusal
		}
		if r.Persons != nil {
			for _, p := range r.Persons.Persons {
				all.UserTokens = append(all.UserTokens, p.PUID)
			}
			after = r.Persons.Next
		}
		if r.Persons == nil || after == "" {
			all.TotalUsers, all.TimeTaken = len(all.UserTokens), taken(c)
			return c.Answer(http.StatusOK, all)
		}
	}
}
