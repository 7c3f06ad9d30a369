package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"facestream/pkg/events"
	"facestream/pkg/schema"
)

// exitCodesHelp is for the commands that print an outcome.
const exitCodesHelp = `With --wait the exit code says how the request ended:
  0  done; where the operation asks a question, the answer is yes (recognised, the same person, live)
  4  done, and the answer is no: nobody recognised, another person, not live. Of several images compared, the
     first two count
  3  not done: the request was refused, or the image does not allow it (no face, too dark, not live, expired)
  2  wrong command line or settings; nothing was sent
  1  anything else: no result in time, a server does not answer`

// answerFlags say whether and how a command waits for the result of a request.
type answerFlags struct {
	wait, json bool
	timeout    time.Duration
}

func (f *answerFlags) bind(fs *pflag.FlagSet) {
	fs.BoolVarP(&f.wait, "wait", "w", false, "wait for the result and print it")
	fs.BoolVar(&f.json, "json", false, "print the whole result as JSON")
	fs.DurationVar(&f.timeout, "timeout", time.Minute, "how long everything may take")
}

// awaiter waits for the results that a command asked for, and prints them.
type awaiter struct {
	answerFlags
	c      *cobra.Command
	client *events.Client
	caller *events.Caller // nil where nobody waits
}

// listen begins to listen for results where --wait asks for it. From then on none is missed.
func (f *answerFlags) listen(ctx context.Context, c *cobra.Command, client *events.Client) (*awaiter, error) {
	a := &awaiter{answerFlags: *f, c: c, client: client}
	if !f.wait {
		return a, nil
	}
	var err error
	if a.caller, err = client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/" + c.Name()}); err != nil {
		return nil, fmt.Errorf("%w. `facestream doctor` shows what is missing", err)
	}
	return a, nil
}

func (a *awaiter) close() error {
	if a.caller == nil {
		return nil
	}
	return a.caller.Close()
}

// earlier prints the result of a request that was answered before, and reports whether there is one.
func (a *awaiter) earlier(ctx context.Context, id schema.RequestID, same func(*schema.Result) error) (found bool, err error) {
	if !a.wait {
		return false, nil
	}
	answer, found, err := a.client.Result(ctx, id)
	if err != nil || !found {
		return false, err
	}
	if err := same(&answer.Result); err != nil {
		return true, err
	}
	fmt.Fprintf(a.c.ErrOrStderr(), "request %s was answered on %s; this is its result\n", id, answer.Event.Time.Local().Format(time.DateTime))
	return true, a.show(answer)
}

// await prints the result of the request when it comes; without --wait it prints the id. The error carries the exit code
// of the outcome.
func (a *awaiter) await(ctx context.Context, id schema.RequestID) error {
	out := a.c.OutOrStdout()
	switch {
	case !a.wait && a.json:
		return printJSON(out, map[string]schema.RequestID{"request_id": id})
	case !a.wait:
		_, err := fmt.Fprintln(out, id)
		return err
	}
	if said := a.c.ErrOrStderr(); isTerminal(said) {
		t := time.AfterFunc(silence, func() {
			fmt.Fprintf(said, "waiting for the result of request %s; Ctrl-C stops the waiting, not the request\n", id)
		})
		defer t.Stop()
	}
	answer, err := a.caller.Await(ctx, id)
	if err != nil {
		cause := fmt.Sprintf("no result within %v (`facestream doctor` shows whether the services run)", a.timeout)
		if a.c.Context().Err() != nil {
			cause = "interrupted"
		}
		return fmt.Errorf("%s. The request goes on; this waits for its result:\n  facestream submit --wait --id %s", cause, id)
	}
	return a.show(answer)
}

// silence is how long a person waits without being told what for.
const silence = 3 * time.Second

func (a *awaiter) show(answer events.Answer) error {
	out, s := a.c.OutOrStdout(), summarize(&answer.Result)
	var err error
	if a.json {
		err = printJSON(out, answer.Result)
	} else {
		err = s.print(screenOf(out))
	}
	return errors.Join(err, s.verdict.exit())
}
