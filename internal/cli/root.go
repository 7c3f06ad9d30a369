// Package cli is the facestream command: the services in one process, and the operator's tools. Each file holds one
// command; what they do lives in the packages they call.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facestream/internal/app"
	"facestream/internal/config"
	"facestream/internal/objects"
	"facestream/internal/telemetry"
	"facestream/pkg/events"
)

// The exit codes of every command.
const (
	exitOK      = 0
	exitFailed  = 1 // the command could not do its work
	exitUsage   = 2 // the command line or the configuration is wrong
	exitOutcome = 3 // it did its work, and the outcome is not what was asked for
)

// exitError carries an exit code through cobra.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// Main runs the facestream command with the process's arguments and returns its exit code.
func Main() int { return execute(root()) }

// Service runs one service as a program of its own and returns its exit code.
func Service(name string, run func(context.Context, *app.App) error) int {
	c := &cobra.Command{
		Use:   name,
		Short: "The facestream " + name + " service",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(c)
			if err != nil {
				return err
			}
			return app.Serve(c.Context(), cfg, newLogger(cfg, name), run)
		},
	}
	configFlags(c)
	return execute(c)
}

func execute(c *cobra.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	err := c.ExecuteContext(ctx)
	var coded *exitError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		fmt.Fprintln(os.Stderr, "error:", coded.err)
		return coded.code
	}
	fmt.Fprintln(os.Stderr, "error:", err)
	return exitFailed
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "facestream",
		Short: "Streaming face biometrics: images in, results out, nothing lost",
		Long: "facestream runs the services in one process (up), and is the operator's tool for everything around them.\n" +
			"Every setting is a flag, an environment variable FACESTREAM_*, or a key of the file named by --config.",
	}
	configFlags(c)
	c.AddCommand(upCommand(), serversCommand(), demoCommand(), submitCommand(), watchCommand(), uploadCommand(),
		modelsCommand(), evalCommand(), topicsCommand(), deadLettersCommand(), galleryCommand(), reindexCommand(), doctorCommand(), versionCommand())
	return c
}

// usual are the settings that every --help shows; `help settings` shows all.
var usual = []string{"config", "data-dir", "kafka-brokers", "s3-endpoint", "telemetry-log-level", "worker-models"}

func configFlags(c *cobra.Command) {
	settings := pflag.NewFlagSet("settings", pflag.ContinueOnError)
	settings.String("config", os.Getenv("FACESTREAM_CONFIG"), "YAML file with settings (docs/configuration.md)")
	config.BindFlags(settings)
	all := strings.TrimRight(settings.FlagUsages(), "\n")
	settings.VisitAll(func(f *pflag.Flag) { f.Hidden = !slices.Contains(usual, f.Name) })
	c.PersistentFlags().AddFlagSet(settings)
	c.AddCommand(&cobra.Command{
		Use:   "settings",
		Short: "Every setting, as a flag; each is also FACESTREAM_* in the environment and a key of --config",
		Long:  "Every setting; docs/configuration.md has them with their names in the environment and in a file.\n\n" + all,
	})
}

func loadConfig(c *cobra.Command) (config.Config, error) {
	file, err := c.Flags().GetString("config")
	if err != nil {
		return config.Config{}, err
	}
	cfg, err := config.Load(file, os.Environ(), c.Flags())
	if err != nil {
		return cfg, &exitError{exitUsage, err}
	}
	return cfg, nil
}

// connect loads the settings of c and prepares the connections that they name.
func connect(c *cobra.Command) (config.Config, *events.Client, *objects.Store, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return cfg, nil, nil, err
	}
	// Warnings alone: what a command waits for, such as a right that its user lacks.
	log := newLogger(cfg, "facestream")
	client, store, err := app.ClientsLogging(cfg, log.Level(max(log.GetLevel(), zerolog.WarnLevel)))
	return cfg, client, store, err
}

func newLogger(cfg config.Config, service string) zerolog.Logger {
	return telemetry.NewLogger(cfg.Telemetry, service, os.Stderr)
}

// printJSON writes v as one indented JSON document.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
