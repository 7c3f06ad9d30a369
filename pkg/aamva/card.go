package aamva

import (
	"fmt"
	"time"
)

// Card is what the barcode says about a card and its holder. What a card does not say is the zero value.
type Card struct {
	// Issuer is the issuer identification number, 6 digits: it names the jurisdiction.
	Issuer string
	// Version is that of the standard, 1 to 99; 0 is a card of before the year 2000. JurisdictionVersion counts the issuer's own changes.
	Version, JurisdictionVersion int
	Kind                         Kind

	// Number is the customer's number, printed as the number of the licence or card.
	Number string
	// Discriminator tells this card from the others of its holder.
	Discriminator    string
	Audit            string
	InventoryControl string
	Country          Country
	Compliance       Compliance
	Class            string // vehicle class, restrictions and endorsements as the jurisdiction writes them
	Restrictions     string
	Endorsements     string

	Name, Alias  Name
	PlaceOfBirth string
	Birth        Date
	Sex          Sex
	Eyes, Hair   string // codes of ANSI D-20: BLU, BRO, GRY …
	Height       Height
	Weight       Weight
	Address      Address // where letters go
	Residence    Address // where the holder lives, if the card says both

	Issue, Expiry, Revision, HazmatExpiry, Under18, Under19, Under21 Date

	LimitedDuration, OrganDonor, Veteran bool

	// Elements are all elements of all subfiles, in the order of the card, also those that have a field above.
	Elements []Element
	// Problems say what of the payload is not as the standard wants it. The fields they are about may be wrong or empty.
	Problems []Problem
}

// Element is a field of the card as it stands there, without the blanks around it.
type Element struct {
	Subfile string // DL, ID, EN, or Z and the first letter of the jurisdiction
	ID      string // three letters
	Value   string
}

// Kind is the kind of a card.
type Kind string

// The kinds of cards.
const (
	Licence  Kind = "DL" // driving licence
	Identity Kind = "ID"
	Enhanced Kind = "EN" // enhanced driving licence
)

// Country is the issuing country.
type Country string

// The countries of the standard.
const (
	USA Country = "USA"
	CAN Country = "CAN"
)

// Compliance says whether the card complies with the REAL ID Act.
type Compliance string

// The values of Compliance.
const (
	FullyCompliant Compliance = "F"
	NonCompliant   Compliance = "N"
)

// Name is the name of a holder. Several middle names are separated by one space.
type Name struct {
	Family, First, Middle, Prefix, Suffix string
	// What was cut off to fit the card.
	FamilyCut, FirstCut, MiddleCut Truncation
}

// Truncation says whether a name was truncated.
type Truncation string

// The values of Truncation. The zero value is a card that does not say it.
const (
	Truncated         Truncation = "T"
	NotTruncated      Truncation = "N"
	UnknownTruncation Truncation = "U"
)

// Sex is the letter that stands for it on the card.
type Sex string

// The values of Sex: 1, 2 and 9 of the standard.
const (
	Male           Sex = "M"
	Female         Sex = "F"
	SexUnspecified Sex = "X"
)

// Date is a day of the Gregorian calendar. The zero value is none.
type Date struct{ Year, Month, Day int }

// String returns the day as in ISO 8601, or "" for none.
func (d Date) String() string {
	if d == (Date{}) {
		return ""
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

// valid reports whether d exists, within the years that a card can mean. No eight digits are a valid date in both orders, because no
// month is 19 to 21.
func (d Date) valid() bool {
	t := time.Date(d.Year, time.Month(d.Month), d.Day, 0, 0, 0, 0, time.UTC)
	return d.Year >= 1900 && d.Year < 2200 && d.Month >= 1 && d.Day >= 1 && t.Day() == d.Day && int(t.Month()) == d.Month
}

// Height is a body height in the unit that the card has. The zero value is none.
type Height struct {
	Value int
	Unit  HeightUnit
}

// HeightUnit is a unit of height.
type HeightUnit string

// The units of heights.
const (
	Inches      HeightUnit = "in"
	Centimetres HeightUnit = "cm"
)

// Centimetres returns the height in centimetres, 0 for none.
func (h Height) Centimetres() float64 {
	if h.Unit == Inches {
		return 2.54 * float64(h.Value)
	}
	return float64(h.Value)
}

// Weight is a body weight in the unit that the card has. The zero value is none.
type Weight struct {
	Value int
	Unit  WeightUnit
}

// WeightUnit is a unit of weight.
type WeightUnit string

// The units of weights.
const (
	Pounds    WeightUnit = "lb"
	Kilograms WeightUnit = "kg"
)

// Address is a postal address. The code of the United States has five digits, or five and four with a hyphen.
type Address struct {
	Street, Street2, City, Jurisdiction, PostalCode string
}

// Problem is a deviation from the standard.
type Problem struct {
	// Element is the three letters of the element, or "" for the payload as a whole.
	Element string
	Kind    ProblemKind
}

// ProblemKind says what is wrong.
type ProblemKind string

// The kinds of problems.
const (
	NoIndicator   ProblemKind = "no compliance indicator and separators in front of the file type"
	NoSeparators  ProblemKind = "no separators, so nobody knows where an element ends"
	WrongOffset   ProblemKind = "a subfile is not where the header says"
	NoSubfile     ProblemKind = "a subfile of the header is missing"
	WrongValue    ProblemKind = "the value is not of the kind that the element has"
	Twice         ProblemKind = "the element is there twice with different values; the first counts"
	NotNamed      ProblemKind = "the bytes of a subfile begin with no element"
	NotUnderstood ProblemKind = "the order of the names is not known"
)
