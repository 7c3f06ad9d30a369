package mrz

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

const documents = 10_000

// draw draws documents that a zone can hold without truncating the name.
type draw struct{ *rand.Rand }

func newDraw(seed uint64) draw { return draw{rand.New(rand.NewPCG(seed, 14))} }

const (
	letters      = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	alphanumeric = "0123456789" + letters
)

var codes = func() (all []State) {
	for s := range states {
		all = append(all, s)
	}
	slices.Sort(all)
	return all
}()

func (r draw) text(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

// date draws a day of a span of years; one in ten lacks its day, one in twenty its month too, one in forty everything.
func (r draw) date(from, to int) Date {
	d := Date{from + r.IntN(to-from+1), 1 + r.IntN(12), 0}
	d.Day = 1 + r.IntN(daysIn(d.Year, d.Month))
	switch r.IntN(40) {
	case 0:
		return Date{}
	case 1, 2:
		d.Month, d.Day = 0, 0
	case 3, 4, 5, 6:
		d.Day = 0
	}
	return d
}

func (r draw) words(most, room int) string {
	text := r.text(letters, 1+r.IntN(8))
	for range r.IntN(most) {
		text += " " + r.text(letters, 1+r.IntN(8))
	}
	return strings.TrimSpace(text[:min(len(text), room)])
}

// optional draws data of up to n characters, perhaps with a filler inside.
func (r draw) optional(n int) string {
	text := []byte(r.text(alphanumeric, r.IntN(n+1)))
	if len(text) > 2 && r.IntN(4) == 0 {
		text[1+r.IntN(len(text)-2)] = '<'
	}
	return string(text)
}

func (r draw) document() Document {
	f := Format(1 + r.IntN(5))
	l := layouts[f]
	d := Document{
		Format: f, Code: map[Format]string{TD1: "I", TD2: "A", TD3: "P", MRVA: "V", MRVB: "V"}[f],
		Issuer: codes[r.IntN(len(codes))], Nationality: codes[r.IntN(len(codes))],
		Number: r.text(alphanumeric, 1+r.IntN(9)),
		Birth:  r.date(1927, 2025), Expiry: r.date(1977, 2075), Sex: []Sex{SexFemale, SexMale, SexUnspecified}[r.IntN(3)],
		Optional: r.optional(l.optional.len()), Optional2: r.optional(l.optional2.len()),
	}
	if r.IntN(2) == 0 {
		d.Code += r.text(letters, 1)
	}
	if f.longNumbers() && r.IntN(4) == 0 {
		d.Number = r.text(alphanumeric, 10+r.IntN(l.optional.len()-2))
		d.Optional = r.optional(l.optional.len() - 2 - (len(d.Number) - 9))
	}
	d.Name.Primary = r.words(3, l.name.len()-3)
	if r.IntN(10) > 0 {
		d.Name.Secondary = r.words(3, l.name.len()-2-len(d.Name.Primary))
	}
	return d
}

func lines(t *testing.T, d Document) []string {
	t.Helper()
	lines, err := Generate(d)
	if err != nil {
		t.Fatalf("%+v: %v", d, err)
	}
	return lines
}

// TestRoundTrip: what Generate writes, Parse reads as it was, with all check digits and without a correction.
func TestRoundTrip(t *testing.T) {
	r := newDraw(1)
	for range documents {
		d := r.document()
		zone := strings.Join(lines(t, d), "\n")
		got := read(t, zone)
		if got.Document != d {
			t.Fatalf("%s\nread %+v\nwant %+v", zone, got.Document, d)
		}
		if !got.Clean() || len(got.Corrections()) > 0 || strings.Join(got.Lines, "\n") != zone {
			t.Fatalf("%s\nclean %t, corrections %v, lines %q", zone, got.Clean(), got.Corrections(), got.Lines)
		}
		for _, f := range got.Fields {
			if f.Problem != "" || f.Check == CheckWrong {
				t.Fatalf("%s\n%+v", zone, f)
			}
		}
	}
}

// protected lists the fields that a check digit covers, their own or the composite one.
func protected(r *Reading) []*Field {
	fields := []*Field{r.Field(FieldNumber), r.Field(FieldBirth), r.Field(FieldExpiry)}
	switch r.Document.Format {
	case TD1:
		return append(fields, r.Field(FieldOptional), r.Field(FieldOptional2))
	case TD2, TD3:
		return append(fields, r.Field(FieldOptional))
	}
	return fields
}

// proven reports whether a check digit is said to prove the field.
func proven(f *Field) bool {
	return f.Evidence == EvidenceCheckDigit || f.Evidence == EvidenceComposite
}

// noticed reports whether a reading says anything against a field, or doubts a character of it that is wrong.
func noticed(f *Field, want *Reading) bool {
	return !proven(f) || f.Problem != "" || slices.ContainsFunc(f.Doubts, func(d Doubt) bool {
		return strings.IndexByte(d.Others, want.Lines[d.Line][d.Column]) >= 0
	})
}

// TestEverySubstitution replaces each character that a check digit covers, and each check digit, by each other character. A
// document that is read otherwise passes only where the two characters are equal modulo 10.
func TestEverySubstitution(t *testing.T) {
	r := newDraw(2)
	var tried, equal, harmless, unnoticed, doubted int
	for range 30 {
		d := r.document()
		good := lines(t, d)
		want := read(t, strings.Join(good, "\n"))
		covered := append([]span{layouts[d.Format].composite}, layouts[d.Format].covers...)
		if d.Format.visa() {
			covered = []span{{1, 0, 10}, {1, 13, 20}, {1, 21, 28}}
		}
		for _, s := range covered {
			for _, a := range s.cells() {
				was := good[a.line][a.column]
				for _, c := range []byte(alphanumeric + "<") {
					if c == was {
						continue
					}
					bad := slices.Clone(good)
					bad[a.line] = bad[a.line][:a.column] + string(c) + bad[a.line][a.column+1:]
					got := read(t, strings.Join(bad, "\n"))
					same := (weight(c)-weight(was))%10 == 0
					if tried++; same {
						equal++
					}
					switch {
					case got.Document == want.Document:
						harmless++
					case !got.Clean() || slices.ContainsFunc(got.Fields, func(f Field) bool { return f.Problem != "" }):
					default:
						unnoticed++
						if slices.ContainsFunc(got.Fields, func(f Field) bool { return len(f.Doubts) > 0 && noticed(&f, want) }) {
							doubted++
						}
						if !same {
							t.Errorf("%c for %c passes unnoticed\n%s", c, was, strings.Join(bad, "\n"))
						}
					}
				}
			}
		}
	}
	t.Logf("%d substitutions, %d of them of characters that are equal modulo 10; %d did not change what is read; %d passed, all of them equal, and %d of these are in doubt",
		tried, equal, harmless, unnoticed, doubted)
	if tried < 10_000 || unnoticed > equal {
		t.Error("the test does not test")
	}
}

// confuse replaces characters by look-alikes: one if rate is 0, else each with the rate. It returns how many.
func (r draw) confuse(zone []string, rate float64) ([]string, int) {
	out := make([]string, len(zone))
	var places []at
	for y, line := range zone {
		out[y] = line
		for x := range len(line) {
			if others(line[x]) != "" {
				places = append(places, at{y, x})
			}
		}
	}
	if rate == 0 {
		places = []at{places[r.IntN(len(places))]}
	}
	n := 0
	for _, p := range places {
		if rate == 0 || r.Float64() < rate {
			o := others(zone[p.line][p.column])
			out[p.line] = out[p.line][:p.column] + string(o[r.IntN(len(o))]) + out[p.line][p.column+1:]
			n++
		}
	}
	return out, n
}

func differences(a, b string) (n int) {
	for i := range a {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func coveredText(r *Reading) (text string) {
	for _, s := range layouts[r.Document.Format].covers {
		text += r.Lines[s.line][s.from:s.to]
	}
	return text
}

// TestConfusions takes characters for look-alikes, one in each document and then one in twenty of those that have any. With
// one, no field is wrong while its check digit is said to prove it, unless the wrong character is among the doubts. With
// several, a wrong field passes only where two or more errors cancel out modulo 10, which nobody can tell. The test prints how
// often that happens.
func TestConfusions(t *testing.T) {
	for _, rate := range []float64{0, 0.05} {
		r := newDraw(3)
		var confused, clean, wrongClean, doubted, cancelled, right, spentRight, spentWrong, stayed int
		for range documents {
			d := r.document()
			good := lines(t, d)
			want := read(t, strings.Join(good, "\n"))
			zone, n := r.confuse(good, rate)
			confused += n
			got := read(t, strings.Join(zone, "\n"))
			wrong := false
			for _, f := range protected(want) {
				g := got.Field(f.Name)
				switch {
				case g.Text == f.Text && g.Evidence == EvidenceSpent:
					spentRight++
				case g.Text == f.Text:
					right++
				case g.Evidence == EvidenceSpent:
					spentWrong++
				case !proven(g):
					stayed++
				case noticed(g, want):
					doubted++
				default:
					cancelled++
					wrong = true
					// Both fields, or all that the composite check digit covers, differ in two characters at least.
					a, b := f.Text, g.Text
					if g.Evidence == EvidenceComposite {
						a, b = coveredText(want), coveredText(got)
					}
					if len(a) == len(b) && differences(a, b) < 2 {
						t.Errorf("%s of\n%s\nread from\n%s\n%+v", f.Name, strings.Join(good, "\n"), strings.Join(zone, "\n"), g)
					}
				}
			}
			if got.Clean() {
				if clean++; wrong {
					wrongClean++
				}
			}
		}
		t.Logf("rate %v: %d characters confused in %d documents; of the fields that check digits cover %d right, %d put right by the check digit, "+
			"%d put wrong by it and said so, %d left without proof, %d wrong with the character in doubt, %d wrong by errors that cancel out; "+
			"%d documents clean, %d of them with such a field",
			rate, confused, documents, right, spentRight, spentWrong, stayed, doubted, cancelled, clean, wrongClean)
		if rate == 0 && (cancelled > 0 || spentRight == 0) {
			t.Errorf("one confusion: %d unnoticed, %d corrected", cancelled, spentRight)
		}
	}
}
