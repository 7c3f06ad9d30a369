package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/config"
	"facestream/internal/gateway/api"
	"facestream/internal/gateway/auth"
	"facestream/internal/telemetry"
)

// A gateway serves the console to everybody, under its own policy, unless the settings say otherwise.
func TestConsole(t *testing.T) {
	get := func(method, at string) (*http.Response, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, at, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		return res, string(body)
	}
	res, body := get(http.MethodGet, system.first+"/") // redirected
	if res.StatusCode != 200 || res.Request.URL.Path != "/console" || !strings.Contains(body, "<title>facestream</title>") ||
		!strings.Contains(res.Header.Get("Content-Security-Policy"), "script-src 'self'") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%s: %d %v", res.Request.URL, res.StatusCode, res.Header)
	}
	if res, body := get(http.MethodGet, system.first+"/console/none.js"); res.StatusCode != 404 || res.Header.Get("Content-Type") != "application/problem+json" {
		t.Errorf("a file that is not there: %d %s", res.StatusCode, body)
	}
	if res, _ := get(http.MethodPost, system.first+"/console"); res.StatusCode != 405 || res.Header.Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", res.StatusCode, res.Header.Get("Allow"))
	}
	cfg := system.cfg
	cfg.Gateway.Console = false
	without, stop, err := openGateway(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/", "/console", "/console/app.js"} {
		if res, _ := get(http.MethodGet, without+at); res.StatusCode != 404 {
			t.Errorf("without a console, %s: %d", at, res.StatusCode)
		}
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Callers are told who they are and what they may do, by token and by key.
func TestCaller(t *testing.T) {
	caller := func(headers ...string) (c api.CallerInfo) {
		t.Helper()
		a := ask(t, http.MethodGet, system.first+"/v1/caller", nil, headers...)
		if err := json.Unmarshal(a.body, &c); err != nil || a.status != 200 {
			t.Fatalf("%d %s: %v", a.status, a.body, err)
		}
		return c
	}
	c := caller("Authorization", "Bearer "+token(t, "predict,user_*", "staff", func(g *auth.Grant) { g.Objects = []string{"a/*"} }))
	if c.Name != "facestream "+t.Name() || strings.Join(c.Operations, " ") != "predict user_*" || strings.Join(c.Collections, " ") != "staff" ||
		strings.Join(c.Objects, " ") != "a/*" || c.Operator || c.Until == nil || time.Until(*c.Until) > time.Minute {
		t.Errorf("by token: %+v", c)
	}
	if c := caller("X-API-Key", callerKey); c.Name != "key desk" || c.Until != nil {
		t.Errorf("by key: %+v", c)
	}
	if a := ask(t, http.MethodGet, system.first+"/v1/caller", nil); a.status != 401 {
		t.Errorf("nobody: %d %s", a.status, a.body)
	}
}

// Operators see what every process says of itself: this one, and those that the settings name, whatever these answer.
func TestServices(t *testing.T) {
	metrics := telemetry.NewMetrics()
	metrics.Network("open@1", "detector", "yunet@8f2383e4", "cuda")
	other := httptest.NewServer(telemetry.NewServer(config.Telemetry{}, metrics, zerolog.Nop()).Handler())
	defer other.Close()
	release := make(chan struct{})
	answers := func(f http.HandlerFunc) string {
		server := httptest.NewServer(f)
		t.Cleanup(server.Close)
		return server.URL
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	strangers := map[string]string{
		answers(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }): "not as a process",
		answers(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		}): "answers 302",
		answers(func(w http.ResponseWriter, _ *http.Request) {
			chunk := make([]byte, 1<<20)
			for range 16 {
				if _, err := w.Write(chunk); err != nil {
					return
				}
			}
		}): "too large",
		answers(func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}): "deadline",
		gone.URL: "refused",
	}
	cfg := system.cfg
	cfg.Gateway.Services = []string{other.URL + "/"}
	for address := range strangers {
		cfg.Gateway.Services = append(cfg.Gateway.Services, address)
	}
	address, stop, err := openGateway(cfg)
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, http.MethodGet, address+"/v1/services", nil, "Authorization", "Bearer "+token(t, "*", "*", func(g *auth.Grant) { g.Operator = true }))
	var got api.Processes
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != 200 || len(got.Processes) != 2+len(strangers) {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	own, worker := got.Processes[0], got.Processes[1]
	if own.Name != "gateway" || !own.Reached || !own.Ready || !own.Checks["broker"].OK || !strings.Contains(own.Metrics, `facestream_gateway_requests_total{path="/v1/openapi.json",status="200"}`) ||
		strings.Contains(own.Metrics, "# HELP") || strings.Contains(own.Metrics, "go_gc") {
		t.Errorf("itself: %+v", own)
	}
	if worker.Name != other.URL || !worker.Reached || worker.Ready || !strings.Contains(worker.Metrics, `device="cuda"`) {
		t.Errorf("another: %+v", worker)
	}
	for _, p := range got.Processes[2:] {
		if p.Reached || !strings.Contains(p.Error, strangers[p.Name]) {
			t.Errorf("%q: %+v, want an error with %q", p.Name, p, strangers[p.Name])
		}
	}
	close(release)
	if a := ask(t, http.MethodGet, address+"/v1/services", nil, "Authorization", "Bearer "+token(t, "*", "*")); a.status != 403 {
		t.Errorf("to somebody who is no operator: %d %s", a.status, a.body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}
