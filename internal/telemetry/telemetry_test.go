package telemetry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"facestream/internal/config"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

func newServer(cfg config.Telemetry) *Server { return NewServer(cfg, NewMetrics(), zerolog.Nop()) }

func get(t *testing.T, h http.Handler, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w
}

func TestReadyz(t *testing.T) {
	fine := func(context.Context) error { return nil }
	broken := func(context.Context) error { return errors.New("connection refused") }
	hanging := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	tests := []struct {
		name   string
		checks map[string]Check
		code   int
		want   Readiness
	}{
		{"no checks yet", nil, 503, Readiness{Checks: map[string]Status{}}},
		{"all well", map[string]Check{"a": fine, "b": fine}, 200, Readiness{Ready: true, Checks: map[string]Status{"a": {OK: true}, "b": {OK: true}}}},
		{"one fails", map[string]Check{"a": fine, "b": broken}, 503, Readiness{Checks: map[string]Status{"a": {OK: true}, "b": {Error: "connection refused"}}}},
		{"one hangs", map[string]Check{"a": hanging, "b": fine}, 503, Readiness{Checks: map[string]Status{"a": {Error: context.DeadlineExceeded.Error()}, "b": {OK: true}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(config.Telemetry{})
			for name, c := range tt.checks {
				s.AddCheck(name, c)
			}
			var w *httptest.ResponseRecorder
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				w = get(t, s.Handler(), "/readyz")
				if took := time.Since(start); took > checkTimeout {
					t.Errorf("took %v", took)
				}
			})
			var got Readiness
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Status{}, "TookMS")); d != "" || w.Code != tt.code {
				t.Errorf("code %d, want %d; %s", w.Code, tt.code, d)
			}
			err := s.Ready(t.Context())
			if (err == nil) != (tt.code == 200) || err != nil && schema.ClassOf(err) != schema.ClassTransient {
				t.Errorf("Ready: %v", err)
			}
			for name, status := range tt.want.Checks {
				if err != nil && !status.OK && !strings.Contains(err.Error(), name+": "+status.Error) {
					t.Errorf("Ready says %q, without %s", err, name)
				}
			}
		})
	}
}

// What a process says about itself is shown, and decides nothing.
func TestFacts(t *testing.T) {
	s := newServer(config.Telemetry{})
	facts := map[string]string{"starter: detector x@12345678": "cuda:0"}
	s.Say("networks", facts)
	for _, code := range []int{503, 200} {
		w := get(t, s.Handler(), "/readyz")
		var got Readiness
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(map[string]map[string]string{"networks": facts}, got.Facts); d != "" || w.Code != code {
			t.Errorf("code %d, want %d; %s", w.Code, code, d)
		}
		s.AddCheck("a", func(context.Context) error { return nil })
	}
}

func TestPendingUntilAdded(t *testing.T) {
	s := newServer(config.Telemetry{})
	s.Pending("models")
	if code := get(t, s.Handler(), "/readyz").Code; code != 503 {
		t.Errorf("pending: %d", code)
	}
	s.AddCheck("models", func(context.Context) error { return nil })
	if code := get(t, s.Handler(), "/readyz").Code; code != 200 {
		t.Errorf("added: %d", code)
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		path  string
		pprof bool
		code  int
	}{
		{"/healthz", false, 200}, {"/metrics", false, 200}, {"/debug/pprof/", false, 404}, {"/debug/pprof/heap", false, 404},
		{"/debug/pprof/", true, 200}, {"/debug/pprof/heap", true, 200}, {"/", true, 404},
	} {
		if w := get(t, newServer(config.Telemetry{Pprof: tt.pprof}).Handler(), tt.path); w.Code != tt.code {
			t.Errorf("%s with pprof %v: %d, want %d", tt.path, tt.pprof, w.Code, tt.code)
		}
	}
}

func TestMetrics(t *testing.T) {
	m := NewMetrics()
	m.Outcome(schema.OpPredict, "")
	m.Outcome(schema.OpPredict, schema.ReasonNoFace)
	m.Outcome("planted-operation", "planted-reason")
	m.Ignored("folder")
	m.Reconciled(10, 2, 1, time.Second)
	m.Stage("worker")("decode", 20*time.Millisecond)
	h := m.ConsumerHooks("worker")
	h.Assigned(2)
	h.Lag(events.Jobs, 0, 7)
	h.Lag(events.Jobs, 1, 5)
	h.InFlight(3)
	h.Retried(events.Jobs, schema.ClassTransient)
	h.Handled(events.Jobs, events.OutcomeDone, 1, time.Second)
	h.Handled(events.Jobs, events.OutcomeDeadLetter, 8, time.Second)
	h.Handled(events.Jobs, events.OutcomeAbandoned, 1, time.Second)
	h.Outage(true)
	h.Isolated(events.Jobs)

	body := get(t, m.Handler(), "/metrics").Body.String()
	for _, want := range []string{
		`facestream_outcomes_total{operation="predict",reason="none"} 1`,
		`facestream_outcomes_total{operation="predict",reason="no_face"} 1`,
		`facestream_outcomes_total{operation="unknown",reason="unknown"} 1`,
		`facestream_ignored_notifications_total{why="folder"} 1`,
		`facestream_reconciled_objects_total{what="listed"} 10`,
		`facestream_reconciled_objects_total{what="fed"} 2`,
		`facestream_reconciled_objects_total{what="skipped"} 1`,
		`facestream_reconcile_seconds_count 1`,
		`facestream_stage_seconds_count{service="worker",stage="decode"} 1`,
		`facestream_queue_lag_records{partition="0",service="worker",topic="facestream.jobs"} 7`,
		`facestream_in_flight_records{service="worker"} 3`,
		`facestream_assigned_partitions{service="worker"} 2`,
		`facestream_retries_total{class="transient",service="worker",topic="facestream.jobs"} 1`,
		`facestream_records_total{outcome="dead_letter",service="worker",topic="facestream.jobs"} 1`,
		`facestream_records_total{outcome="abandoned",service="worker",topic="facestream.jobs"} 1`,
		`facestream_record_seconds_count{service="worker",topic="facestream.jobs"} 2`,
		`facestream_waiting{service="worker"} 1`,
		`facestream_isolated_total{service="worker",topic="facestream.jobs"} 1`,
		"go_goroutines ", "process_open_fds ", "go_build_info{",
	} {
		if !strings.Contains(body, want) {
			t.Errorf("/metrics lacks %s", want)
		}
	}
	if strings.Contains(body, "planted") {
		t.Error("a label holds what a caller sent")
	}
	h.Assigned(0)
	if n := testutil.CollectAndCount(m.lag); n != 0 {
		t.Errorf("%d lags are left of partitions that were taken away", n)
	}
	if problems, err := testutil.GatherAndLint(m.registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// freeAddress is an address that nobody listened on a moment ago.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func TestRun(t *testing.T) {
	defer goleak.VerifyNone(t)
	address := freeAddress(t)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- newServer(config.Telemetry{Listen: address}).Run(ctx) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	var body []byte
	for body == nil {
		if res, err := client.Get("http://" + address + "/healthz"); err == nil {
			body, _ = io.ReadAll(res.Body)
			res.Body.Close()
			continue
		}
		select {
		case err := <-done:
			t.Fatalf("it ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	if string(body) != "ok\n" {
		t.Errorf("/healthz says %q", body)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, err := client.Get("http://" + address + "/healthz"); err == nil {
		t.Error("it listens on after Run returned")
	}
}

func TestRunSwitchedOff(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := newServer(config.Telemetry{}).Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestOccupiedAddressIsNamed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	err = newServer(config.Telemetry{Listen: l.Addr().String()}).Run(t.Context())
	if schema.ClassOf(err) != schema.ClassFatal {
		t.Fatalf("error %v, want a fatal one", err)
	}
	for _, want := range []string{l.Addr().String(), "telemetry.listen", "--telemetry-listen"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %s", err, want)
		}
	}
}

func TestLogger(t *testing.T) {
	for _, tt := range []struct {
		name    string
		cfg     config.Telemetry
		want    []string
		without []string
	}{
		{"json", config.Telemetry{LogLevel: "info", LogFormat: "json"}, []string{`"service":"worker"`, `"level":"info"`, `"message":"shown"`, `"time":"20`}, []string{"hidden"}},
		{"debug", config.Telemetry{LogLevel: "debug", LogFormat: "json"}, []string{"shown", "hidden"}, nil},
		{"console", config.Telemetry{LogLevel: "info", LogFormat: "console"}, []string{"INF shown", "service=worker"}, []string{"hidden", "\x1b", "{"}},
		{"warnings only", config.Telemetry{LogLevel: "warn", LogFormat: "json"}, nil, []string{"shown", "hidden"}},
		{"nothing set", config.Telemetry{}, []string{"shown"}, []string{"hidden"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			log := NewLogger(tt.cfg, "worker", &out)
			log.Info().Msg("shown")
			log.Debug().Msg("hidden")
			for _, s := range tt.want {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q lacks %q", out.String(), s)
				}
			}
			for _, s := range tt.without {
				if strings.Contains(out.String(), s) {
					t.Errorf("%q has %q", out.String(), s)
				}
			}
		})
	}
}

// TestLoggedConfigurationHidesSecrets holds invariant 6 for the credentials: the whole configuration may be logged.
func TestLoggedConfigurationHidesSecrets(t *testing.T) {
	cfg := config.Default()
	cfg.S3.AccessKey, cfg.S3.SecretKey, cfg.Kafka.SASL.Password = "planted", "planted", "planted"
	for _, format := range []string{"json", "console"} {
		var out bytes.Buffer
		log := NewLogger(config.Telemetry{LogLevel: "debug", LogFormat: format}, "up", &out)
		log.Debug().Interface("config", cfg).Any("secret", cfg.S3.SecretKey).Msgf("%+v", cfg)
		if strings.Contains(out.String(), "planted") || !strings.Contains(out.String(), "***") {
			t.Errorf("%s: %s", format, out.String())
		}
	}
}
