// Package program has what all programs of facestream share: it reads the settings from flags, the environment and a
// file, ends on SIGINT and SIGTERM, and turns an error into an exit code.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"facestream/internal/config"
	"facestream/internal/memory"
	"facestream/internal/telemetry"
)

// The exit codes of every program.
const (
	ExitOK      = 0
	ExitFailed  = 1 // it could not do its work
	ExitUsage   = 2 // the command line or the configuration is wrong
	ExitOutcome = 3 // it did its work, and the outcome is not what was asked for
)

// usageError leads to [ExitUsage].
type usageError struct{ error }

func (usageError) ExitCode() int   { return ExitUsage }
func (e usageError) Unwrap() error { return e.error }

// Run lets the collector keep to the memory of the cgroup, calls work with a context that ends on SIGINT or SIGTERM, prints its error, and returns the exit code: that of the
// error's method ExitCode, or [ExitFailed] where it has none.
func Run(work func(context.Context) error) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	memory.Keep(0)
	err := work(ctx)
	if err == nil {
		return ExitOK
	}
	if text := err.Error(); text != "" { // else everything was said
		fmt.Fprintln(os.Stderr, "error:", text)
	}
	var coded interface {
		error
		ExitCode() int
	}
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return ExitFailed
}

// usual are the settings that --help shows.
var usual = []string{"config", "data-dir", "kafka-brokers", "s3-endpoint", "telemetry-log-level", "worker-models"}

// Flags returns a flag for each setting, of which --help shows the usual ones, and the description of all of them.
func Flags() (flags *pflag.FlagSet, all string) {
	flags = pflag.NewFlagSet("settings", pflag.ContinueOnError)
	flags.String("config", os.Getenv("FACESTREAM_CONFIG"), "YAML file with settings (docs/configuration.md)")
	config.BindFlags(flags)
	all = "Every setting as a flag. docs/configuration.md has their names in the environment and in a file.\n\n" + flags.FlagUsages()
	flags.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(usual, f.Name) })
	return flags, all
}

// Load reads the settings from flags that [Flags] made, the environment and the file that --config names.
func Load(flags *pflag.FlagSet) (config.Config, error) {
	file, err := flags.GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	cfg, err := config.Load(file, os.Environ(), flags)
	if err != nil {
		return cfg, usageError{err}
	}
	return cfg, nil
}

// Logger writes the log of service to standard error.
func Logger(cfg config.Config, service string) zerolog.Logger {
	return telemetry.NewLogger(cfg.Telemetry, service, os.Stderr)
}

// parse reads the command line of a service. It answers false when it has printed what was asked for.
func parse(name string, args []string, out io.Writer) (config.Config, bool, error) {
	flags, all := Flags()
	flags.Usage = func() {
		fmt.Fprintf(out, "The facestream %s service.\n\nUsage:\n  %s [flags]\n  %s settings   show every setting\n\nFlags:\n%s", name, name, name, flags.FlagUsages())
	}
	err := flags.Parse(args)
	switch {
	case errors.Is(err, pflag.ErrHelp):
		return config.Config{}, false, nil
	case err != nil:
		return config.Config{}, false, usageError{fmt.Errorf("%w (see %s --help)", err, name)}
	case slices.Equal(flags.Args(), []string{"settings"}):
		_, err := fmt.Fprint(out, all)
		return config.Config{}, false, err
	case flags.NArg() > 0:
		return config.Config{}, false, usageError{fmt.Errorf("%s takes no arguments, not %q (see %s --help)", name, strings.Join(flags.Args(), " "), name)}
	}
	cfg, err := Load(flags)
	return cfg, err == nil, err
}
