// Package cli is the facestream command: the services in one process, and the operator's tools. Each file holds one
// command; what they do lives in the packages they call.
package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/internal/host"
	"facestream/internal/objects"
	"facestream/internal/program"
	"facestream/pkg/events"
)

const (
	exitUsage   = program.ExitUsage
	exitOutcome = program.ExitOutcome
)

// exitError carries an exit code through cobra.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }
func (e *exitError) ExitCode() int { return e.code }

// Main runs the facestream command with the process's arguments and returns its exit code.
func Main() int { return execute(root()) }

func execute(c *cobra.Command) int {
	c.SilenceUsage, c.SilenceErrors = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &exitError{exitUsage, fmt.Errorf("%w (see %s --help)", err, c.CommandPath())}
	})
	return program.Run(c.ExecuteContext)
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

func configFlags(c *cobra.Command) {
	settings, all := program.Flags()
	c.PersistentFlags().AddFlagSet(settings)
	c.AddCommand(&cobra.Command{
		Use:   "settings",
		Short: "Every setting, as a flag; each is also FACESTREAM_* in the environment and a key of --config",
		Long:  strings.TrimRight(all, "\n"),
	})
}

func loadConfig(c *cobra.Command) (config.Config, error) { return program.Load(c.Flags()) }

// connect loads the settings of c and prepares the connections that they name.
func connect(c *cobra.Command) (config.Config, *events.Client, *objects.Store, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return cfg, nil, nil, err
	}
	// Warnings alone: what a command waits for, such as a right that its user lacks.
	log := program.Logger(cfg, "facestream")
	client, store, err := host.ClientsLogging(cfg, log.Level(max(log.GetLevel(), zerolog.WarnLevel)))
	return cfg, client, store, err
}

// printJSON writes v as one indented JSON document.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
