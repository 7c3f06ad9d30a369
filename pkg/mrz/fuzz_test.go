package mrz

import (
	"strings"
	"testing"
	"time"
	"unicode"
)

// FuzzParse: whatever arrives, Parse returns, its answer is no longer than a zone, and what it understood can be written and
// read again without a change, if it can be written at all.
func FuzzParse(f *testing.F) {
	for _, s := range specimens {
		f.Add(s.lines, int64(20_000))
		f.Add(strings.ReplaceAll(s.lines, "\n", ""), int64(0))
	}
	f.Add(strings.ReplaceAll(passport, "<<", "«"), int64(-40_000))
	f.Add(strings.ToLower(card), int64(1_000_000))
	f.Add("I<UTOD23145890<734973497349734\n3407127M9507122UTO<<<<<<<<<<<2\nSTEVENSON<<PETER<JOHN<<<<<<<<<", int64(1))
	f.Fuzz(func(t *testing.T, text string, day int64) {
		o := Options{Reference: time.Unix(0, 0).UTC().AddDate(0, 0, int(day%300_000)).Add(time.Hour)}
		o.Confidence = make([]float64, len([]rune(text)))
		r, err := Parse(text, o)
		if err != nil {
			if r != nil || len(err.Error()) > 300 {
				t.Fatalf("%v with the error %v", r, err)
			}
			return
		}
		if r.Document.Format.Lines() != len(r.Lines) || len(r.Fields) < 9 || len(r.Fields) > 11 || len(r.Corrections()) > 90 {
			t.Fatalf("%+v", r)
		}
		for _, line := range r.Lines {
			if len(line) != r.Document.Format.Columns() || strings.Trim(line, alphanumeric+"<") != "" {
				t.Fatalf("line %q of a %s", line, r.Document.Format)
			}
		}
		for _, f := range r.Fields {
			if f.Line >= len(r.Lines) || f.Column >= len(r.Lines[0]) && f.Text != "" || len(f.Text) > 39 || len(f.Doubts) > 39 {
				t.Fatalf("%+v", f)
			}
		}
		blank := func(c rune) bool { return unicode.IsSpace(c) || c == '\u200b' || c == '\ufeff' }
		if len(r.Corrections()) == 0 && strings.Join(strings.FieldsFunc(text, blank), "") != strings.Join(r.Lines, "") {
			t.Fatalf("a correction that is not reported: %q is %q", text, r.Lines)
		}
		lines, err := Generate(r.Document)
		if err != nil {
			return
		}
		o.Confidence = nil
		again, err := Parse(strings.Join(lines, "\n"), o)
		if err != nil || again.Document != r.Document || !again.Clean() || len(again.Corrections()) > 0 {
			t.Fatalf("%v: read\n%+v, written\n%s\nread again\n%+v", err, r.Document, strings.Join(lines, "\n"), again)
		}
	})
}

// FuzzTransliterate: the answer has the characters of a zone, and stays as it is.
func FuzzTransliterate(f *testing.F) {
	for _, name := range []string{"D'Artagnan", "Müller", "Юлія", "فضّة", "", "ّ"} {
		f.Add(name, "uk")
	}
	f.Fuzz(func(t *testing.T, name, language string) {
		got, err := Transliterate(name, language)
		if strings.Trim(got, letters+"<") != "" || strings.Contains(got, "<<") || strings.Trim(got, "<") != got {
			t.Fatalf("%q becomes %q", name, got)
		}
		if again, err2 := Transliterate(got, language); err == nil && (err2 != nil || again != got) {
			t.Fatalf("%q becomes %q (%v)", got, again, err2)
		}
	})
}
