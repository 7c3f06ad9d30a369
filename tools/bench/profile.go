package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"time"

	"facestream/internal/sandbox"
)

// profiler takes profiles of this process: of the processor while it is started, of the heap, and of what goroutines wait for.
type profiler struct {
	dir string
	cpu []string // one file for each time that it was started
	now *os.File
	err error
}

func newProfiler(dir string) (*profiler, error) {
	runtime.SetBlockProfileRate(int(10 * time.Microsecond)) // a sample for each so many nanoseconds of waiting
	return &profiler{dir: dir}, os.MkdirAll(dir, 0o755)
}

func (p *profiler) start() {
	name := filepath.Join(p.dir, fmt.Sprintf("cpu-%d.pprof", len(p.cpu)+1))
	f, err := os.Create(name)
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	p.now, p.cpu, p.err = f, append(p.cpu, name), errors.Join(p.err, err)
}

func (p *profiler) stop() {
	pprof.StopCPUProfile()
	p.err = errors.Join(p.err, p.now.Close())
}

func (p *profiler) close() { runtime.SetBlockProfileRate(0) }

// write leaves cpu.pprof, heap.pprof (all allocations since the start, and what is in use), block.pprof, and flame.html, which shows
// cpu.pprof in a browser.
func (p *profiler) write(ctx context.Context) error {
	if p.err != nil {
		return p.err
	}
	runtime.GC() // the heap profile is as of the last collection
	for _, name := range []string{"heap", "block"} {
		var b bytes.Buffer
		err := pprof.Lookup(name).WriteTo(&b, 0)
		if err == nil {
			err = os.WriteFile(filepath.Join(p.dir, name+".pprof"), b.Bytes(), 0o644)
		}
		if err != nil {
			return err
		}
	}
	cpu := filepath.Join(p.dir, "cpu.pprof")
	merge := exec.CommandContext(ctx, "go", append([]string{"tool", "pprof", "-proto", "-output", cpu}, p.cpu...)...)
	if said, err := merge.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w", said, err)
	}
	for _, name := range p.cpu {
		if err := os.Remove(name); err != nil {
			return err
		}
	}
	return flame(ctx, cpu, filepath.Join(p.dir, "flame.html"))
}

// flame writes the flame graph of a profile as a page that needs no other file: the one that `go tool pprof -http` shows.
func flame(ctx context.Context, profile, page string) error {
	addr, err := sandbox.FreeAddr()
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, time.Minute)
	defer stop()
	var said bytes.Buffer
	server := exec.CommandContext(ctx, "go", "tool", "pprof", "-no_browser", "-http", addr, profile)
	server.Stdout, server.Stderr = &said, &said
	server.Cancel = func() error { return server.Process.Signal(os.Interrupt) } // go ends the tool, then itself
	if err := server.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		server.Wait()
	}()
	defer func() { stop(); <-ended }()
	for {
		body, err := get(ctx, "http://"+addr+"/ui/flamegraph")
		if err == nil {
			return os.WriteFile(page, body, 0o644)
		}
		select {
		case <-ended:
			return fmt.Errorf("go tool pprof: %w: %s", err, said.String())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func get(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, errors.New(answer.Status)
	}
	return io.ReadAll(answer.Body)
}
