package onnx

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// envHandlers names the library with which TestHandlersAreKept runs itself again.
const envHandlers = "FACESTREAM_TEST_HANDLERS"

// buildHandlers compiles a library that is ONNX Runtime's and replaces the process's signal handlers whenever it is asked for
// its interface, as a provider may. Its handlers do not ask for a stack of their own; the process dies with status 42.
func buildHandlers(t *testing.T, path, real string) {
	t.Helper()
	compile(t, path, fmt.Sprintf(`
#include <dlfcn.h>
#include <signal.h>
#include <unistd.h>
static void die(int s) { _exit(42); }
const void *OrtGetApiBase(void) {
	static void *real;
	int signals[] = {SIGTERM, SIGINT, SIGSEGV};
	for (int i = 0; i < 3; i++) {
		struct sigaction a = {.sa_handler = die};
		sigaction(signals[i], &a, 0);
	}
	if (!real)
		real = dlopen(%q, RTLD_NOW | RTLD_LOCAL);
	return ((const void *(*)(void))dlsym(real, "OrtGetApiBase"))();
}
`, real), "-Wl,-z,nodelete", "-ldl")
}

// TestHandlersAreKept: with a library that replaces the handlers of signals, SIGTERM reaches Go, and what Go makes of a wrong address
// is an error of the goroutine.
func TestHandlersAreKept(t *testing.T) {
	if path := os.Getenv(envHandlers); path != "" {
		endsInOrder(t, path)
		return
	}
	real := realLibrary(t)
	path := filepath.Join(t.TempDir(), "libonnxruntime.so")
	buildHandlers(t, path, real)
	again := exec.Command(os.Args[0], "-test.run=^TestHandlersAreKept$", "-test.v")
	again.Env = append(os.Environ(), envHandlers+"="+path)
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "ended in order") {
		t.Errorf("the process did not end in order: %v\n%s", err, out)
	}
}

// endsInOrder loads the library and a network, and is told to end while rows are answered.
func endsInOrder(t *testing.T, path string) {
	ctx, stop := signal.NotifyContext(t.Context(), syscall.SIGTERM)
	defer stop()
	r, err := OpenOn(t.Context(), path, processor)
	if err != nil {
		t.Fatal(err)
	}
	s := load(t, r, detector, SessionOptions{})
	if err := wrongAddress(nil); err == nil {
		t.Error("nothing became of a wrong address")
	}
	answered := make(chan error, 1)
	first := make(chan struct{})
	go func() {
		row := []Tensor{noise(1, 255, 64, 64)}
		answered <- s.Run(context.WithoutCancel(ctx), row)[0].Err
		close(first)
		for ctx.Err() == nil {
			if err := s.Run(context.WithoutCancel(ctx), row)[0].Err; err != nil {
				answered <- err
			}
		}
		close(answered)
	}()
	<-first
	if err := syscall.Kill(os.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
	for err := range answered {
		if err != nil {
			t.Error(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	fmt.Println("ended in order")
}

func wrongAddress(p *int) (err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the address is wrong")
		}
	}()
	return fmt.Errorf("%d", *p)
}
