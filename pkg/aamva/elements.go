package aamva

import (
	"fmt"
	"strconv"
	"strings"
)

// field is an element that the standard defines. get writes the value, "" for none; set reads it, and reports whether it could.
type field struct {
	id string
	// from and to are the versions of the standard that have the element. It is read from every card, unless strict says that other
	// versions mean something else by it.
	from, to int
	strict   bool
	get      func(*Card) string
	set      func(*Card, string) bool
}

const latest = 99

// fields are the elements of the annexes "Mandatory PDF417 bar code" of the AAMVA card design standards of 2000 to 2020 that say
// something about card and holder, in the order in which they are written.
var fields = []field{
	text("DAQ", func(c *Card) *string { return &c.Number }),
	{id: "DAA", from: 0, to: 1, get: fullName, set: setFullName},
	text("DCS", func(c *Card) *string { return &c.Name.Family }).since(2),
	text("DAB", func(c *Card) *string { return &c.Name.Family }).unwritten(),
	{id: "DDE", from: 4, to: latest, get: truncation(func(c *Card) *Truncation { return &c.Name.FamilyCut }), set: setTruncation(func(c *Card) *Truncation { return &c.Name.FamilyCut })},
	{id: "DCT", from: 2, to: 3, get: givenNames, set: setGivenNames},
	text("DAC", func(c *Card) *string { return &c.Name.First }).since(4),
	{id: "DDF", from: 4, to: latest, get: truncation(func(c *Card) *Truncation { return &c.Name.FirstCut }), set: setTruncation(func(c *Card) *Truncation { return &c.Name.FirstCut })},
	{id: "DAD", from: 4, to: latest, get: func(c *Card) string { return strings.ReplaceAll(c.Name.Middle, " ", ",") },
		set: func(c *Card, s string) bool { c.Name.Middle = words(s); return true }},
	{id: "DDG", from: 4, to: latest, get: truncation(func(c *Card) *Truncation { return &c.Name.MiddleCut }), set: setTruncation(func(c *Card) *Truncation { return &c.Name.MiddleCut })},
	text("DCU", func(c *Card) *string { return &c.Name.Suffix }).since(2),
	text("DAE", func(c *Card) *string { return &c.Name.Suffix }).until(1),
	text("DAF", func(c *Card) *string { return &c.Name.Prefix }),
	text("DCA", func(c *Card) *string { return &c.Class }).since(2),
	text("DAR", func(c *Card) *string { return &c.Class }).until(1),
	text("DCB", func(c *Card) *string { return &c.Restrictions }).since(2),
	text("DAS", func(c *Card) *string { return &c.Restrictions }).until(1),
	text("DCD", func(c *Card) *string { return &c.Endorsements }).since(2),
	text("DAT", func(c *Card) *string { return &c.Endorsements }).until(1),
	date("DBD", func(c *Card) *Date { return &c.Issue }),
	date("DBB", func(c *Card) *Date { return &c.Birth }),
	date("DBA", func(c *Card) *Date { return &c.Expiry }),
	{id: "DBC", from: 0, to: latest, get: sex, set: setSex},
	{id: "DAU", from: 0, to: latest, get: height, set: setHeight},
	field{id: "DAV", set: func(c *Card, s string) bool { return setHeight(c, strings.TrimSuffix(s, " cm")+" cm") }}.unwritten(),
	{id: "DAW", from: 0, to: latest, get: weight(Pounds), set: setWeight(Pounds)},
	{id: "DAX", from: 0, to: latest, get: weight(Kilograms), set: setWeight(Kilograms)},
	text("DAY", func(c *Card) *string { return &c.Eyes }),
	text("DAZ", func(c *Card) *string { return &c.Hair }),
	text("DAG", func(c *Card) *string { return &c.Address.Street }),
	text("DAH", func(c *Card) *string { return &c.Address.Street2 }),
	text("DAI", func(c *Card) *string { return &c.Address.City }),
	text("DAJ", func(c *Card) *string { return &c.Address.Jurisdiction }),
	postal("DAK", func(c *Card) *string { return &c.Address.PostalCode }),
	text("DAL", func(c *Card) *string { return &c.Residence.Street }),
	text("DAM", func(c *Card) *string { return &c.Residence.Street2 }),
	text("DAN", func(c *Card) *string { return &c.Residence.City }),
	text("DAO", func(c *Card) *string { return &c.Residence.Jurisdiction }),
	postal("DAP", func(c *Card) *string { return &c.Residence.PostalCode }),
	text("DCF", func(c *Card) *string { return &c.Discriminator }).since(2),
	{id: "DCG", from: 2, to: latest, get: func(c *Card) string { return string(c.Country) }, set: setCountry},
	text("DCI", func(c *Card) *string { return &c.PlaceOfBirth }).since(2),
	text("DCJ", func(c *Card) *string { return &c.Audit }).since(2),
	text("DCK", func(c *Card) *string { return &c.InventoryControl }).since(2),
	text("DBN", func(c *Card) *string { return &c.Alias.Family }).since(2).strictly(),
	text("DBO", func(c *Card) *string { return &c.Alias.Family }).until(1).strictly(),
	text("DBG", func(c *Card) *string { return &c.Alias.First }).since(2).strictly(),
	text("DBP", func(c *Card) *string { return &c.Alias.First }).until(1).strictly(),
	text("DBS", func(c *Card) *string { return &c.Alias.Suffix }).since(2).strictly(),
	text("DBR", func(c *Card) *string { return &c.Alias.Suffix }).until(1).strictly(),
	{id: "DDA", from: 4, to: latest, get: func(c *Card) string { return string(c.Compliance) },
		set: oneOf(func(c *Card, v string) { c.Compliance = Compliance(v) }, string(FullyCompliant), string(NonCompliant))},
	date("DDB", func(c *Card) *Date { return &c.Revision }).since(4),
	date("DDC", func(c *Card) *Date { return &c.HazmatExpiry }).since(4),
	flag("DDD", func(c *Card) *bool { return &c.LimitedDuration }).since(4),
	date("DDH", func(c *Card) *Date { return &c.Under18 }).since(2),
	date("DDI", func(c *Card) *Date { return &c.Under19 }).since(2),
	date("DDJ", func(c *Card) *Date { return &c.Under21 }).since(2),
	flag("DDK", func(c *Card) *bool { return &c.OrganDonor }).since(4),
	flag("DBH", func(c *Card) *bool { return &c.OrganDonor }).until(3),
	flag("DDL", func(c *Card) *bool { return &c.Veteran }).since(5),
}

// known are the places of fields by their names.
var known = func() map[string]*field {
	m := map[string]*field{}
	for i := range fields {
		m[fields[i].id] = &fields[i]
	}
	return m
}()

func (f field) since(version int) field { f.from = version; return f }
func (f field) until(version int) field { f.to = version; return f }
func (f field) unwritten() field        { f.from, f.to = 1, 0; return f }
func (f field) strictly() field         { f.strict = true; return f }

// means reports whether cards of this version mean the field by its name.
func (f field) means(version int) bool { return !f.strict || version >= f.from && version <= f.to }

func text(id string, of func(*Card) *string) field {
	return field{id: id, to: latest, get: func(c *Card) string { return *of(c) }, set: func(c *Card, s string) bool { *of(c) = s; return true }}
}

func date(id string, of func(*Card) *Date) field {
	return field{id: id, to: latest,
		get: func(c *Card) string {
			d := *of(c)
			switch {
			case d == Date{}:
				return ""
			case c.Country == CAN || c.Version < 2:
				return fmt.Sprintf("%04d%02d%02d", d.Year, d.Month, d.Day)
			}
			return fmt.Sprintf("%02d%02d%04d", d.Month, d.Day, d.Year)
		},
		set: func(c *Card, s string) bool {
			d, ok := readDate(s)
			*of(c) = d
			return ok
		}}
}

// readDate reads MMDDCCYY and CCYYMMDD, also with other characters between the digits. Zeros are no date.
func readDate(s string) (Date, bool) {
	digits := strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, s)
	if len(digits) != 8 || len(s) > 10 {
		return Date{}, false
	}
	n, _ := strconv.Atoi(digits)
	for _, d := range []Date{{n % 10000, n / 1000000, n / 10000 % 100}, {n / 10000, n / 100 % 100, n % 100}} {
		if d.valid() {
			return d, true
		}
	}
	return Date{}, n == 0
}

func flag(id string, of func(*Card) *bool) field {
	return field{id: id, to: latest,
		get: func(c *Card) string {
			if *of(c) {
				return "1"
			}
			return ""
		},
		set: func(c *Card, s string) bool {
			yes := s == "1" || s == "Y"
			*of(c) = yes
			return yes || s == "0" || s == "N"
		}}
}

// oneOf reads one of the values.
func oneOf(set func(*Card, string), values ...string) func(*Card, string) bool {
	return func(c *Card, s string) bool {
		for _, v := range values {
			if strings.EqualFold(s, v) {
				set(c, v)
				return true
			}
		}
		return false
	}
}

func truncation(of func(*Card) *Truncation) func(*Card) string {
	return func(c *Card) string { return string(*of(c)) }
}

func setTruncation(of func(*Card) *Truncation) func(*Card, string) bool {
	return oneOf(func(c *Card, v string) { *of(c) = Truncation(v) }, string(Truncated), string(NotTruncated), string(UnknownTruncation))
}

func setCountry(c *Card, s string) bool {
	return oneOf(func(c *Card, v string) { c.Country = Country(v) }, string(USA), string(CAN))(c, s)
}

// words separates names by one space.
func words(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }), " ")
}

func givenNames(c *Card) string {
	return strings.TrimSuffix(c.Name.First+","+strings.ReplaceAll(c.Name.Middle, " ", ","), ",")
}

// setGivenNames reads the first name up to the comma, or up to the first space where there is no comma. A card that has an element of
// its own for the first name says it better.
func setGivenNames(c *Card, s string) bool {
	if c.has("DAC") {
		return true
	}
	first, rest, ok := strings.Cut(s, ",")
	if !ok {
		first, rest, _ = strings.Cut(s, " ")
	}
	c.Name.First, c.Name.Middle = strings.TrimSpace(first), words(rest)
	return true
}

func fullName(c *Card) string {
	return strings.TrimRight(c.Name.Family+","+c.Name.First+","+c.Name.Middle, ",")
}

// setFullName reads FAMILY,FIRST,MIDDLE. Without commas nobody knows which name is which.
func setFullName(c *Card, s string) bool {
	parts := strings.SplitN(s, ",", 3)
	c.Name.Family = strings.TrimSpace(parts[0])
	if len(parts) > 1 {
		c.Name.First = strings.TrimSpace(parts[1])
	}
	if len(parts) > 2 {
		c.Name.Middle = words(parts[2])
	}
	return true
}

func sex(c *Card) string {
	if c.Version < 2 {
		return string(c.Sex)
	}
	return map[Sex]string{Male: "1", Female: "2", SexUnspecified: "9"}[c.Sex]
}

func setSex(c *Card, s string) bool {
	v, ok := map[string]Sex{"1": Male, "2": Female, "9": SexUnspecified, "M": Male, "F": Female, "X": SexUnspecified, "0": SexUnspecified}[strings.ToUpper(s)]
	c.Sex = v
	return ok
}

func height(c *Card) string {
	switch h := c.Height; {
	case h == Height{}:
		return ""
	case c.Version < 2 && h.Unit == Inches:
		return fmt.Sprintf("%d%02d", h.Value/12, h.Value%12)
	default:
		return fmt.Sprintf("%03d %s", h.Value, h.Unit)
	}
}

// setHeight reads 068 in, 173 cm, and what older cards have: 508, 5-08 and 5'08" for five feet and eight inches, 68 for inches and 173
// for centimetres.
func setHeight(c *Card, s string) bool {
	s = strings.ToLower(strings.TrimSpace(s))
	numbers := strings.FieldsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
	if len(numbers) == 0 || len(numbers) > 2 || len(numbers[0]) > 3 {
		return false
	}
	n, _ := strconv.Atoi(numbers[0])
	h := Height{n, Inches}
	switch {
	case len(numbers) == 2:
		inches, err := strconv.Atoi(numbers[1])
		if err != nil || inches > 11 || n > 8 {
			return false
		}
		h.Value = 12*n + inches
	case strings.HasSuffix(s, "cm"):
		h.Unit = Centimetres
	case strings.HasSuffix(s, "in"):
	case n >= 300 && n < 900 && n%100 < 12:
		h.Value = n/100*12 + n%100
	case n > 100 && n < 300:
		h.Unit = Centimetres
	}
	if h.Centimetres() < 30 || h.Centimetres() > 300 {
		return n == 0
	}
	c.Height = h
	return true
}

func weight(unit WeightUnit) func(*Card) string {
	return func(c *Card) string {
		if c.Weight.Unit != unit {
			return ""
		}
		return fmt.Sprintf("%03d", c.Weight.Value)
	}
}

func setWeight(unit WeightUnit) func(*Card, string) bool {
	return func(c *Card, s string) bool {
		n, err := strconv.Atoi(strings.TrimSpace(strings.TrimRight(strings.ToLower(s), "lbkgs ")))
		if err != nil || n < 0 || n > 999 {
			return false
		}
		if n > 0 && c.Weight == (Weight{}) {
			c.Weight = Weight{n, unit}
		}
		return true
	}
}

// postal is a postal code: nine digits of the United States have a hyphen, and zeros for the last four are none.
func postal(id string, of func(*Card) *string) field {
	return field{id: id, to: latest,
		get: func(c *Card) string {
			code := *of(c)
			if number(code) && len(code) == 5 {
				code += "0000"
			}
			return strings.ReplaceAll(code, "-", "")
		},
		set: func(c *Card, s string) bool {
			if number(s) && len(s) == 9 {
				s = strings.TrimSuffix(s[:5]+"-"+s[5:], "-0000")
			}
			*of(c) = s
			return true
		}}
}

func number(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
