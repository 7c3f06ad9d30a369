// Package cli is the facestream command: the services in one process, and the operator's tools. Each file holds one
// command; what they do lives in the packages they call.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"facestream/internal/config"
	"facestream/internal/program"
	"facestream/pkg/schema"
)

const (
	exitUsage   = program.ExitUsage
	exitOutcome = program.ExitOutcome
	exitNo      = 4 // the command asked a question, and the answer is no
)

// exitError carries an exit code through cobra. Without an error it ends a command that has said everything already.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}
func (e *exitError) Unwrap() error { return e.err }
func (e *exitError) ExitCode() int { return e.code }

// Main runs the facestream command with the process's arguments and returns its exit code.
func Main() int { return execute(root()) }

func execute(c *cobra.Command) int {
	c.SilenceUsage, c.SilenceErrors = true, true
	return program.Run(func(ctx context.Context) error { return run(ctx, c) })
}

// run executes c. What cobra refuses before a command begins is wrong usage.
func run(ctx context.Context, c *cobra.Command) error {
	c.SetFlagErrorFunc(wrongFlag)
	began := false
	eachCommand(c, func(c *cobra.Command) {
		refuseUnknown(c)
		if inner := c.RunE; inner != nil {
			c.RunE = func(c *cobra.Command, args []string) error {
				began = true
				return inner(c, args)
			}
		}
	})
	err := c.ExecuteContext(ctx)
	var coded *exitError
	switch {
	case err == nil:
		return nil
	case !began && !errors.As(err, &coded):
		return &exitError{exitUsage, err}
	}
	return forPeople{err}
}

// forPeople is an error without the step that failed and the reason's name, which are for logs and programs.
type forPeople struct{ error }

func (e forPeople) Unwrap() error { return e.error }

func (e forPeople) Error() string {
	text := e.error.Error()
	var step *schema.Error
	if errors.As(e.error, &step) && step.Err != nil {
		text = strings.Replace(text, step.Error(), step.Err.Error(), 1)
	}
	return text
}

func eachCommand(c *cobra.Command, f func(*cobra.Command)) {
	f(c)
	for _, sub := range c.Commands() {
		eachCommand(sub, f)
	}
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:   "facestream",
		Short: "Streaming face biometrics: images in, results out, nothing lost",
		Long: "facestream runs the services in one process (up), sends requests to them (submit), and helps to operate them.\n" +
			"A setting is a flag, an environment variable FACESTREAM_*, or a key of the file that --config names.",
		Example: "  facestream up\n  facestream submit -o validate portrait.jpg --wait\n  facestream doctor",
	}
	configFlags(c)
	for _, g := range []struct {
		id, title string
		commands  []*cobra.Command
	}{
		{"run", "Run it:", []*cobra.Command{upCommand(), demoCommand(), serversCommand(), doctorCommand()}},
		{"ask", "Ask it:", []*cobra.Command{submitCommand(), uploadCommand(), watchCommand()}},
		{"models", "Networks:", []*cobra.Command{modelsCommand(), evalCommand()}},
		{"operate", "Operate it:", []*cobra.Command{tokenCommand(), personsCommand(), groupsCommand(), topicsCommand(), deadLettersCommand(), galleryCommand(), reindexCommand()}},
	} {
		c.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
		for _, command := range g.commands {
			command.GroupID = g.id
			c.AddCommand(command)
		}
	}
	c.AddCommand(versionCommand())
	return c
}

func configFlags(c *cobra.Command) {
	settings, all := program.Flags()
	c.PersistentFlags().AddFlagSet(settings)
	c.AddCommand(&cobra.Command{
		Use:   "settings",
		Short: "Every setting as a flag; each is also a variable FACESTREAM_* and a key of the file of --config",
		Long:  strings.TrimRight(all, "\n"),
	})
}

func loadConfig(c *cobra.Command) (config.Config, error) { return program.Load(c.Flags()) }

// printJSON writes v as one indented JSON document.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
