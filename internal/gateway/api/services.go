package api

import (
	"context"
	"net/http"
	"sync"
	"time"

	"facestream/internal/gateway/auth"
)

// Process is a process of the deployment as it describes itself.
type Process struct {
	Name    string                       `json:"name" jsonschema:"description=The address of its health and metrics; gateway for the one that answers"`
	Reached bool                         `json:"reached"`
	Error   string                       `json:"error,omitempty" jsonschema:"description=Why it was not reached"`
	Ready   bool                         `json:"ready"`
	Checks  map[string]ProcessCheck      `json:"checks,omitempty" jsonschema:"description=The checks of /readyz by name"`
	Facts   map[string]map[string]string `json:"facts,omitempty" jsonschema:"description=The facts of /readyz by what they are about"`
	Metrics string                       `json:"metrics,omitempty" jsonschema:"description=The samples of its own metrics (facestream_*) and of its process\\, in the text format of Prometheus"`
}

// ProcessCheck is one check of /readyz.
type ProcessCheck struct {
	OK     bool    `json:"ok"`
	Error  string  `json:"error,omitempty"`
	TookMS float64 `json:"took_ms"`
}

// Processes are those that a gateway can read, itself first.
type Processes struct {
	Processes []Process `json:"processes"`
}

// ProcessReader asks one process. It returns when ctx ends at the latest; a process that cannot be reached is an answer.
type ProcessReader func(ctx context.Context) Process

// processWait bounds the reading of all processes.
const processWait = 4 * time.Second

// serveServices answers with what every process says of itself. All are asked at once.
func (s *Service) serveServices(w http.ResponseWriter, r *http.Request, _ *auth.Caller) *Problem {
	ctx, stop := context.WithTimeout(r.Context(), processWait)
	defer stop()
	out := Processes{Processes: make([]Process, len(s.Processes))}
	var wg sync.WaitGroup
	for i, read := range s.Processes {
		wg.Go(func() { out.Processes[i] = read(ctx) })
	}
	wg.Wait()
	writeJSON(w, http.StatusOK, out)
	return nil
}
