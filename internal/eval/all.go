package eval

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"facestream/pkg/engine/models"
)

// Named is an evaluation with its name on the command line.
type Named struct {
	Name     string
	Evaluate func(context.Context, Options) (*Report, error)
}

// Everything returns the evaluations of photographs and aligned faces, in the order in which they run. Evaluations that
// take the answers of another pack as the truth are skipped if reference is nil or is the measured pack.
func Everything(reference *Subject) []Named {
	against := func(evaluate func(context.Context, Options, *Subject) (*Report, error)) func(context.Context, Options) (*Report, error) {
		return func(ctx context.Context, o Options) (*Report, error) {
			switch {
			case reference == nil:
				return nil, fmt.Errorf("%w: name it with --reference", errNoReference)
			case slices.EqualFunc(o.Subject.pack.All(), reference.pack.All(), func(a, b models.Model) bool { return a.Role == b.Role && a.ID() == b.ID() }):
				return nil, fmt.Errorf("%w: --reference names %q, which is the measured pack itself", errNoReference, reference.pack.Name)
			}
			return evaluate(ctx, o, reference)
		}
	}
	return []Named{{"lfw", LFW}, {"pairs", Pairs}, {"identify", Identify}, {"thresholds", Thresholds},
		{"defaults", func(ctx context.Context, o Options) (*Report, error) {
			return Defaults(ctx, o, filepath.Join(o.Data, "faces", "pairs"), nil)
		}},
		{"curves", Curves}, {"detect", against(Detect)}, {"landmarks", against(Landmarks)}, {"points", Points}, {"segmentation", against(Segmentation)},
		{"traits", Traits}, {"pose", HeadPose}, {"liveness", Liveness},
		{"attacks", func(ctx context.Context, o Options) (*Report, error) { return Attacks(ctx, o, "") }}, {"jitter", Jitter}, {"documents", Documents},
		{"mrz", func(ctx context.Context, o Options) (*Report, error) { return MRZ(ctx, o, MRZOptions{}) }},
		{"corners", func(ctx context.Context, o Options) (*Report, error) { return Corners(ctx, o, CornerScenes) }}, {"age", Age}, {"masks", Masks}, {"closeups", Closeups}, {"bonafide", BonaFide},
		{"groups", func(ctx context.Context, o Options) (*Report, error) {
			return Groups(ctx, o, filepath.Join(o.Data, filepath.FromSlash(PeopleFile)))
		}}, {"rotate", Rotate}, {"tilt", Tilt}, {"quality", Quality},
		{"voice", func(ctx context.Context, o Options) (*Report, error) {
			return Voice(ctx, o, filepath.Join(o.Data, "voice"))
		}}}
}

// errNoReference is the error of an evaluation that needs a reference pack and has none.
var errNoReference = errors.New("no other pack whose answers can serve as the truth")

// Outcome is the outcome of one evaluation of a pack: its report, or why there is none.
type Outcome struct {
	Pack       string  `json:"pack"`
	Evaluation string  `json:"evaluation"`
	Report     *Report `json:"report,omitempty"`
	Skipped    string  `json:"skipped,omitempty"`
}

// RunAll runs all evaluations. It skips one that lacks its data, its reference or a role of the pack, and records the
// reason. Any other error ends the run.
func RunAll(ctx context.Context, o Options, all []Named) ([]Outcome, error) {
	var outcomes []Outcome
	for _, n := range all {
		report, err := n.Evaluate(ctx, o)
		out := Outcome{Pack: o.Subject.pack.Name, Evaluation: n.Name, Report: report}
		if Lacking(err) {
			out.Report, out.Skipped = nil, err.Error()
		} else if err != nil {
			return outcomes, fmt.Errorf("%s: %w", n.Name, err)
		}
		outcomes = append(outcomes, out)
	}
	return outcomes, nil
}

// packsOf returns the packs of outcomes, in their order.
func packsOf(outcomes []Outcome) (packs []string) {
	for _, o := range outcomes {
		if !slices.Contains(packs, o.Pack) {
			packs = append(packs, o.Pack)
		}
	}
	return packs
}
