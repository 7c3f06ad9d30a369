package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"

	"facestream/internal/eval"
)

func evalCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "eval",
		Short: "Measure a model pack on labelled images: every accuracy claim is one command",
		Long: "Each evaluation prints a table, or JSON, with 95 % confidence intervals. docs/evaluation.md describes the\n" +
			"protocols and how the data must lie, so that they run on images of your own.",
	}
	c.AddCommand(evalLFWCommand(),
		evalPlainCommand("pairs", "Verification of labelled pairs of photographs, from the file to the decision", eval.Pairs),
		evalPlainCommand("identify", "Open-set search: people enrolled with one image each, and strangers", eval.Identify),
		evalDrawnCommand(),
		evalAgainstCommand("detect", "Recall, false faces and point error of a detector against that of a reference pack",
			"model pack whose faces are taken for the truth", eval.Detect),
		evalAgainstCommand("speed", "Time of each network on one thread beside those of a reference pack",
			"model pack to time beside", eval.Speed),
		evalThresholdsCommand())
	return c
}

// evaluator runs an evaluation with the flags that all of them have.
type evaluator struct {
	data, models string
	json         bool
}

func (e *evaluator) flags(c *cobra.Command) {
	c.Args = cobra.NoArgs
	f := c.Flags()
	f.StringVar(&e.data, "data", eval.DefaultData(), "folder of evaluation data ("+eval.EnvData+")")
	f.StringVar(&e.models, "models", "", "model pack, or a folder with its pack.yaml (default: the services', FACESTREAM_MODELS)")
	f.BoolVar(&e.json, "json", false, "print JSON")
}

// run opens the pack, evaluates and prints the report.
func (e *evaluator) run(c *cobra.Command, evaluate func(context.Context, eval.Options) (*eval.Report, error)) (*eval.Report, error) {
	subject, err := e.open(c, e.models)
	if err != nil {
		return nil, err
	}
	defer subject.Close()
	bar := &stepBar{out: c.ErrOrStderr()}
	report, err := evaluate(c.Context(), eval.Options{Subject: subject, Data: e.data, Progress: bar.show})
	bar.finish()
	if err != nil {
		return nil, err
	}
	if e.json {
		return report, report.WriteJSON(c.OutOrStdout())
	}
	return report, report.WriteTable(c.OutOrStdout())
}

// open loads the pack of that name, or that of the services where it is empty.
func (e *evaluator) open(c *cobra.Command, name string) (*eval.Subject, error) {
	cfg, err := loadConfig(c)
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = cfg.Worker.Models
	}
	return eval.Open(c.Context(), name, cfg.Worker.ORTLib)
}

func evalLFWCommand() *cobra.Command {
	var e evaluator
	var least float64
	c := &cobra.Command{
		Use:   "lfw",
		Short: "Verification by the 10-fold protocol of Labeled Faces in the Wild, on aligned faces",
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := e.run(c, eval.LFW)
			if err != nil {
				return err
			}
			if accuracy := report.Figure(eval.FigureAccuracy).Value; accuracy < least {
				return &exitError{exitOutcome, fmt.Errorf("the accuracy is %.4f, and --min-accuracy asks for %v", accuracy, least)}
			}
			return nil
		},
	}
	e.flags(c)
	c.Flags().Float64Var(&least, "min-accuracy", 0, "exit 3 when the accuracy, 0..1, is lower")
	return c
}

// evalPlainCommand is an evaluation that has no flags of its own.
func evalPlainCommand(use, short string, evaluate func(context.Context, eval.Options) (*eval.Report, error)) *cobra.Command {
	var e evaluator
	c := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := e.run(c, evaluate)
			return err
		},
	}
	e.flags(c)
	return c
}

func evalDrawnCommand() *cobra.Command {
	var e evaluator
	var people int
	c := &cobra.Command{
		Use:   "drawn",
		Short: "Search among people who do not exist, drawn as it runs: needs no data",
		RunE: func(c *cobra.Command, _ []string) error {
			if people < 1 {
				return &exitError{exitUsage, fmt.Errorf("--people is %d, and must be 1 or more", people)}
			}
			_, err := e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) { return eval.Drawn(ctx, o, people) })
			return err
		},
	}
	e.flags(c)
	c.Flags().IntVar(&people, "people", 200, "people to draw, two pictures of each")
	return c
}

// evalAgainstCommand is an evaluation beside another pack.
func evalAgainstCommand(use, short, referenceHelp string, evaluate func(context.Context, eval.Options, *eval.Subject) (*eval.Report, error)) *cobra.Command {
	var e evaluator
	var reference string
	c := &cobra.Command{
		Use:   use,
		Short: short,
		RunE: func(c *cobra.Command, _ []string) error {
			against, err := e.open(c, reference)
			if err != nil {
				return fmt.Errorf("the reference pack: %w", err)
			}
			defer against.Close()
			_, err = e.run(c, func(ctx context.Context, o eval.Options) (*eval.Report, error) { return evaluate(ctx, o, against) })
			return err
		},
	}
	e.flags(c)
	c.Flags().StringVar(&reference, "reference", "open", referenceHelp)
	return c
}

func evalThresholdsCommand() *cobra.Command {
	var e evaluator
	var check bool
	c := &cobra.Command{
		Use:   "thresholds",
		Short: "Measure the thresholds that a pack's manifest needs for its embedding network",
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := e.run(c, eval.Thresholds)
			if err != nil {
				return err
			}
			if differences := report.Differences(); check && len(differences) > 0 {
				return &exitError{exitOutcome, errors.New(strings.Join(differences, "; "))}
			}
			return nil
		},
	}
	e.flags(c)
	c.Flags().BoolVar(&check, "check", false, "exit 3 when the manifest says otherwise")
	return c
}

// stepBar shows one progress bar a step.
type stepBar struct {
	out  io.Writer
	step string
	bar  *progressbar.ProgressBar
}

func (s *stepBar) show(step string, done, total int) {
	if s.bar == nil || s.step != step {
		s.finish()
		s.step = step
		s.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(s.out), progressbar.OptionSetDescription(step),
			progressbar.OptionShowCount(), progressbar.OptionThrottle(200*time.Millisecond), progressbar.OptionSetWidth(24))
	}
	_ = s.bar.Set(done) // a bar that cannot be drawn is no reason to stop
}

func (s *stepBar) finish() {
	if s.bar != nil {
		fmt.Fprintln(s.out)
		s.bar = nil
	}
}
