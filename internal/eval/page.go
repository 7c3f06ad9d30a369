package eval

import (
	"bufio"
	"fmt"
	"io"
	"strings"
)

// headlines are the figures by which packs are compared first, with what they mean to a reader.
var headlines = []struct{ what, evaluation, figure string }{
	{"ordinary photographs: enrolled", "defaults", "enroll: proceeds"},
	{"ordinary photographs: predict proceeds", "defaults", "predict: proceeds"},
	{"ordinary photographs: called a spoof", "defaults", "one face: called a spoof"},
	{"ordinary photographs: liveness not assessable", "defaults", "one face: liveness not assessable"},
	{"living people in greyscale and as tight crops: called a spoof", "bonafide", "greyscale and tight crops: called a spoof"},
	{"LFW, 10 folds: accuracy", "lfw", "accuracy"},
	{"search among LFW's people: FNIR at FPIR 0.01", "identify", "FNIR at FPIR 0.01"},
	{"search among LFW's people: FNIR at FPIR 0.003", "identify", "FNIR at FPIR 0.003"},
	{"verification of photographs: accuracy at `med`", "pairs", "accuracy at med"},
	{"age: mean absolute error", "age", "mean absolute error"},
	{"age: that of a constant answer", "age", "mean absolute error of a constant answer"},
	{"masked faces of 20 pixels or more: found", "masks", "found, masked"},
	{"masked faces that are found: mask seen", "masks", "mask seen, masked"},
	{"close-ups that fill the frame: found", "closeups", "found"},
	{"photographs turned by 45°: match themselves at `med`", "tilt", "matches itself turned by 45°"},
}

// WriteAccuracy writes the outcomes as the page docs/accuracy.md: the headlines of the packs side by side, then all reports
// of each pack, and what was not measured. command is what wrote it.
func WriteAccuracy(w io.Writer, command string, outcomes []Outcome) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, "# Accuracy\n\nWritten by `%s`; [evaluation.md](evaluation.md) describes the protocols\nand the data.\n", command)
	packs := packsOf(outcomes)
	find := func(pack, evaluation string) *Report {
		for _, o := range outcomes {
			if o.Pack == pack && o.Evaluation == evaluation {
				return o.Report
			}
		}
		return nil
	}
	fmt.Fprintf(b, "\n## In short\n\n| measure, with its 95 %% interval | %s |\n|---|%s\n", strings.Join(packs, " | "), strings.Repeat("---|", len(packs)))
	for _, h := range headlines {
		line := h.what
		for _, pack := range packs {
			cell := "not measured"
			if r := find(pack, h.evaluation); r != nil {
				if f := r.Figure(h.figure); f.Name != "" {
					cells := f.cells()
					cell = cells[1]
					if f.Interval != nil {
						cell += " (" + cells[2] + ")"
					}
				}
			}
			line += " | " + cell
		}
		fmt.Fprintf(b, "| %s |\n", line)
	}
	for _, pack := range packs {
		fmt.Fprintf(b, "\n## The pack %s\n", pack)
		var skipped []Outcome
		for _, o := range outcomes {
			switch {
			case o.Pack != pack:
			case o.Report == nil:
				skipped = append(skipped, o)
			default:
				fmt.Fprintln(b)
				if err := o.Report.WriteMarkdown(b, "###"); err != nil {
					return err
				}
			}
		}
		if len(skipped) > 0 {
			fmt.Fprint(b, "\n### Not measured\n\n")
		}
		for _, o := range skipped {
			fmt.Fprintf(b, "- %s: %s\n", o.Evaluation, o.Skipped)
		}
	}
	return b.Flush()
}
