package mrz

import (
	"fmt"
	"slices"
	"strings"
)

// Generate writes the zone of a document with all its check digits, and answers with its lines.
//
// Names are transliterated with the common tables (see Transliterate; what is given in A-Z stays), and truncated where they
// do not fit, so that the last character is a letter: first the given names at the end of the field, then, where that leaves
// no room for them, the components of the primary identifier after the first, each to the same length (the examples of ICAO
// Doc 9303-4 section 4.2.3.3 b). Lower case letters of numbers and optional data become capitals; spaces and punctuation
// within them become fillers. The check digit of absent optional data of a passport is 0.
//
// The error names the field that cannot be written, but not what it holds.
func Generate(d Document) ([]string, error) {
	l := layouts[d.Format]
	if l == nil {
		return nil, fmt.Errorf("mrz: the document has no format")
	}
	w := &writer{layout: l}
	for range l.lines {
		w.lines = append(w.lines, []byte(strings.Repeat("<", l.columns)))
	}
	w.code(d)
	w.state(FieldIssuer, l.issuer, d.Issuer)
	w.state(FieldNationality, l.nationality, d.Nationality)
	w.name(d.Name)
	w.date(FieldBirth, l.birth, d.Birth)
	w.date(FieldExpiry, l.expiry, d.Expiry)
	switch d.Sex {
	case SexFemale, SexMale:
		w.put(l.sex, string(d.Sex))
	case SexUnspecified:
	default:
		w.fail(FieldSex, "must be F, M or X")
	}
	w.numbers(d)
	if w.err != nil {
		return nil, w.err
	}
	if l.composite.len() > 0 {
		var covered strings.Builder
		for _, s := range l.covers {
			covered.Write(w.lines[s.line][s.from:s.to])
		}
		w.put(l.composite, string(CheckDigit(covered.String())))
	}
	lines := make([]string, len(w.lines))
	for i, line := range w.lines {
		lines[i] = string(line)
	}
	return lines, nil
}

// writer fills the lines of a zone and keeps the first error.
type writer struct {
	layout *layout
	lines  [][]byte
	err    error
}

func (w *writer) fail(name FieldName, format string, values ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("mrz: %s: "+format, append([]any{name}, values...)...)
	}
}

func (w *writer) put(s span, text string) { copy(w.lines[s.line][s.from:s.to], text) }

// check writes the check digit of text behind s.
func (w *writer) check(s span, text string) { w.lines[s.line][s.to] = CheckDigit(text) }

func (w *writer) code(d Document) {
	want := "P"
	switch d.Format {
	case TD1, TD2:
		want = "ACI"
	case MRVA, MRVB:
		want = "V"
	}
	if n := len(d.Code); n < 1 || n > 2 || !strings.Contains(want, d.Code[:1]) || n == 2 && !isLetter(d.Code[1]) && !isDigit(d.Code[1]) {
		w.fail(FieldCode, "must begin with one of the letters %s of a %s, followed by at most one letter or digit", want, d.Format)
	}
	w.put(w.layout.code, d.Code)
}

func (w *writer) state(name FieldName, s span, state State) {
	ok := len(state) >= 1 && len(state) <= 3
	for i := range len(state) {
		ok = ok && isLetter(state[i])
	}
	if !ok {
		w.fail(name, "must be one to three of the letters A-Z")
	}
	w.put(s, string(state))
}

func (w *writer) date(name FieldName, s span, d Date) {
	part := func(value int) string {
		if value == 0 {
			return "<<"
		}
		return fmt.Sprintf("%02d", value%100)
	}
	if d.Year < 0 || d.Month < 0 || d.Month > 12 || d.Day < 0 || d.Day > daysIn(d.Year, d.Month) {
		w.fail(name, "there is no such day")
		return
	}
	text := part(d.Year) + part(d.Month) + part(d.Day)
	w.put(s, text)
	w.check(s, text)
}

// numbers writes the document number and the optional data.
func (w *writer) numbers(d Document) {
	l := w.layout
	number, optional, optional2 := w.alphanumeric(FieldNumber, d.Number), w.alphanumeric(FieldOptional, d.Optional), w.alphanumeric(FieldOptional2, d.Optional2)
	if number == "" {
		w.fail(FieldNumber, "is empty")
		return
	}
	if n := l.number.len(); len(number) <= n {
		w.put(l.number, number)
		w.check(l.number, fill(number, n))
	} else {
		// The rest, the check digit and a filler go before the optional data.
		rest := number[n:]
		switch {
		case !d.Format.longNumbers() || len(rest)+2 > l.optional.len():
			w.fail(FieldNumber, "%d characters are too many for a %s", len(number), d.Format)
			return
		case number[n-1] == '<' || strings.Contains(rest, "<"):
			w.fail(FieldNumber, "of more than %d characters must have no filler, space or punctuation from character %d on", n, n)
			return
		}
		w.put(l.number, number)
		optional = rest + string(CheckDigit(number)) + "<" + optional
		optional = strings.TrimRight(optional, "<")
	}
	if len(optional) > l.optional.len() {
		w.fail(FieldOptional, "is too long by %d characters, the rest of the document number included", len(optional)-l.optional.len())
		return
	}
	w.put(l.optional, optional)
	if l.optionalCheck {
		w.check(l.optional, optional)
	}
	if len(optional2) > l.optional2.len() {
		w.fail(FieldOptional2, "a %s has %d characters for it", d.Format, l.optional2.len())
		return
	}
	w.put(l.optional2, optional2)
}

// alphanumeric writes text with A-Z, 0-9 and fillers, none of them at its ends.
func (w *writer) alphanumeric(name FieldName, text string) string {
	var b strings.Builder
	for _, r := range strings.ToUpper(text) {
		switch {
		case r < 0x80 && (isLetter(byte(r)) || isDigit(byte(r))):
			b.WriteRune(r)
		case r >= ' ' && r < 0x7f:
			b.WriteByte('<')
		default:
			w.fail(name, "the character %U has no place in it", r)
		}
	}
	return strings.Trim(b.String(), "<")
}

func fill(text string, n int) string { return text + strings.Repeat("<", max(0, n-len(text))) }

func (w *writer) name(n Name) {
	primary, err := Transliterate(n.Primary, "")
	if err != nil {
		w.fail(FieldHolder, "%s", strings.TrimPrefix(err.Error(), "mrz: "))
		return
	}
	secondary, err := Transliterate(n.Secondary, "")
	if err != nil {
		w.fail(FieldHolder, "%s", strings.TrimPrefix(err.Error(), "mrz: "))
		return
	}
	if primary == "" {
		w.fail(FieldHolder, "the primary identifier is empty; a name without parts is a primary identifier")
		return
	}
	w.put(w.layout.name, fit(strings.Split(primary, "<"), strings.FieldsFunc(secondary, func(r rune) bool { return r == '<' }), w.layout.name.len()))
}

// fit writes a name into n characters.
func fit(primary, secondary []string, n int) string {
	switch p := strings.Join(primary, "<"); {
	case len(secondary) == 0:
		return cut(nil, primary, n)
	case len(p)+3 > n && len(p)+2+len(strings.Join(secondary, "<")) > n:
		// The first given name stays as a whole, if it is not longer than a quarter of the field.
		primary = strings.Split(shorten(primary, n-2-min(len(secondary[0]), n/4)), "<")
	}
	return cut(primary, secondary, n)
}

// shorten writes the components into n characters: the first whole, the others cut to the same length, the first of them
// one longer where that leaves a rest.
func shorten(components []string, n int) string {
	room := n - len(components[0])
	if others := components[1:]; room >= 2*len(others) {
		long := 1
		size := func(long int) (sum int) {
			for _, c := range others {
				sum += 1 + min(len(c), long)
			}
			return sum
		}
		for size(long+1) <= room {
			long++
		}
		spare := room - size(long)
		text := components[0]
		for _, c := range others {
			keep := min(len(c), long)
			if len(c) > long && spare > 0 {
				keep++
				spare--
			}
			text += "<" + c[:keep]
		}
		return text
	}
	return strings.TrimRight(strings.Join(components, "<")[:n], "<")
}

// cut writes both identifiers and cuts the second after n characters; a name with one identifier comes as the second. Where
// the cut falls on a filler, a component before it gives up a letter, because a truncated name ends with a letter: the last
// that has one to spare, those of the second identifier first.
func cut(first, second []string, n int) string {
	first, second = slices.Clone(first), slices.Clone(second)
	for {
		text := strings.Join(second, "<")
		if len(first) > 0 {
			text = strings.Join(first, "<") + "<<" + text
		}
		if len(text) <= n {
			return text
		}
		if text = text[:n]; text[n-1] != '<' {
			return text
		}
		whole := strings.Count(strings.TrimRight(text, "<"), "<") + 1 // components before the cut
		if len(first) > 0 {
			whole -= len(first) + 1
		}
		if !giveUp(second[:max(0, whole)]) && !giveUp(first) {
			return strings.TrimRight(text, "<") // initials only: there is nothing to give up
		}
	}
}

// giveUp removes a letter from the last component that has more than one.
func giveUp(components []string) bool {
	for i, c := range slices.Backward(components) {
		if len(c) > 1 {
			components[i] = c[:len(c)-1]
			return true
		}
	}
	return false
}
