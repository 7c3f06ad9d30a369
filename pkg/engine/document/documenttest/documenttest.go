// Package documenttest makes what is read on documents, for the tests of others.
package documenttest

import (
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine/document"
	"facestream/pkg/mrz"
)

// Passport is the zone of a specimen passport, as it is read on that day: ANNA MARIA SPECIMEN of Utopia, born on 1 May 1990.
func Passport(t testing.TB, on time.Time) *document.MRZ {
	t.Helper()
	lines, err := mrz.Generate(mrz.Document{
		Format: mrz.TD3, Code: "P", Issuer: "UTO", Number: "L898902C3", Name: mrz.Name{Primary: "SPECIMEN", Secondary: "ANNA MARIA"},
		Nationality: "UTO", Birth: mrz.Date{Year: 1990, Month: 5, Day: 1}, Sex: mrz.SexFemale, Expiry: mrz.Date{Year: 2030, Month: 4, Day: 15},
	})
	if err != nil {
		t.Fatal(err)
	}
	reading, err := mrz.Parse(strings.Join(lines, "\n"), mrz.Options{Reference: on})
	if err != nil {
		t.Fatal(err)
	}
	return &document.MRZ{Reading: reading, Confidence: 0.9}
}
