package api

import (
	"context"
	"errors"
	"net/http"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"facestream/internal/gateway/auth"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// Store keeps the images of requests, and those that were made of them.
type Store interface {
	Put(ctx context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error)
	Get(ctx context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error)
}

// Options are the settings of a [Service].
type Options struct {
	Bucket, Prefix string        // where images are kept; the prefix ends with a slash
	Wait           time.Duration // how long a caller waits for a result
	BodyTimeout    time.Duration // how long a body may take, and a caller to read an answer
	MaxBody        int64         // bytes
	MaxPixels      int64         // of an image, by its header
	Memory         int64         // bytes that the bodies of all requests may take
	Callers        Limits
	Streams        int           // of results, of all callers
	Remember       time.Duration // how far back requests and results are known
	Entries        int           // how many of each are known at least
}

// Service is the API. Its fields are set before it is used.
type Service struct {
	Options
	Guard     *auth.Guard
	Store     Store
	Client    *events.Client
	Publisher *events.Publisher
	Results   *events.Caller // sees every result from before Run on
	Log       zerolog.Logger
	Observe   func(path string, status int, took time.Duration) // of each answer; may be nil
	Stage     func(stage string, took time.Duration)            // may be nil
	Open      func(streams int)                                 // how many streams of results are open; may be nil
	Others    []Path                                            // of the interfaces of other systems
	Processes []ProcessReader                                   // what operators see of the deployment
	Console   func(w http.ResponseWriter, r *http.Request) bool // answers / and /console, or returns false where nothing is there; nil: no console

	requests, results *book
	ledger            *ledger
	memory            *semaphore.Weighted
	leaving           chan struct{} // closed when the gateway stops: nobody is made to wait any longer
}

// Prepare makes the service ready for Run and Handler.
func (s *Service) Prepare() {
	s.requests = newBook(s.Client, events.Requests, s.Entries, requestID)
	s.results = newBook(s.Client, events.Results, s.Entries, resultID)
	s.ledger, s.memory, s.leaving = newLedger(s.Callers, s.Open), semaphore.NewWeighted(s.Memory), make(chan struct{})
}

// Run follows the topics of requests and results until ctx ends. caughtUp is called when what was there at the start is known.
func (s *Service) Run(ctx context.Context, caughtUp func()) error {
	since := time.Now().Add(-s.Remember)
	g, ctx := errgroup.WithContext(ctx)
	ready := make(chan struct{}, 2)
	for _, b := range []*book{s.requests, s.results} {
		g.Go(func() error { return b.run(ctx, since, func() { ready <- struct{}{} }) })
	}
	g.Go(func() error {
		for range cap(ready) {
			select {
			case <-ready:
			case <-ctx.Done():
				return nil
			}
		}
		caughtUp()
		return nil
	})
	return g.Wait()
}

// Leave answers everybody who waits for a result: 202, with the address where it will be. It is called once.
func (s *Service) Leave() { close(s.leaving) }

// staying is ctx for somebody who is made to wait: it ends when the gateway stops.
func (s *Service) staying(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := context.WithCancel(ctx)
	go func() {
		select {
		case <-s.leaving:
			stop()
		case <-ctx.Done():
		}
	}()
	return ctx, stop
}

// Known is how many ids of requests and of results are remembered.
func (s *Service) Known() (requests, results int) {
	return s.requests.places.known(), s.results.places.known()
}

// handler answers a request, or says why not.
type handler func(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem

// endpoint is a path with its methods.
type endpoint struct {
	path    string // as in OpenAPI
	methods map[string]handler
	open    bool                                    // to everybody
	bare    bool                                    // takes a token without a scheme
	fail    func(w http.ResponseWriter, p *Problem) // answers with a problem
}

func (s *Service) endpoints() []endpoint {
	all := []endpoint{
		{path: "/v1/openapi.json", methods: map[string]handler{http.MethodGet: serveDescription}, open: true},
		{path: "/v1/caller", methods: map[string]handler{http.MethodGet: s.serveCaller}},
		{path: "/v1/services", methods: map[string]handler{http.MethodGet: operatorsOnly(s.serveServices)}},
		{path: "/v1/results", methods: map[string]handler{http.MethodGet: s.serveResults}},
		{path: "/v1/dead-letters", methods: map[string]handler{http.MethodGet: operatorsOnly(s.serveDeadLetters)}},
		{path: "/v1/dead-letters/{id}", methods: map[string]handler{http.MethodGet: operatorsOnly(s.serveDeadLetter)}},
		{path: "/v1/dead-letters/{id}/replay", methods: map[string]handler{http.MethodPost: operatorsOnly(s.serveReplay)}},
		{path: "/v1/requests/{id}", methods: map[string]handler{http.MethodGet: s.serveRequest}},
		{path: "/v1/requests/{id}/images/{image}", methods: map[string]handler{http.MethodGet: s.serveImage}},
	}
	for _, op := range performed() {
		all = append(all, endpoint{path: "/v1/" + string(op), methods: map[string]handler{
			http.MethodPost: func(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem {
				return s.serveOperation(w, r, caller, op)
			}}})
	}
	return all
}

// serveConsole answers with a file of the console, which needs no token.
func (s *Service) serveConsole(w http.ResponseWriter, r *http.Request, _ *auth.Caller) *Problem {
	if !s.Console(w, r) {
		return problem(CauseNotFound, "the console has no such file")
	}
	return nil
}

// performed are the operations of this version.
func performed() []schema.Operation {
	return slices.DeleteFunc(schema.Operations(), func(op schema.Operation) bool { return !op.Performed() })
}

// Handler returns the handler of all paths. Answers to programs of other origins carry no leave for browsers to show them.
func (s *Service) Handler() http.Handler {
	mux := http.NewServeMux()
	for _, e := range s.endpoints() {
		mux.Handle(e.path, s.serve(e))
	}
	for _, o := range s.Others {
		mux.Handle(o.Path, s.serve(s.other(o)))
	}
	mux.Handle("/", s.serve(endpoint{path: "other"}))
	if s.Console != nil {
		for _, path := range []string{"/{$}", "/console", "/console/{file}"} {
			mux.Handle(path, s.serve(endpoint{path: "/console", methods: map[string]handler{http.MethodGet: s.serveConsole, http.MethodHead: s.serveConsole}, open: true}))
		}
	}
	origin := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		switch {
		case origin.Check(r) != nil:
			problem(CauseCrossOrigin, "this API is not for pages of other origins").write(w)
		case path.Clean("/"+r.URL.Path) != r.URL.Path || strings.ContainsAny(r.URL.Path, "\\\x00"): // the mux would redirect
			problem(CauseNotFound, "there is no such path").write(w)
		default:
			mux.ServeHTTP(w, r)
		}
	})
}

// serve answers the requests for an endpoint.
func (s *Service) serve(e endpoint) http.Handler {
	if e.fail == nil {
		e.fail = func(w http.ResponseWriter, p *Problem) { p.write(w) }
	}
	allow := make([]string, 0, len(e.methods))
	for m := range e.methods {
		allow = append(allow, m)
	}
	slices.Sort(allow)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		out := &recorder{ResponseWriter: w, status: http.StatusOK}
		control := http.NewResponseController(w)
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				s.Log.Error().Str("path", e.path).Err(events.Panicked(v)).Msg("the gateway failed at a request")
				e.fail(out, problem(Cause(schema.ReasonInternal), "the gateway failed"))
			}
			if s.Observe != nil {
				s.Observe(e.path, out.status, time.Since(began))
			}
		}()
		if err := control.SetWriteDeadline(time.Now().Add(s.Wait + 2*s.BodyTimeout)); err != nil {
			s.Log.Debug().Err(err).Msg("a connection has no deadline")
		}
		if refused := s.answer(out, r, e, strings.Join(allow, ", ")); refused != nil {
			refused.headers(out.Header())
			e.fail(out, refused)
		}
	})
}

func (s *Service) answer(w http.ResponseWriter, r *http.Request, e endpoint, allow string) *Problem {
	if e.methods == nil {
		return problem(CauseNotFound, "there is no such path; /v1/openapi.json lists them")
	}
	h, ok := e.methods[r.Method]
	if !ok {
		p := problem(CauseMethod, "this path takes %s", allow)
		p.allow = allow
		return p
	}
	if e.open {
		return h(w, r, nil)
	}
	if token := r.Header.Get("Authorization"); e.bare && token != "" && !strings.Contains(token, " ") {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	caller, err := s.Guard.Caller(r.Context(), r)
	switch {
	case schema.ClassOf(err) == schema.ClassTransient:
		s.Log.Warn().Err(err).Msg("the keys of tokens cannot be fetched")
		return unavailable()
	case err != nil:
		p := problem(CauseUnauthenticated, "%s", err)
		p.close = r.ContentLength != 0 // its body is not read
		return p
	}
	if refused := s.ledger.rate(caller.Name); refused != nil {
		refused.close = r.ContentLength != 0
		return refused
	}
	return h(w, r, caller)
}

func unavailable() *Problem {
	p := problem(CauseUnavailable, "what the gateway needs does not answer now; try again, a request with the same Idempotency-Key")
	p.retryAfter = 2 * time.Second
	return p
}

// unavailable says that err is in the way, and logs it.
func (s *Service) unavailable(err error, what string) *Problem {
	if !errors.Is(err, context.Canceled) {
		s.Log.Warn().Err(err).Msg(what)
	}
	return unavailable()
}

// recorder remembers the status of an answer.
type recorder struct {
	http.ResponseWriter
	status int
	wrote  bool
}

func (r *recorder) WriteHeader(status int) {
	if !r.wrote {
		r.status, r.wrote = status, true
		r.ResponseWriter.WriteHeader(status)
	}
}

func (r *recorder) Write(data []byte) (int, error) {
	r.wrote = true
	return r.ResponseWriter.Write(data)
}

// Unwrap lets http.ResponseController find the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (s *Service) stage(name string, began time.Time) {
	if s.Stage != nil {
		s.Stage(name, time.Since(began))
	}
}
