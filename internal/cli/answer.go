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
  1  anything else: no result in time, a server does not answer
Without --wait, 0 means that the request was sent.`

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

// awaiter waits for the result of one request, and prints it.
type awaiter struct {
	answerFlags
	c       *cobra.Command
	caller  *events.Caller // nil where nobody waits
	earlier *lookup        // nil where the request is certainly a new one
}

// listen begins to listen for results where --wait asks for it: none is missed from then on. Where the request may have been
// answered before, id says which it is, and its result is looked for.
func (f *answerFlags) listen(ctx context.Context, c *cobra.Command, client *events.Client, id schema.RequestID) (*awaiter, error) {
	a := &awaiter{answerFlags: *f, c: c}
	if !f.wait {
		return a, nil
	}
	var err error
	if a.caller, err = client.OpenCaller(ctx, events.PublisherConfig{Source: "facestream/" + c.Name()}); err != nil {
		return nil, fmt.Errorf("%w. `facestream doctor` shows what is missing", err)
	}
	if id != "" {
		a.earlier = look(ctx, client, id)
	}
	return a, nil
}

func (a *awaiter) close() error {
	if a.earlier != nil {
		a.earlier.stop()
		<-a.earlier.done
	}
	if a.caller == nil {
		return nil
	}
	return a.caller.Close()
}

// lookup looks for a result among those that the topic holds, which may be many.
type lookup struct {
	stop   context.CancelFunc
	done   chan struct{} // closed when the fields below are set
	answer events.Answer
	found  bool
	err    error
}

func look(ctx context.Context, client *events.Client, id schema.RequestID) *lookup {
	l := &lookup{done: make(chan struct{})}
	ctx, l.stop = context.WithCancel(ctx)
	go func() {
		defer close(l.done)
		l.answer, l.found, l.err = client.Result(ctx, id)
	}()
	return l
}

// headStart is how long the lookup may take before the request is sent all the same. Sending it again does no harm.
const headStart = 3 * time.Second

// answered returns the earlier result of the request if it is found at once.
func (a *awaiter) answered() (r *schema.Result) {
	if a.earlier == nil {
		return nil
	}
	select {
	case <-a.earlier.done:
		if a.earlier.found {
			return &a.earlier.answer.Result
		}
	case <-time.After(headStart):
	}
	return nil
}

// await prints the result of the request when it comes, or the earlier one; without --wait it prints the id. The error
// carries the exit code of the outcome.
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
	answer, err := a.first(ctx, id)
	if err != nil {
		cause := fmt.Sprintf("no result within %v (`facestream doctor` shows whether the services run)", a.timeout)
		if a.c.Context().Err() != nil {
			cause = "interrupted"
		}
		return fmt.Errorf("%s. The request continues; this command waits for its result:\n  facestream submit --wait --id %s", cause, id)
	}
	s := summarize(&answer.Result)
	if a.json {
		err = printJSON(out, answer.Result)
	} else {
		err = s.print(screenOf(out))
	}
	return errors.Join(err, s.verdict.exit())
}

// first returns the earlier result or the one that comes, whichever is there first.
func (a *awaiter) first(ctx context.Context, id schema.RequestID) (events.Answer, error) {
	if a.earlier == nil {
		return a.caller.Await(ctx, id)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		<-a.earlier.done
		if a.earlier.found {
			cancel()
		}
	}()
	answer, err := a.caller.Await(ctx, id)
	if err == nil {
		return answer, nil
	}
	select {
	case <-a.earlier.done:
	default:
		return answer, err
	}
	if !a.earlier.found {
		return answer, errors.Join(err, a.earlier.err)
	}
	fmt.Fprintf(a.c.ErrOrStderr(), "request %s was answered on %s; this is its result\n", id, a.earlier.answer.Event.Time.Local().Format(time.DateTime))
	return a.earlier.answer, nil
}

// silence is how long a person waits without being told what for.
const silence = 3 * time.Second
