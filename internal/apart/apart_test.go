package apart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"facestream/pkg/events"
	"facestream/pkg/schema"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const role = "FACESTREAM_TEST_ROLE"

// TestMain runs the tests, the child that they start, or a parent that is killed.
func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "child":
		os.Exit(Child(open))
	case "parent":
		os.Exit(parent())
	}
	os.Exit(m.Run())
}

var kept [][]byte

// open makes a handler that does what the record says.
func open(_ context.Context, setup []byte, p *Parent) (events.Handler, error) {
	if string(setup) == "cannot start" {
		return nil, schema.Fatal("open", errors.New("no models"))
	}
	return func(ctx context.Context, r events.Record) error {
		switch what := string(r.Event.Data); what {
		case "work":
			data, ref, err := p.Get(ctx, schema.ObjectRef{Bucket: "b", Key: "k"}, 7)
			if err != nil {
				return err
			}
			if _, err := p.Put(ctx, ref, data, "text/plain", map[string]string{"setup": string(setup)}); err != nil {
				return err
			}
			return p.Publish(ctx, events.Results, events.Event{ID: "1", Type: "t", Key: string(r.Key), Data: data})
		case "remove":
			ref := schema.ObjectRef{Key: "removed"}
			if _, err := p.Put(ctx, ref, nil, "", nil); err != nil {
				return err
			}
			return p.Remove(ctx, ref)
		case "permanent":
			return schema.Permanent("handler", schema.ReasonNoFace, errors.New("nobody"))
		case "transient":
			return schema.Transient("handler", errors.New("away"))
		case "fatal":
			return schema.Fatal("handler", errors.New("refused"))
		case "unknown":
			return errors.New("what?")
		case "panic":
			panic("the name of a person")
		case "missing":
			_, _, err := p.Get(ctx, schema.ObjectRef{Key: "missing"}, 7)
			return err
		case "exit":
			os.Exit(7)
		case "kill":
			return syscall.Kill(os.Getpid(), syscall.SIGKILL)
		case "interrupt":
			return syscall.Kill(os.Getpid(), syscall.SIGINT) // as a terminal does to the whole group
		case "memory":
			for {
				kept = append(kept, make([]byte, 256<<20))
			}
		case "stack":
			debug.SetMaxStack(1 << 20)
			return deep(0)
		case "silence":
			select {}
		case "pid":
			return errors.New(strconv.Itoa(os.Getpid()))
		}
		return nil
	}, nil
}

func deep(n int) error {
	if n < 0 {
		return nil
	}
	return fmt.Errorf("%d: %w", n, deep(n+1))
}

// world is the store and the broker of the parent.
type world struct {
	put       map[string]string
	published []events.Event
}

func (w *world) Get(_ context.Context, ref schema.ObjectRef, maxBytes int64) ([]byte, schema.ObjectRef, error) {
	if ref.Key == "missing" {
		return nil, ref, schema.Permanent("world.get", schema.ReasonImageNotFound, errors.New("there is no such object"))
	}
	ref.Version = "v1"
	return bytes.Repeat([]byte("a"), int(maxBytes)), ref, nil
}

func (w *world) Put(_ context.Context, ref schema.ObjectRef, data []byte, contentType string, metadata map[string]string) (schema.ObjectRef, error) {
	w.put[ref.Key+" "+ref.Version] = string(data) + contentType + metadata["setup"]
	return ref, nil
}

func (w *world) Remove(_ context.Context, ref schema.ObjectRef) error {
	delete(w.put, ref.Key+" "+ref.Version)
	return nil
}

func (w *world) Publish(_ context.Context, _ events.Topic, list ...events.Event) error {
	w.published = append(w.published, list...)
	return nil
}

func runner(t *testing.T, setup string) (*Runner, *world) {
	w := &world{put: map[string]string{}}
	r := &Runner{Setup: []byte(setup), Objects: w, Publisher: w, Command: func() (*exec.Cmd, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=child")
		return cmd, nil
	}}
	t.Cleanup(r.Close)
	return r, w
}

func job(what string) events.Record {
	return events.Record{Key: []byte("key"), Event: events.Event{Data: []byte(what)}}
}

func TestWork(t *testing.T) {
	r, w := runner(t, "setup")
	if err := r.Handle(t.Context(), job("work")); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"k v1": "aaaaaaatext/plainsetup"}, w.put); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]events.Event{{ID: "1", Type: "t", Key: "key", Data: []byte("aaaaaaa")}}, w.published, cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	if err := r.Handle(t.Context(), job("remove")); err != nil || len(w.put) != 1 {
		t.Errorf("%v; the store has %v", err, w.put)
	}
	first := r.Handle(t.Context(), job("pid"))
	if again := r.Handle(t.Context(), job("pid")); first.Error() != again.Error() {
		t.Errorf("another process for the next record: %v, %v", first, again)
	}
	r.Close()
	if third := r.Handle(t.Context(), job("pid")); third == nil || third.Error() == first.Error() {
		t.Errorf("after the end the process is %v, as before", third)
	}
}

// What the handler says about the record reaches the parent as it was said.
func TestErrorsKeepTheirClass(t *testing.T) {
	r, _ := runner(t, "")
	for what, want := range map[string]struct {
		class  schema.Class
		reason schema.Reason
		says   string
	}{
		"permanent": {schema.ClassPermanent, schema.ReasonNoFace, "nobody"},
		"transient": {schema.ClassTransient, "", "away"},
		"fatal":     {schema.ClassFatal, "", "refused"},
		"unknown":   {schema.ClassUnknown, "", "what?"},
		"panic":     {schema.ClassUnknown, "", "panicked: string"},
		"missing":   {schema.ClassPermanent, schema.ReasonImageNotFound, "there is no such object"},
	} {
		err := r.Handle(t.Context(), job(what))
		if err == nil || schema.ClassOf(err) != want.class || schema.ReasonOf(err) != want.reason || !strings.Contains(schema.MessageOf(err), want.says) ||
			errors.Is(err, ErrDied) || strings.Contains(err.Error(), "person") {
			t.Errorf("%s: class %s, reason %q, %v", what, schema.ClassOf(err), schema.ReasonOf(err), err)
		}
	}
}

// A child that dies, takes too much memory or never ends harms neither its parent nor the next record.
func TestDeadlyRecords(t *testing.T) {
	for _, what := range []string{"exit", "kill", "memory", "stack", "silence"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			r, w := runner(t, "")
			r.silence = 5 * time.Second
			err := r.Handle(t.Context(), job(what))
			if !errors.Is(err, ErrDied) || schema.ClassOf(err) != schema.ClassUnknown {
				t.Errorf("%v, want that it died", err)
			}
			t.Log(err)
			if err := r.Handle(t.Context(), job("work")); err != nil || len(w.published) != 1 {
				t.Errorf("the next record: %v", err)
			}
		})
	}
}

// What ends a child between two records is no fault of the next one, and Ctrl-C is the parent's business.
func TestDeathsThatNoRecordCauses(t *testing.T) {
	r, w := runner(t, "")
	pid, err := strconv.Atoi(r.Handle(t.Context(), job("pid")).Error())
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := r.Handle(t.Context(), job("work")); err != nil || len(w.published) != 1 {
		t.Errorf("after a death between records: %v", err)
	}
	if err := r.Handle(t.Context(), job("interrupt")); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if err := r.Handle(ctx, job("silence")); !errors.Is(err, context.Canceled) || errors.Is(err, ErrDied) {
		t.Errorf("told to stop: %v", err)
	}
}

func TestChildThatCannotStart(t *testing.T) {
	for name, command := range map[string]func() (*exec.Cmd, error){
		"no such program": func() (*exec.Cmd, error) { return exec.Command("/nonexistent/program"), nil },
		"another program": func() (*exec.Cmd, error) { return exec.Command("true"), nil },
		"no command":      func() (*exec.Cmd, error) { return nil, errors.New("none") },
		"no models":       nil,
	} {
		r, _ := runner(t, "cannot start")
		if command != nil {
			r.Command = command
		}
		if err := r.Handle(t.Context(), job("work")); schema.ClassOf(err) != schema.ClassTransient || errors.Is(err, ErrDied) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// parent has a child work for ever.
func parent() int {
	os.Unsetenv(role)
	r := &Runner{Command: func() (*exec.Cmd, error) {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), role+"=child")
		return cmd, nil
	}}
	fmt.Println(r.Handle(context.Background(), job("pid")))
	r.Handle(context.Background(), job("silence"))
	return 1
}

// A child does not outlive its parent, however that ends.
func TestParentIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), role+"=parent")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscan(out, &pid); err != nil {
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond) // until it works; no outcome depends on it
	cmd.Process.Kill()
	_ = cmd.Wait()
	for deadline := time.Now().Add(10 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the child lives on")
		}
	}
}

// alive reports whether the process runs; one that nobody waits for is dead as well.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return syscall.Kill(pid, 0) == nil && !os.IsNotExist(err)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}
