package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
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
		cmd.Wait()
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
	}
}

// signal reports whether a running process got s.
func (p *process) signal(s syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd != nil && p.cmd.Process != nil && p.cmd.Process.Signal(s) == nil
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
