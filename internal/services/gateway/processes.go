package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"facestream/internal/gateway/api"
	"facestream/internal/host"
	"facestream/internal/telemetry"
)

// maxTelemetry bounds what is read of one process, in bytes.
const maxTelemetry = 8 << 20

// processes are those whose health and metrics operators see: this one, and those that the settings name.
func processes(a *host.App) []api.ProcessReader {
	all := []api.ProcessReader{func(ctx context.Context) api.Process {
		return described("gateway", a.Health.Readiness(ctx), a.Metrics.Text())
	}}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, address := range a.Config.Gateway.Services {
		address = strings.TrimRight(address, "/")
		all = append(all, func(ctx context.Context) api.Process {
			readiness, text, err := readProcess(ctx, client, address)
			if err != nil {
				return api.Process{Name: address, Error: err.Error()}
			}
			return described(address, readiness, text)
		})
	}
	return all
}

// readProcess reads /readyz and /metrics.
func readProcess(ctx context.Context, client *http.Client, address string) (state telemetry.Readiness, text []byte, err error) {
	body, status, err := fetch(ctx, client, address+"/readyz")
	if err != nil {
		return state, nil, err
	}
	if status != http.StatusOK && status != http.StatusServiceUnavailable || json.Unmarshal(body, &state) != nil {
		return state, nil, fmt.Errorf("/readyz answers %d and not as a process of facestream", status)
	}
	text, status, err = fetch(ctx, client, address+"/metrics")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("/metrics answers %d", status)
	}
	return state, text, err
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxTelemetry+1))
	if err == nil && len(body) > maxTelemetry {
		err = errors.New("the answer is too large")
	}
	return body, res.StatusCode, err
}

// described is a process that was reached. Of its metrics, the samples of facestream and of the process are kept.
func described(name string, state telemetry.Readiness, metrics []byte) api.Process {
	p := api.Process{Name: name, Reached: true, Ready: state.Ready, Checks: map[string]api.ProcessCheck{}, Facts: state.Facts}
	for check, status := range state.Checks {
		p.Checks[check] = api.ProcessCheck(status)
	}
	var kept strings.Builder
	for line := range bytes.Lines(metrics) {
		if bytes.HasPrefix(line, []byte("facestream_")) || bytes.HasPrefix(line, []byte("process_")) {
			kept.Write(line)
		}
	}
	p.Metrics = strings.ToValidUTF8(kept.String(), "\uFFFD")
	return p
}
