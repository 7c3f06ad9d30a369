package worker

import (
	"bytes"
	"context"
	"encoding/gob"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"facestream/internal/apart"
	"facestream/internal/challenge"
	"facestream/internal/config"
	"facestream/internal/outcome"
	"facestream/internal/worker"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// childArgument is the only argument of a program that is started to work on single jobs.
const childArgument = "work-on-one-job"

// programs can be started so: their mains ask [IsChild] first.
var programs = []string{"facestream/cmd/worker", "facestream/cmd/facestream"}

// inherited are the beginnings of the environment variables that the child gets: no credential is among them.
var inherited = []string{"PATH=", "HOME=", "TMPDIR=", "XDG_", "LD_", "DYLD_", "GO", onnx.EnvLibrary + "=", models.EnvDir + "="}

// command returns how the running program is started as a child, or nil if it cannot be: only the programs of facestream
// can, and tests run this code as well.
func command() func() (*exec.Cmd, error) {
	if info, ok := debug.ReadBuildInfo(); !ok || !slices.Contains(programs, info.Path) {
		return nil
	}
	return again
}

// again starts the running program as a child.
func again() (*exec.Cmd, error) {
	self, err := os.Executable()
	if runtime.GOOS == "linux" {
		self, err = "/proc/self/exe", nil // also when the file was replaced
	}
	cmd := exec.Command(self, childArgument)
	cmd.Env = []string{}
	for _, v := range os.Environ() {
		if slices.ContainsFunc(inherited, func(beginning string) bool { return strings.HasPrefix(v, beginning) }) {
			cmd.Env = append(cmd.Env, v)
		}
	}
	return cmd, err
}

// IsChild reports whether the command line is that of a child, whose main function is [Child].
func IsChild(args []string) bool { return slices.Equal(args[1:], []string{childArgument}) }

// Child is the main function of a process that works on single jobs for a worker. It returns the exit code.
func Child() int {
	return child(func(ctx context.Context, cfg config.Worker) (packs, error) {
		p, _, err := open(ctx, cfg, zerolog.Nop()) // they stay open until the process ends
		return p, err
	})
}

type packs = func(schema.Collection) []worker.Pack

func child(open func(context.Context, config.Worker) (packs, error)) int {
	return apart.Child(func(ctx context.Context, data []byte, parent *apart.Parent) (events.Handler, error) {
		var s setup
		if err := gob.NewDecoder(bytes.NewReader(data)).Decode(&s); err != nil {
			return nil, err
		}
		loaded, err := open(ctx, s.Worker)
		if err != nil {
			return nil, err
		}
		keys, err := challenge.ParseKeys(s.Worker.Challenge.Keys)
		if err != nil {
			return nil, err
		}
		service := newService(s.Worker, keys, loaded)
		service.Objects, service.Publisher = parent, parent
		service.Results = &outcome.Sink{Service: "worker", Publisher: parent, Objects: parent, Log: zerolog.Nop()}
		return service.Handle, nil
	})
}

// newRunner returns what works on single jobs in a process that program names.
func newRunner(cfg config.Worker, program func() (*exec.Cmd, error), store apart.Objects, publisher apart.Publisher) (*apart.Runner, error) {
	setup, err := setupOf(cfg)
	return &apart.Runner{Command: program, Setup: setup, Objects: store, Publisher: publisher}, err
}

// setup is what a child has to know.
type setup struct{ Worker config.Worker }

func setupOf(cfg config.Worker) ([]byte, error) {
	cfg.Concurrency, cfg.Calls = 1, 0 // one record at a time
	cfg.Device = string(onnx.CPU)     // a GPU may have no room for a second process, and is no safer place to die
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(setup{cfg})
	return b.Bytes(), err
}
