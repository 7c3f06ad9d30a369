package verdict

import (
	"math"
	"slices"
	"strings"
	"time"

	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// claim is what a source says of a field in its own words, and how certainly it was read, 0..1.
type claim struct {
	text       string
	confidence float32
	refuted    bool // its own check digit does not hold
}

// statement is what one machine-readable source says of a document.
type statement struct {
	source schema.DocumentSource
	// names are the words of the family name and of the given names.
	family, given []string
	name, number  claim
	birth, expiry claim // text is YYYY-MM-DD
	sex           claim // M, F or X
	nationality   claim // three letters
	// short says that a longer number is cut off.
	short bool
	// issuer is the country of the document.
	issuer string
}

// proven is the least confidence of a field whose check digit holds.
const proven = 0.95

// zoneStatement is what a zone says.
func zoneStatement(m *document.MRZ) *statement {
	r := m.Reading
	d := r.Document
	s := &statement{source: schema.SourceMRZ, family: document.Words(d.Name.Primary), given: document.Words(d.Name.Secondary), issuer: string(d.Issuer), short: len(d.Number) == 9}
	of := func(name mrz.FieldName, text string) claim {
		f := r.Field(name)
		c := claim{text: text, confidence: float32(f.Confidence), refuted: f.Evidence == mrz.EvidenceContradicted}
		if c.confidence == 0 {
			c.confidence = m.Confidence
		}
		if f.Evidence == mrz.EvidenceCheckDigit {
			c.confidence = max(c.confidence, proven)
		}
		return c
	}
	s.name = of(mrz.FieldHolder, strings.Trim(d.Name.Primary+", "+d.Name.Secondary, ", "))
	s.number = of(mrz.FieldNumber, d.Number)
	s.sex = of(mrz.FieldSex, string(d.Sex))
	s.nationality = of(mrz.FieldNationality, string(d.Nationality))
	if complete(d.Birth) {
		s.birth = of(mrz.FieldBirth, day(d.Birth))
	}
	if complete(d.Expiry) {
		s.expiry = of(mrz.FieldExpiry, day(d.Expiry))
	}
	return s
}

// complete reports whether all of a date is known.
func complete(d mrz.Date) bool { return d.Year != 0 && d.Month != 0 && d.Day != 0 }

// cardStatement is what the barcode of a licence says.
func cardStatement(b *schema.BarcodeData) *statement {
	of := func(text schema.Personal) claim { return claim{text: string(text), confidence: 1} }
	s := &statement{source: schema.SourceBarcode, family: document.Words(string(b.LastName)), given: document.Words(string(b.FirstName + " " + b.MiddleName)), issuer: string(b.IssuingCountry)}
	s.name = of(schema.Personal(strings.Trim(string(b.LastName+", "+b.FirstName+" "+b.MiddleName), ", ")))
	s.number, s.birth, s.expiry, s.sex = of(b.CustomerID), of(b.DateOfBirth), of(b.ExpirationDate), of(b.Gender)
	return s
}

// compared is a comparison of two sources, made of what they say.
func compared(field schema.CheckedField, a, b schema.DocumentSource, x, y claim, same schema.CheckOutcome, why schema.CheckReason) schema.CrossCheck {
	c := schema.CrossCheck{Field: field, Sources: []schema.DocumentSource{a, b}, Values: []schema.Personal{schema.Personal(x.text), schema.Personal(y.text)}, Outcome: same, Why: why}
	if c.Outcome != schema.CheckNotComparable {
		c.Confidence = min(x.confidence, y.confidence)
		switch {
		case c.Outcome != schema.CheckContradicts:
		case x.refuted || y.refuted:
			c.Outcome, c.Why, c.Confidence = schema.CheckNotComparable, schema.CheckWrongDigit, 0
		case c.Confidence < certainlyRead:
			c.Outcome, c.Why, c.Confidence = schema.CheckNotComparable, schema.CheckDoubtful, 0
		}
	}
	return c
}

const (
	// certainlyRead is the confidence of both sources from which a difference is a contradiction, and no misreading.
	certainlyRead = 0.8
	// misspelt is the share of the letters of a name up to which a difference may be a misreading.
	misspelt = 0.34
	// insideRange and outsideRange are by how many deviations of its error an estimated age may miss the age that it should be to agree, and
	// to contradict.
	insideRange, outsideRange = 1, 2.5
	// oldestPortrait is how many years before its expiry a document is issued at most, and its portrait made.
	oldestPortrait = 10
)

// crossChecks compares what the sources of a document say, field by field. code is nil without a licence's barcode on the document.
func (c *Case) crossChecks(o *document.Observation, page *document.Page, code *schema.BarcodeData, faces []face.Observation) []schema.CrossCheck {
	checks := []schema.CrossCheck{}
	var said []*statement
	if o.MRZ != nil {
		said = append(said, zoneStatement(o.MRZ))
	}
	if code != nil {
		said = append(said, cardStatement(code))
	}
	p := &visual{lines: o.Text, dates: page.Dates(c.job.AcceptedAt), values: page.Values()}
	for _, s := range said {
		if o.Text != nil {
			checks = append(checks, p.checks(s)...)
		}
	}
	if len(said) == 2 {
		checks = append(checks, said[0].checks(said[1])...)
	}
	expiries, births := []claimOf{}, []claimOf{}
	for _, s := range said {
		expiries, births = append(expiries, claimOf{s.source, s.expiry}), append(births, claimOf{s.source, s.birth})
	}
	expiries, births = append(expiries, claimOf{schema.SourcePrinted, p.certain(document.FieldExpiry)}), append(births, claimOf{schema.SourcePrinted, p.certain(document.FieldBirth)})
	checks = append(checks, c.validity(expiries)...)
	return append(checks, c.faceAge(births, expiries, p.certain(document.FieldIssue), faces)...)
}

// claimOf is what a source says.
type claimOf struct {
	source schema.DocumentSource
	claim
}

// stated reports whether anything certain is said.
func (c claimOf) stated() bool { return c.text != "" && !c.refuted }

// checks compares two machine-readable sources.
func (s *statement) checks(t *statement) (all []schema.CrossCheck) {
	add := func(field schema.CheckedField, x, y claim, same bool) {
		outcome, why := schema.CheckContradicts, schema.CheckReason("")
		switch {
		case x.text == "" || y.text == "":
			outcome, why = schema.CheckNotComparable, schema.CheckNotSaid
		case same:
			outcome = schema.CheckAgrees
		}
		all = append(all, compared(field, s.source, t.source, x, y, outcome, why))
	}
	outcome, why := nameOutcome(s, t.family, slices.Concat(t.family, t.given))
	if s.name.text == "" || t.name.text == "" {
		outcome, why = schema.CheckNotComparable, schema.CheckNotSaid
	}
	all = append(all, compared(schema.CheckName, s.source, t.source, s.name, t.name, outcome, why))
	add(schema.CheckNumber, s.number, t.number, sameNumber(s.number.text, t.number.text))
	add(schema.CheckBirth, s.birth, t.birth, s.birth.text == t.birth.text)
	add(schema.CheckExpiry, s.expiry, t.expiry, s.expiry.text == t.expiry.text)
	add(schema.CheckSex, s.sex, t.sex, s.sex.text == t.sex.text)
	add(schema.CheckNationality, s.nationality, t.nationality, s.nationality.text == t.nationality.text)
	return all
}

// nameOutcome says whether the name of s is the one that consists of these words. family are those of the family name alone, where they
// are known.
func nameOutcome(s *statement, family, words []string) (schema.CheckOutcome, schema.CheckReason) {
	if len(s.family) == 0 || len(words) == 0 {
		return schema.CheckNotComparable, schema.CheckNotSaid
	}
	given := s.given
	if len(given) > 1 {
		given = given[:1] // further ones are often left out
	}
	if all(s.family, words) && all(given, words) {
		return schema.CheckAgrees, ""
	}
	for _, word := range s.family {
		for _, other := range family {
			if float64(schema.EditDistance(word, other)) <= misspelt*float64(max(len(word), len(other))) {
				return schema.CheckNotComparable, schema.CheckDoubtful
			}
		}
	}
	return schema.CheckContradicts, ""
}

// all reports whether words has each of some.
func all(some, words []string) bool {
	return !slices.ContainsFunc(some, func(w string) bool { return !slices.Contains(words, w) })
}

// lookalikes are the digits for the letters that readers take for them in numbers.
var lookalikes = strings.NewReplacer("O", "0", "Q", "0", "D", "0", "I", "1", "L", "1", "Z", "2", "S", "5", "G", "6", "B", "8")

// bare is a number without what separates its parts.
func bare(number string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, strings.ToUpper(number))
}

// sameNumber reports whether two numbers differ in nothing but look-alikes and separators.
func sameNumber(a, b string) bool {
	return lookalikes.Replace(bare(a)) == lookalikes.Replace(bare(b))
}

// visual is what is printed on a document.
type visual struct {
	lines  []document.Line
	dates  []document.PrintedDate
	values []document.PrintedValue
}

// certain is the printed date of a field, where only one day can be meant.
func (p *visual) certain(field document.Field) claim {
	var found claim
	for _, d := range p.dates {
		if d.Field != field {
			continue
		}
		text := day(d.Days[0])
		if len(d.Days) > 1 || found.text != "" && found.text != text {
			return claim{}
		}
		found = claim{text: text, confidence: d.Confidence}
	}
	return found
}

// checks compares what is printed with what a machine-readable source says.
func (p *visual) checks(s *statement) []schema.CrossCheck {
	add := func(field schema.CheckedField, x claim, y claim, outcome schema.CheckOutcome, why schema.CheckReason) schema.CrossCheck {
		if x.text == "" {
			outcome, why = schema.CheckNotComparable, schema.CheckNotSaid
		}
		return compared(field, s.source, schema.SourcePrinted, x, y, outcome, why)
	}
	var checks []schema.CrossCheck
	printed, outcome, why := p.name(s)
	checks = append(checks, add(schema.CheckName, s.name, printed, outcome, why))
	printed, outcome, why = p.number(s)
	checks = append(checks, add(schema.CheckNumber, s.number, printed, outcome, why))
	printed, outcome, why = p.date(document.FieldBirth, s.birth.text)
	checks = append(checks, add(schema.CheckBirth, s.birth, printed, outcome, why))
	printed, outcome, why = p.date(document.FieldExpiry, s.expiry.text)
	checks = append(checks, add(schema.CheckExpiry, s.expiry, printed, outcome, why))
	printed, outcome, why = p.sex(s)
	checks = append(checks, add(schema.CheckSex, s.sex, printed, outcome, why))
	printed, outcome, why = p.nationality(s)
	return append(checks, add(schema.CheckNationality, s.nationality, printed, outcome, why))
}

// name looks for the words of a name anywhere on the document, because no label says for certain what is a name; a label must say that
// another one is.
func (p *visual) name(s *statement) (claim, schema.CheckOutcome, schema.CheckReason) {
	var words []string
	confidence := float32(1)
	var used []string
	for _, l := range p.lines {
		has := document.Words(l.Text)
		words = append(words, has...)
		if slices.ContainsFunc(has, func(w string) bool { return slices.Contains(s.family, w) || slices.Contains(s.given, w) }) {
			confidence = min(confidence, l.Confidence)
			used = append(used, l.Text)
		}
	}
	if outcome, _ := nameOutcome(s, nil, words); outcome == schema.CheckAgrees {
		return claim{text: strings.Join(used, " "), confidence: confidence}, outcome, ""
	}
	// A misread word is a doubt, wherever it stands.
	for _, v := range p.labelled(document.FieldName) {
		has := document.Words(v.Text)
		if len(has) == 0 || strings.ToUpper(v.Text) != v.Text {
			continue
		}
		outcome, why := nameOutcome(s, words, has)
		return claim{text: v.Text, confidence: v.Confidence}, outcome, why
	}
	return claim{}, schema.CheckNotComparable, schema.CheckNotSaid
}

func (p *visual) labelled(field document.Field) (all []document.PrintedValue) {
	for _, v := range p.values {
		if v.Field == field {
			all = append(all, v)
		}
	}
	return all
}

// leastNumber is the least length of a number that is looked for anywhere on a document.
const leastNumber = 6

// number looks for a number anywhere on the document; a label must say that another one is its.
func (p *visual) number(s *statement) (claim, schema.CheckOutcome, schema.CheckReason) {
	if len(bare(s.number.text)) >= leastNumber {
		for _, l := range p.lines {
			for _, text := range append(strings.Fields(l.Text), l.Text) {
				if sameNumber(text, s.number.text) {
					return claim{text: text, confidence: l.Confidence}, schema.CheckAgrees, ""
				}
			}
		}
	}
	for _, v := range p.labelled(document.FieldNumber) {
		printed, said := lookalikes.Replace(bare(v.Text)), lookalikes.Replace(bare(s.number.text))
		if !strings.ContainsAny(v.Text, "0123456789") {
			continue
		}
		switch {
		case printed == said || s.short && strings.HasPrefix(printed, said): // a visa's zone has the first nine characters of a passport's number
			return claim{text: v.Text, confidence: v.Confidence}, schema.CheckAgrees, ""
		case len(printed) != len(said):
			return claim{text: v.Text, confidence: v.Confidence}, schema.CheckNotComparable, schema.CheckDoubtful
		}
		return claim{text: v.Text, confidence: v.Confidence}, schema.CheckContradicts, ""
	}
	return claim{}, schema.CheckNotComparable, schema.CheckNotSaid
}

// date looks for a day among the dates of a field and those without a label; only one of the field contradicts.
func (p *visual) date(field document.Field, said string) (claim, schema.CheckOutcome, schema.CheckReason) {
	is := func(d mrz.Date) bool { return day(d) == said }
	var other *document.PrintedDate
	for i, d := range p.dates {
		if d.Field != field && d.Field != "" {
			continue
		}
		if slices.ContainsFunc(d.Days, is) {
			return claim{text: d.Text, confidence: d.Confidence}, schema.CheckAgrees, ""
		}
		if d.Field == field && other == nil {
			other = &p.dates[i]
		}
	}
	if other == nil {
		return claim{}, schema.CheckNotComparable, schema.CheckNotSaid
	}
	return claim{text: other.Text, confidence: other.Confidence}, schema.CheckContradicts, ""
}

// sexes are what documents print for female and male.
var sexes = map[string]string{
	"F": "F", "W": "F", "K": "F", "N": "F", "Z": "F", "FEMALE": "F", "WEIBLICH": "F",
	"M": "M", "H": "M", "MALE": "M", "MANNLICH": "M", "X": "X",
}

func (p *visual) sex(s *statement) (claim, schema.CheckOutcome, schema.CheckReason) {
	found := p.labelled(document.FieldSex)
	if len(found) == 0 {
		return claim{}, schema.CheckNotComparable, schema.CheckNotSaid
	}
	c := claim{text: found[0].Text, confidence: found[0].Confidence}
	printed := ""
	for _, w := range document.Words(c.text) {
		letter, known := sexes[w]
		if !known || printed != "" && printed != letter {
			printed = ""
			break
		}
		printed = letter
	}
	switch {
	case printed == "" || s.issuer == "LTU": // M is a woman's letter in Lithuanian
		return c, schema.CheckNotComparable, schema.CheckAmbiguous
	case printed == s.sex.text:
		return c, schema.CheckAgrees, ""
	}
	return c, schema.CheckContradicts, ""
}

func (p *visual) nationality(s *statement) (claim, schema.CheckOutcome, schema.CheckReason) {
	printed := p.labelled(document.FieldNationality)
	if len(printed) == 0 {
		return claim{}, schema.CheckNotComparable, schema.CheckNotSaid
	}
	c := claim{text: printed[0].Text, confidence: printed[0].Confidence}
	words := document.Words(c.text)
	name := document.Words(mrz.State(s.nationality.text).Name())
	switch {
	case slices.Contains(words, s.nationality.text), len(name) > 0 && all(name[:1], words):
		return c, schema.CheckAgrees, ""
	case len(words) == 1 && len(words[0]) == 3 && mrz.State(words[0]).Name() != "":
		return c, schema.CheckContradicts, ""
	}
	return c, schema.CheckNotComparable, schema.CheckAmbiguous // an adjective, in some language
}

// validity compares the day of the request with the last day on which the document is valid.
func (c *Case) validity(expiries []claimOf) (checks []schema.CrossCheck) {
	on := claim{text: c.job.AcceptedAt.UTC().Format(time.DateOnly), confidence: 1}
	for _, e := range expiries {
		if !e.stated() {
			continue
		}
		outcome := schema.CheckAgrees
		if e.text < on.text {
			outcome = schema.CheckContradicts
		}
		checks = append(checks, compared(schema.CheckValidity, e.source, schema.SourceRequest, e.claim, on, outcome, ""))
	}
	return checks
}

// faceAge compares the estimated age of the main portrait with the date of birth: the portrait was made between the issue of the document,
// or at most ten years before its expiry, and the request.
func (c *Case) faceAge(births, expiries []claimOf, issue claim, faces []face.Observation) []schema.CrossCheck {
	i := slices.IndexFunc(births, claimOf.stated)
	if i < 0 {
		return nil
	}
	birth, ok := parsed(births[i].text)
	main := slices.IndexFunc(faces, func(f face.Observation) bool { return !f.Ghost })
	if !ok || main < 0 {
		return nil
	}
	check := compared(schema.CheckAge, births[i].source, schema.SourceFace, births[i].claim, claim{}, schema.CheckNotComparable, schema.CheckNotSaid)
	age := faces[main].Age
	if age == nil || !finite(age.Years, age.Deviation) || age.Deviation <= 0 {
		return []schema.CrossCheck{check}
	}
	check.Values = check.Values[:1] // faces[].age_data has the estimate
	now := mrz.DateOf(c.job.AcceptedAt.UTC())
	made := now
	if d, ok := parsed(issue.text); ok {
		made = d
	} else if e := slices.IndexFunc(expiries, claimOf.stated); e >= 0 {
		if d, ok := parsed(expiries[e].text); ok {
			made = mrz.Date{Year: d.Year - oldestPortrait, Month: d.Month, Day: d.Day}
		}
	}
	least, most := max(yearsBetween(birth, made), 0), yearsBetween(birth, now)
	off := max(least-float64(age.Years), float64(age.Years)-most-1, 0) / float64(age.Deviation)
	check.Why = ""
	switch certain := float32(math.Erf(off / math.Sqrt2)); {
	case off <= insideRange:
		check.Outcome, check.Confidence = schema.CheckAgrees, min(births[i].confidence, 1-certain)
	case off >= outsideRange:
		check.Outcome, check.Confidence = schema.CheckContradicts, min(births[i].confidence, certain)
	default:
		check.Why = schema.CheckDoubtful
	}
	return []schema.CrossCheck{check}
}

func yearsBetween(from, to mrz.Date) float64 {
	return float64(to.Year-from.Year) + float64(to.Month-from.Month)/12 + float64(to.Day-from.Day)/365
}

// parsed is a date written as YYYY-MM-DD.
func parsed(text string) (d mrz.Date, ok bool) {
	t, err := time.Parse(time.DateOnly, text)
	return mrz.DateOf(t), err == nil
}

// codeOn is what the barcode of a licence on the document says, or nil: the first that lies on it, or in its image if that shows no other
// document.
func codeOn(o *document.Observation, alone bool, codes []barcode.Found) *schema.BarcodeData {
	for _, f := range codes {
		if f.Read && (alone || o.Holds(schema.NewTrapezeF(f.Quad).Center())) {
			if data := content(f); data.Type == "aamva" {
				return data
			}
		}
	}
	return nil
}
