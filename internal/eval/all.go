package eval

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"facestream/pkg/engine/models"
)

// Named is an evaluation with its name on the command line.
type Named struct {
	Name     string
	Evaluate func(context.Context, Options) (*Report, error)
}

// Everything are the evaluations of photographs and aligned faces, in the order in which they run. Those whose truth are the
// answers of another pack are skipped where reference is nil, or is the pack that is measured.
func Everything(reference *Subject) []Named {
	against := func(evaluate func(context.Context, Options, *Subject) (*Report, error)) func(context.Context, Options) (*Report, error) {
		return func(ctx context.Context, o Options) (*Report, error) {
			switch {
			case reference == nil:
				return nil, fmt.Errorf("%w: --reference names one", errNoReference)
			case slices.EqualFunc(o.Subject.pack.All(), reference.pack.All(), func(a, b models.Model) bool { return a.Role == b.Role && a.ID() == b.ID() }):
				return nil, fmt.Errorf("%w than the one that is measured: --reference names %q", errNoReference, reference.pack.Name)
			}
			return evaluate(ctx, o, reference)
		}
	}
	return []Named{{"lfw", LFW}, {"pairs", Pairs}, {"identify", Identify}, {"thresholds", Thresholds},
		{"detect", against(Detect)}, {"landmarks", against(Landmarks)}, {"segmentation", against(Segmentation)},
		{"traits", Traits}, {"pose", HeadPose}, {"liveness", Liveness}, {"documents", Documents}, {"age", Age}, {"rotate", Rotate}, {"quality", Quality}}
}

// errNoReference is about an evaluation that has no truth.
var errNoReference = errors.New("no other pack whose answers are taken for the truth")

// Outcome is what became of one evaluation of several: its report, or why there is none.
type Outcome struct {
	Evaluation string  `json:"evaluation"`
	Report     *Report `json:"report,omitempty"`
	Skipped    string  `json:"skipped,omitempty"`
}

// RunAll runs each of them. One that lacks its data, its reference or a role of the pack is skipped with the reason; any other error ends it.
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
