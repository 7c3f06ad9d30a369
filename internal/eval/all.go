package eval

import (
	"context"
	"fmt"
)

// Named is an evaluation with its name on the command line.
type Named struct {
	Name     string
	Evaluate func(context.Context, Options) (*Report, error)
}

// Everything are the evaluations that need no other pack, in the order in which they run. Another pack's faces are the truth of
// Detect, and are left out where reference is nil.
func Everything(reference *Subject) []Named {
	all := []Named{{"lfw", LFW}, {"pairs", Pairs}, {"identify", Identify}, {"thresholds", Thresholds}}
	if reference != nil {
		all = append(all, Named{"detect", func(ctx context.Context, o Options) (*Report, error) { return Detect(ctx, o, reference) }})
	}
	return append(all, Named{"traits", Traits}, Named{"pose", HeadPose}, Named{"liveness", Liveness}, Named{"documents", Documents}, Named{"age", Age},
		Named{"rotate", Rotate}, Named{"quality", Quality})
}

// Outcome is what became of one evaluation of several: its report, or why there is none.
type Outcome struct {
	Evaluation string  `json:"evaluation"`
	Report     *Report `json:"report,omitempty"`
	Skipped    string  `json:"skipped,omitempty"`
}

// RunAll runs each of them. One that lacks its data or a role of the pack is skipped with the reason; any other error ends it.
func RunAll(ctx context.Context, o Options, all []Named) ([]Outcome, error) {
	var outcomes []Outcome
	for _, n := range all {
		report, err := n.Evaluate(ctx, o)
		out := Outcome{Evaluation: n.Name, Report: report}
		if Lacking(err) {
			out.Report, out.Skipped = nil, err.Error()
		} else if err != nil {
			return outcomes, fmt.Errorf("%s: %w", n.Name, err)
		}
		outcomes = append(outcomes, out)
	}
	return outcomes, nil
}
