package program

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestCommandLineOfAService(t *testing.T) {
	for line, want := range map[string]struct {
		runs    bool
		code    int
		printed string
		err     string
	}{
		"":                                 {runs: true},
		"--kafka-brokers=a:1":              {runs: true},
		"--help":                           {printed: "Usage:\n  ingest [flags]"},
		"settings":                         {printed: "--indexer-gallery-milvus-prefix"},
		"--nonsense":                       {code: ExitUsage, err: "unknown flag: --nonsense (see ingest --help)"},
		"settings now":                     {code: ExitUsage, err: `not "settings now"`},
		"--kafka-brokers=":                 {code: ExitUsage, err: "--kafka-brokers: must not be empty"},
		"--config=/nonexistent/facestream": {code: ExitUsage, err: "/nonexistent/facestream"},
	} {
		t.Run(line, func(t *testing.T) {
			t.Setenv("FACESTREAM_CONFIG", "")
			var out strings.Builder
			cfg, runs, err := parse("ingest", strings.Fields(line), &out)
			if runs != want.runs || !strings.Contains(out.String(), want.printed) || want.printed == "" && out.Len() > 0 {
				t.Errorf("runs %v, printed %q", runs, out.String())
			}
			if want.err == "" {
				if err != nil {
					t.Error(err)
				}
			} else if code := Run(func(context.Context) error { return err }); code != want.code || !strings.Contains(err.Error(), want.err) {
				t.Errorf("exit code %d, error %v", code, err)
			}
			if strings.HasPrefix(line, "--kafka-brokers=a") && cfg.Kafka.Brokers[0] != "a:1" {
				t.Errorf("brokers %q", cfg.Kafka.Brokers)
			}
		})
	}
}

type coded struct{ error }

func (coded) ExitCode() int { return ExitOutcome }

func TestExitCodes(t *testing.T) {
	for err, want := range map[error]int{
		nil:                             ExitOK,
		errors.New("failed"):            ExitFailed,
		usageError{errors.New("wrong")}: ExitUsage,
		fmt.Errorf("deep inside: %w", coded{errors.New("not so")}): ExitOutcome,
	} {
		if got := Run(func(context.Context) error { return err }); got != want {
			t.Errorf("%v: exit code %d, want %d", err, got, want)
		}
	}
}
