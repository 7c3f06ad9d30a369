package mrz

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Options of Parse.
type Options struct {
	// Reference is the day against which two-digit years get their century; it must be set. A date of birth is the latest that
	// is not after it. A date of expiry is within 50 years before and 49 years after it.
	Reference time.Time
	// Confidence has one value of 0 to 1 for each rune of the text, or is nil. Values of blanks and line breaks are ignored.
	Confidence []float64
	// Others has for each rune of the text the characters of zones that the reader thinks possible in its place, without the one that it
	// read, or is nil. They take the place of the look-alikes by which a check digit corrects a character. Those of blanks and line breaks
	// are ignored.
	Others []string
}

// Errors of Parse; errors.Is tells them apart.
var (
	// ErrNoZone: the text has not the shape of a zone.
	ErrNoZone = errors.New("no machine-readable zone")
	// ErrLength: the text is nearly a zone; a line has too few or too many characters.
	ErrLength = errors.New("machine-readable zone of the wrong length")
	// ErrCharacter: a character that is neither one of a zone nor similar to one.
	ErrCharacter = errors.New("character that no machine-readable zone has")
)

// maxRunes is how much text Parse looks at: the longest zone with a blank behind each character takes 180 runes.
const maxRunes = 1000

// Parse reads a zone. Lines may be broken wrongly: blanks at their ends and between characters, empty lines, CR LF, all in one
// line, a line in several pieces. Lower case letters, letters with diacritical marks, and quotation marks in the place of
// fillers (« for two, ‹ for one) are taken for doubtful readings of what a zone has; they are in Corrections.
//
// The error is ErrNoZone, ErrLength or ErrCharacter, or says which option is wrong. Everything else, such as a check digit that
// does not hold, or a month 13, is in the Reading.
func Parse(text string, o Options) (*Reading, error) {
	if o.Reference.IsZero() {
		return nil, errors.New("mrz: Options.Reference is not set; without it years have no century")
	}
	n := utf8.RuneCountInString(text)
	if o.Confidence != nil && len(o.Confidence) != n {
		return nil, fmt.Errorf("mrz: Options.Confidence has %d values for a text of %d characters", len(o.Confidence), n)
	}
	if o.Others != nil && len(o.Others) != n {
		return nil, fmt.Errorf("mrz: Options.Others has %d values for a text of %d characters", len(o.Others), n)
	}
	if n > maxRunes {
		return nil, fmt.Errorf("mrz: %w: %s; found a text of %d characters", ErrNoZone, expected, n)
	}
	for _, c := range o.Confidence {
		if !(c >= 0 && c <= 1) {
			return nil, fmt.Errorf("mrz: Options.Confidence has the value %v, which is not within 0 and 1", c)
		}
	}
	format, grid, err := arrange(cellsOf(text, n, o.Confidence, o.Others))
	if err != nil {
		return nil, err
	}
	p := &parser{format: format, layout: layouts[format], grid: grid, today: DateOf(o.Reference), measured: o.Confidence != nil, asked: o.Others != nil}
	return p.read(), nil
}

// cell is one character of the zone.
type cell struct {
	raw        string // as it was read; empty for the second filler of a quotation mark
	value      byte   // as it is understood; 0 for a character that no zone has
	reason     Reason // why value is not raw, or empty
	confidence float64
	others     string // what else the reader thinks possible
}

// cellsOf divides a text of n characters into lines without blanks; none is empty.
func cellsOf(text string, n int, confidence []float64, others []string) [][]cell {
	var lines [][]cell
	all := make([]cell, 0, 2*n) // a line never moves, because no character becomes more than two
	start, i := 0, -1
	for at, r := range text {
		i++
		if strings.ContainsRune("\n\r\v\f\u0085\u2028\u2029", r) {
			if start < len(all) {
				lines, start = append(lines, all[start:]), len(all)
			}
			continue
		}
		if unicode.IsSpace(r) || r == '\u200b' || r == '\ufeff' {
			continue
		}
		_, size := utf8.DecodeRuneInString(text[at:])
		c := cell{raw: text[at : at+size]}
		if confidence != nil {
			c.confidence = confidence[i]
		}
		if others != nil {
			c.others = others[i]
		}
		two := false
		switch {
		case r == '<' || r < 0x80 && (isDigit(byte(r)) || isLetter(byte(r))):
			c.value = byte(r)
		case r >= 'a' && r <= 'z':
			c.value, c.reason = byte(r)-'a'+'A', ReasonCase
		case strings.ContainsRune("‹＜〈⟨", r):
			c.value, c.reason = '<', ReasonFiller
		case strings.ContainsRune("«≪《⟪", r):
			c.value, c.reason, two = '<', ReasonFiller, true
		case unicode.Is(unicode.Latin, r):
			u := unicode.ToUpper(r)
			if t := latin[u]; len(t) == 1 || strings.ContainsRune(oneLetter, u) {
				c.value, c.reason = t[0], ReasonMark
			}
		}
		all = append(all, c)
		if two {
			all = append(all, cell{value: '<', confidence: c.confidence})
		}
	}
	if start < len(all) {
		lines = append(lines, all[start:])
	}
	return lines
}

// oneLetter has the letters that are transliterated by two but are one letter with a mark.
const oneLetter = "ÄÅÖØÜ"

const expected = "expected 3 lines of 30 characters (TD1), 2 of 36 (TD2, MRV-B) or 2 of 44 (TD3, MRV-A)"

// shapes has lines and columns of all formats.
var shapes = []struct {
	lines, columns int
	names          string
}{{3, 30, "TD1"}, {2, 36, "TD2 and MRV-B"}, {2, 44, "TD3 and MRV-A"}}

// near is by how many characters a line may miss its length to be called of the wrong length rather than no zone.
const near = 4

// arrange makes the lines of a format of what was read, or says why that is impossible.
func arrange(lines [][]cell) (Format, [][]cell, error) {
	all := slices.Concat(lines...)
	for _, s := range shapes {
		if len(all) != s.lines*s.columns || !brokenWithin(lines, s.columns) {
			continue
		}
		grid := slices.Collect(slices.Chunk(all, s.columns))
		for y, line := range grid {
			for x, c := range line {
				if c.value == 0 {
					return 0, nil, fmt.Errorf("mrz: %w: %q (%U) at line %d, column %d, counted from 0",
						ErrCharacter, c.raw, []rune(c.raw)[0], y, x)
				}
			}
		}
		switch visa := grid[0][0].value == 'V'; {
		case s.lines == 3:
			return TD1, grid, nil
		case s.columns == 36 && visa:
			return MRVB, grid, nil
		case s.columns == 36:
			return TD2, grid, nil
		case visa:
			return MRVA, grid, nil
		default:
			return TD3, grid, nil
		}
	}
	return 0, nil, wrongLength(lines)
}

// brokenWithin reports whether the pieces of text are whole lines of the zone or parts of one line each. Otherwise a character
// too few in one line and one too many in the next would pass for a wrong break.
func brokenWithin(pieces [][]cell, columns int) bool {
	n := 0
	for _, piece := range pieces {
		in := n % columns
		n += len(piece)
		if end := in + len(piece); end > columns && (in != 0 || end%columns != 0) {
			return false
		}
	}
	return true
}

// wrongLength explains why lines are no zone.
func wrongLength(lines [][]cell) error {
	lengths := make([]string, 0, 9)
	for i, l := range lines {
		if i == 8 {
			lengths = append(lengths, "…")
			break
		}
		lengths = append(lengths, fmt.Sprint(len(l)))
	}
	found := fmt.Sprintf("%d lines of %s", len(lines), strings.Join(lengths, ", "))
	switch len(lines) {
	case 0:
		found = "nothing"
	case 1:
		found = "1 line of " + lengths[0]
	}
	for _, s := range shapes {
		columns, n := s.columns, s.lines
		if len(lines) == 1 {
			columns, n = s.columns*s.lines, 1
		}
		isNear := len(lines) == n
		for _, l := range lines {
			isNear = isNear && len(l) >= columns-near && len(l) <= columns+near
		}
		if !isNear {
			continue
		}
		for y, l := range lines {
			if len(l) != columns && len(lines) > 1 {
				return fmt.Errorf("mrz: %w: line %d, counted from 0, has %d characters; %s have %d", ErrLength, y, len(l), s.names, columns)
			}
		}
		return fmt.Errorf("mrz: %w: one line has 90 (TD1), 72 (TD2, MRV-B) or 88 characters (TD3, MRV-A); found %s", ErrLength, lengths[0])
	}
	return fmt.Errorf("mrz: %w: %s; found %s", ErrNoZone, expected, found)
}
