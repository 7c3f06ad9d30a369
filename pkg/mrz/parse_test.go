package mrz

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

const (
	passport = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10"
	card     = "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<"
)

func read(t *testing.T, text string) *Reading {
	t.Helper()
	r, err := Parse(text, Options{Reference: reference})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// edit replaces characters of a zone with lines: "1:20 O" writes O into line 1, column 20.
func edit(zone string, changes ...string) string {
	lines := strings.Split(zone, "\n")
	for _, c := range changes {
		var y, x int
		var with string
		if _, err := fmt.Sscanf(c, "%d:%d %s", &y, &x, &with); err != nil {
			panic(err)
		}
		lines[y] = lines[y][:x] + with + lines[y][x+len(with):]
	}
	return strings.Join(lines, "\n")
}

// generated returns the zone of a document that can be written.
func generated(t *testing.T, d Document) string {
	t.Helper()
	lines, err := Generate(d)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func numbered(number string) Document {
	d := specimens[0].want
	d.Number = number
	return d
}

func optional(text string) Document {
	d := specimens[0].want
	d.Optional = text
	return d
}

func TestCheckDigit(t *testing.T) {
	// ICAO Doc 9303-3 appendix A, examples 1 and 2.
	for text, want := range map[string]byte{"520727": '3', "AB2134<<<": '5', "": '0'} {
		if got := CheckDigit(text); got != want {
			t.Errorf("%q: %c, want %c", text, got, want)
		}
	}
}

func TestFields(t *testing.T) {
	r := read(t, passport)
	want := []Field{
		{Name: FieldCode, Raw: "P<", Text: "P<", Check: CheckAbsent, Evidence: EvidenceNone},
		{Name: FieldIssuer, Column: 2, Raw: "UTO", Text: "UTO", Check: CheckAbsent, Evidence: EvidenceNone},
		{Name: FieldNumber, Line: 1, Raw: "L898902C3", Text: "L898902C3", Check: CheckOK, Evidence: EvidenceCheckDigit,
			Doubts: []Doubt{{1, 0, "L", "1"}}},
		{Name: FieldHolder, Column: 5, Raw: "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", Text: "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<",
			Check: CheckAbsent, Evidence: EvidenceNone},
		{Name: FieldNationality, Line: 1, Column: 10, Raw: "UTO", Text: "UTO", Check: CheckAbsent, Evidence: EvidenceNone},
		{Name: FieldBirth, Line: 1, Column: 13, Raw: "740812", Text: "740812", Check: CheckOK, Evidence: EvidenceCheckDigit},
		{Name: FieldSex, Line: 1, Column: 20, Raw: "F", Text: "F", Check: CheckAbsent, Evidence: EvidenceNone},
		{Name: FieldExpiry, Line: 1, Column: 21, Raw: "120415", Text: "120415", Check: CheckOK, Evidence: EvidenceCheckDigit},
		{Name: FieldOptional, Line: 1, Column: 28, Raw: "ZE184226B<<<<<", Text: "ZE184226B<<<<<", Check: CheckOK,
			Evidence: EvidenceCheckDigit, Doubts: []Doubt{{1, 30, "1", "L"}, {1, 35, "6", "G"}}},
		{Name: FieldComposite, Line: 1, Column: 43, Raw: "0", Text: "0", Check: CheckOK, Evidence: EvidenceCheckDigit},
	}
	for i, f := range r.Fields {
		if i >= len(want) || !reflect.DeepEqual(f, want[i]) {
			t.Errorf("field %d:\n%+v, want\n%+v", i, f, want[min(i, len(want)-1)])
		}
	}
	if len(r.Fields) != len(want) || r.NameMayBeTruncated || !r.Clean() || len(r.Corrections()) > 0 {
		t.Errorf("%d fields, truncated %t, clean %t, corrections %v", len(r.Fields), r.NameMayBeTruncated, r.Clean(), r.Corrections())
	}
	if f := r.Field(FieldOptional2); f != nil {
		t.Errorf("a passport has second optional data: %+v", f)
	}
	long := read(t, specimens[5].lines)
	if f := long.Field(FieldNumber); f.Text != "D23145890734" || f.Check != CheckOK || f.Line != 0 || f.Column != 5 {
		t.Errorf("long number: %+v", f)
	}
	if f := long.Field(FieldOptional); f.Column != 19 || f.Text != "<<<<<<<<<<<" || f.Evidence != EvidenceComposite {
		t.Errorf("optional data behind a long number: %+v", f)
	}
}

func TestCorrections(t *testing.T) {
	tests := []struct {
		name  string
		text  string
		want  []Correction
		field FieldName // the field that is looked at
		value string    // its Text
		state CheckState
		proof Evidence
	}{
		{"a letter in a date that leaves it wrong", edit(passport, "1:14 I"), []Correction{{1, 14, "I", "1", ReasonAlphabet}},
			FieldBirth, "710812", CheckWrong, EvidenceContradicted},
		{"a letter in a date that looks like no digit", edit(passport, "1:14 A"), nil, FieldBirth, "7A0812", CheckWrong, EvidenceContradicted},
		{"letters that look like the digits of a date", edit(passport, "1:15 O", "1:16 B"),
			[]Correction{{1, 15, "O", "0", ReasonAlphabet}, {1, 16, "B", "8", ReasonAlphabet}},
			FieldBirth, "740812", CheckOK, EvidenceCheckDigit},
		{"all letters that look like digits", edit(passport, "1:21 IZO", "1:25 lS", "1:27 9"),
			[]Correction{{1, 21, "I", "1", ReasonAlphabet}, {1, 22, "Z", "2", ReasonAlphabet}, {1, 23, "O", "0", ReasonAlphabet},
				{1, 25, "l", "1", ReasonAlphabet}, {1, 26, "S", "5", ReasonAlphabet}},
			FieldExpiry, "120415", CheckOK, EvidenceCheckDigit},
		{"a letter for a check digit", edit(passport, "1:9 G"), []Correction{{1, 9, "G", "6", ReasonAlphabet}},
			FieldNumber, "L898902C3", CheckOK, EvidenceCheckDigit},
		{"a letter for the composite check digit", edit(passport, "1:43 D"), []Correction{{1, 43, "D", "0", ReasonAlphabet}},
			FieldComposite, "0", CheckOK, EvidenceCheckDigit},
		{"a digit in a number, one way to make it hold", edit(generated(t, numbered("X8V")), "1:1 B"),
			[]Correction{{1, 1, "B", "8", ReasonCheckDigit}}, FieldNumber, "X8V<<<<<<", CheckOK, EvidenceSpent},
		{"a wrong digit of a number that no look-alike explains", edit(generated(t, numbered("X7V")), "1:1 4"), nil,
			FieldNumber, "X4V<<<<<<", CheckWrong, EvidenceContradicted},
		{"a wrong digit in a date", edit(passport, "1:14 5"), nil, FieldBirth, "750812", CheckWrong, EvidenceContradicted},
		{"optional data of a passport", edit(generated(t, optional("ZEXV")), "1:28 2"), []Correction{{1, 28, "2", "Z", ReasonCheckDigit}},
			FieldOptional, "ZEXV<<<<<<<<<<", CheckOK, EvidenceSpent},
		{"optional data of a card, which has no check digit of its own",
			edit(generated(t, Document{Format: TD1, Code: "I", Issuer: "UTO", Number: "D23145890", Name: utopian, Nationality: "UTO",
				Birth: date(1974, 8, 12), Sex: SexFemale, Expiry: date(2012, 4, 15), Optional: "ZE"}), "0:15 2"), nil,
			FieldOptional, "2E<<<<<<<<<<<<<", CheckAbsent, EvidenceNone},
		{"digits of a state", edit(passport, "0:4 0", "1:12 0"), []Correction{{0, 4, "0", "O", ReasonState}, {1, 12, "0", "O", ReasonState}},
			FieldIssuer, "UTO", CheckAbsent, EvidenceNone},
		{"Germany", edit(passport, "0:2 0<<", "1:10 O<<"), []Correction{{0, 2, "0", "D", ReasonState}},
			FieldIssuer, "D<<", CheckAbsent, EvidenceNone},
		{"a document code", edit(card, "0:0 1"), []Correction{{0, 0, "1", "I", ReasonAlphabet}},
			FieldCode, "I<", CheckAbsent, EvidenceNone},
		{"digits of a name that look like one letter", edit(passport, "0:9 85", "0:15 G"),
			[]Correction{{0, 9, "8", "B", ReasonAlphabet}, {0, 10, "5", "S", ReasonAlphabet}},
			FieldHolder, "ERIKBSON<<GNNA<MARIA<<<<<<<<<<<<<<<<<<<", CheckAbsent, EvidenceNone},
		{"digits of a name that look like several letters", edit(passport, "0:7 1"), nil,
			FieldHolder, "ER1KSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", CheckAbsent, EvidenceNone},
		{"lower case", strings.Replace(passport, "ANNA", "anna", 1),
			[]Correction{{0, 15, "a", "A", ReasonCase}, {0, 16, "n", "N", ReasonCase}, {0, 17, "n", "N", ReasonCase}, {0, 18, "a", "A", ReasonCase}},
			FieldHolder, "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", CheckAbsent, EvidenceNone},
		{"quotation marks", strings.Replace(strings.Replace(passport, "ON<<", "ON«", 1), "A<M", "A‹M", 1),
			[]Correction{{0, 13, "«", "<<", ReasonFiller}, {0, 19, "‹", "<", ReasonFiller}},
			FieldHolder, "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", CheckAbsent, EvidenceNone},
		{"the filler that announces the rest of a long number", strings.Replace(specimens[5].lines, "<7349", "‹7349", 1),
			[]Correction{{0, 14, "‹", "<", ReasonFiller}}, FieldNumber, "D23145890734", CheckOK, EvidenceCheckDigit},
		{"diacritical marks", strings.Replace(passport, "ANNA", "ÄñńÅ", 1),
			[]Correction{{0, 15, "Ä", "A", ReasonMark}, {0, 16, "ñ", "N", ReasonMark}, {0, 17, "ń", "N", ReasonMark}, {0, 18, "Å", "A", ReasonMark}},
			FieldHolder, "ERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", CheckAbsent, EvidenceNone},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := read(t, test.text)
			f := r.Field(test.field)
			if f.Text != test.value || f.Check != test.state || f.Evidence != test.proof {
				t.Errorf("%+v, want %q, %s, %s", f, test.value, test.state, test.proof)
			}
			if got := r.Corrections(); !slices.Equal(got, test.want) {
				t.Errorf("corrections\n%v, want\n%v", got, test.want)
			}
		})
	}
}

// TestNothingIsMadeToFit: where more than one look-alike makes a check digit hold, or the composite one contradicts, the
// check digit stays wrong and the possible readings are named.
func TestNothingIsMadeToFit(t *testing.T) {
	// 1 and L weigh the same, so an I may be either.
	zone := edit(generated(t, numbered("A1B")), "1:1 I")
	f := read(t, zone).Field(FieldNumber)
	if f.Check != CheckWrong || f.Text != "AIB<<<<<<" || !reflect.DeepEqual(f.Doubts, []Doubt{{1, 1, "I", "1L"}}) {
		t.Errorf("%+v", f)
	}
	// The only look-alike would make the check digit of the number hold, but not the composite one: the name of the error is
	// somewhere else.
	zone = generated(t, numbered("A8C"))
	for digit := byte('0'); digit <= '9'; digit++ {
		broken := edit(zone, "1:9 "+string(digit))
		r := read(t, broken)
		if f := r.Field(FieldNumber); digit != zone[45+9] && (f.Check != CheckWrong || len(f.Corrections) > 0) {
			t.Errorf("check digit %c instead of %c: %+v", digit, zone[45+9], f)
		}
	}
	// Two damaged characters.
	f = read(t, edit(generated(t, numbered("8X8")), "1:0 B", "1:2 B")).Field(FieldNumber)
	if f.Check != CheckWrong || f.Text != "BXB<<<<<<" {
		t.Errorf("%+v", f)
	}
	// Two that cancel each other out: 3 * 3 + 7 * 3 is a multiple of 10. This is the limit of check digits.
	f = read(t, edit(generated(t, numbered("X8V8W")), "1:1 B", "1:3 B")).Field(FieldNumber)
	if f.Check != CheckOK {
		t.Errorf("%+v", f)
	}
}

// TestOnlyTheWeakest: with confidences, a correction that would replace a character of which the reader was surer than of
// another is not made.
func TestOnlyTheWeakest(t *testing.T) {
	// The 7 was read as 8, which is not similar. By chance, D in place of 0 makes the check digit hold.
	zone := edit(passport, "1:1 7")
	if f := read(t, zone).Field(FieldNumber); f.Evidence != EvidenceSpent {
		t.Errorf("%+v", f)
	}
	for column, want := range map[int]Evidence{1: EvidenceContradicted, 5: EvidenceSpent} {
		confidence := slices.Repeat([]float64{0.9}, len(zone))
		confidence[45+column] = 0.5
		r, err := Parse(zone, Options{Reference: reference, Confidence: confidence})
		if err != nil {
			t.Fatal(err)
		}
		if f := r.Field(FieldNumber); f.Evidence != want || len(f.Doubts) == 0 || r.Clean() {
			t.Errorf("least sure of column %d: %+v", column, f)
		}
	}
}

func TestStatesInDoubt(t *testing.T) {
	// MLI is Mali. M1I may be MLI only; nothing is called MII.
	if f := read(t, edit(passport, "0:2 M1I")).Field(FieldIssuer); f.Text != "MLI" || f.Problem != "" {
		t.Errorf("%+v", f)
	}
	for _, code := range []string{"Q00", "7TO", "A<B", "<<<", "DEU"} {
		r := read(t, edit(passport, "1:10 "+code))
		if f := r.Field(FieldNationality); f.Problem == "" || f.Text != code || len(f.Corrections) > 0 {
			t.Errorf("%s: %+v", code, f)
		}
	}
	// Which codes have a second reading when a letter is read as a digit?
	var several []string
	for code := range states {
		for i := range len(code) {
			for _, digit := range digitsLike(code[i]) {
				read := string(code[:i]) + string(digit) + string(code[i+1:])
				n := 0
				for _, letter := range lettersLike(byte(digit)) {
					if states[State(strings.Replace(read, string(digit), string(letter), 1))] != "" {
						n++
					}
				}
				if n > 1 {
					several = append(several, read)
					zone := edit(passport, "1:10 "+read)
					if f := reading(zone).Field(FieldNationality); f.Problem == "" || len(f.Doubts) != 1 || len(f.Doubts[0].Others) != n {
						t.Errorf("%s: %+v", read, f)
					}
				}
			}
		}
	}
	slices.Sort(several)
	t.Logf("codes with a digit that stand for several states: %v", slices.Compact(several))
}

func reading(zone string) *Reading {
	r, err := Parse(zone, Options{Reference: reference})
	if err != nil {
		panic(err)
	}
	return r
}

func TestNames(t *testing.T) {
	tests := []struct {
		field     string
		want      Name
		truncated bool
		problem   string
	}{
		{"ERIKSSON<<ANNA<MARIA", Name{"ERIKSSON", "ANNA MARIA"}, false, ""},
		{"VAN<DER<MUELLEN<<MARTIN", Name{"VAN DER MUELLEN", "MARTIN"}, false, ""},
		{"ARKFREITH", Name{"ARKFREITH", ""}, false, ""},
		{"SATRIYA<SUDARPA", Name{"SATRIYA SUDARPA", ""}, false, ""},
		{"NILAVADHANANANDA<<CHAYAPA<DEJTHAMRONG<K", Name{"NILAVADHANANANDA", "CHAYAPA DEJTHAMRONG K"}, true, ""},
		{"PAPANDROPOULOUS<<JONATHON<WARREN<TREVOR", Name{"PAPANDROPOULOUS", "JONATHON WARREN TREVOR"}, true, ""},
		{"A<<B<<C", Name{"A", "B C"}, false, "more than one place"},
		{"A<<<B", Name{"A", "B"}, false, "more than one place"},
		{"<<ANNA", Name{"ANNA", ""}, false, "begins with a filler"},
		{"<A<<B", Name{"A", "B"}, false, "begins with a filler"},
		{"", Name{}, false, "is empty"},
		{"J4NE<<X", Name{"J4NE", "X"}, false, "the digit 4 in column 6"},
		{"J0NE<<X", Name{"J0NE", "X"}, false, "looks like several letters"},
	}
	for _, test := range tests {
		r := read(t, edit(passport, "0:5 "+fill(test.field, 39)))
		f := r.Field(FieldHolder)
		if r.Document.Name != test.want || r.NameMayBeTruncated != test.truncated || !strings.Contains(f.Problem, test.problem) || (f.Problem == "") != (test.problem == "") {
			t.Errorf("%s: %+v, truncated %t, problem %q", test.field, r.Document.Name, r.NameMayBeTruncated, f.Problem)
		}
	}
}

func TestDates(t *testing.T) {
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	tests := []struct {
		field   FieldName
		text    string
		today   time.Time
		want    Date
		problem string
	}{
		{FieldBirth, "740812", reference, date(1974, 8, 12), ""},
		{FieldBirth, "261130", reference, date(2026, 11, 30), ""},
		{FieldBirth, "261201", reference, date(1926, 12, 1), ""},
		{FieldBirth, "261130", day(2026, 11, 29), date(1926, 11, 30), ""},
		{FieldBirth, "991231", day(2000, 1, 1), date(1999, 12, 31), ""},
		{FieldBirth, "000101", day(2000, 1, 1), date(2000, 1, 1), ""},
		{FieldBirth, "80<<<<", reference, date(1980, 0, 0), ""},
		{FieldBirth, "800000", reference, date(1980, 0, 0), ""},
		{FieldBirth, "8007<<", reference, date(1980, 7, 0), ""},
		{FieldBirth, "80<<15", reference, date(1980, 0, 15), ""},
		{FieldBirth, "26<<<<", reference, date(2026, 0, 0), ""},
		{FieldBirth, "27<<<<", reference, date(1927, 0, 0), ""},
		{FieldBirth, "<<0229", reference, date(0, 2, 29), ""},
		{FieldBirth, "<<<<<<", reference, Date{}, ""},
		{FieldBirth, "000000", reference, Date{}, ""},
		{FieldBirth, "040229", reference, date(2004, 2, 29), ""},
		{FieldBirth, "050229", reference, Date{}, "the day 29 of a month of 28 days"},
		{FieldBirth, "801301", reference, Date{}, "month 13"},
		{FieldBirth, "800431", reference, Date{}, "the day 31 of a month of 30 days"},
		{FieldBirth, "8<0412", reference, Date{}, "two digits nor two fillers for its year"},
		{FieldBirth, "80A412", reference, Date{}, "for its month"},
		{FieldExpiry, "750101", reference, date(2075, 1, 1), ""},
		{FieldExpiry, "760101", reference, date(1976, 1, 1), ""},
		{FieldExpiry, "290101", day(1999, 6, 1), date(2029, 1, 1), ""},
		{FieldExpiry, "<<<<<<", reference, Date{}, ""},
	}
	for _, test := range tests {
		column := map[FieldName]string{FieldBirth: "1:13 ", FieldExpiry: "1:21 "}[test.field]
		r, err := Parse(edit(passport, column+test.text+string(CheckDigit(test.text))), Options{Reference: test.today})
		if err != nil {
			t.Fatal(err)
		}
		got := map[FieldName]Date{FieldBirth: r.Document.Birth, FieldExpiry: r.Document.Expiry}[test.field]
		f := r.Field(test.field)
		if got != test.want || f.Check != CheckOK || (f.Problem == "") != (test.problem == "") || !strings.Contains(f.Problem, test.problem) {
			t.Errorf("%s %s on %s: %+v, %+v", test.field, test.text, test.today.Format(time.DateOnly), got, f)
		}
	}
}

func TestAgeAt(t *testing.T) {
	tests := []struct {
		birth       Date
		on          string
		least, most int
		ok          bool
	}{
		{date(1974, 8, 12), "2026-08-11", 51, 51, true},
		{date(1974, 8, 12), "2026-08-12", 52, 52, true},
		{date(2008, 2, 29), "2026-02-28", 17, 17, true},
		{date(2008, 2, 29), "2026-03-01", 18, 18, true},
		{date(1980, 0, 0), "2026-01-01", 45, 46, true},
		{date(1980, 0, 0), "2026-12-31", 46, 46, true},
		{date(1980, 7, 0), "2026-07-15", 45, 46, true},
		{date(1980, 7, 0), "2026-08-01", 46, 46, true},
		{date(1980, 0, 15), "2026-06-01", 45, 46, true},
		{date(2026, 0, 0), "2026-06-01", 0, 0, true},
		{date(2026, 6, 2), "2026-06-01", 0, 0, false},
		{date(0, 6, 2), "2026-06-01", 0, 0, false},
		{Date{}, "2026-06-01", 0, 0, false},
	}
	for _, test := range tests {
		on, err := time.Parse(time.DateOnly, test.on)
		if err != nil {
			t.Fatal(err)
		}
		if least, most, ok := test.birth.AgeAt(on); least != test.least || most != test.most || ok != test.ok {
			t.Errorf("%+v on %s: %d to %d, %t", test.birth, test.on, least, most, ok)
		}
	}
}

// TestLetterBehindALongNumber: where the check digit of a long number is lost, its last letter stands in the place. What a
// look-alike of that letter makes hold is no proof.
func TestLetterBehindALongNumber(t *testing.T) {
	good := "A<CZEM<FWGV<<O<FZ<<<<<<<<<<<<<<<<<<<\nYDOSCRXZU<MRT2504<<7M96010756VI9<D<7"
	if r := read(t, good); !r.Clean() || r.Document.Number != "YDOSCRXZU6VI" {
		t.Fatalf("%+v", r)
	}
	r := read(t, edit(good, "1:31 <"))
	if f := r.Field(FieldNumber); r.Clean() || f.Evidence != EvidenceSpent || len(f.Corrections) != 1 {
		t.Errorf("%+v", f)
	}
	r = read(t, edit(specimens[5].lines, "0:15 73G<"))
	if f := r.Field(FieldNumber); f.Text != "D2314589073" || f.Check != CheckWrong {
		t.Errorf("%+v", f)
	}
}

func TestSex(t *testing.T) {
	for printed, want := range map[string]Sex{"F": SexFemale, "M": SexMale, "<": SexUnspecified, "X": SexUnspecified, "N": ""} {
		r := read(t, edit(passport, "1:20 "+printed))
		if f := r.Field(FieldSex); r.Document.Sex != want || (f.Problem == "") != (want != "") {
			t.Errorf("%s: %q, %q", printed, r.Document.Sex, f.Problem)
		}
	}
}

func TestMissingCheckDigits(t *testing.T) {
	r := read(t, edit(passport, "1:9 <", "1:19 <", "1:27 <", "1:42 <", "1:43 <"))
	for _, name := range []FieldName{FieldNumber, FieldBirth, FieldExpiry, FieldOptional, FieldComposite} {
		if f := r.Field(name); f.Check != CheckAbsent || f.Problem != "the check digit is missing" || f.Evidence != EvidenceNone {
			t.Errorf("%+v", f)
		}
	}
	if r.Clean() {
		t.Error("clean without check digits")
	}
	// A filler instead of the check digit is the beginning of a long number only where a rest follows a full field.
	for _, zone := range []string{edit(card, "0:14 <"), edit(card, "0:14 <7"), edit(card, "0:5 D2314589<<347")} {
		if r := read(t, zone); r.Field(FieldNumber).Check != CheckAbsent || len(r.Document.Number) > 9 {
			t.Errorf("%s: %+v", zone, r.Field(FieldNumber))
		}
	}
}

// TestBrokenLines: one zone, however its lines are broken.
func TestBrokenLines(t *testing.T) {
	spaced := strings.Join(strings.Split(passport, ""), " ")
	for name, text := range map[string]string{
		"CR LF":                         strings.ReplaceAll(passport, "\n", "\r\n"),
		"CR":                            strings.ReplaceAll(passport, "\n", "\r"),
		"blanks at the ends":            "  " + strings.ReplaceAll(passport, "\n", " \t\n\u00a0") + " \n\n",
		"an empty line":                 strings.ReplaceAll(passport, "\n", "\n\n"),
		"one line":                      strings.ReplaceAll(passport, "\n", ""),
		"a blank instead of a break":    strings.ReplaceAll(passport, "\n", " "),
		"blanks between all characters": spaced,
		"invisible characters":          "\ufeff" + strings.ReplaceAll(passport, "<", "<\u200b"),
		"pieces":                        passport[:10] + "\n" + passport[10:45] + passport[45:70] + "\n" + passport[70:],
	} {
		r, err := Parse(text, Options{Reference: reference})
		if err != nil || r.Document != specimens[0].want || strings.Join(r.Lines, "\n") != passport {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, s := range specimens {
		r, err := Parse(strings.ReplaceAll(s.lines, "\n", ""), Options{Reference: reference})
		if err != nil || r.Document != s.want {
			t.Errorf("%s in one line: %v", s.name, err)
		}
	}
}

// TestNationalLayout: a French identity card of before 2021 has two lines of 36 characters and other fields. It is not clean.
func TestNationalLayout(t *testing.T) {
	r := read(t, "IDFRABERTHIER<<<<<<<<<<<<<<<<<<<<<<<\n8806923102858CORINNE<<<<<<<6512068F6")
	if r.Document.Format != TD2 || r.Clean() {
		t.Errorf("%+v", r)
	}
	for _, name := range []FieldName{FieldNationality, FieldBirth} {
		if f := r.Field(name); f.Problem == "" {
			t.Errorf("%+v", f)
		}
	}
}

func TestErrors(t *testing.T) {
	line := func(n int) string { return strings.Repeat("A", n) }
	tests := []struct {
		name, text string
		want       error
		says       string
	}{
		{"nothing", "", ErrNoZone, "found nothing"},
		{"blanks", " \n\t", ErrNoZone, "found nothing"},
		{"a sentence", "Please show your passport.", ErrNoZone, "expected 3 lines of 30 characters (TD1), 2 of 36 (TD2, MRV-B) or 2 of 44 (TD3, MRV-A); found 1 line of 23"},
		{"a page", strings.Repeat("word word word\n", 12), ErrNoZone, "found 12 lines of 12, 12, 12, 12, 12, 12, 12, 12, …"},
		{"much", line(1001), ErrNoZone, "a text of 1001 characters"},
		{"one character missing", passport[1:], ErrLength, "line 0, counted from 0, has 43 characters; TD3 and MRV-A have 44"},
		{"one character too many", passport + "<", ErrLength, "line 1, counted from 0, has 45 characters"},
		{"one missing, one too many", passport[:43] + "\n<" + passport[45:], ErrLength, "line 0, counted from 0, has 43"},
		{"TD1, one missing", card[:len(card)-1], ErrLength, "line 2, counted from 0, has 29 characters; TD1 have 30"},
		{"one line of 87", strings.ReplaceAll(passport, "\n", "")[1:], ErrLength, "found 87"},
		{"TD2, one missing", line(36) + "\n" + line(35), ErrLength, "TD2 and MRV-B have 36"},
		{"two lines of TD1", line(30) + "\n" + line(30), ErrNoZone, "found 2 lines of 30, 30"},
		{"a break in the wrong place", passport[:40] + "\n" + strings.ReplaceAll(passport[40:], "\n", ""), ErrLength, "line 0, counted from 0, has 40"},
		{"a foreign character", strings.Replace(passport, "ERIK", "ER#K", 1), ErrCharacter, `"#" (U+0023) at line 0, column 7, counted from 0`},
		{"Cyrillic letters that look like Latin ones", strings.Replace(passport, "ERIK", "ЕRIK", 1), ErrCharacter, "U+0415"},
		{"bytes that are no text", strings.Replace(passport, "E", "\xff", 1), ErrCharacter, "U+FFFD"},
	}
	for _, test := range tests {
		r, err := Parse(test.text, Options{Reference: reference})
		if r != nil || !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for name, o := range map[string]Options{
		"Options.Reference":                     {},
		"Options.Confidence has 3 values":       {Reference: reference, Confidence: make([]float64, 3)},
		"Options.Confidence has the value NaN":  {Reference: reference, Confidence: slices.Repeat([]float64{math.NaN()}, len(passport))},
		"Options.Confidence has the value 1.01": {Reference: reference, Confidence: slices.Repeat([]float64{1.01}, len(passport))},
	} {
		if _, err := Parse(passport, o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestErrorsNameNobody: errors and problems repeat nothing of a zone.
func TestErrorsNameNobody(t *testing.T) {
	for _, zone := range []string{passport[1:], strings.Replace(passport, "ERIK", "ER#K", 1), passport + passport} {
		_, err := Parse(zone, Options{Reference: reference})
		for _, secret := range []string{"ERIKSSON", "ANNA", "L898902C3", "740812", "ZE184226B"} {
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("%v", err)
			}
		}
	}
}

func TestConfidence(t *testing.T) {
	text := strings.ReplaceAll(passport, "\n", "\r\n")
	confidence := make([]float64, len(text))
	for i := range confidence {
		confidence[i] = 0.99
	}
	confidence[44], confidence[45] = 0, 0 // the line break
	confidence[46+14] = 0.4               // a digit of the date of birth
	confidence[46+9] = 0.3                // the check digit of the number
	confidence[43] = 0.7                  // the last filler of the name
	r, err := Parse(text, Options{Reference: reference, Confidence: confidence})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[FieldName]float64{FieldBirth: 0.4, FieldNumber: 0.99, FieldHolder: 0.7, FieldExpiry: 0.99} {
		if got := r.Field(name).Confidence; got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestDocumentCodes(t *testing.T) {
	for zone, problem := range map[string]bool{
		passport: false, edit(passport, "0:0 PP"): false, edit(passport, "0:0 A"): true,
		card: false, edit(card, "0:0 AC"): false, edit(card, "0:0 C1"): false, edit(card, "0:0 P"): true,
	} {
		if f := read(t, zone).Field(FieldCode); (f.Problem != "") != problem {
			t.Errorf("%s: %q", zone[:2], f.Problem)
		}
	}
	for text, want := range map[string]Format{
		edit(passport, "0:0 V"): MRVA, edit(specimens[2].lines, "0:0 V"): MRVB, edit(card, "0:0 V"): TD1, edit(passport, "0:0 v"): MRVA,
	} {
		if got := read(t, text).Document.Format; got != want {
			t.Errorf("%s: %s, want %s", text[:2], got, want)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		if _, err := Parse(passport, Options{Reference: reference}); err != nil {
			b.Fatal(err)
		}
	}
}

// TestReaderSaysOthers: a check digit chooses among what the reader thinks possible, and nothing else; it is spent then.
func TestReaderSaysOthers(t *testing.T) {
	const first, second = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<", "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
	for name, c := range map[string]struct {
		column  int
		read    string
		others  string
		surest  bool // another character of the field is less sure
		field   FieldName
		correct bool
	}{
		"number":                         {7, "E", "CF", false, FieldNumber, true},
		"number, not what was printed":   {7, "E", "FK", false, FieldNumber, false},
		"number, nothing else is":        {7, "E", "", false, FieldNumber, false},
		"number, two that hold":          {7, "E", "CM", false, FieldNumber, false},
		"number, another is less sure":   {7, "E", "CF", true, FieldNumber, false},
		"date of birth":                  {16, "3", "8B", false, FieldBirth, true},
		"date of birth, only by letters": {16, "3", "S", false, FieldBirth, false},
		"date of expiry":                 {22, "7", "2Z", false, FieldExpiry, true},
	} {
		text := first + "\n" + second[:c.column] + c.read + second[c.column+1:]
		confidence, others := slices.Repeat([]float64{0.99}, len(text)), make([]string, len(text))
		at := len(first) + 1 + c.column
		confidence[at], others[at] = 0.6, c.others
		if c.surest {
			confidence[at-1] = 0.5
		}
		r, err := Parse(text, Options{Reference: reference, Confidence: confidence, Others: others})
		if err != nil {
			t.Fatal(err)
		}
		f := r.Field(c.field)
		if corrected := f.Evidence == EvidenceSpent; corrected != c.correct || corrected != (r.Lines[1] == second) || r.Clean() {
			t.Errorf("%s: %s, evidence %s, clean %v", name, r.Lines[1], f.Evidence, r.Clean())
		}
	}
	if _, err := Parse(first+"\n"+second, Options{Reference: reference, Others: []string{"A"}}); err == nil {
		t.Error("one value for all characters is taken")
	}
}
