package api

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"facestream/internal/gateway/auth"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// DeadLetter is a record that could be neither handled nor answered. Value is what was written, as text, where Show asks for one.
type DeadLetter struct {
	ID       string        `json:"id" jsonschema:"pattern=^[0-9]+-[0-9]+$"`
	Topic    events.Topic  `json:"topic"`
	FailedAt time.Time     `json:"failed_at"`
	Reason   schema.Reason `json:"reason"`
	Error    string        `json:"error,omitempty"`
	Service  string        `json:"service,omitempty"`
	Attempts int           `json:"attempts"`
	Replayed int           `json:"replayed"`
	Whole    bool          `json:"whole" jsonschema:"description=False: only a reference to the record is kept\\, which cannot be replayed"`
	Value    string        `json:"value,omitempty"`
}

// DeadLetters is a list of them, oldest first in each partition.
type DeadLetters struct {
	DeadLetters []DeadLetter `json:"dead_letters"`
	More        bool         `json:"more" jsonschema:"description=There are more than were asked for"`
}

// Types are the types of answers, by their names in the description of the API.
func Types() map[string]any {
	return map[string]any{"Accepted": Accepted{}, "Problem": Problem{}, "DeadLetter": DeadLetter{}, "DeadLetters": DeadLetters{},
		"CallerInfo": CallerInfo{}, "Processes": Processes{}}
}

// deadLetterWait bounds the reading of the topic of dead letters.
const deadLetterWait = 20 * time.Second

// mostDeadLetters are in one answer.
const mostDeadLetters = 1000

func operatorsOnly(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem {
		if !caller.Operator {
			return forbidden("this is for operators alone")
		}
		return h(w, r, caller)
	}
}

// serveDeadLetters lists dead letters without their values.
func (s *Service) serveDeadLetters(w http.ResponseWriter, r *http.Request, _ *auth.Caller) *Problem {
	limit := 100
	for name, values := range r.URL.Query() {
		n, err := strconv.Atoi(values[0])
		if name != "limit" || len(values) > 1 || err != nil || n < 1 || n > mostDeadLetters {
			return problem(CauseInvalidParameter, "the list has the parameter limit, 1 to %d", mostDeadLetters)
		}
		limit = n
	}
	ctx, stop := context.WithTimeout(r.Context(), deadLetterWait)
	defer stop()
	list := DeadLetters{DeadLetters: []DeadLetter{}}
	for d, err := range s.Client.DeadLetters(ctx, events.DeadLetterFilter{}) {
		if err != nil {
			return s.unavailable(err, "dead letters cannot be read")
		}
		if list.More = len(list.DeadLetters) == limit; list.More {
			break
		}
		list.DeadLetters = append(list.DeadLetters, deadLetterOf(d))
	}
	writeJSON(w, http.StatusOK, list)
	return nil
}

func deadLetterOf(d events.DeadLetter) DeadLetter {
	return DeadLetter{ID: strings.ReplaceAll(d.ID.String(), "/", "-"), Topic: d.Origin, FailedAt: d.FailedAt, Reason: d.Reason, Error: d.Error,
		Service: d.Service, Attempts: d.Attempts, Replayed: d.Replayed, Whole: d.Cut == nil}
}

// serveDeadLetter shows one dead letter with its value.
func (s *Service) serveDeadLetter(w http.ResponseWriter, r *http.Request, _ *auth.Caller) *Problem {
	d, refused := s.deadLetter(r)
	if refused != nil {
		return refused
	}
	shown := deadLetterOf(d)
	shown.Value = strings.ToValidUTF8(string(d.Value), "\uFFFD")
	writeJSON(w, http.StatusOK, shown)
	return nil
}

// serveReplay writes the record of a dead letter to its topic again.
func (s *Service) serveReplay(w http.ResponseWriter, r *http.Request, _ *auth.Caller) *Problem {
	d, refused := s.deadLetter(r)
	if refused != nil {
		return refused
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(r.Context()), sendWait)
	defer stop()
	switch err := s.Client.Replay(ctx, s.Publisher, d); {
	case schema.ReasonOf(err) != "":
		return problem(Cause(schema.ReasonInvalidRequest), "%s", schema.MessageOf(err))
	case err != nil:
		return s.unavailable(err, "a dead letter cannot be replayed")
	}
	writeJSON(w, http.StatusOK, deadLetterOf(d))
	return nil
}

func (s *Service) deadLetter(r *http.Request) (events.DeadLetter, *Problem) {
	id, err := events.ParseDeadLetterID(strings.Replace(r.PathValue("id"), "-", "/", 1))
	if err != nil {
		return events.DeadLetter{}, problem(CauseInvalidParameter, "this is not the id of a dead letter")
	}
	ctx, stop := context.WithTimeout(r.Context(), deadLetterWait)
	defer stop()
	d, err := s.Client.DeadLetter(ctx, id)
	switch {
	case schema.ReasonOf(err) != "":
		return d, problem(CauseNotFound, "there is no such dead letter")
	case err != nil:
		return d, s.unavailable(err, "a dead letter cannot be read")
	}
	return d, nil
}
