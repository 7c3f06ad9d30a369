package document

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"facestream/pkg/schema"
)

// today is the day on which the dates of these tests are read.
var today = time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)

// printedPage are lines of text below each other, in columns that | separates: each letter is 10 pixels wide, and each line 20 high.
func printedPage(rows ...string) (lines []Line) {
	for y, row := range rows {
		for column, text := range strings.Split(row, "|") {
			if text == "" {
				continue
			}
			left, top := float32(500*column), float32(30*y)
			right := left + 10*float32(len([]rune(text)))
			l := Line{Text: text, Confidence: 0.9, Quad: [4]schema.PointF{{X: left, Y: top}, {X: right, Y: top}, {X: right, Y: top + 20}, {X: left, Y: top + 20}}}
			for range []rune(text) {
				l.Characters = append(l.Characters, 0.9)
			}
			lines = append(lines, l)
		}
	}
	return lines
}

// saying is each date with its field and the days that it may be.
func saying(dates []PrintedDate) string {
	var all []string
	for _, d := range dates {
		said := string(d.Field) + ":"
		for i, day := range d.Days {
			if i > 0 {
				said += " or "
			}
			said += fmt.Sprintf("%04d-%02d-%02d", day.Year, day.Month, day.Day)
		}
		all = append(all, said)
	}
	return strings.Join(all, ", ")
}

// TestDatesAsPrinted reads dates as documents of many countries print them, and says of those that may be meant in two ways which these are.
func TestDatesAsPrinted(t *testing.T) {
	for text, want := range map[string]string{
		// numbers
		"Date of birth 22.06.1969":     "date_of_birth:1969-06-22",
		"Date of birth 25.12.1982.":    "date_of_birth:1982-12-25",
		"Date of birth 03.04.1990":     "date_of_birth:1990-04-03",
		"Date of birth 25/12/1982":     "date_of_birth:1982-12-25",
		"Date of birth 12/25/1982":     "date_of_birth:1982-12-25",
		"Date of birth 03/04/1990":     "date_of_birth:1990-03-04 or 1990-04-03",
		"Date of birth 03-04-1990":     "date_of_birth:1990-03-04 or 1990-04-03",
		"Date of birth 03 04 1990":     "date_of_birth:1990-03-04 or 1990-04-03",
		"Date of birth 04/04/1990":     "date_of_birth:1990-04-04",
		"Date of birth 1960-02-08":     "date_of_birth:1960-02-08",
		"Date of birth 1960.02-08":     "date_of_birth:1960-02-08",
		"Date of birth 1960 02 08":     "date_of_birth:1960-02-08",
		"Date of birth 31.12.74":       "date_of_birth:1974-12-31",
		"Date of birth 31.12.12":       "date_of_birth:2012-12-31",
		"Date of birth 31.12.26":       "date_of_birth:1926-12-31",
		"Date of birth 10/04/49":       "date_of_birth:1949-04-10 or 1949-10-04",
		"Date of birth 01/02/03":       "date_of_birth:2001-02-03 or 2003-01-02 or 2003-02-01",
		"Date of birth 01012003":       "date_of_birth:2003-01-01",
		"Date of birth 19740812":       "date_of_birth:1974-08-12",
		"Date of birth 12/11/2026":     "date_of_birth:2026-11-12",
		"Date of birth 05 / 31 / 1999": "date_of_birth:1999-05-31",
		// months in words
		"Date of birth 12 AUG 1974":          "date_of_birth:1974-08-12",
		"Date of birth 12 AUG/AOUT 74":       "date_of_birth:1974-08-12",
		"Date of birth 12 AUG / AOÛT 1974":   "date_of_birth:1974-08-12",
		"Date of birth 12 AUGAOUT 74":        "date_of_birth:1974-08-12",
		"Date of birth 16 APRVAVR.07":        "date_of_birth:2007-04-16",
		"Date of birth 05FEB1965":            "date_of_birth:1965-02-05",
		"Date of birth 01MÁR/MAR 12":         "date_of_birth:2012-03-01",
		"Date of birth 1 JAN/JANV 1980":      "date_of_birth:1980-01-01",
		"Date of birth 5 de enero de 1990":   "date_of_birth:1990-01-05",
		"Date of birth 5. März 1990":         "date_of_birth:1990-03-05",
		"Date of birth 5. prosince 1990":     "date_of_birth:1990-12-05",
		"Date of birth January 5, 1990":      "date_of_birth:1990-01-05",
		"Date of birth 5 października 1990":  "date_of_birth:1990-10-05",
		"Date of birth 5 NOI 1990":           "date_of_birth:1990-11-05",
		"Date of birth 1990 RUGPJŪČIO 5":     "date_of_birth:1990-08-05",
		"Date of birth 1990. szeptember 14.": "date_of_birth:1990-09-14",
		"Date of birth 12 VII 1974":          "date_of_birth:1974-07-12",
		"Date of birth 5 LIS 1990":           "date_of_birth:1990-10-05 or 1990-11-05", // Croatian or Polish
		"Date of birth 5 LIS/OCT 1990":       "date_of_birth:1990-10-05",
		"Date of birth 5 SRP/AUG 1990":       "date_of_birth:1990-08-05",
		"Date of birth 5 LIPANJ 1990":        "date_of_birth:1990-06-05",
		"Date of birth 5 LIPCA 1990":         "date_of_birth:1990-07-05",
		"Date of birth 5 JUI 1990":           "date_of_birth:1990-06-05 or 1990-07-05",
		"Date of birth 5 JUIL/JUL 1990":      "date_of_birth:1990-07-05",
		"Date of birth 5 JAN/FEB 1990":       "", // two months
		// which date
		"Geburtsdatum: 12.08.1974":           "date_of_birth:1974-08-12",
		"Né le 12.08.1974":                   "date_of_birth:1974-08-12",
		"DATUM NAROZENE/DATE OF IRTH 1.2.99": "date_of_birth:1999-02-01",
		"CARD EXPIRES 11/25/29":              "date_of_expiry:2029-11-25",
		"Date of i88ue 01 APR 2004":          "date_of_issue:2004-04-01",
		"Gültig bis 01.04.2030":              "date_of_expiry:2030-04-01",
		"Galioja iki 2030-04-01":             "date_of_expiry:2030-04-01",
		"Validity 17.10.03-09.05.2013":       "date_of_issue:2003-10-17, date_of_expiry:2013-05-09",
		"DOB 12/31/1999 EXP 01/02/2030":      "date_of_birth:1999-12-31, date_of_expiry:2030-01-02",
		"Place of birth Rom 12.08.1974":      ":1974-08-12",
		"12.08.1974":                         ":1974-08-12",
		"12 AUG 60":                          ":1960-08-12 or 2060-08-12",
		// no dates
		"695622/0612":              "",
		"Date of birth 30.02.90":   "",
		"1850509204994":            "",
		"12 08 74":                 "",
		"01012003":                 "",
		"HD 198025":                "",
		"Date of birth":            "",
		"":                         "",
		"Date of birth 中華12民國":     "",
		"Date of birth 12.08.2027": "", // is to come
		"Date of birth 12.08.1874": "",
	} {
		if got := saying(NewPage(printedPage(text)).Dates(today)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

// TestDatesOnPages gives dates the meaning of the label above or before them, in columns and on pages that are turned, and the order of
// day and month that another date of the page shows.
func TestDatesOnPages(t *testing.T) {
	for name, c := range map[string]struct {
		rows []string
		want string
	}{
		"columns": {[]string{"Sex|Date of birth / Date de naissance", "F|01 JAN 1976", "Date of issue|Place of birth", "01 APR 2004|TAIWAN", "Date of expiry", "01 APR 2014"},
			"date_of_birth:1976-01-01, date_of_issue:2004-04-01, date_of_expiry:2014-04-01"},
		"labels to the left": {[]string{"........................... Geburtsdatum|12.08.1974", "............................. Gültig bis|01.02.2030"}, "date_of_birth:1974-08-12, date_of_expiry:2030-02-01"},
		"two labels in a line": {[]string{"DATUM VYDANI/DATE OF ISSUE   PLATNOST DO/DATE OF EXPIRY", "29.07.2006|29.07.2016"},
			"date_of_issue:2006-07-29, date_of_expiry:2016-07-29"},
		"an order that another date shows":  {[]string{"Date of birth 03/04/1990", "Date of expiry 12/31/2030"}, "date_of_birth:1990-03-04, date_of_expiry:2030-12-31"},
		"the other order":                   {[]string{"Date of birth 03/04/1990", "Date of expiry 31/12/2030"}, "date_of_birth:1990-04-03, date_of_expiry:2030-12-31"},
		"another sign":                      {[]string{"Date of birth 03/04/1990", "Date of expiry 31-12-2030"}, "date_of_birth:1990-03-04 or 1990-04-03, date_of_expiry:2030-12-31"},
		"dates that contradict one another": {[]string{"Date of birth 03/04/1990", "Date of issue 31/12/2020", "Date of expiry 12/31/2030"}, "date_of_birth:1990-03-04 or 1990-04-03, date_of_issue:2020-12-31, date_of_expiry:2030-12-31"},
		"a label too far above":             {[]string{"Date of birth", "", "", "", "01.02.1990"}, ":1990-02-01"},
	} {
		lines := printedPage(c.rows...)
		if got := saying(NewPage(lines).Dates(today)); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
		for i := range lines {
			turnQuad(&lines[i].Quad, 1, 1000, 1000)
		}
		if got := saying(NewPage(lines).Dates(today)); got != c.want {
			t.Errorf("%s, turned: %s, want %s", name, got, c.want)
		}
	}
}

// TestValues are what stands after or below the labels of a page.
func TestValues(t *testing.T) {
	var got []string
	for _, v := range NewPage(printedPage("Surname/Nom|Passport No.", "MÜLLER|L898902C3", "Sex|Nationality", "F|UTOPIAN", "Given names", "ANNA", "NAME CRITTENDEN, LEE W.", "Place of birth", "ZENITH")).Values() {
		got = append(got, string(v.Field)+"="+v.Text)
	}
	if want := "name=MÜLLER number=L898902C3 sex=F nationality=UTOPIAN name=CRITTENDEN, LEE W."; strings.Join(got, " ") != want {
		t.Errorf("%s, want %s", strings.Join(got, " "), want)
	}
}

// TestLanguages names the languages of a page's labels, and none by chance.
func TestLanguages(t *testing.T) {
	for want, rows := range map[string][]string{
		"de fr": {"Nachname / Nom", "Geburtsdatum / Date de naissance"},
		"pl":    {"DATA URODZENIA", "OBYWATELSTWO"},
		"":      {"Date of birth", "UTOPIA"},
	} {
		if got := strings.Join(NewPage(printedPage(rows...)).Languages(), " "); got != want {
			t.Errorf("%q: %q, want %q", rows, got, want)
		}
	}
}

// TestWords writes words as zones do, in each way that is allowed.
func TestWords(t *testing.T) {
	for text, want := range map[string]string{"MÜLLER-Ångström": "MULLER MUELLER ANGSTROM AANGSTROEM", "O'Connor, J.": "OCONNOR J", "林": "", "1BASANA": "BASANA IBASANA", "SPEC1MEN": "SPEC MEN SPECIMEN", "12": ""} {
		if got := strings.Join(Words(text), " "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// FuzzPage: whatever a page says, dates exist, stand in its lines, and are read in the time that its length allows.
func FuzzPage(f *testing.F) {
	f.Add("Date of birth 12 AUG/AOUT 74|Sex F")
	f.Add("01/02/03 2003.04.05 5 LIS 1990 ẞŁ中\x00 DATEOFBIRTHDATEOFBIRTH 20030405")
	f.Fuzz(func(t *testing.T, text string) {
		lines := printedPage(strings.Split(text, "\n")...)
		p := NewPage(lines)
		for _, d := range p.Dates(today) {
			if len(d.Days) == 0 || !strings.Contains(text, d.Text) {
				t.Errorf("%q: %+v", text, d)
			}
			for _, day := range d.Days {
				if !valid(day) {
					t.Errorf("%q: %+v does not exist", text, day)
				}
			}
		}
		p.Values()
		p.Languages()
		Words(text)
	})
}

// BenchmarkPage is a page as full of text as one that is read can be.
func BenchmarkPage(b *testing.B) {
	rows := make([]string, mostLines)
	for i := range rows {
		rows[i] = strings.Repeat("DATA URODZENIE NATIONALITA 12.08.197 ", 5)
	}
	lines := printedPage(rows...)
	for b.Loop() {
		NewPage(lines).Dates(today)
	}
}
