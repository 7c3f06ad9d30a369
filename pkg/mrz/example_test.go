package mrz_test

import (
	"fmt"
	"time"

	"facestream/pkg/mrz"
)

// A reader took the 8 of the number for a B, and the 1 of the date of birth for an I.
func ExampleParse() {
	text := "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\n" +
		"XBV<<<<<<6UTO7408I22F1204159<<<<<<<<<<<<<<08"
	today := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)
	reading, err := mrz.Parse(text, mrz.Options{Reference: today})
	if err != nil {
		fmt.Println(err)
		return
	}
	d := reading.Document
	fmt.Println(d.Format, d.Name.Primary+", "+d.Name.Secondary, d.Nationality.Name())
	age, _, _ := d.Birth.AgeAt(today)
	fmt.Println("born", d.Birth.Year, "age", age)
	for _, c := range reading.Corrections() {
		fmt.Printf("line %d, column %d: %s for %s (%s)\n", c.Line, c.Column, c.To, c.From, c.Reason)
	}
	number := reading.Field(mrz.FieldNumber)
	fmt.Println(d.Number, number.Check, number.Evidence, reading.Clean())
	// Output:
	// TD3 ERIKSSON, ANNA MARIA Utopia
	// born 1974 age 52
	// line 1, column 1: 8 for B (check_digit)
	// line 1, column 17: 1 for I (alphabet)
	// X8V ok spent false
}

func ExampleGenerate() {
	lines, err := mrz.Generate(mrz.Document{
		Format: mrz.TD1, Code: "I", Issuer: "UTO", Number: "D23145890734", Nationality: "UTO",
		Name:  mrz.Name{Primary: "Müller-Østergård", Secondary: "Anne, Zoë"},
		Birth: mrz.Date{Year: 1974, Month: 8}, Sex: mrz.SexFemale, Expiry: mrz.Date{Year: 2032, Month: 4, Day: 15},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, line := range lines {
		fmt.Println(line)
	}
	// Output:
	// I<UTOD23145890<7349<<<<<<<<<<<
	// 7408<<7F3204153UTO<<<<<<<<<<<2
	// MUELLER<OESTERGAARD<<ANNE<ZOE<
}
