package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facestream/pkg/schema"
)

// What commands do about a command line that is wrong: they say what is, and suggest what was probably meant.

// refuseUnknown makes a group, a command that has nothing but sub-commands, refuse one that it does not have. cobra would
// answer with the help and exit code 0.
func refuseUnknown(c *cobra.Command) {
	if !c.HasSubCommands() || c.Runnable() || !c.HasParent() {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return c.Help()
		}
		var names []string
		for _, sub := range c.Commands() {
			names = append(names, sub.Name())
		}
		return &exitError{exitUsage, fmt.Errorf("%q is not a command of %s%s (see %[2]s --help)", args[0], c.CommandPath(), schema.Suggest(args[0], names))}
	}
}

// wrongFlag explains err, which the flags of c were refused with.
func wrongFlag(c *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	hint := ""
	if errors.As(err, &unknown) {
		var names []string
		c.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, "--"+f.Name) })
		hint = schema.Suggest("--"+unknown.GetSpecifiedName(), names)
	}
	return &exitError{exitUsage, fmt.Errorf("%w%s (see %s --help)", err, hint, c.CommandPath())}
}

// oneOf refuses a value of flag that is given and not known.
func oneOf(flag, value string, known []string) error {
	if value == "" || slices.Contains(known, value) {
		return nil
	}
	return fmt.Errorf("%s: %q is not one of %s%s", flag, value, strings.Join(known, ", "), schema.Suggest(value, known))
}

// completeFlag lets the shell complete the values of a flag of c.
func completeFlag(c *cobra.Command, flag string, values []string) {
	if err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag does not exist: a mistake in this package that every start of the program shows
	}
}

// operationNames are the operations that this version performs.
func operationNames() []string {
	var names []string
	for _, op := range schema.Operations() {
		if op.Performed() {
			names = append(names, string(op))
		}
	}
	return names
}

func reasonNames() []string {
	var names []string
	for _, r := range schema.Reasons() {
		names = append(names, string(r.Reason))
	}
	return names
}
