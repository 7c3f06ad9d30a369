package eval

import (
	"bufio"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// Report is what an evaluation found.
type Report struct {
	Evaluation string `json:"evaluation"` // the sub-command: "lfw"
	What       string `json:"what"`       // the protocol in one line
	Pack       Pack   `json:"pack"`
	// Reference is the pack whose answers were taken as the truth, in evaluations without labels.
	Reference *Pack    `json:"reference,omitempty"`
	Data      Data     `json:"data"`
	Figures   []Figure `json:"figures"`
	// Failures names the images that count against the pack.
	Failures []Failure `json:"failures,omitempty"`
	// Thresholds are the measured thresholds for a manifest, in evaluations that measure them.
	Thresholds []MeasuredThreshold `json:"thresholds,omitempty"`
	// Curves are the shares at other limits than the default, in evaluations that have them.
	Curves []Curve `json:"curves,omitempty"`
	// LeftOut lists the figures that would not be a valid test. Notes says what else a reader must know about the
	// others.
	LeftOut []LeftOut `json:"left_out,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
}

// LeftOut names figures that are not reported, and says why.
type LeftOut struct {
	Figures []string `json:"figures"`
	Why     string   `json:"why"`
}

// Pack names the networks that ran.
type Pack struct {
	Name    string  `json:"name"`
	Version string  `json:"version"`
	Models  []Model `json:"models"`
}

// Model is a network with the thresholds of its manifest.
type Model struct {
	Role       models.Role        `json:"role"`
	ID         schema.ModelID     `json:"id"`
	Thresholds map[string]float32 `json:"thresholds"`
}

// Data describes the data of the measurement.
type Data struct {
	Folder string `json:"folder"`
	Images int    `json:"images"`
	People int    `json:"people,omitempty"`
	Pairs  int    `json:"pairs,omitempty"`
}

// Unit is the unit of a figure.
type Unit string

// The units.
const (
	Share        Unit = "share" // 0..1, printed as a percentage
	PerImage     Unit = "per image"
	EyeDistances Unit = "inter-eye distances" // printed as a percentage
	// OuterEyeDistances are multiples of the distance of the outer eye corners, printed as a percentage.
	OuterEyeDistances Unit = "outer eye corner distances"
	IoU               Unit = "intersection over union"
	Milliseconds      Unit = "ms"
	Times             Unit = "times"
	Years             Unit = "years"
	Cosine            Unit = "cosine"
	Spearman          Unit = "Spearman's rank correlation"
)

// Figure is one measured number.
type Figure struct {
	Name     string    `json:"name"`
	Value    float64   `json:"value"`
	Unit     Unit      `json:"unit"`
	Interval *Interval `json:"interval_95,omitempty"`
	// The value is Count of Of. Of is 0 if the value is not a share of a count.
	Count int `json:"count,omitempty"`
	Of    int `json:"of,omitempty"`
	// Threshold is the cosine at which the value was measured, if there is one.
	Threshold *float32 `json:"threshold,omitempty"`
}

// Failure is an image, or another named item, on which the pack failed.
type Failure struct {
	// Item is the path of the image below the folder of the report's data, with slashes, or the name of something else.
	Item string `json:"item"`
	Why  string `json:"why"`
}

// Figure returns the figure of that name. Without such a figure, its Name is empty.
func (r *Report) Figure(name string) Figure {
	for _, f := range r.Figures {
		if f.Name == name {
			return f
		}
	}
	return Figure{}
}

func (r *Report) add(f Figure) { r.Figures = append(r.Figures, f) }

func (r *Report) addRate(name string, rate Rate) {
	interval := rate.Interval()
	r.add(Figure{Name: name, Value: rate.Value(), Unit: Share, Interval: &interval, Count: rate.Count, Of: rate.Of})
}

func (r *Report) addRateAt(name string, rate Rate, threshold float32) {
	r.addRate(name, rate)
	r.Figures[len(r.Figures)-1].Threshold = &threshold
}

func (r *Report) fail(item, format string, args ...any) {
	r.Failures = append(r.Failures, Failure{item, fmt.Sprintf(format, args...)})
}

// WriteJSON writes the report as one indented JSON document.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// WriteTable writes the report as a table for people.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s: %s\n\n", r.Evaluation, r.What)
	r.Pack.write(t, "pack")
	if r.Reference != nil {
		r.Reference.write(t, "reference")
	}
	fmt.Fprintf(t, "data\t%s: %s\n", r.Data.Folder, r.Data.counts())
	t.Flush()

	fmt.Fprintln(t, "\nFIGURE\tVALUE\t95 % INTERVAL\tCOUNT\tTHRESHOLD")
	for _, f := range r.Figures {
		fmt.Fprintln(t, strings.Join(f.cells(), "\t"))
	}
	t.Flush()

	for _, c := range r.Curves {
		fmt.Fprintf(t, "\n%s\n", c.title())
		for _, row := range c.rows("[", "]") {
			fmt.Fprintln(t, "  "+strings.Join(row, "\t"))
		}
		t.Flush()
	}

	r.writeRemarks(t)
	t.Flush()
	if len(r.Failures) > 0 {
		fmt.Fprintln(t, "\nFAILED ON\tWHY")
		for _, f := range r.Failures {
			fmt.Fprintf(t, "%s\t%s\n", f.Item, f.Why)
		}
	}
	if len(r.Thresholds) > 0 {
		fmt.Fprintln(t, "\nThe thresholds as pack.yaml has them under models.embedding:\n\n    thresholds:")
		for _, m := range r.Thresholds {
			fmt.Fprintf(t, "      %s:\n        value: %v\n        evaluation: %q\n        source: %q\n        tuned_on:\n          data: %s\n          files_sha256: %s\n",
				m.Name, m.Value, m.Evaluation, m.Source, m.TunedOn.Name, m.TunedOn.FilesSHA256)
		}
	}
	return t.Flush()
}

// WriteMarkdown writes the report as a section of a page. heading is that of the section: "##".
func (r *Report) WriteMarkdown(w io.Writer, heading string) error {
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, heading+" %s\n\n%s. %s.\n", r.Evaluation, r.What, r.Data.counts())
	for _, p := range []*Pack{&r.Pack, r.Reference} {
		if p == nil {
			continue
		}
		fmt.Fprintf(b, "\nThe pack `%s`, version %s:\n\n", p.Name, p.Version)
		for _, m := range p.Models {
			fmt.Fprintf(b, "- %s `%s`", m.Role, m.ID)
			if t := m.List(); t != "" {
				fmt.Fprintf(b, ": %s", t)
			}
			fmt.Fprintln(b)
		}
	}
	fmt.Fprint(b, "\n| figure | value | 95 % interval | count | threshold |\n|---|---|---|---|---|\n")
	for _, f := range r.Figures {
		fmt.Fprintf(b, "| %s |\n", strings.Join(f.cells(), " | "))
	}
	for _, c := range r.Curves {
		fmt.Fprintf(b, "\n%s\n\n", c.title())
		for i, row := range c.rows("**", "**") {
			fmt.Fprintf(b, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(b, "|%s\n", strings.Repeat("---|", len(row)))
			}
		}
	}
	r.writeRemarks(b)
	if len(r.Failures) > 0 {
		fmt.Fprintln(b, "\nFailed on:")
		fmt.Fprintln(b)
		for _, f := range r.Failures {
			fmt.Fprintf(b, "- `%s`: %s\n", f.Item, f.Why)
		}
	}
	return b.Flush()
}

// writeRemarks writes what was left out, and the notes, as paragraphs.
func (r *Report) writeRemarks(w io.Writer) {
	for _, l := range r.LeftOut {
		fmt.Fprintf(w, "\nLeft out: %s: %s.\n", strings.Join(l.Figures, ", "), l.Why)
	}
	for _, note := range r.Notes {
		fmt.Fprintf(w, "\nNote: %s.\n", note)
	}
}

// cells are name, value, interval, count and threshold for people.
func (f Figure) cells() []string {
	interval, count, threshold := "-", "-", "-"
	if f.Interval != nil {
		interval = f.Unit.format(f.Interval.Low) + " … " + f.Unit.format(f.Interval.High)
	}
	if f.Of > 0 {
		count = fmt.Sprintf("%d of %d", f.Count, f.Of)
	}
	if f.Threshold != nil {
		threshold = fmt.Sprintf("%.3f", *f.Threshold)
	}
	return []string{f.Name, f.Unit.format(f.Value), interval, count, threshold}
}

func (p Pack) write(w io.Writer, as string) {
	fmt.Fprintf(w, "%s\t%s, version %s\n", as, p.Name, p.Version)
	for _, m := range p.Models {
		fmt.Fprintf(w, "  %s\t%s  %s\n", m.Role, m.ID, m.List())
	}
}

// List names the thresholds in ascending order.
func (m Model) List() string {
	names := slices.SortedFunc(maps.Keys(m.Thresholds), func(a, b string) int {
		return cmp.Or(cmp.Compare(m.Thresholds[a], m.Thresholds[b]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %v", name, m.Thresholds[name])
	}
	return strings.Join(names, ", ")
}

func (d Data) counts() string {
	counts := []string{fmt.Sprintf("%d images", d.Images)}
	if d.People > 0 {
		counts = append(counts, fmt.Sprintf("%d people", d.People))
	}
	if d.Pairs > 0 {
		counts = append(counts, fmt.Sprintf("%d pairs", d.Pairs))
	}
	return strings.Join(counts, ", ")
}

func (u Unit) format(v float64) string {
	switch u {
	case Share:
		if v > 0 && v < 5e-4 { // as of FAR 1e-4
			return fmt.Sprintf("%.4f %%", 100*v)
		}
		return fmt.Sprintf("%.2f %%", 100*v)
	case EyeDistances, OuterEyeDistances:
		return fmt.Sprintf("%.2f %%", 100*v)
	case Milliseconds:
		return fmt.Sprintf("%.2f ms", v)
	case Times:
		return fmt.Sprintf("%.2f×", v)
	case Years:
		return fmt.Sprintf("%.1f years", v)
	}
	return fmt.Sprintf("%.3f", v)
}
