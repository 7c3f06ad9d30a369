package aamva

import (
	"bytes"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// ErrNoCard says that a payload has no header of an AAMVA card.
var ErrNoCard = errors.New("no header of an AAMVA card")

// MaxBytes is the largest payload that is parsed. A PDF417 holds less than 1,900 characters.
const MaxBytes = 8 << 10

// header is the file type, the issuer and the version; what follows depends on the version.
var header = regexp.MustCompile(`(?:ANSI ?|AAMVA ?)(\d{6})(\d{2})`)

// designator is what the header says about a subfile: its type, offset and length.
var designator = regexp.MustCompile(`^(DL|ID|EN|Z[A-Z])(\d{4})(\d{4})`)

// mostBefore is how far into the payload the header may begin.
const mostBefore = 32

// Parse reads the payload of the barcode of a card. The error is ErrNoCard, also for a payload that is too long.
func Parse(payload []byte) (*Card, error) {
	if len(payload) > MaxBytes {
		return nil, ErrNoCard
	}
	at := header.FindSubmatchIndex(payload)
	if at == nil || at[0] > mostBefore {
		return nil, ErrNoCard
	}
	c := &Card{Issuer: string(payload[at[2]:at[3]])}
	c.Version, _ = strconv.Atoi(string(payload[at[4]:at[5]]))
	if string(payload[:at[0]]) != indicator {
		c.problem("", NoIndicator)
	}
	rest := payload[at[1]:]
	// Cards of version 1 and before have no version of the jurisdiction. Some of later versions lack it as well.
	short := len(rest) >= 4 && designator.Match(rest[2:])
	long := len(rest) >= 6 && designator.Match(rest[4:])
	switch {
	case long && (c.Version >= 2 || !short):
		c.JurisdictionVersion, _ = strconv.Atoi(string(rest[:2]))
		rest = rest[4:]
	case short:
		rest = rest[2:]
	default: // no subfile is promised
		rest = bytes.TrimLeft(rest, "0123456789")
	}
	var promised []subfile
	for {
		m := designator.FindSubmatch(rest)
		if m == nil {
			break
		}
		s := subfile{kind: string(m[1])}
		s.offset, _ = strconv.Atoi(string(m[2]))
		promised = append(promised, s)
		rest = rest[len(m[0]):]
	}
	c.body(payload, rest, promised)
	return c, nil
}

// subfile is a part of the payload.
type subfile struct {
	kind   string
	offset int
	seen   bool
}

// body reads the elements of rest, the payload behind its header.
func (c *Card) body(payload, rest []byte, promised []subfile) {
	current := ""
	for line := range bytes.FieldsFuncSeq(rest, separator) {
		if letters(line) > mostElement {
			c.problem("", NoSeparators)
			continue
		}
		for i := range promised {
			p := &promised[i]
			if p.seen || !bytes.HasPrefix(line, []byte(p.kind)) || !named(line[2:]) {
				continue
			}
			if !bytes.HasPrefix(payload[min(p.offset, len(payload)):], line) {
				c.problem("", WrongOffset)
			}
			p.seen, current, line = true, p.kind, line[2:]
			break
		}
		if current == "" { // a header that promises nothing
			for _, kind := range []Kind{Licence, Identity, Enhanced} {
				if bytes.HasPrefix(line, []byte(kind)) && named(line[2:]) {
					current, line = string(kind), line[2:]
					break
				}
			}
		}
		if !named(line) {
			if len(bytes.TrimSpace(line)) > 0 {
				c.problem("", NotNamed)
			}
			continue
		}
		if kind := Kind(current); c.Kind == "" && (kind == Licence || kind == Identity || kind == Enhanced) {
			c.Kind = kind
		}
		c.element(current, string(line[:3]), value(line[3:]))
	}
	for _, p := range promised {
		if !p.seen {
			c.problem("", NoSubfile)
		}
	}
	if c.Name.Family != "" && c.Name.First == "" && c.has("DAA") {
		c.problem("DAA", NotUnderstood)
	}
}

func separator(r rune) bool {
	return r == '\n' || r == '\r' || r == '\x1e' || r == '\x1c' || r == '\x1d' || r == 0
}

// mostElement is more letters than any element of the standard has; the longest is a full name of 125.
const mostElement = 160

// letters counts those of text in UTF-8 or ISO 8859-1.
func letters(text []byte) int {
	if utf8.Valid(text) {
		return utf8.RuneCount(text)
	}
	return len(text)
}

// named reports whether an element begins here.
func named(line []byte) bool {
	if len(line) < 3 {
		return false
	}
	for _, b := range line[:3] {
		if b < 'A' || b > 'Z' {
			return false
		}
	}
	return true
}

// value is the text of an element. Cards of before the year 2010 are in ISO 8859-1 where they are not in UTF-8.
func value(b []byte) string {
	if utf8.Valid(b) {
		return string(bytes.TrimSpace(b))
	}
	runes := make([]rune, len(b))
	for i, c := range b {
		runes[i] = rune(c)
	}
	return strings.TrimSpace(string(runes)) // ISO 8859-1 has blanks of its own
}

// element keeps an element, and takes what it says unless another one of the same name said it.
func (c *Card) element(subfile, id, value string) {
	own := strings.HasPrefix(subfile, "Z")
	said := false
	for _, e := range c.Elements {
		if e.ID != id || strings.HasPrefix(e.Subfile, "Z") != own {
			continue
		}
		if e.Value != value {
			c.problem(id, Twice)
		}
		if said = true; e.Subfile == subfile {
			return
		}
	}
	c.Elements = append(c.Elements, Element{Subfile: subfile, ID: id, Value: value})
	f := known[id]
	if f == nil || said || own || value == "" || nothing(id, value) || !f.means(c.Version) {
		return
	}
	if !f.set(c, value) {
		c.problem(id, WrongValue)
	}
}

// nothing reports whether the value says that there is none. The family name None is a name.
func nothing(id, value string) bool {
	return strings.EqualFold(value, "unavl") || strings.EqualFold(value, "none") && id != "DCS" && id != "DAB"
}

func (c *Card) has(id string) bool {
	for _, e := range c.Elements {
		if e.ID == id {
			return true
		}
	}
	return false
}

func (c *Card) problem(element string, kind ProblemKind) {
	p := Problem{element, kind}
	for _, o := range c.Problems {
		if o == p {
			return
		}
	}
	c.Problems = append(c.Problems, p)
}
