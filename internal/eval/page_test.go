package eval

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two packs stand side by side on the pages, each with what was measured of it and what was not.
func TestPagesOfTwoPacks(t *testing.T) {
	report := func(pack string, right int) *Report {
		r := &Report{Evaluation: "lfw", What: "verification", Pack: Pack{Name: pack, Version: "1"}, Data: Data{Folder: t.TempDir(), Images: 2}}
		r.addRate("accuracy", Rate{right, 100})
		r.fail("a.jpg", "<b>")
		return r
	}
	outcomes := []Outcome{
		{Pack: "one", Evaluation: "lfw", Report: report("one", 98)}, {Pack: "one", Evaluation: "age", Skipped: "no network"},
		{Pack: "two", Evaluation: "lfw", Report: report("two", 95)},
	}
	var b strings.Builder
	if err := WriteAccuracy(&b, "the command", outcomes); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{
		"Written by `the command`", "| measure, with its 95 % interval | one | two |\n|---|---|---|\n",
		"\n| LFW, 10 folds: accuracy | 98.00 % (93.00 % … 99.45 %) | 95.00 % (88.82 % … 97.85 %) |\n", "\n| age: mean absolute error | not measured | not measured |\n",
		"\n## The pack one\n\n### lfw\n", "\n### Not measured\n\n- age: no network\n\n## The pack two\n\n### lfw\n",
	} {
		if !strings.Contains(b.String(), part) {
			t.Errorf("the page has no %q:\n%s", part, b.String())
		}
	}
	if n := strings.Count(b.String(), "### Not measured"); n != 1 {
		t.Errorf("%d packs lack something; want 1", n)
	}

	folder := filepath.Join(t.TempDir(), "page")
	if err := WritePage(t.Context(), folder, outcomes, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, pageFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"Evaluation of one, two", `<h2 id="one, lfw">`, "one, age: not measured: no network", `<h2 id="two, lfw">`, "&lt;b&gt;"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the page has no %q:\n%s", part, text)
		}
	}
}
