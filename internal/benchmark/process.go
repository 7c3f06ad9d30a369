package benchmark

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Process is a program that writes to a log.
type Process struct {
	Log   string // its path
	cmd   *exec.Cmd
	ended chan struct{}
}

// Start starts a program with further variables in its environment.
func Start(log string, env []string, program string, args ...string) (*Process, error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	p := &Process{Log: log, cmd: exec.Command(program, args...), ended: make(chan struct{})}
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

// Kill ends the process and waits for its end.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// Terminate tells the process to stop.
func (p *Process) Terminate() error { return p.cmd.Process.Signal(syscall.SIGTERM) }

// Says waits until the log has text.
func (p *Process) Says(text string, patience time.Duration) error {
	for begin := time.Now(); time.Since(begin) < patience; time.Sleep(20 * time.Millisecond) {
		if log, err := os.ReadFile(p.Log); err == nil && bytes.Contains(log, []byte(text)) {
			return nil
		}
	}
	log, _ := os.ReadFile(p.Log)
	return fmt.Errorf("%s did not start: %s", filepath.Base(p.cmd.Path), log)
}

// Used is the processor time of a running process so far; 0 where it cannot be seen.
func (p *Process) Used() time.Duration {
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
