package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a program that is started again whenever it ends, until stop.
type process struct {
	name string
	args []string
	env  []string
	log  *os.File

	mu      sync.Mutex
	cmd     *exec.Cmd
	peak    int64 // bytes that were resident, the most of all that ended
	held    bool  // it is not started again for now
	stopped bool
	done    chan struct{}
}

func start(dir, bin, name string, env []string, args ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, err
	}
	p := &process{name: name, args: append([]string{bin}, args...), env: append(os.Environ(), env...), log: log, done: make(chan struct{})}
	go p.supervise()
	return p, nil
}

func (p *process) supervise() {
	defer close(p.done)
	for {
		p.mu.Lock()
		if p.stopped {
			p.mu.Unlock()
			return
		}
		if p.held {
			p.cmd = nil
			p.mu.Unlock()
			time.Sleep(10 * time.Millisecond)
			continue
		}
		p.cmd = exec.Command(p.args[0], p.args[1:]...)
		p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = p.env, p.log, p.log
		err := p.cmd.Start()
		cmd := p.cmd
		p.mu.Unlock()
		if err != nil {
			fmt.Fprintln(p.log, "start:", err)
			time.Sleep(time.Second)
			continue
		}
		ended := make(chan struct{})
		go p.watch(cmd.Process.Pid, ended)
		cmd.Wait()
		close(ended)
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	}
}

// watch measures the process every second until ended is closed.
func (p *process) watch(pid int, ended chan struct{}) {
	for {
		p.measure(pid)
		select {
		case <-ended:
			return
		case <-time.After(time.Second):
		}
	}
}

// measure keeps the most memory that the process had. Linux counts it in KiB, from the start of the program.
func (p *process) measure(pid int) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	fields := strings.Fields(after)
	if len(fields) == 0 {
		return
	}
	if n, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.peak = max(p.peak, n<<10)
	}
}

// signal reports whether a running process got s.
func (p *process) signal(s syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && p.cmd.Process != nil && p.cmd.Process.Signal(s) == nil
}

// hold kills the process, and returns when it has ended. It is not started again until release.
func (p *process) hold() {
	p.mu.Lock()
	p.held = true
	p.mu.Unlock()
	for {
		p.mu.Lock()
		gone := p.cmd == nil
		if !gone && p.cmd.Process != nil {
			p.cmd.Process.Kill()
		}
		p.mu.Unlock()
		if gone {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (p *process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = false
}

// stop ends the process in an orderly way and waits for it.
func (p *process) stop() {
	p.mu.Lock()
	p.stopped = true
	if p.cmd != nil && p.cmd.Process != nil {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	p.mu.Unlock()
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	p.log.Close()
}
