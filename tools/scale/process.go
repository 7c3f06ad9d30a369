package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"facestream/internal/benchmark"
	"facestream/internal/config"
	"facestream/internal/host"
	service "facestream/internal/services/worker"
	"facestream/internal/telemetry"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/schema"
)

// membership is the worker's last generation in its group and how many partitions it has there; 0 while it has none.
func membership(p *benchmark.Process) (generation, partitions int) {
	f, err := os.Open(p.Log)
	if err != nil {
		return 0, 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var line struct {
			Message                string
			Generation, Partitions int
		}
		if json.Unmarshal(lines.Bytes(), &line) != nil || line.Generation == 0 {
			continue
		}
		switch line.Message {
		case "joined the consumer group":
			generation, partitions = line.Generation, line.Partitions
		case "gave the partitions back":
			generation, partitions = 0, 0
		}
	}
	return generation, partitions
}

// sleeperPause makes this program a worker whose network sleeps for that long.
const sleeperPause = "SCALE_PAUSE"

// sleeper is an engine that takes its time and no processor.
type sleeper struct {
	pause time.Duration
	slots chan struct{}
}

// Analyze finds nobody.
func (s sleeper) Analyze(ctx context.Context, _ []byte, _ engine.Params) (*engine.Analysis, error) {
	s.slots <- struct{}{}
	defer func() { <-s.slots }()
	select {
	case <-time.After(s.pause):
		return &engine.Analysis{}, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Hear hears nobody.
func (sleeper) Hear(context.Context, []byte) (*engine.Heard, error) {
	return nil, schema.Permanent("sleeper.hear", schema.ReasonRoleAbsent, errors.New("the sleeping engine hears nothing"))
}

// runSleeper is the worker service of the product on a sleeper.
func runSleeper(ctx context.Context) error {
	pause, err := time.ParseDuration(os.Getenv(sleeperPause))
	if err != nil {
		return err
	}
	cfg, err := config.Load("", os.Environ(), nil)
	if err != nil {
		return err
	}
	e := sleeper{pause: pause, slots: make(chan struct{}, cfg.Worker.Images(false))}
	packs := func(schema.Collection) []worker.Pack { return []worker.Pack{{Engine: e}} }
	return host.Serve(ctx, cfg, telemetry.NewLogger(cfg.Telemetry, "worker", os.Stderr), service.With(packs))
}

// addSleeper starts a worker with a simulated network for one image at a time.
func (s *stand) addSleeper(pause time.Duration, env ...string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return s.add(append(env, sleeperPause+"="+pause.String()), self)
}

func (s *stand) add(env []string, program string, args ...string) error {
	log := filepath.Join(s.dir, fmt.Sprintf("worker-%d.log", len(s.all)))
	env = append(append([]string{"FACESTREAM_WORKER_CONCURRENCY=1"}, s.env...), env...)
	w, err := benchmark.Start(log, env, program, args...)
	if err == nil {
		s.workers, s.all = append(s.workers, w), append(s.all, w)
	}
	return err
}
