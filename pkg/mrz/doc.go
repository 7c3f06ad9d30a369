// Package mrz parses and generates the machine-readable zones of travel documents as ICAO Doc 9303 parts 3 to 7 (8th edition)
// define them: TD1 and TD2 cards, TD3 passports, MRV-A and MRV-B visas. It works on text; finding and reading the lines in a
// picture is somebody else's part. It depends on the standard library only and keeps no state: all functions may be called by
// several goroutines at once.
//
// Parse takes what a reader made of the zone and answers with a Reading: the Document, and for each field how far it can be
// trusted. Three rules hold for it.
//
//   - A check digit that does not hold stays in the result as CheckWrong. Nothing is made to fit.
//   - A character is replaced only where the field cannot contain it (a letter in a date), or where exactly one look-alike
//     makes the field's check digit hold. Every replacement is in Corrections. Characters are never inserted or removed.
//   - What cannot be decided is said. Check digits count modulo 10, so 1 and L weigh the same, and so do 6 and G: such
//     characters of an alphanumeric field are in Doubts even where the check digit holds. Names, states and the sex have no
//     check digit at all; their Evidence is EvidenceNone.
//
// Two or more misread characters of one field can cancel each other out. No parser can notice that; the confidence of the
// reader is the only other witness (Options.Confidence).
//
// National layouts of the same size, such as French identity cards of before 2021, are read as the format of that size; their
// fields then have problems and check digits that do not hold.
//
// Documents and readings hold personal data and print them with %v. The errors of this package do not: they name fields,
// positions, lengths and at most one character.
package mrz
