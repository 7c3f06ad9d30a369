package schema

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// This file decides which names can be stored. A name must be read back exactly as it was given, and two names that
// look the same must be the same name. Otherwise one person becomes two, or two become one.
//
// The rules for new names do not apply to names that are already stored: verify and user_delete accept every spelling.

// nameProblem says why text cannot be kept as a new name, or returns "". It does not repeat the text, which may name a
// person (invariant 6). docs/operations-reference.md lists the rules.
func nameProblem(text string) string {
	if !utf8.ValidString(text) {
		return "is not UTF-8"
	}
	previous := rune(0)
	for _, r := range text {
		switch {
		case r == utf8.RuneError:
			return "contains U+FFFD, which replaces a character that was lost in a conversion; send the name as UTF-8"
		case unicode.IsControl(r) || r == '\u2028' || r == '\u2029':
			return fmt.Sprintf("contains the control character %U; remove it", r)
		case isJoiner(r) && previous >= firstWithJoiners:
		case unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Noncharacter_Code_Point, r) || r == '\u115f' || r == '\u1160' || r == '\u3164' || r == '\uffa0':
			return fmt.Sprintf("contains the invisible character %U; remove it", r)
		}
		previous = r
	}
	if strings.TrimFunc(text, unicode.IsSpace) != text {
		return "begins or ends with a space; remove it"
	}
	return ""
}

// isJoiner reports whether r is the zero-width non-joiner or joiner. Persian names, names in the scripts of India, and
// emoji are spelled with them. Between Latin letters they are invisible. firstWithJoiners is the start of Arabic, the
// first block with such a script.
func isJoiner(r rune) bool { return r == '\u200c' || r == '\u200d' }

const firstWithJoiners = '\u0600'

// Normal returns the spelling under which e names a person: Unicode normalisation form C. A Mac often encodes a name
// differently from other systems, and it is still the same name.
func (e ExternalID) Normal() ExternalID { return ExternalID(norm.NFC.String(string(e))) }

// spellings returns the spellings under which the person e may be stored: e as given, then the two normal forms.
// Earlier versions kept every spelling as a separate person.
func (e ExternalID) spellings() []ExternalID {
	out := []ExternalID{e}
	for _, form := range []norm.Form{norm.NFC, norm.NFD} {
		s := ExternalID(form.String(string(e)))
		known := false
		for _, other := range out {
			known = known || s == other
		}
		if !known {
			out = append(out, s)
		}
	}
	return out
}

// collectionName is the pattern of the name of a collection.
const collectionName = `[A-Za-z0-9][A-Za-z0-9_.-]{0,63}`

var collectionPattern = regexp.MustCompile("^" + collectionName + "$")

// Validate returns an error if c cannot name a collection.
func (c Collection) Validate() error {
	if !collectionPattern.MatchString(string(c)) {
		return errors.New("must be 1-64 letters, digits, '_', '.' or '-', and begin with a letter or digit")
	}
	return nil
}

// BareETag returns etag without the quotes of HTTP and without the prefix of a weak ETag ("W/"), which a compressing
// proxy may add. Clients return ETags in all these forms.
func BareETag(etag string) string {
	return strings.Trim(strings.TrimPrefix(etag, "W/"), `"`)
}

// HalfCharacter reports whether raw, a valid JSON string, escapes half of a surrogate pair (\ud800 alone).
// encoding/json decodes every such half as U+FFFD, so different names would become one.
func HalfCharacter(raw []byte) bool {
	for i := 0; i < len(raw); i++ {
		if raw[i] != '\\' {
			continue
		}
		i++
		high, ok := surrogateAt(raw, i)
		if !ok {
			continue
		}
		if high >= 0xdc00 { // the second half without the first
			return true
		}
		low, ok := surrogateAt(raw, i+6)
		if raw[i+5] != '\\' || !ok || low < 0xdc00 {
			return true
		}
		i += 10
	}
	return false
}

// surrogateAt decodes "uXXXX" at raw[i:]. ok is false if it is not half of a surrogate pair.
func surrogateAt(raw []byte, i int) (rune, bool) {
	if i+5 >= len(raw) || raw[i] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range raw[i+1 : i+5] {
		digit := strings.IndexByte("0123456789abcdef", c|0x20)
		if digit < 0 {
			return 0, false
		}
		r = r<<4 | rune(digit)
	}
	return r, r >= 0xd800 && r < 0xe000
}
