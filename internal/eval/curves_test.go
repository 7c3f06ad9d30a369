package eval

import (
	"slices"
	"strings"
	"testing"

	"facestream/internal/verdict"
	"facestream/pkg/schema"
)

// The default of each key is among its limits, and every trait of a face has a curve but the one that a switch asks for and the
// one of the background, whose limit is fixed.
func TestCurvesHaveTheDefaults(t *testing.T) {
	var all schema.FaceTraits
	for _, l := range limited {
		all |= l.trait
		if l.point != nil {
			continue
		}
		usual, err := defaultOf(l.op, l.key)
		if err != nil {
			t.Errorf("%s: %v", l.key, err)
		} else if !slices.Contains(l.limits, usual) {
			t.Errorf("%s: the limits %v lack the default %v of %s", l.key, l.limits, usual, l.op)
		}
	}
	if missing := verdict.Judged() &^ all; missing != schema.FTFaceNotInOval|schema.FTInvalidFaceBackground {
		t.Errorf("no curve: %v", schema.TraitNames(missing))
	}
	for v, want := range map[float64][]float64{0.99: {0.99, 0.9, 0.5}, 0.9: {0.9, 0.5}, 0.7: {0.9, 0.7, 0.5}, 0.1: {0.9, 0.5, 0.1}} {
		if got := between([]float64{0.9, 0.5}, v); !slices.Equal(got, want) {
			t.Errorf("%v between 0.9 and 0.5: %v; want %v", v, got, want)
		}
	}
}

// The default stands out in each table of limits.
func TestCurveOnThePage(t *testing.T) {
	r := &Report{Evaluation: "curves", Curves: []Curve{{Trait: "FT_MOUTH_OPENED", Key: "mouth_opened_threshold", Operation: schema.OpEnroll, Default: 0.8,
		Limits: []float64{0.9, 0.8, 0.7}, Sets: []CurveSet{{"portraits", 40, []int{0, 1, 20}}}}}}
	var page, table strings.Builder
	if err := r.WriteMarkdown(&page, "##"); err != nil {
		t.Fatal(err)
	}
	want := "\nFT_MOUTH_OPENED: mouth_opened_threshold at enroll, by default 0.8\n\n| limit | 0.9 | **0.8** | 0.7 |\n|---|---|---|---|\n| portraits, of 40 | 0.0 % | 2.5 % | 50.0 % |\n"
	if !strings.Contains(page.String(), want) {
		t.Errorf("%s\nhas no %s", page.String(), want)
	}
	if err := r.WriteTable(&table); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "[0.8]") || !strings.Contains(table.String(), "portraits, of 40") {
		t.Errorf("%s", table.String())
	}
}
