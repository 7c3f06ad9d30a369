package document

import (
	"slices"
	"strings"
	"unicode"

	"facestream/pkg/mrz"
)

// Field is what a text on a document says.
type Field string

// The fields whose labels are known. FieldOther is any other field: what stands below its label is none of these.
const (
	FieldBirth       Field = "date_of_birth"
	FieldIssue       Field = "date_of_issue"
	FieldExpiry      Field = "date_of_expiry"
	FieldName        Field = "name" // the whole, or the family name
	FieldNumber      Field = "number"
	FieldSex         Field = "sex"
	FieldNationality Field = "nationality"
	FieldOther       Field = "other"
)

// labels are what documents print above or before a field, by language (ISO 639-1), without marks and separators. Labels of up to
// exactLabel letters must be a word of their own, letter by letter; longer ones are also found where a few letters were misread.
var labels = []struct {
	field    Field
	language string
	texts    string // separated by commas
}{
	{FieldBirth, "en", "DATE OF BIRTH,BIRTH DATE,BIRTHDATE,BORN,DOB"},
	{FieldBirth, "fr", "DATE DE NAISSANCE,NE LE,NEE LE"},
	{FieldBirth, "es", "FECHA DE NACIMIENTO,FECHA NACIMIENTO,NACIDO EL,NACIDA EL"},
	{FieldBirth, "de", "GEBURTSDATUM,GEBURTSTAG,GEBOREN AM"},
	{FieldBirth, "it", "DATA DI NASCITA,NATO IL,NATA IL"},
	{FieldBirth, "pt", "DATA DE NASCIMENTO,DATA NASCIMENTO"},
	{FieldBirth, "pl", "DATA URODZENIA"},
	{FieldBirth, "cs", "DATUM NAROZENI"},
	{FieldBirth, "sk", "DATUM NARODENIA"},
	{FieldBirth, "hr", "DATUM RODENJA,DATUM RODJENJA"},
	{FieldBirth, "sl", "DATUM ROJSTVA"},
	{FieldBirth, "ro", "DATA NASTERII,DATA NASTERE"},
	{FieldBirth, "hu", "SZULETESI IDO,SZULETESI DATUM,SZULETESI IDEJE"},
	{FieldBirth, "lt", "GIMIMO DATA"},
	{FieldBirth, "lv", "DZIMSANAS DATUMS"},
	{FieldBirth, "et", "SUNNIAEG"},
	{FieldBirth, "nl", "GEBOORTEDATUM"},
	{FieldBirth, "sv", "FODELSEDATUM"},
	{FieldBirth, "da", "FODSELSDATO"},
	{FieldBirth, "fi", "SYNTYMAAIKA"},
	{FieldBirth, "zh", "出生日期"},

	{FieldIssue, "en", "DATE OF ISSUE,ISSUE DATE,ISSUED ON,DATE ISSUED,VALID FROM,ISS"},
	{FieldIssue, "fr", "DATE DE DELIVRANCE,DATE D EMISSION,DELIVRE LE,DELIVREE LE"},
	{FieldIssue, "es", "FECHA DE EXPEDICION,FECHA DE EMISION"},
	{FieldIssue, "de", "AUSSTELLUNGSDATUM,DATUM DER AUSSTELLUNG,AUSGESTELLT AM"},
	{FieldIssue, "it", "DATA DI RILASCIO,DATA DI EMISSIONE"},
	{FieldIssue, "pt", "DATA DE EMISSAO"},
	{FieldIssue, "pl", "DATA WYDANIA"},
	{FieldIssue, "cs", "DATUM VYDANI"},
	{FieldIssue, "sk", "DATUM VYDANIA"},
	{FieldIssue, "hr", "DATUM IZDAVANJA"},
	{FieldIssue, "sl", "DATUM IZDAJE"},
	{FieldIssue, "ro", "DATA EMITERII,DATA ELIBERARII"},
	{FieldIssue, "hu", "KIALLITAS DATUMA,KIALLITAS KELTE"},
	{FieldIssue, "lt", "ISDAVIMO DATA"},
	{FieldIssue, "lv", "IZDOSANAS DATUMS"},
	{FieldIssue, "nl", "DATUM VAN AFGIFTE"},
	{FieldIssue, "sv", "UTFARDANDEDAG"},

	{FieldExpiry, "en", "DATE OF EXPIRY,EXPIRY DATE,DATE OF EXPIRATION,EXPIRATION DATE,EXPIRES ON,CARD EXPIRES,EXPIRES,VALID UNTIL,VALIDITY,EXP"},
	{FieldExpiry, "fr", "DATE D EXPIRATION,VALABLE JUSQU AU,VALIDE JUSQU AU,VALIDITE"},
	{FieldExpiry, "es", "FECHA DE CADUCIDAD,FECHA DE VENCIMIENTO,VALIDO HASTA,VALIDEZ"},
	{FieldExpiry, "de", "GULTIG BIS,GUELTIG BIS,GULTIGKEITSDATUM,ABLAUFDATUM"},
	{FieldExpiry, "it", "DATA DI SCADENZA,SCADENZA"},
	{FieldExpiry, "pt", "DATA DE VALIDADE,VALIDADE"},
	{FieldExpiry, "pl", "DATA UPLYWU TERMINU WAZNOSCI,TERMIN WAZNOSCI,DATA WAZNOSCI"},
	{FieldExpiry, "cs", "PLATNOST DO,DATUM SKONCENI PLATNOSTI"},
	{FieldExpiry, "sk", "DATUM PLATNOSTI"},
	{FieldExpiry, "hr", "DATUM ISTEKA,VRIJEDI DO"},
	{FieldExpiry, "sl", "VELJA DO"},
	{FieldExpiry, "ro", "VALABILITATE,DATA EXPIRARII"},
	{FieldExpiry, "hu", "ERVENYESSEGI IDO,LEJARAT DATUMA,ERVENYES"},
	{FieldExpiry, "lt", "GALIOJA IKI"},
	{FieldExpiry, "lv", "DERIGA LIDZ"},
	{FieldExpiry, "nl", "GELDIG TOT"},
	{FieldExpiry, "zh", "有效期至,效期截止日期"},

	{FieldName, "en", "SURNAME,LAST NAME,FAMILY NAME,PRIMARY IDENTIFIER,NAME"},
	{FieldName, "fr", "NOM,IDENTIFIANT PRIMAIRE"},
	{FieldName, "es", "APELLIDOS,APELLIDO"},
	{FieldName, "de", "FAMILIENNAME,NACHNAME"},
	{FieldName, "it", "COGNOME"},
	{FieldName, "pt", "APELIDO,SOBRENOME"},
	{FieldName, "pl", "NAZWISKO"},
	{FieldName, "cs", "PRIJMENI"},
	{FieldName, "hr", "PREZIME"},
	{FieldName, "ro", "NUME"},
	{FieldName, "hu", "CSALADI NEV"},
	{FieldName, "lt", "PAVARDE"},
	{FieldName, "zh", "姓名"},

	{FieldNumber, "en", "PASSPORT NO,PASSPORT NUMBER,DOCUMENT NO,DOCUMENT NUMBER,CARD NUMBER"},
	{FieldNumber, "fr", "PASSEPORT NO,NUMERO DE DOCUMENT"},
	{FieldNumber, "de", "PASSNUMMER,AUSWEISNUMMER"},

	{FieldSex, "en", "SEX,GENDER"},
	{FieldSex, "fr", "SEXE"},
	{FieldSex, "es", "SEXO"},
	{FieldSex, "de", "GESCHLECHT"},
	{FieldSex, "it", "SESSO"},
	{FieldSex, "pl", "PLEC"},
	{FieldSex, "cs", "POHLAVI"},
	{FieldSex, "hr", "SPOL"},
	{FieldSex, "lt", "LYTIS"},

	{FieldNationality, "en", "NATIONALITY"},
	{FieldNationality, "fr", "NATIONALITE"},
	{FieldNationality, "es", "NACIONALIDAD"},
	{FieldNationality, "de", "STAATSANGEHORIGKEIT"},
	{FieldNationality, "it", "CITTADINANZA"},
	{FieldNationality, "pl", "OBYWATELSTWO"},
	{FieldNationality, "cs", "STATNI OBCANSTVI"},
	{FieldNationality, "hr", "DRZAVLJANSTVO"},
	{FieldNationality, "hu", "ALLAMPOLGARSAG"},

	{FieldOther, "en", "PLACE OF BIRTH,BIRTHPLACE,PLACE OF ISSUE,AUTHORITY,SIGNATURE,GIVEN NAMES,GIVEN NAME,FIRST NAME,SECONDARY IDENTIFIER,PARENTS NAMES,PERSONAL NO,PASSPORT,COUNTRY OF BIRTH,RESIDENT SINCE,POINT OF ISSUE,CODE OF ISSUING STATE,ALSO KNOWN AS"},
	{FieldOther, "fr", "LIEU DE NAISSANCE,AUTORITE,PRENOM,PRENOMS,PASSEPORT,NOMS DES PARENTS,NUMERO PERSONNEL"},
	{FieldOther, "es", "LUGAR DE NACIMIENTO,NOMBRE,DOMICILIO,FIRMA"},
	{FieldOther, "de", "GEBURTSORT,VORNAMEN,VORNAME,GEBURTSNAME,BEHORDE,UNTERSCHRIFT"},
	{FieldOther, "it", "LUOGO DI NASCITA"},
	{FieldOther, "pl", "MIEJSCE URODZENIA,IMIONA,ORGAN WYDAJACY"},
	{FieldOther, "cs", "MISTO NAROZENI,JMENO,RODNE CISLO"},
	{FieldOther, "hr", "MJESTO RODENJA"},
	{FieldOther, "ro", "LOC NASTERE,PRENUME,DOMICILIU,EMISA DE"},
	{FieldOther, "lt", "GIMIMO VIETA"},
	{FieldOther, "zh", "出生地"},
}

const (
	// exactLabel is the most letters of a label that must be a word of its own as it is.
	exactLabel = 5
	// misread is how many letters of a longer label may be wrong, missing or too many: one in so many.
	misread = 5
)

// spot is a stretch of the runes of a line.
type spot struct{ line, from, to int }

// label is a label on a page.
type label struct {
	spot
	field     Field
	languages []string
	wrong     float64 // share of its letters that were misread
}

// foldings are letters with marks for the plain ones, one for one, so that places in a text stay what they are.
var foldings = func() map[rune]rune {
	m := map[rune]rune{}
	for plain, marked := range map[rune]string{
		'A': "ÀÁÂÃÄÅĀĂĄÆ", 'C': "ÇĆČĊ", 'D': "ĎĐÐ", 'E': "ÈÉÊËĒĖĘĚ", 'G': "ĞĢĠ", 'H': "Ħ", 'I': "ÌÍÎÏĪĮİ", 'K': "Ķ", 'L': "ĹĻĽŁ", 'N': "ÑŃŅŇ",
		'O': "ÒÓÔÕÖØŌŐŒ", 'R': "ŔŘ", 'S': "ŚŞŠȘẞ", 'T': "ŢŤȚŦ", 'U': "ÙÚÛÜŪŮŰŲ", 'W': "Ŵ", 'Y': "ÝŸŶ", 'Z': "ŹŻŽ",
	} {
		for _, r := range marked {
			m[r] = plain
		}
	}
	m['ß'], m['ı'], m['’'], m['–'] = 'S', 'I', '\'', '-'
	return m
}()

// folded is a text in plain capital letters, rune by rune.
func folded(text string) []rune {
	runes := []rune(text)
	for i, r := range runes {
		if plain, ok := foldings[r]; ok {
			runes[i] = plain
		} else if r = unicode.ToUpper(r); foldings[r] != 0 {
			runes[i] = foldings[r]
		} else {
			runes[i] = r
		}
	}
	return runes
}

func letter(r rune) bool { return r >= 'A' && r <= 'Z' }
func digit(r rune) bool  { return r >= '0' && r <= '9' }

// wordsOnly are the letters of a folded text and where they are in it. Digits that touch a letter are taken for the letters that they
// look like.
func wordsOnly(text []rune) (letters []rune, places []int) {
	for i, r := range text {
		if digit(r) && (i > 0 && letter(text[i-1]) || i+1 < len(text) && letter(text[i+1])) {
			r = []rune("OIZEASGTSP")[r-'0']
		}
		if letter(r) {
			letters, places = append(letters, r), append(places, i)
		}
	}
	return letters, places
}

// phrase is a label as it is looked for.
type phrase struct {
	text     []rune // with spaces
	letters  []rune
	counts   alphabet
	field    Field
	language string
}

// alphabet is how often each letter occurs.
type alphabet [26]uint8

func count(letters []rune) (a alphabet) {
	for _, r := range letters {
		if letter(r) && a[r-'A'] < 255 {
			a[r-'A']++
		}
	}
	return a
}

// lacks is how many letters of a are not in b.
func (a *alphabet) lacks(b *alphabet) (n int) {
	for i, k := range a {
		if k > b[i] {
			n += int(k - b[i])
		}
	}
	return n
}

var phrases = func() (all []phrase) {
	for _, l := range labels {
		for text := range strings.SplitSeq(l.texts, ",") {
			letters := []rune(strings.ReplaceAll(text, " ", ""))
			all = append(all, phrase{[]rune(text), letters, count(letters), l.field, l.language})
		}
	}
	return all
}()

// findLabels are the labels of lines, each line's from left to right. Where two overlap, the one of which more letters are right counts,
// and the longer one of equals; labels of one field that follow each other, in several languages, are one.
func findLabels(lines []Line) (all []label) {
	for i, l := range lines {
		text := folded(l.Text)
		letters, places := wordsOnly(text)
		counts := count(letters)
		var found []label
		for k := range phrases {
			p := &phrases[k]
			if p.counts.lacks(&counts)*misread > len(p.letters) {
				continue
			}
			for _, m := range p.in(text, letters, places) {
				found = append(found, label{spot{i, m.from, m.to}, p.field, []string{p.language}, m.wrong})
			}
		}
		slices.SortStableFunc(found, func(a, b label) int {
			if worse := a.wrong - b.wrong; worse > 0.01 || worse < -0.01 {
				if worse > 0 {
					return 1
				}
				return -1
			}
			return (b.to - b.from) - (a.to - a.from)
		})
		var kept []label
		for _, l := range found {
			overlapping := slices.IndexFunc(kept, func(k label) bool { return l.from < k.to && k.from < l.to })
			if overlapping < 0 {
				kept = append(kept, l)
			} else if k := &kept[overlapping]; k.field == l.field && k.spot == l.spot && !slices.Contains(k.languages, l.languages[0]) {
				k.languages = append(k.languages, l.languages[0])
			}
		}
		slices.SortFunc(kept, func(a, b label) int { return a.from - b.from })
		for _, l := range kept {
			if n := len(all) - 1; n >= 0 && all[n].line == i && all[n].field == l.field && !containsDigit(text[all[n].to:l.from]) {
				all[n].to = l.to
				all[n].languages = append(all[n].languages, l.languages...)
				all[n].wrong = min(all[n].wrong, l.wrong)
				continue
			}
			all = append(all, l)
		}
	}
	return all
}

func containsDigit(text []rune) bool { return slices.ContainsFunc(text, digit) }

// match is where a phrase is in a text.
type match struct {
	from, to int
	wrong    float64
}

// in are the places of p in a text.
func (p *phrase) in(text, letters []rune, places []int) []match {
	switch {
	case !letter(p.letters[0]):
		if at := strings.Index(string(text), string(p.letters)); at >= 0 {
			from := len([]rune(string(text)[:at]))
			return []match{{from: from, to: from + len(p.letters)}}
		}
		return nil
	case len(p.letters) <= exactLabel:
		var all []match
		for from := 0; from+len(p.text) <= len(text); from++ {
			to := from + len(p.text)
			if slices.Equal(text[from:to], p.text) && (from == 0 || !unicode.IsLetter(text[from-1])) && (to == len(text) || !unicode.IsLetter(text[to])) {
				all = append(all, match{from: from, to: to})
			}
		}
		return all
	}
	from, to, errors := within(p.letters, letters)
	if errors*misread > len(p.letters) {
		return nil
	}
	return []match{{places[from], places[to-1] + 1, float64(errors) / float64(len(p.letters))}}
}

// within is the stretch of text that is most like pattern, and by how many letters it differs (Sellers 1980).
func within(pattern, text []rune) (from, to, errors int) {
	previous, start := make([]int, len(pattern)+1), make([]int, len(pattern)+1)
	current, begin := make([]int, len(pattern)+1), make([]int, len(pattern)+1)
	for i := range previous {
		previous[i] = i
	}
	errors = len(pattern) + 1
	for j, r := range text {
		current[0], begin[0] = 0, j+1
		start[0] = j
		for i, p := range pattern {
			cost := 1
			if p == r {
				cost = 0
			}
			current[i+1], begin[i+1] = previous[i]+cost, start[i]
			if v := previous[i+1] + 1; v < current[i+1] {
				current[i+1], begin[i+1] = v, start[i+1]
			}
			if v := current[i] + 1; v < current[i+1] {
				current[i+1], begin[i+1] = v, begin[i]
			}
		}
		if n := current[len(pattern)]; n < errors && begin[len(pattern)] <= j {
			from, to, errors = begin[len(pattern)], j+1, n
		}
		previous, current, start, begin = current, previous, begin, start
	}
	return from, to, errors
}

// Languages are the languages (ISO 639-1) in which labels of two fields at least were read, in order.
func (p *Page) Languages() (languages []string) {
	fields := map[string]map[Field]bool{}
	for _, l := range p.labels {
		for _, language := range l.languages {
			if fields[language] == nil {
				fields[language] = map[Field]bool{}
			}
			fields[language][l.field] = true
		}
	}
	for language, of := range fields {
		if len(of) > 1 {
			languages = append(languages, language)
		}
	}
	slices.Sort(languages)
	return languages
}

// Words are the words of a text as machine-readable zones write them: A-Z, without marks. A letter that may be written in two ways, Ü as
// UE or U, makes two words, and so does a digit in a word: it may be a letter that was misread, or none of the word.
func Words(text string) (words []string) {
	apart := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.Is(unicode.Mn, r) && r != '\'' && r != '’'
	}
	add := func(word string) {
		letters, _ := wordsOnly(folded(word))
		plain := string(letters)
		if plain != "" {
			words = append(words, plain)
		}
		if long, err := mrz.Transliterate(word, ""); err == nil && long != "" && long != plain {
			words = append(words, long)
		}
	}
	for _, w := range strings.FieldsFunc(text, func(r rune) bool { return apart(r) && !unicode.IsDigit(r) }) {
		parts := strings.FieldsFunc(w, apart)
		for _, part := range parts {
			add(part)
		}
		if len(parts) > 0 && parts[0] != w {
			add(w)
		}
	}
	return words
}

// PrintedValue is what is printed beside or below the label of a field that is no date.
type PrintedValue struct {
	Field Field
	Text  string
	// Confidence is that of its least certain character, 0..1.
	Confidence float32
}

// Values are what labels say to be the name, the number, the sex and the nationality, in the order of the lines.
func (p *Page) Values() (all []PrintedValue) {
	for i, l := range p.lines {
		runes := []rune(l.Text)
		from := 0
		field := Field("")
		for _, label := range p.labels {
			if label.line == i {
				from, field = label.to, label.field
			}
		}
		if from == 0 {
			field = p.fieldOf(spot{i, 0, len(runes)})
		}
		for from < len(runes) && !unicode.IsLetter(runes[from]) && !unicode.IsDigit(runes[from]) {
			from++
		}
		switch field {
		case FieldName, FieldNumber, FieldSex, FieldNationality:
			if from < len(runes) {
				all = append(all, PrintedValue{field, string(runes[from:]), l.least(from, len(runes))})
			}
		}
	}
	return all
}
