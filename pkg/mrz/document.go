package mrz

import (
	"cmp"
	"time"
)

// Format is a layout of a machine-readable zone.
type Format uint8

// The formats of ICAO Doc 9303 parts 4 to 7. The zero value is no format.
const (
	TD1  Format = iota + 1 // cards of the size ID-1, 3 lines of 30 characters (part 5)
	TD2                    // cards of the size ID-2, 2 lines of 36 characters (part 6)
	TD3                    // passports, 2 lines of 44 characters (part 4)
	MRVA                   // visas of the size of a passport page, 2 lines of 44 characters (part 7)
	MRVB                   // visas of the size ID-2, 2 lines of 36 characters (part 7)
)

// String returns the name that ICAO Doc 9303 uses: TD1, TD2, TD3, MRV-A, MRV-B.
func (f Format) String() string {
	if f < TD1 || f > MRVB {
		return "no format"
	}
	return [...]string{"TD1", "TD2", "TD3", "MRV-A", "MRV-B"}[f-TD1]
}

// Lines returns the number of lines of the zone, 0 for no format.
func (f Format) Lines() int {
	if l := layouts[f]; l != nil {
		return l.lines
	}
	return 0
}

// Columns returns the number of characters of a line, 0 for no format.
func (f Format) Columns() int {
	if l := layouts[f]; l != nil {
		return l.columns
	}
	return 0
}

// visa reports whether f is a visa. Visas have no composite check digit.
func (f Format) visa() bool { return f == MRVA || f == MRVB }

// Document is what a zone says about a document and its holder.
type Document struct {
	Format Format
	// Code is the document code: one or two characters, the first of which is P for passports, V for visas, and A, C or I for
	// cards.
	Code   string
	Issuer State
	// Number is the document number, A-Z, 0-9 and, for what the zone replaces by a filler within the number, <. Up to 9
	// characters; a TD1 holds up to 22 and a TD2 up to 14, whose rest stands in the optional data.
	Number      string
	Name        Name
	Nationality State
	Birth       Date
	Sex         Sex
	Expiry      Date
	// Optional is the issuer's own data, A-Z, 0-9 and < within it, without the rest of a long document number. At most 15
	// characters in a TD1, 7 in a TD2, 14 in a TD3, 16 in an MRV-A and 8 in an MRV-B.
	Optional string
	// Optional2 is the optional data of the second line of a TD1, at most 11 characters. Other formats have none.
	Optional2 string
}

// Name is the name of a holder. Components are separated by one space. Parse answers with A-Z only; Generate also takes
// national characters, see Transliterate.
type Name struct {
	Primary   string // family name, or the whole name where it has no parts
	Secondary string // given names; empty where there are none
}

// Sex is the letter of the visual zone.
type Sex string

// The values of Sex. SexUnspecified is written as a filler. Parse takes a printed X for it too.
const (
	SexFemale      Sex = "F"
	SexMale        Sex = "M"
	SexUnspecified Sex = "X"
)

// span is a stretch of cells: line, first column, and the column behind the last.
type span struct{ line, from, to int }

func (s span) len() int { return s.to - s.from }

// layout says where the fields of a format stand. An empty span is a field that the format lacks. The check digit of a field
// that has one stands right behind it.
type layout struct {
	lines, columns                                                                   int
	code, issuer, name, number, nationality, birth, sex, expiry, optional, optional2 span
	optionalCheck                                                                    bool // the optional data have a check digit
	composite                                                                        span
	covers                                                                           []span // what the composite check digit covers, in order
}

// layouts is from the data structure tables of ICAO Doc 9303 part 4 section 4.2.2, part 5 and part 6 section 4.2.2, part 7
// sections 4.2 and 5.2.
var layouts = map[Format]*layout{
	TD1: {
		lines: 3, columns: 30,
		code: span{0, 0, 2}, issuer: span{0, 2, 5}, number: span{0, 5, 14}, optional: span{0, 15, 30},
		birth: span{1, 0, 6}, sex: span{1, 7, 8}, expiry: span{1, 8, 14}, nationality: span{1, 15, 18}, optional2: span{1, 18, 29},
		name:      span{2, 0, 30},
		composite: span{1, 29, 30}, covers: []span{{0, 5, 30}, {1, 0, 7}, {1, 8, 15}, {1, 18, 29}},
	},
	TD2: {
		lines: 2, columns: 36,
		code: span{0, 0, 2}, issuer: span{0, 2, 5}, name: span{0, 5, 36},
		number: span{1, 0, 9}, nationality: span{1, 10, 13}, birth: span{1, 13, 19}, sex: span{1, 20, 21}, expiry: span{1, 21, 27},
		optional:  span{1, 28, 35},
		composite: span{1, 35, 36}, covers: []span{{1, 0, 10}, {1, 13, 20}, {1, 21, 35}},
	},
	TD3: {
		lines: 2, columns: 44,
		code: span{0, 0, 2}, issuer: span{0, 2, 5}, name: span{0, 5, 44},
		number: span{1, 0, 9}, nationality: span{1, 10, 13}, birth: span{1, 13, 19}, sex: span{1, 20, 21}, expiry: span{1, 21, 27},
		optional: span{1, 28, 42}, optionalCheck: true,
		composite: span{1, 43, 44}, covers: []span{{1, 0, 10}, {1, 13, 20}, {1, 21, 43}},
	},
	MRVA: {
		lines: 2, columns: 44,
		code: span{0, 0, 2}, issuer: span{0, 2, 5}, name: span{0, 5, 44},
		number: span{1, 0, 9}, nationality: span{1, 10, 13}, birth: span{1, 13, 19}, sex: span{1, 20, 21}, expiry: span{1, 21, 27},
		optional: span{1, 28, 44},
	},
	MRVB: {
		lines: 2, columns: 36,
		code: span{0, 0, 2}, issuer: span{0, 2, 5}, name: span{0, 5, 36},
		number: span{1, 0, 9}, nationality: span{1, 10, 13}, birth: span{1, 13, 19}, sex: span{1, 20, 21}, expiry: span{1, 21, 27},
		optional: span{1, 28, 36},
	},
}

// longNumbers reports whether a document number may continue in the optional data.
func (f Format) longNumbers() bool { return f == TD1 || f == TD2 }

// weight returns what a character counts in a check digit: its value of ICAO Doc 9303-3 section 4.9. A filler, and
// everything else that is neither a digit nor a letter, counts 0.
func weight(c byte) int {
	switch {
	case isDigit(c):
		return int(c - '0')
	case isLetter(c):
		return int(c-'A') + 10
	}
	return 0
}

// CheckDigit returns the check digit of ICAO Doc 9303-3 section 4.9 of text: '0' to '9'. The text must consist of A-Z, 0-9
// and <.
func CheckDigit(text string) byte {
	sum := 0
	for i := range len(text) {
		sum += weight(text[i]) * [...]int{7, 3, 1}[i%3]
	}
	return byte('0' + sum%10)
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'A' && c <= 'Z' }

// Date is a day of which parts may be unknown; these are 0. The zero Date is wholly unknown.
type Date struct {
	Year  int // with its century
	Month int // 1 to 12
	Day   int // 1 to 31
}

// DateOf returns the day of t in its own time zone.
func DateOf(t time.Time) Date {
	y, m, d := t.Date()
	return Date{y, int(m), d}
}

// earliest and latest return the first and the last day that d may be. The year must be known.
func (d Date) earliest() Date { return Date{d.Year, max(d.Month, 1), max(d.Day, 1)} }

func (d Date) latest() Date {
	if d.Month == 0 {
		d.Month = 12
	}
	if d.Day == 0 {
		d.Day = daysIn(d.Year, d.Month)
	}
	return d
}

func (d Date) before(other Date) bool {
	switch {
	case d.Year != other.Year:
		return d.Year < other.Year
	case d.Month != other.Month:
		return d.Month < other.Month
	}
	return d.Day < other.Day
}

// Compare orders days; what is unknown comes first.
func (d Date) Compare(other Date) int {
	return cmp.Or(cmp.Compare(d.Year, other.Year), cmp.Compare(d.Month, other.Month), cmp.Compare(d.Day, other.Day))
}

// AgeAt returns in whole years how old a person born on d is at least and at most on the day of t. The two are equal where
// the whole date is known. Who was born on 29 February becomes a year older on 1 March of other years. ok is false where the
// year is unknown or the person is not born yet.
//
// The zone has no century. A person of 100 years or more is therefore read, and counted here, as 100 years younger.
func (d Date) AgeAt(t time.Time) (least, most int, ok bool) {
	on := DateOf(t)
	if d.Year == 0 || on.before(d.earliest()) {
		return 0, 0, false
	}
	return max(0, age(d.latest(), on)), age(d.earliest(), on), true
}

func age(birth, on Date) int {
	years := on.Year - birth.Year
	birth.Year = on.Year
	if on.before(birth) {
		years--
	}
	return years
}

// daysIn returns the number of days of a month; 31 for an unknown month, 29 for February of an unknown year.
func daysIn(year, month int) int {
	switch {
	case month == 0:
		return 31
	case year == 0:
		year = 2000
	}
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}
