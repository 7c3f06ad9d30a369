package mrz

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// alike has the groups of characters that readers take for each other in OCR-B.
var alike = []string{"0DOQ", "1IL", "2Z", "5S", "6G", "8B"}

// others returns the look-alikes of c.
func others(c byte) string {
	for _, group := range alike {
		if before, after, ok := strings.Cut(group, string(c)); ok {
			return before + after
		}
	}
	return ""
}

// lettersLike and digitsLike return the look-alikes of c that are letters or digits.
func lettersLike(c byte) string { return strings.TrimLeft(others(c), "0125689") }

func digitsLike(c byte) string {
	if s := others(c); s != "" && isDigit(s[0]) {
		return s[:1]
	}
	return ""
}

// parser reads the fields of a zone. It changes cells only through set.
type parser struct {
	format   Format
	layout   *layout
	grid     [][]cell
	today    Date
	measured bool
	asked    bool // the reader says what else a character may be
	reading  Reading
}

// at is the place of a cell.
type at struct{ line, column int }

// cells returns the places of a span.
func (s span) cells() []at {
	places := make([]at, 0, s.len())
	for x := s.from; x < s.to; x++ {
		places = append(places, at{s.line, x})
	}
	return places
}

func (p *parser) cell(a at) *cell { return &p.grid[a.line][a.column] }
func (p *parser) value(a at) byte { return p.cell(a).value }

func (p *parser) text(places []at) string {
	b := make([]byte, len(places))
	for i, a := range places {
		b[i] = p.value(a)
	}
	return string(b)
}

func (p *parser) set(a at, value byte, why Reason) {
	c := p.cell(a)
	c.value, c.reason = value, why
}

// field is a field while it is read.
type field struct {
	name    FieldName
	start   at
	places  []at // its characters
	check   *at  // its check digit, or nil
	aside   []at // what belongs to it besides: the filler that announces the rest of a long number
	problem string
	doubts  []Doubt
	spent   bool
}

func (f *field) doubt(p *parser, a at, others string) {
	f.doubts = append(f.doubts, Doubt{Line: a.line, Column: a.column, Read: string(p.value(a)), Others: others})
}

// object keeps the first problem.
func (f *field) object(format string, values ...any) {
	if f.problem == "" {
		f.problem = fmt.Sprintf(format, values...)
	}
}

func (p *parser) read() *Reading {
	l, d := p.layout, &p.reading.Document
	d.Format = p.format
	plain := func(name FieldName, s span) *field {
		return &field{name: name, start: at{s.line, s.from}, places: s.cells()}
	}
	checked := func(name FieldName, s span) *field {
		f := plain(name, s)
		f.check = &at{s.line, s.to}
		return f
	}

	code, issuer, holder := plain(FieldCode, l.code), plain(FieldIssuer, l.issuer), plain(FieldHolder, l.name)
	nationality, sex := plain(FieldNationality, l.nationality), plain(FieldSex, l.sex)
	number, birth, expiry := checked(FieldNumber, l.number), checked(FieldBirth, l.birth), checked(FieldExpiry, l.expiry)
	optional := plain(FieldOptional, l.optional)
	if l.optionalCheck {
		optional = checked(FieldOptional, l.optional)
	}
	fields := []*field{code, issuer, number, holder, nationality, birth, sex, expiry, optional}
	if l.optional2.len() > 0 {
		fields = append(fields, plain(FieldOptional2, l.optional2))
	}
	var composite *field
	if l.composite.len() > 0 {
		composite = plain(FieldComposite, l.composite)
		composite.check = &composite.places[0]
		fields = append(fields, composite)
	}

	// First what the alphabets of the fields demand, so that check digits see it.
	for _, f := range fields {
		if f.check != nil {
			p.demandDigit(*f.check)
		}
	}
	for _, f := range []*field{birth, expiry} {
		for _, a := range f.places {
			p.demandDigit(a)
		}
	}
	p.readCode(code)
	d.Issuer, d.Nationality = p.readState(issuer), p.readState(nationality)
	p.longNumber(number, optional)
	correctable := []*field{number, optional}
	if p.asked {
		correctable = append(correctable, birth, expiry)
	}
	p.correct(composite, correctable...)

	d.Code = strings.TrimRight(p.text(code.places), "<")
	d.Number = strings.Trim(p.text(number.places), "<")
	d.Name = p.readName(holder)
	d.Birth, d.Expiry = p.readDate(birth), p.readDate(expiry)
	d.Sex = p.readSex(sex)
	d.Optional = strings.Trim(p.text(optional.places), "<")
	d.Optional2 = strings.Trim(p.text(l.optional2.cells()), "<")
	if d.Number == "" {
		number.object("the document number is empty")
	}
	p.finish(fields, composite)
	return &p.reading
}

// demandDigit replaces a letter by the digit that it looks like, and reports whether it did.
func (p *parser) demandDigit(a at) bool {
	s := digitsLike(p.value(a))
	if s != "" {
		p.set(a, s[0], ReasonAlphabet)
	}
	return s != ""
}

func (p *parser) readCode(f *field) {
	first, want := f.places[0], "P"
	if p.format == TD1 || p.format == TD2 {
		if want = "A, C or I"; p.value(first) == '1' {
			p.set(first, 'I', ReasonAlphabet)
		}
	}
	if !p.format.visa() && !strings.Contains(want, string(p.value(first))) {
		f.object("the document code of a %s begins with %s", p.format, want)
	}
}

// readState replaces digits where that gives one code only.
func (p *parser) readState(f *field) State {
	ways := []string{""}
	for _, a := range f.places {
		v := p.value(a)
		options := string(v)
		if isDigit(v) {
			options = lettersLike(v)
		}
		var longer []string
		for _, w := range ways {
			for i := range len(options) {
				longer = append(longer, w+options[i:i+1])
			}
		}
		ways = longer
	}
	text := p.text(f.places)
	if strings.ContainsAny(text, "0123456789") {
		ways = slices.DeleteFunc(ways, func(w string) bool { return states[State(strings.TrimRight(w, "<"))] == "" })
		for i, a := range f.places {
			if !isDigit(p.value(a)) {
				continue
			}
			switch len(ways) {
			case 1:
				p.set(a, ways[0][i], ReasonState)
			case 0:
			default:
				var letters []byte
				for _, w := range ways {
					letters = append(letters, w[i])
				}
				slices.Sort(letters)
				f.doubt(p, a, string(slices.Compact(letters)))
			}
		}
		text = p.text(f.places)
	}
	s := State(strings.TrimRight(text, "<"))
	if s.Name() == "" {
		f.object("the code is not one of ICAO Doc 9303-3 section 5")
	}
	return s
}

// longNumber finds the rest of a document number in the optional data: a filler stands in place of the check digit, which
// follows the rest (ICAO Doc 9303-5 and 9303-6, section 4.2.4). It gives them to the number.
func (p *parser) longNumber(number, optional *field) {
	if !p.format.longNumbers() || p.value(*number.check) != '<' || p.value(number.places[len(number.places)-1]) == '<' {
		return
	}
	end := 0
	for end < len(optional.places) && p.value(optional.places[end]) != '<' {
		end++
	}
	if end < 2 {
		return
	}
	number.places = slices.Concat(number.places, optional.places[:end-1])
	number.aside, number.check = []at{*number.check}, &optional.places[end-1]
	// A letter there may also be the end of a number whose check digit was lost. If the look-alike holds, it may be by chance.
	number.spent = p.demandDigit(*number.check)
	if optional.places = optional.places[end:]; len(optional.places) > 0 {
		optional.start = optional.places[0]
	}
}

// checkState compares a check digit with the field's characters.
func (p *parser) checkState(places []at, check *at) CheckState {
	if check == nil || p.value(*check) == '<' {
		return CheckAbsent
	}
	if p.value(*check) == CheckDigit(p.text(places)) {
		return CheckOK
	}
	return CheckWrong
}

// numberState is checkState for document numbers. Belgian cards of before 2020 count the filler in the place of the check
// digit of a long number.
func (p *parser) numberState(f *field) CheckState {
	state := p.checkState(f.places, f.check)
	if state == CheckWrong && len(f.places) > 9 && p.reading.Document.Issuer == "BEL" {
		if text := p.text(f.places); p.value(*f.check) == CheckDigit(text[:9]+"<"+text[9:]) {
			return CheckOK
		}
	}
	return state
}

func (p *parser) covered() []at {
	var places []at
	for _, s := range p.layout.covers {
		places = append(places, s.cells()...)
	}
	return places
}

// mayBe are the characters for which a reader may have taken that at a, in a field f: its look-alikes, or those that the reader names.
// Dates have digits alone.
func (p *parser) mayBe(f *field, a at) (options []byte) {
	c := p.cell(a)
	if !p.asked {
		return []byte(others(c.value))
	}
	for _, v := range []byte(c.others) {
		if v != c.value && (isDigit(v) || (isLetter(v) || v == '<') && f.name != FieldBirth && f.name != FieldExpiry) {
			options = append(options, v)
		}
	}
	return options
}

// correct looks for one character, of an alphanumeric field or, where the reader says what else it may be, of a date, that makes the
// field's check digit hold in the place of the one that was read. It takes it where it is the only one, the reader was of no other
// character less sure, and the composite check digit holds then too.
func (p *parser) correct(composite *field, fields ...*field) {
	type change struct {
		f     *field
		a     at
		value byte
	}
	var changes []change
	for _, f := range fields {
		state := p.checkState(f.places, f.check)
		if f.name == FieldNumber {
			state = p.numberState(f)
		}
		if state != CheckWrong || !isDigit(p.value(*f.check)) {
			continue
		}
		var ways []change
		for _, a := range f.places {
			c := p.cell(a)
			read := c.value
			for _, v := range p.mayBe(f, a) {
				if c.value = v; p.checkState(f.places, f.check) == CheckOK {
					ways = append(ways, change{f, a, v})
				}
			}
			c.value = read
		}
		if len(ways) == 1 && p.weakest(f, ways[0].a) {
			changes = append(changes, ways[0])
			continue
		}
		for _, w := range ways {
			if n := len(f.doubts); n > 0 && (at{f.doubts[n-1].Line, f.doubts[n-1].Column}) == w.a {
				f.doubts[n-1].Others += string(w.value)
			} else {
				f.doubt(p, w.a, string(w.value))
			}
		}
	}
	if len(changes) == 0 {
		return
	}
	before := make([]cell, len(changes))
	for i, c := range changes {
		before[i] = *p.cell(c.a)
		p.set(c.a, c.value, ReasonCheckDigit)
	}
	holds := composite == nil || p.checkState(p.covered(), composite.check) == CheckOK
	for i, c := range changes {
		if holds {
			c.f.spent = true
		} else {
			*p.cell(c.a) = before[i]
			c.f.doubt(p, c.a, string(c.value))
		}
	}
}

// weakest reports whether the reader was least sure of the character at a; true where nobody asked it. A character that it
// was surer of than of another is not the one that it misread.
func (p *parser) weakest(f *field, a at) bool {
	return !slices.ContainsFunc(f.places, func(other at) bool { return p.cell(other).confidence < p.cell(a).confidence })
}

func (p *parser) readSex(f *field) Sex {
	switch p.text(f.places) {
	case "F":
		return SexFemale
	case "M":
		return SexMale
	case "<", "X":
		return SexUnspecified
	}
	f.object("the sex is neither M, F nor a filler")
	return ""
}

// readName reads the name and corrects digits, of which names have none.
func (p *parser) readName(f *field) Name {
	for _, a := range f.places {
		v := p.value(a)
		if !isDigit(v) {
			continue
		}
		switch letters := lettersLike(v); len(letters) {
		case 1:
			p.set(a, letters[0], ReasonAlphabet)
		case 0:
			f.object("the digit %c in column %d, counted from 0; names have no digits", v, a.column)
		default:
			f.doubt(p, a, letters)
			f.object("the digit %c in column %d, counted from 0; names have no digits, and it looks like several letters", v, a.column)
		}
	}
	text := p.text(f.places)
	p.reading.NameMayBeTruncated = text[len(text)-1] != '<'
	text = strings.TrimRight(text, "<")
	primary, secondary, _ := strings.Cut(text, "<<")
	switch {
	case text == "":
		f.object("the name is empty")
	case text[0] == '<':
		f.object("the name begins with a filler")
	case strings.Contains(secondary, "<<") || strings.HasPrefix(secondary, "<"):
		f.object("the name has more than one place with two fillers")
	}
	words := func(s string) string {
		return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == '<' }), " ")
	}
	n := Name{words(primary), words(secondary)}
	if n.Primary == "" {
		n = Name{Primary: n.Secondary}
	}
	return n
}

// readDate reads a date. Fillers and zeros stand for what is unknown: ICAO Doc 9303-3 section 4.8 has fillers, and some
// issuers write zeros.
func (p *parser) readDate(f *field) Date {
	text := p.text(f.places)
	if text == "<<<<<<" || text == "000000" {
		return Date{}
	}
	var parts [3]int
	known := [3]bool{}
	for i := range parts {
		a, b := text[2*i], text[2*i+1]
		switch {
		case a == '<' && b == '<':
		case isDigit(a) && isDigit(b):
			parts[i], known[i] = 10*int(a-'0')+int(b-'0'), true
		default:
			f.object("the date has neither two digits nor two fillers for its %s", [...]string{"year", "month", "day"}[i])
			return Date{}
		}
	}
	d := Date{Month: parts[1], Day: parts[2]}
	if d.Month > 12 {
		f.object("the date has the month %d", d.Month)
		return Date{}
	}
	if known[0] {
		d.Year = p.today.Year - p.today.Year%100 + parts[0]
		if f.name == FieldBirth {
			if p.today.before(d.earliest()) {
				d.Year -= 100
			}
		} else {
			for d.Year > p.today.Year+49 {
				d.Year -= 100
			}
			for d.Year < p.today.Year-50 {
				d.Year += 100
			}
		}
	}
	if d.Day > daysIn(d.Year, d.Month) {
		f.object("the date has the day %d of a month of %d days", d.Day, daysIn(d.Year, d.Month))
		return Date{}
	}
	return d
}

// finish writes what was found into the reading.
func (p *parser) finish(fields []*field, composite *field) {
	whole := CheckAbsent
	if composite != nil {
		whole = p.checkState(p.covered(), composite.check)
	}
	spent := slices.ContainsFunc(fields, func(f *field) bool { return f.spent })
	for _, f := range fields {
		state := p.checkState(f.places, f.check)
		switch f.name {
		case FieldNumber:
			state = p.numberState(f)
		case FieldComposite:
			state = whole
		}
		if f.check != nil && state == CheckAbsent && (f.name != FieldOptional || p.reading.Document.Optional != "") {
			f.object("the check digit is missing")
		}
		optional := f.name == FieldOptional || f.name == FieldOptional2
		out := Field{Name: f.name, Line: f.start.line, Column: f.start.column, Text: p.text(f.places), Check: state, Problem: f.problem}
		switch {
		case state == CheckOK && (f.spent || f == composite && spent):
			out.Evidence = EvidenceSpent
		case state == CheckOK:
			out.Evidence = EvidenceCheckDigit
		case state == CheckWrong:
			out.Evidence = EvidenceContradicted
		case optional && whole == CheckOK && !spent:
			out.Evidence = EvidenceComposite
		default:
			out.Evidence = EvidenceNone
		}
		if f.name == FieldNumber || optional {
			if out.Evidence == EvidenceCheckDigit || out.Evidence == EvidenceSpent || out.Evidence == EvidenceComposite {
				p.equals(f)
			}
		}
		out.Doubts = f.doubts
		out.Confidence = math.Inf(1)
		var raw strings.Builder
		for _, a := range f.places {
			c := p.cell(a)
			raw.WriteString(c.raw)
			out.Confidence = min(out.Confidence, c.confidence)
		}
		out.Raw = raw.String()
		if !p.measured || len(f.places) == 0 {
			out.Confidence = 0
		}
		out.Corrections = p.corrections(f)
		p.reading.Fields = append(p.reading.Fields, out)
	}
	for _, line := range p.grid {
		b := make([]byte, len(line))
		for i, c := range line {
			b[i] = c.value
		}
		p.reading.Lines = append(p.reading.Lines, string(b))
	}
}

// corrections lists what was replaced in a field and its check digit.
func (p *parser) corrections(f *field) (out []Correction) {
	places := slices.Concat(f.places, f.aside)
	if f.check != nil && f.name != FieldComposite {
		places = append(places, *f.check)
	}
	for _, a := range places {
		c := p.cell(a)
		if c.reason == "" {
			continue
		}
		to := string(c.value)
		if line := p.grid[a.line]; c.reason == ReasonFiller && a.column+1 < len(line) && line[a.column+1].raw == "" {
			to = "<<"
		}
		out = append(out, Correction{a.line, a.column, c.raw, to, c.reason})
	}
	return out
}

// equals notes the characters for which a look-alike weighs the same modulo 10, so that no check digit tells them apart.
func (p *parser) equals(f *field) {
	for _, a := range f.places {
		v := p.value(a)
		for _, o := range []byte(others(v)) {
			if (weight(o)-weight(v))%10 == 0 {
				f.doubt(p, a, string(o))
			}
		}
	}
}
