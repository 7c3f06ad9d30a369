package api

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"facestream/internal/gateway/auth"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Accepted says that a request is durable and has no result yet.
type Accepted struct {
	RequestID schema.RequestID `json:"request_id"`
	Status    string           `json:"status" jsonschema:"enum=pending"`
}

const (
	memoryWait = 3 * time.Second  // for a share of the memory
	storeWait  = 30 * time.Second // for the store to take the images
	sendWait   = 10 * time.Second // for the broker to take the request
)

// idPattern is what an id of a request may be here. It stands in a path and in a key of the store.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$`)

// keyPattern is what an Idempotency-Key may be.
var keyPattern = regexp.MustCompile(`^[!-~]{1,255}$`)

// serveOperation carries out a request for op.
func (s *Service) serveOperation(w http.ResponseWriter, r *http.Request, caller *auth.Caller, op schema.Operation) *Problem {
	if !caller.MaySome(op) {
		return forbidden("%s is not among the operations that the token or key allows", op)
	}
	wait, refused := s.patience(w, r)
	if refused != nil {
		return refused
	}
	key, refused := idempotencyKey(r)
	if refused != nil {
		return refused
	}
	req, refused := s.take(w, r, caller, op, key)
	if refused != nil {
		return refused
	}
	if wait == 0 {
		return accepted(w, req.ID)
	}
	a, late, refused := s.outcome(r.Context(), req, wait)
	switch {
	case refused != nil:
		return refused
	case late:
		return accepted(w, req.ID)
	}
	return answerResult(w, req.ID, a)
}

// outcome waits for the result of a request, so long as the gateway stays.
func (s *Service) outcome(ctx context.Context, req *taken, wait time.Duration) (e events.Event, late bool, refused *Problem) {
	ctx, stop := s.staying(ctx)
	defer stop()
	ctx, end := context.WithTimeout(ctx, wait)
	defer end()
	began := time.Now()
	e, err := s.await(ctx, req.ID, req.repeated)
	if err != nil {
		return e, true, nil
	}
	s.stage("wait", began)
	if req.named && e.Digest != "" && e.Digest != req.Digest() {
		return e, false, reused(req.ID)
	}
	return e, false, nil
}

// taken is a request that is durable.
type taken struct {
	schema.Request
	named    bool // the caller chose the id, by itself or by an Idempotency-Key: others may have used it
	repeated bool // it was durable before
}

// take reads the request, checks it, and makes it durable. What it holds of the body is let go of when it returns.
func (s *Service) take(w http.ResponseWriter, r *http.Request, caller *auth.Caller, op schema.Operation, key string) (*taken, *Problem) {
	release, refused := s.admit(r, caller)
	if refused != nil {
		return nil, refused
	}
	defer release()
	began := time.Now()
	sub, refused := s.receive(w, r, op)
	if refused != nil {
		return nil, refused
	}
	s.stage("receive", began)
	sub.Operation = op
	return s.order(r.Context(), caller, sub, key)
}

// admit counts the body of a request among those of its caller, and gives it a share of the memory, until release is called.
func (s *Service) admit(r *http.Request, caller *auth.Caller) (release func(), refused *Problem) {
	size := r.ContentLength
	if size < 0 || size > s.MaxBody {
		size = s.MaxBody
	}
	end, refused := s.ledger.begin(caller.Name, size)
	if refused != nil {
		refused.close = true
		return nil, refused
	}
	share := max(2*size, 1)
	getting, stop := context.WithTimeout(r.Context(), memoryWait)
	err := s.memory.Acquire(getting, share)
	stop()
	if err != nil {
		end()
		refused = unavailable()
		refused.close = true
		return nil, refused
	}
	return func() { s.memory.Release(share); end() }, nil
}

// order checks a request and makes it durable, under the id that it has or that follows from the caller's key.
func (s *Service) order(ctx context.Context, caller *auth.Caller, sub *submission, key string) (*taken, *Problem) {
	named := true
	switch {
	case key != "" && sub.ID != "":
		return nil, invalid("id", "is given beside Idempotency-Key; give one of them")
	case key != "":
		sub.ID = schema.CallerRequestID(caller.Name, key)
	case sub.ID == "":
		sub.ID, named = schema.RequestID(uuid.NewString()), false
	case !idPattern.MatchString(string(sub.ID)):
		return nil, invalid("id", "must be 1-128 letters, digits, '.', '_', ':' or '-', and begin with a letter or digit")
	}
	if refused := s.check(caller, sub); refused != nil {
		return nil, refused
	}
	for i, content := range sub.files {
		if content != nil {
			sub.Images[i] = s.place(sub.ID, content)
		}
	}
	if named {
		earlier, found, err := s.earlier(ctx, sub.ID)
		switch {
		case err != nil:
			return nil, s.unavailable(err, "earlier requests cannot be looked up")
		case found && earlier != sub.Digest():
			return nil, reused(sub.ID)
		case found:
			return &taken{sub.Request, named, true}, nil
		}
	}
	if refused := s.send(ctx, sub); refused != nil {
		return nil, refused
	}
	return &taken{sub.Request, named, false}, nil
}

// check judges a request before anything is stored: what it says by itself, and what its caller may do.
func (s *Service) check(caller *auth.Caller, sub *submission) *Problem {
	normal := sub.Request
	normal.Images = append([]schema.ObjectRef{}, sub.Images...)
	for i, content := range sub.files {
		if content != nil {
			normal.Images[i] = schema.ObjectRef{Bucket: s.Bucket, Key: "-"} // its place follows from its content
		}
	}
	problems := normal.Normalize()
	if !caller.May(normal.Operation, normal.Collection) { // before anything is said about a collection
		return forbidden("%s in this collection is not among what the token or key allows", normal.Operation)
	}
	if len(problems) > 0 {
		return problemOf(problems)
	}
	for i, content := range sub.files {
		field := "images[" + strconv.Itoa(i) + "]"
		if content == nil {
			if !caller.MayRead(sub.Images[i]) {
				return forbidden("%s: this object is not among those that the token or key allows", field)
			}
		} else if pixels, known := announced(content); known && pixels > s.MaxPixels && !sub.Operation.OnVoices() {
			return fieldProblem(field, "has "+strconv.FormatInt(pixels, 10)+" pixels; at most "+strconv.FormatInt(s.MaxPixels, 10)+" are allowed", schema.ReasonImageTooLarge)
		}
	}
	return nil
}

func forbidden(format string, args ...any) *Problem {
	p := problem(CauseForbidden, format, args...)
	p.close = true // the body may not have been read
	return p
}

func reused(id schema.RequestID) *Problem {
	p := problem(CauseKeyReused, "another request was sent under this key or id; it keeps its outcome")
	p.RequestID = id
	return p
}

// place is where an image of a request is kept. It follows from the content, so that a repeat of the request names the same objects.
func (s *Service) place(id schema.RequestID, content []byte) schema.ObjectRef {
	sum := sha256.Sum256(content)
	return schema.ObjectRef{Bucket: s.Bucket, Key: s.Prefix + string(id) + "/" + hex.EncodeToString(sum[:16])}
}

// earlier returns the digest of the request that was sent under an id.
func (s *Service) earlier(ctx context.Context, id schema.RequestID) (digest string, found bool, err error) {
	record, found, err := s.requests.find(ctx, id)
	if err != nil || !found {
		return "", false, err
	}
	req, problems := schema.DecodeRequest(record.Event.Data)
	return req.Digest(), len(problems) == 0, nil
}

// send stores the images and publishes the request. Once it has begun, it does not matter whether the caller still waits.
func (s *Service) send(ctx context.Context, sub *submission) *Problem {
	ctx = context.WithoutCancel(ctx)
	storing, stop := context.WithTimeout(ctx, storeWait)
	defer stop()
	began := time.Now()
	g, storing := errgroup.WithContext(storing)
	for i, content := range sub.files {
		if content != nil {
			g.Go(func() error {
				_, err := s.Store.Put(storing, sub.Images[i], content, http.DetectContentType(content), nil)
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return s.unavailable(err, "an image cannot be stored")
	}
	s.stage("store", began)
	began = time.Now()
	sending, stop := context.WithTimeout(ctx, sendWait)
	defer stop()
	if err := s.Client.Submit(sending, s.Publisher, sub.Request); err != nil {
		if reason := schema.ReasonOf(err); reason != "" { // it is larger than the topic takes
			return problem(Cause(schema.ReasonInvalidRequest), "%s", schema.MessageOf(err))
		}
		return s.unavailable(err, "a request cannot be sent")
	}
	s.stage("send", began)
	return nil
}

// await waits for the result of a request. If it may have been there before, it is looked up first.
func (s *Service) await(ctx context.Context, id schema.RequestID, repeated bool) (events.Event, error) {
	if repeated {
		if record, found, err := s.results.find(ctx, id); found || err != nil {
			return record.Event, err
		}
	}
	a, err := s.Results.Await(ctx, id)
	return a.Event, err
}

// accepted answers that the result will be at another address.
func accepted(w http.ResponseWriter, id schema.RequestID) *Problem {
	h := w.Header()
	h.Set("Location", address(id))
	h.Set("Retry-After", "1")
	writeJSON(w, http.StatusAccepted, Accepted{id, "pending"})
	return nil
}

func address(id schema.RequestID) string { return "/v1/requests/" + string(id) }

// answerResult answers with a result as it was published, or with the problem that it says.
func answerResult(w http.ResponseWriter, id schema.RequestID, e events.Event) *Problem {
	var head struct {
		CallStatus schema.CallStatus `json:"call_status"`
	}
	if err := json.Unmarshal(e.Data, &head); err != nil {
		return problem(Cause(schema.ReasonInternal), "the result cannot be read")
	}
	w.Header().Set("Location", address(id))
	if status := head.CallStatus; status.ReturnCode != schema.CodeNoError {
		p := problem(Cause(status.Reason), "%s", status.ReturnMessage)
		if p.Status < 400 {
			p.Status = http.StatusInternalServerError
		}
		p.RequestID, p.Result = id, e.Data
		return p
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(e.Data)
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		problem(Cause(schema.ReasonInternal), "the answer cannot be written").write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(data, '\n'))
}

// idempotencyKey returns the key of a request; "" if it has none.
func idempotencyKey(r *http.Request) (string, *Problem) {
	keys := r.Header.Values("Idempotency-Key")
	switch {
	case len(keys) == 0:
		return "", nil
	case len(keys) > 1 || !keyPattern.MatchString(keys[0]):
		p := problem(CauseInvalidParameter, "Idempotency-Key must be one text of 1 to 255 visible ASCII characters")
		p.close = true
		return "", p
	}
	return keys[0], nil
}

// patience is how long the caller wants to wait for a result (RFC 7240): not at all with respond-async, at most s.Wait.
func (s *Service) patience(w http.ResponseWriter, r *http.Request) (time.Duration, *Problem) {
	wait := s.Wait
	for _, line := range r.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(line, ",") {
			name, value, _ := strings.Cut(strings.TrimSpace(preference), "=")
			switch strings.ToLower(strings.TrimSpace(name)) {
			case "respond-async":
				wait = 0
				w.Header().Add("Preference-Applied", "respond-async")
			case "wait":
				seconds, err := strconv.ParseUint(strings.Trim(value, ` "`), 10, 31)
				if err != nil {
					p := problem(CauseInvalidParameter, "Prefer: wait must be a number of seconds")
					p.close = true
					return 0, p
				}
				wait = min(wait, time.Duration(seconds)*time.Second)
			}
		}
	}
	return wait, nil
}
