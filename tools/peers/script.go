package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// script is a Python script of this folder that answers each line of its input with a line of JSON.
type script struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
	log     string
}

// startScript starts a script, and waits until it says that it is ready, unless it has to be fed before.
func startScript(o options, log, name string, args ...string) (*script, error) {
	s, err := feedScript(o, log, name, args...)
	if err != nil {
		return nil, err
	}
	if err := s.ready(); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// feedScript starts a script whose input begins with something else than lines.
func feedScript(o options, log, name string, args ...string) (*script, error) {
	s := &script{cmd: exec.Command(o.python, append([]string{filepath.Join("tools", "peers", name)}, args...)...), log: log}
	s.cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "PYTHONDONTWRITEBYTECODE=1")
	said, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer said.Close()
	s.cmd.Stderr = said
	if s.in, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	s.answers = bufio.NewScanner(out)
	s.answers.Buffer(nil, 64<<20)
	return s, s.cmd.Start()
}

func (s *script) ready() error {
	var answer struct{ Ready bool }
	return s.read(&answer)
}

// ask sends a line and reads the answer.
func (s *script) ask(line string, answer any) error {
	if _, err := fmt.Fprintln(s.in, line); err != nil {
		return err
	}
	return s.read(answer)
}

func (s *script) read(answer any) error {
	if s.answers.Scan() {
		return json.Unmarshal(s.answers.Bytes(), answer)
	}
	said, _ := os.ReadFile(s.log)
	return fmt.Errorf("%s ended: %s", s.cmd.Args[1], said)
}

// stop ends the script, which ends at the end of its input, and its processes.
func (s *script) stop() {
	s.in.Close()
	defer time.AfterFunc(10*time.Second, func() { s.cmd.Process.Kill() }).Stop()
	s.cmd.Wait()
}
