package aamva

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sample is the example of a driving licence in the style of the standard's annex, with an invented person.
const sample = "@\n\x1e\rANSI 636000100002DL00410278ZV03190008DLDAQT64235789\nDCSSAMPLE\nDDEN\nDACMICHAEL\nDDFN\nDADJOHN,PAUL\nDDGT\nDCUJR\nDCAD\nDCBK\nDCDPH\n" +
	"DBD06062019\nDBB06061986\nDBA12102024\nDBC1\nDAU068 in\nDAYBRO\nDAG2300 WEST BROAD STREET\nDAIRICHMOND\nDAJVA\nDAK232690000  \n" +
	"DCF2424244747474786102204\nDCGUSA\nDCK123456789\nDDAF\nDDB06062018\nDDC06062020\nDDD1\nDAZBLK\nDDK1\nDDL1\n\rZVZVA01\n\r"

var sampleCard = Card{
	Issuer: "636000", Version: 10, Kind: Licence, Number: "T64235789", Discriminator: "2424244747474786102204", InventoryControl: "123456789",
	Country: USA, Compliance: FullyCompliant, Class: "D", Restrictions: "K", Endorsements: "PH",
	Name:  Name{Family: "SAMPLE", First: "MICHAEL", Middle: "JOHN PAUL", Suffix: "JR", FamilyCut: NotTruncated, FirstCut: NotTruncated, MiddleCut: Truncated},
	Birth: Date{1986, 6, 6}, Issue: Date{2019, 6, 6}, Expiry: Date{2024, 12, 10}, Revision: Date{2018, 6, 6}, HazmatExpiry: Date{2020, 6, 6},
	Sex: Male, Eyes: "BRO", Hair: "BLK", Height: Height{68, Inches},
	Address:         Address{Street: "2300 WEST BROAD STREET", City: "RICHMOND", Jurisdiction: "VA", PostalCode: "23269"},
	LimitedDuration: true, OrganDonor: true, Veteran: true,
}

var fieldsOnly = cmpopts.IgnoreFields(Card{}, "Elements", "Problems")

func TestSample(t *testing.T) {
	c, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(sampleCard, *c, fieldsOnly); d != "" {
		t.Error(d)
	}
	if len(c.Elements) != 32 || c.Elements[31] != (Element{"ZV", "ZVA", "01"}) || c.Elements[20].Value != "232690000" {
		t.Errorf("%d elements, %v", len(c.Elements), c.Elements)
	}
	if len(c.Problems) != 1 || c.Problems[0] != (Problem{"", WrongOffset}) { // the header's numbers are made up
		t.Errorf("problems %v", c.Problems)
	}
}

// TestDeviations: cards that deviate from the standard are read as the sample, and the deviation is named.
func TestDeviations(t *testing.T) {
	good, err := Generate(sampleCard)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Parse(good); err != nil || len(c.Problems) > 0 {
		t.Fatalf("%v, error %v", c.Problems, err)
	}
	text := string(good)
	for _, c := range []struct {
		name, payload string
		problems      []ProblemKind
	}{
		{"no indicator", text[1:], []ProblemKind{NoIndicator, WrongOffset}},
		{"no separators in front", text[4:], []ProblemKind{NoIndicator, WrongOffset}},
		{"blanks in front", "  \n" + text, []ProblemKind{NoIndicator, WrongOffset}},
		{"a space instead of the record separator", strings.Replace(text, "\x1e", " ", 1), []ProblemKind{NoIndicator}},
		{"CR for LF", strings.ReplaceAll(text[4:], "\n", "\r"), []ProblemKind{NoIndicator, WrongOffset}},
		{"CR LF for LF", strings.ReplaceAll(text, "\n", "\r\n"), []ProblemKind{NoIndicator, WrongOffset}},
		{"AAMVA for ANSI", strings.Replace(text, "ANSI ", "AAMVA", 1), nil},
		{"no space behind ANSI", strings.Replace(text, "ANSI ", "ANSI", 1), []ProblemKind{WrongOffset}},
		{"no version of the jurisdiction", strings.Replace(text, "6360001000", "63600010", 1), []ProblemKind{WrongOffset}},
		{"an offset of zero", text[:23] + "0000" + text[27:], []ProblemKind{WrongOffset}},
		{"an offset beyond the end", text[:23] + "9999" + text[27:], []ProblemKind{WrongOffset}},
		{"a length of zero", text[:27] + "0000" + text[31:], nil},
		{"no end", strings.TrimRight(text, "\n\r"), nil},
		{"a subfile too many in the header", text[:21] + "DL00410000" + "ZV99990000" + text[31:], []ProblemKind{NoSubfile}},
		{"no designators", text[:21] + text[31:], nil},
		{"blanks behind the values", strings.ReplaceAll(text, "\n", "   \n"), []ProblemKind{NoIndicator, WrongOffset}},
		{"dates in the other order", strings.ReplaceAll(text, "12102024", "20241210"), nil},
		{"dates with strokes", strings.ReplaceAll(text, "12102024", "12/10/2024"), nil},
		{"an empty line", strings.Replace(text, "\nDCS", "\n\n  \nDCS", 1), nil},
		{"an unknown element", strings.Replace(text, "\nDCS", "\nDZZ1\nDCS", 1), nil},
		{"the same twice", strings.Replace(text, "\nDCS", "\nDAQ"+sampleCard.Number+"\nDCS", 1), nil},
		{"another number behind it", strings.Replace(text, "\nDCS", "\nDAQ1\nDCS", 1), []ProblemKind{Twice}},
		{"an identity card's subfile behind it", text + "IDDAQ" + sampleCard.Number + "\n\r", nil},
		{"a line without a name", strings.Replace(text, "\nDCS", "\n12\nDCS", 1), []ProblemKind{NotNamed}},
		{"the height in feet", strings.Replace(text, "068 in", "5'08\"", 1), nil},
		{"an element that says none", strings.Replace(text, "\nDCS", "\nDAFNONE\nDAHunavl\nDCS", 1), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := Parse([]byte(c.payload))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(sampleCard, *got, fieldsOnly); d != "" {
				t.Error(d)
			}
			var kinds []ProblemKind
			for _, p := range got.Problems {
				kinds = append(kinds, p.Kind)
			}
			slices.Sort(kinds)
			slices.Sort(c.problems)
			if !slices.Equal(kinds, c.problems) {
				t.Errorf("problems %q, want %q", kinds, c.problems)
			}
		})
	}
}

// TestNoSeparators: nobody knows where an element ends, so nothing is made up.
func TestNoSeparators(t *testing.T) {
	got, err := Parse([]byte(strings.NewReplacer("\n", "", "\r", "", "\x1e", "").Replace(sample)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(Card{Issuer: "636000", Version: 10}, *got, fieldsOnly); d != "" || !slices.Contains(got.Problems, Problem{"", NoSeparators}) {
		t.Errorf("problems %v:\n%s", got.Problems, d)
	}
}

func TestNoCard(t *testing.T) {
	for _, payload := range []string{"", "@", "ANSI 63600", "ANSI 6360000", "https://example.org", strings.Repeat(" ", 40) + sample, sample + strings.Repeat("x", MaxBytes)} {
		if c, err := Parse([]byte(payload)); !errors.Is(err, ErrNoCard) || c != nil {
			t.Errorf("%.20q: %v, error %v", payload, c, err)
		}
	}
}

// TestElements reads single elements.
func TestElements(t *testing.T) {
	for _, c := range []struct {
		version int
		line    string
		want    Card
		wrong   bool
	}{
		{10, "DBB02292024", Card{Birth: Date{2024, 2, 29}}, false},
		{10, "DBB02292023", Card{}, true},
		{10, "DBB20240229", Card{Birth: Date{2024, 2, 29}}, false},
		{10, "DBB13312024", Card{}, true},
		{10, "DBB00000000", Card{}, false},
		{10, "DBB0229202", Card{}, true},
		{1, "DBB19991231", Card{Birth: Date{1999, 12, 31}}, false},
		{10, "DBC1", Card{Sex: Male}, false},
		{10, "DBC2", Card{Sex: Female}, false},
		{10, "DBC9", Card{Sex: SexUnspecified}, false},
		{1, "DBCF", Card{Sex: Female}, false},
		{10, "DBCX", Card{Sex: SexUnspecified}, false},
		{10, "DBC3", Card{}, true},
		{10, "DAU073 IN", Card{Height: Height{73, Inches}}, false},
		{10, "DAU182 cm", Card{Height: Height{182, Centimetres}}, false},
		{10, "DAU182", Card{Height: Height{182, Centimetres}}, false},
		{1, "DAU511", Card{Height: Height{71, Inches}}, false},
		{1, "DAU5-11", Card{Height: Height{71, Inches}}, false},
		{1, "DAU6' 01\"", Card{Height: Height{73, Inches}}, false},
		{1, "DAU71", Card{Height: Height{71, Inches}}, false},
		{1, "DAV182", Card{Height: Height{182, Centimetres}}, false},
		{10, "DAU512", Card{}, true},
		{10, "DAUtall", Card{}, true},
		{10, "DAU5-12", Card{}, true},
		{10, "DAW180", Card{Weight: Weight{180, Pounds}}, false},
		{10, "DAX082", Card{Weight: Weight{82, Kilograms}}, false},
		{10, "DAWheavy", Card{}, true},
		{10, "DAK232691234", Card{Address: Address{PostalCode: "23269-1234"}}, false},
		{10, "DAK232690000  ", Card{Address: Address{PostalCode: "23269"}}, false},
		{10, "DAKK1A 0B1", Card{Address: Address{PostalCode: "K1A 0B1"}}, false},
		{10, "DDET", Card{Name: Name{FamilyCut: Truncated}}, false},
		{10, "DDEX", Card{}, true},
		{10, "DCGCAN", Card{Country: CAN}, false},
		{10, "DCGMEX", Card{}, true},
		{10, "DDAN", Card{Compliance: NonCompliant}, false},
		{10, "DDDmaybe", Card{}, true},
		{10, "DDD0", Card{}, false},
		{1, "DBHY", Card{OrganDonor: true}, false},
		{1, "DAAPUBLIC,JOHN,QUINCY ADAMS", Card{Name: Name{Family: "PUBLIC", First: "JOHN", Middle: "QUINCY ADAMS"}}, false},
		{1, "DAAJOHN PUBLIC", Card{Name: Name{Family: "JOHN PUBLIC"}}, true},
		{1, "DABPUBLIC", Card{Name: Name{Family: "PUBLIC"}}, false},
		{3, "DCTJOHN,QUINCY", Card{Name: Name{First: "JOHN", Middle: "QUINCY"}}, false},
		{3, "DCTJOHN QUINCY", Card{Name: Name{First: "JOHN", Middle: "QUINCY"}}, false},
		{8, "DADQUINCY,ADAMS", Card{Name: Name{Middle: "QUINCY ADAMS"}}, false},
		{8, "DCSNONE", Card{Name: Name{Family: "NONE"}}, false},
		{8, "DADNONE", Card{}, false},
		{8, "DACunavl", Card{}, false},
		{8, "DCSM\xdcLLER", Card{Name: Name{Family: "MÜLLER"}}, false},
		{8, "DCSMÜLLER", Card{Name: Name{Family: "MÜLLER"}}, false},
		{8, "DBGJIM", Card{Alias: Name{First: "JIM"}}, false},
		{1, "DBGB2", Card{}, false}, // medical codes
		{1, "DBPJIM", Card{Alias: Name{First: "JIM"}}, false},
		{8, "DCITOWN, VA", Card{PlaceOfBirth: "TOWN, VA"}, false},
	} {
		t.Run(fmt.Sprint(c.version, " ", c.line), func(t *testing.T) {
			versions := "00"
			if c.version < 2 {
				versions = ""
			}
			got, err := Parse(fmt.Appendf(nil, "@\n\x1e\rANSI 636000%02d%s01DL00310000DL%s\n\r", c.version, versions, c.line))
			if err != nil {
				t.Fatal(err)
			}
			c.want.Issuer, c.want.Version, c.want.Kind = "636000", c.version, Licence
			if d := cmp.Diff(c.want, *got, fieldsOnly); d != "" {
				t.Error(d)
			}
			wrong := slices.ContainsFunc(got.Problems, func(p Problem) bool { return p.Element == c.line[:3] })
			if wrong != c.wrong {
				t.Errorf("problems %v, want one of the element: %t", got.Problems, c.wrong)
			}
		})
	}
}

// draw draws cards of invented people.
type draw struct{ *rand.Rand }

func (r draw) text(most int) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-'/."
	b := make([]byte, 1+r.IntN(most))
	for i := range b {
		b[i] = alphabet[r.IntN(len(alphabet))]
	}
	return string(b)
}

func (r draw) word(most int) string {
	b := make([]byte, 1+r.IntN(most))
	for i := range b {
		b[i] = byte('A' + r.IntN(26))
	}
	return string(b)
}

func (r draw) date() Date {
	return Date{1900 + r.IntN(300), 1 + r.IntN(12), 1 + r.IntN(28)}
}

func (r draw) name() string {
	for {
		if w := r.word(12); w != "NONE" && w != "UNAVL" {
			return w
		}
	}
}

func (r draw) card(version int) Card {
	c := Card{
		Issuer: fmt.Sprintf("%06d", r.IntN(1e6)), Version: version, Kind: []Kind{Licence, Identity, Enhanced}[r.IntN(3)],
		Number: r.text(25), Name: Name{Family: r.name(), First: r.name(), Middle: r.name()},
		Birth: r.date(), Issue: r.date(), Expiry: r.date(), Sex: []Sex{Male, Female, SexUnspecified}[r.IntN(3)], Eyes: r.name(), Hair: r.name(),
		Height: Height{36 + r.IntN(60), Inches}, Weight: Weight{50 + r.IntN(200), []WeightUnit{Pounds, Kilograms}[r.IntN(2)]},
		Address: Address{Street: r.text(35), Street2: r.text(35), City: r.text(20), Jurisdiction: r.word(2), PostalCode: fmt.Sprintf("%05d", r.IntN(1e5))},
	}
	if r.IntN(2) == 0 {
		c.Height = Height{100 + r.IntN(120), Centimetres}
	}
	if r.IntN(2) == 0 {
		c.Residence = Address{Street: r.text(35), City: r.text(20), Jurisdiction: r.word(2), PostalCode: fmt.Sprintf("%05d-%04d", r.IntN(1e5), 1+r.IntN(9999))}
	}
	if version >= 2 {
		c.JurisdictionVersion, c.Country = r.IntN(100), []Country{USA, CAN}[r.IntN(2)]
		c.Discriminator, c.Audit, c.InventoryControl, c.PlaceOfBirth = r.text(25), r.text(25), r.text(25), r.text(33)
		c.Alias = Name{Family: r.name(), First: r.name()}
		c.Under18, c.Under21 = r.date(), r.date()
	}
	if version >= 4 {
		c.Name.Middle += " " + r.name()
		c.Name.FamilyCut, c.Name.FirstCut, c.Name.MiddleCut = Truncated, NotTruncated, UnknownTruncation
		c.Compliance, c.Revision, c.HazmatExpiry, c.LimitedDuration = NonCompliant, r.date(), r.date(), r.IntN(2) == 0
		c.OrganDonor = r.IntN(2) == 0
	}
	for range r.IntN(3) {
		c.Elements = append(c.Elements, Element{"Z" + c.Address.Jurisdiction[:1], "Z" + c.Address.Jurisdiction[:1] + string(rune('A'+len(c.Elements))), r.text(20)})
	}
	return c
}

// TestProperty: what is written is read again, for all versions, without a problem.
func TestProperty(t *testing.T) {
	r := draw{rand.New(rand.NewPCG(1, 417))}
	for i := range 10_000 {
		want := r.card(i % 13)
		payload, err := Generate(want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Parse(payload)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, *got, fieldsOnly); d != "" || len(got.Problems) > 0 {
			t.Fatalf("%q, problems %v:\n%s", payload, got.Problems, d)
		}
		own := slices.DeleteFunc(slices.Clone(got.Elements), func(e Element) bool { return !strings.HasPrefix(e.Subfile, "Z") })
		if !slices.Equal(own, want.Elements) {
			t.Fatalf("the jurisdiction's elements %v, want %v", own, want.Elements)
		}
	}
}

func TestGenerateRefuses(t *testing.T) {
	for name, change := range map[string]func(*Card){
		"a short issuer":          func(c *Card) { c.Issuer = "63600" },
		"an issuer of letters":    func(c *Card) { c.Issuer = "63600X" },
		"no kind":                 func(c *Card) { c.Kind = "" },
		"a separator in a value":  func(c *Card) { c.Number = "1\n2" },
		"too much":                func(c *Card) { c.Audit = strings.Repeat("A", MaxBytes) },
		"a version of 3 digits":   func(c *Card) { c.Version = 100 },
		"an element without name": func(c *Card) { c.Elements = []Element{{"ZV", "Z", "1"}} },
	} {
		c := sampleCard
		change(&c)
		if out, err := Generate(c); err == nil {
			t.Errorf("%s: %q", name, out)
		}
	}
}

// FuzzParse: whatever arrives, Parse returns, and what it says is bounded by what it got.
func FuzzParse(f *testing.F) {
	r := draw{rand.New(rand.NewPCG(2, 417))}
	f.Add([]byte(sample))
	f.Add([]byte("ANSI 6360001001DL00310000DLDAAJOHN PUBLIC"))
	f.Add([]byte("AAMVA63600000DLDAQ1\rDAU5'11\"\rDBB00000000"))
	f.Add([]byte("AAMVA63600000DLDAQ\x85H\xd8"))                                // a blank of ISO 8859-1
	f.Add([]byte("AAMVA63600000DLDAQ" + strings.Repeat("\xd8", mostElement-3))) // two bytes each in UTF-8
	for version := range 11 {
		payload, err := Generate(r.card(version))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := Parse(payload)
		if err != nil {
			if !errors.Is(err, ErrNoCard) || c != nil {
				t.Fatal(c, err)
			}
			return
		}
		size := 0
		for _, e := range c.Elements {
			size += len(e.ID) + len(e.Value)
		}
		if size > 2*len(payload) || len(c.Elements) > len(payload)/3 {
			t.Fatalf("%d bytes say %d", len(payload), size)
		}
		for _, d := range []Date{c.Birth, c.Issue, c.Expiry, c.Revision, c.HazmatExpiry, c.Under18, c.Under19, c.Under21} {
			if d != (Date{}) && !d.valid() {
				t.Fatalf("the date %v", d)
			}
		}
		if c.Kind == "" || c.Version > latest {
			return
		}
		// What was understood can be written, where no name looks like nothing, and says the same when it is read again.
		again, err := Generate(*c)
		if err != nil {
			return
		}
		second, err := Parse(again)
		if err != nil || second.Birth != c.Birth || second.Expiry != c.Expiry || second.Number != c.Number || second.Sex != c.Sex {
			t.Fatalf("%v: %+v becomes %+v", err, c, second)
		}
	})
}
