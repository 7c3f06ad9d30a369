package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/pkg/schema"
)

// checkTimeout limits each check of /readyz. Orchestrators allow a probe about a second more.
const checkTimeout = 2 * time.Second

// Check returns an error if a dependency of the process is not usable. It must return when its context ends.
type Check func(context.Context) error

// Server serves health (/healthz), readiness (/readyz), metrics (/metrics) and, if enabled, profiles (/debug/pprof)
// over HTTP. All services of a process share one Server.
type Server struct {
	cfg     config.Telemetry
	metrics *Metrics
	log     zerolog.Logger

	mu     sync.Mutex
	checks map[string]Check
	states map[string]Check
	facts  map[string]map[string]string
}

// NewServer returns a server with no checks. It does no I/O.
func NewServer(cfg config.Telemetry, metrics *Metrics, log zerolog.Logger) *Server {
	return &Server{cfg: cfg, metrics: metrics, log: log, checks: map[string]Check{}, states: map[string]Check{}, facts: map[string]map[string]string{}}
}

// AddCheck makes /readyz depend on check. It replaces an earlier check of the same name.
func (s *Server) AddCheck(name string, check Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks[name] = check
}

// AddState makes /readyz depend on what the process itself has found out by its work, for instance that a dependency that
// answers takes no writes. [Server.Ready] leaves it out: who waits for that would wait for themselves.
func (s *Server) AddState(name string, state func() error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.states[name] = func(context.Context) error { return state() }
}

// Say makes /readyz show facts about the process under a name, whether it is ready or not.
func (s *Server) Say(name string, facts map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts[name] = facts
}

// Pending makes /readyz answer "not ready" because of name, until [Server.AddCheck] replaces it. It is for dependencies
// that take a while to load.
func (s *Server) Pending(name string) {
	s.AddCheck(name, func(context.Context) error { return errors.New("not loaded yet") })
}

// Run serves until ctx ends, and then finishes the requests in progress. With an empty address it only waits. An error
// of listening is fatal.
func (s *Server) Run(ctx context.Context) error {
	if s.cfg.Listen == "" {
		<-ctx.Done()
		return nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.cfg.Listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			err = fmt.Errorf("the address %s of telemetry.listen is used by another process; stop that process, choose another address with --telemetry-listen, or switch the endpoint off with --telemetry-listen='': %w", s.cfg.Listen, err)
		}
		return schema.Fatal("telemetry.listen", err)
	}
	server := &http.Server{Handler: s.Handler(), ReadHeaderTimeout: 5 * time.Second, IdleTimeout: time.Minute}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	s.log.Debug().Str("address", listener.Addr().String()).Msg("health and metrics are served")
	select {
	case err := <-served:
		return schema.Fatal("telemetry.serve", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkTimeout)
	defer cancel()
	if server.Shutdown(end) != nil {
		server.Close() // do not wait for a profile that is still running
	}
	<-served
	return nil
}

// Handler returns the HTTP handler of the server's paths.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", s.serveReady)
	mux.Handle("GET /metrics", s.metrics.Handler())
	if s.cfg.Pprof {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// Readiness is the body of /readyz.
type Readiness struct {
	Ready  bool                         `json:"ready"`
	Checks map[string]Status            `json:"checks"`          // by name
	Facts  map[string]map[string]string `json:"facts,omitempty"` // by what they are about, see Say
}

// Status is the outcome of one check.
type Status struct {
	OK     bool    `json:"ok"`
	Error  string  `json:"error,omitempty"`
	TookMS float64 `json:"took_ms"`
}

// Readiness runs all checks concurrently, each for at most two seconds, and looks at all states. A server without checks
// is not ready, because its services have not started.
func (s *Server) Readiness(ctx context.Context) Readiness {
	return s.readiness(ctx, true)
}

func (s *Server) readiness(ctx context.Context, states bool) Readiness {
	s.mu.Lock()
	checks := maps.Clone(s.checks)
	if states {
		maps.Copy(checks, s.states)
	}
	facts := maps.Clone(s.facts)
	s.mu.Unlock()

	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	out := Readiness{Ready: len(checks) > 0, Checks: make(map[string]Status, len(checks)), Facts: facts}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for name, check := range checks {
		wg.Go(func() {
			start := time.Now()
			status := Status{OK: true}
			if err := check(ctx); err != nil {
				status = Status{Error: err.Error()}
			}
			status.TookMS = float64(time.Since(start).Microseconds()) / 1000
			mu.Lock()
			defer mu.Unlock()
			out.Checks[name] = status
			out.Ready = out.Ready && status.OK
		})
	}
	wg.Wait()
	return out
}

// Ready returns an error that names every failing check, or nil. The error is transient.
func (s *Server) Ready(ctx context.Context) error {
	state := s.readiness(ctx, false)
	if state.Ready {
		return nil
	}
	problems := []error{}
	for _, name := range slices.Sorted(maps.Keys(state.Checks)) {
		if status := state.Checks[name]; !status.OK {
			problems = append(problems, fmt.Errorf("%s: %s", name, status.Error))
		}
	}
	if len(problems) == 0 {
		problems = append(problems, errors.New("the services have not started"))
	}
	return schema.Transient("telemetry.ready", errors.Join(problems...))
}

func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	state := s.Readiness(r.Context())
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if !state.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	_ = e.Encode(state)
}
