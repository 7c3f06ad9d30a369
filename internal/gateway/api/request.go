package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"facestream/internal/gateway/auth"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// subject is what decides who may see a request or a result.
type subject struct {
	Operation  schema.Operation  `json:"operation"`
	Collection schema.Collection `json:"collection"`
	CallStatus struct {
		ReturnCode schema.ReturnCode `json:"return_code"`
		Reason     schema.Reason     `json:"reason"`
	} `json:"call_status"`
}

// serveRequest answers with the result of a request, or says that it has none yet. With Prefer: wait it waits for it.
func (s *Service) serveRequest(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem {
	id := schema.RequestID(r.PathValue("id"))
	if !idPattern.MatchString(string(id)) {
		return badID()
	}
	wait := time.Duration(0)
	if r.Header.Get("Prefer") != "" {
		var refused *Problem
		if wait, refused = s.patience(w, r); refused != nil {
			return refused
		}
	}
	record, found, err := s.results.find(r.Context(), id)
	if err == nil && !found {
		var pending bool
		if pending, err = s.pending(r.Context(), id, caller); err == nil && !pending {
			return nothing()
		}
		if err == nil {
			record.Event, found = s.arrives(r.Context(), id, wait)
		}
	}
	switch {
	case err != nil:
		return s.unavailable(err, "a result cannot be looked up")
	case !found:
		return accepted(w, id)
	case !maySee(caller, record.Event):
		return nothing()
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(record.Event.Data)
	return nil
}

func badID() *Problem { return problem(CauseInvalidParameter, "this is not the id of a request") }

func nothing() *Problem {
	return problem(CauseNotFound, "there is no such request, its result is too old, or the token or key does not allow to see it")
}

// maySee reports whether the caller may see a result.
func maySee(caller *auth.Caller, e events.Event) bool {
	var about subject
	return json.Unmarshal(e.Data, &about) == nil && caller.May(about.Operation, about.Collection)
}

// pending reports whether a request that the caller may see was sent.
func (s *Service) pending(ctx context.Context, id schema.RequestID, caller *auth.Caller) (bool, error) {
	record, found, err := s.requests.find(ctx, id)
	if err != nil || !found {
		return false, err
	}
	req, problems := schema.DecodeRequest(record.Event.Data)
	if len(problems) > 0 {
		return false, nil
	}
	req.Normalize() // the collection of one that names none
	return caller.May(req.Operation, req.Collection), nil
}

// arrives waits for a result that was not there before.
func (s *Service) arrives(ctx context.Context, id schema.RequestID, wait time.Duration) (events.Event, bool) {
	if wait == 0 {
		return events.Event{}, false
	}
	ctx, stop := s.staying(ctx)
	defer stop()
	ctx, end := context.WithTimeout(ctx, wait)
	defer end()
	a, err := s.Results.Await(ctx, id)
	return a.Event, err == nil
}
