package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"facestream/internal/config"
	"facestream/internal/host"
	service "facestream/internal/services/worker"
	"facestream/internal/telemetry"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/schema"
)

// process is a program that writes to a log.
type process struct {
	cmd   *exec.Cmd
	log   string
	ended chan struct{}
}

func start(log string, env []string, program string, args ...string) (*process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &process{cmd: exec.Command(program, args...), log: log, ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = append(os.Environ(), env...), out, out
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		p.cmd.Wait()
	}()
	return p, nil
}

func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// terminate tells the process to stop.
func (p *process) terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// says waits until the log has text.
func (p *process) says(text string, patience time.Duration) error {
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(20 * time.Millisecond) {
		if log, err := os.ReadFile(p.log); err == nil && bytes.Contains(log, []byte(text)) {
			return nil
		}
	}
	log, _ := os.ReadFile(p.log)
	return fmt.Errorf("%s did not start: %s", filepath.Base(p.cmd.Path), log)
}

// membership is the worker's last generation in its group and how many partitions it has there; 0 while it has none.
func (p *process) membership() (generation, partitions int) {
	f, err := os.Open(p.log)
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

// used is the processor time of a running process so far.
func (p *process) used() time.Duration {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name before may hold anything
	fields := strings.Fields(after)
	if len(fields) < 13 {
		return 0
	}
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, _ := strconv.ParseInt(f, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100) // Linux counts in hundredths for programs, on every machine
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
	e := sleeper{pause: pause, slots: make(chan struct{}, cfg.Worker.Concurrency)}
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
	w, err := start(log, env, program, args...)
	if err == nil {
		s.workers, s.all = append(s.workers, w), append(s.all, w)
	}
	return err
}
