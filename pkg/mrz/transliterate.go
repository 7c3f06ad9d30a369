package mrz

import (
	"fmt"
	"strings"
	"unicode"
)

// Transliterate writes a name with the characters of the zone, A-Z and <, as ICAO Doc 9303-3 sections 4.6 and 6 recommend.
// Spaces, hyphens and commas become one filler; apostrophes and all other punctuation disappear. Letters of the Latin,
// Cyrillic and Arabic tables are replaced. Of several recommendations the first is taken: Ä is AE, Ö is OE, Ü is UE, Å is AA,
// Ñ is N. Beyond the tables it takes the Romanian letters with a comma below, the letters of Vietnamese, decomposed letters
// (a base letter and a combining mark), and leaves out the soft sign, which the Cyrillic table lacks.
//
// language chooses between the Cyrillic columns: "be", "bg", "mk", "sr" or "uk"; everything else takes the common one, which
// is Russian. The table gives H for a Serbian Г, although Serbia writes G; give Serbian names in Latin letters.
//
// Other scripts, digits and symbols are an error, which names the character only.
func Transliterate(name, language string) (string, error) {
	var b strings.Builder
	last, previous := "", rune(0) // what the previous letter became, and that letter
	var runes []rune
	for _, r := range name {
		if n := len(runes); n > 0 {
			if c := composed[[2]rune{unicode.ToUpper(runes[n-1]), r}]; c != 0 {
				runes[n-1] = c
				continue
			}
		}
		runes = append(runes, r)
	}
	for i, r := range runes {
		u := unicode.ToUpper(r)
		first := i == 0 || isSeparator(previous)
		previous = r
		var out string
		switch {
		case u >= 'A' && u <= 'Z':
			out = string(u)
		case isSeparator(r):
			out = "<"
		case r == shadda:
			out = strings.TrimLeft(last, "X") // doubles the letter
		case r == tehMarbuta:
			if out = "XTA"; i+1 == len(runes) || isSeparator(runes[i+1]) {
				out = "XAH"
			}
		default:
			var known bool
			if out, known = letter(u, r, language, first); !known {
				return "", fmt.Errorf("mrz: %U has no transliteration", r)
			}
		}
		if out != "" {
			last = out
		}
		b.WriteString(out)
	}
	return strings.Join(strings.FieldsFunc(b.String(), func(r rune) bool { return r == '<' }), "<"), nil
}

const (
	shadda     = '\u0651'
	tehMarbuta = '\u0629'
)

// isSeparator reports whether r separates components of a name. An underscore or a slash does not: it is punctuation.
func isSeparator(r rune) bool {
	return unicode.IsSpace(r) || unicode.Is(unicode.Pd, r) || r == ',' || r == '،' || r == '<'
}

// letter looks r up, whose upper case is u. known is false where it has no place in a name.
func letter(u, r rune, language string, first bool) (out string, known bool) {
	if language == "uk" && first {
		if out := ukrainianFirst[u]; out != "" {
			return out, true
		}
	}
	if out, known = cyrillicOf[language][u]; known {
		return out, true
	}
	for _, table := range []map[rune]string{latin, cyrillic, arabic} {
		if out, known = table[u]; known {
			return out, true
		}
	}
	switch {
	case u >= 0x1EA0 && u <= 0x1EF9: // Vietnamese, in the order A E I O U Y
		for _, block := range []struct {
			last rune
			out  string
		}{{0x1EB7, "A"}, {0x1EC7, "E"}, {0x1ECB, "I"}, {0x1EE3, "O"}, {0x1EF1, "U"}, {0x1EF9, "Y"}} {
			if u <= block.last {
				return block.out, true
			}
		}
	case unicode.Is(unicode.Mn, r), unicode.Is(unicode.P, r), unicode.Is(unicode.Cf, r), r == '`', r == '´', r == 'ʼ', r == 'ʻ', r == 'ʹ':
		return "", true // marks, punctuation, invisible characters, and the letters that are apostrophes
	}
	return "", false
}

// composed has the pairs of a letter and a combining mark whose transliteration is not that of the letter alone.
var composed = map[[2]rune]rune{
	{'A', '\u0308'}: 'Ä', {'O', '\u0308'}: 'Ö', {'U', '\u0308'}: 'Ü', {'A', '\u030a'}: 'Å',
	{'И', '\u0306'}: 'Й', {'Е', '\u0308'}: 'Ё', {'І', '\u0308'}: 'Ї', {'Г', '\u0301'}: 'Ѓ', {'К', '\u0301'}: 'Ќ', {'У', '\u0306'}: 'Ў',
}

// latin is table A of ICAO Doc 9303-3 section 6, with ß as ẞ and with the Romanian and Vietnamese letters that it lacks.
var latin = table(
	"À A Á A Â A Ã A Ä AE Å AA Æ AE Ç C È E É E Ê E Ë E Ì I Í I Î I Ï I Ð D Ñ N Ò O Ó O Ô O Õ O Ö OE Ø OE Ù U Ú U Û U Ü UE Ý Y Þ TH",
	"Ā A Ă A Ą A Ć C Ĉ C Ċ C Č C Ď D Đ D Ē E Ĕ E Ė E Ę E Ě E Ĝ G Ğ G Ġ G Ģ G Ĥ H Ħ H Ĩ I Ī I Ĭ I Į I İ I ı I Ĳ IJ Ĵ J Ķ K",
	"Ĺ L Ļ L Ľ L Ŀ L Ł L Ń N Ņ N Ň N Ŋ N Ō O Ŏ O Ő O Œ OE Ŕ R Ŗ R Ř R Ś S Ŝ S Ş S Š S Ţ T Ť T Ŧ T Ũ U Ū U Ŭ U Ů U Ű U Ų U",
	"Ŵ W Ŷ Y Ÿ Y Ź Z Ż Z Ž Z ẞ SS ß SS Ș S Ț T Ơ O Ư U",
)

// cyrillic is table B of ICAO Doc 9303-3 section 6. The table prints the sign Ћ beside the code of Ђ; both letters are here, Ћ
// with the transliteration that the table gives to Һ, which it mistakes for it. Ѓ, which it mistakes for Ғ, is here too.
var cyrillic = table(
	"Ё E Ђ D Є IE Ѕ DZ І I Ї I Ј J Љ LJ Њ NJ Ћ C Ќ K Ў U Џ DZ А A Б B В V Г G Д D Е E Ж ZH З Z И I Й I К K Л L М M Н N О O П P Р R",
	"С S Т T У U Ф F Х KH Ц TS Ч CH Ш SH Щ SHCH Ъ IE Ы Y Э E Ю IU Я IA Ѫ U Ѵ Y Ґ G Ғ G Ѓ G Һ C Ь -",
)

// cyrillicOf has the exceptions of table B.
var cyrillicOf = map[string]map[rune]string{
	"be": table("Ё IO Г H"),
	"bg": table("Щ SHT"),
	"mk": table("Ќ KJ Џ DJ Ѓ GJ Ғ GJ Х H Ц C"),
	"sr": table("Г H Ж Z Х H Ц C Ч C Ш S"),
	"uk": table("Г H И Y"),
}

// ukrainianFirst has the exceptions for the first character of a Ukrainian name.
var ukrainianFirst = table("Є YE Ї YI Й Y Ю YU Я YA")

// arabic is table C of ICAO Doc 9303-3 section 6, without teh marbuta and shadda, which depend on their neighbours. What the
// table does not encode is empty.
var arabic = table(
	"ء XE آ XAA أ XAE ؤ U إ I ئ XI ا A ب B ت T ث XTH ج J ح XH خ XKH د D ذ XDH ر R ز Z س S ش XSH ص XSS ض XDZ ط XTT ظ XZZ ع E غ G",
	"ـ - ف F ق Q ك K ل L م M ن N ه H و W ى XAY ي Y",
	"ٱ XXA ٹ XXT ټ XRT پ P ځ XKE څ XXH چ XC ڈ XXD ډ XDR ڑ XXR ړ XRR ږ XRX ژ XJ ښ XXS ڜ - ڢ - ڧ - ڨ - ک XKK ګ XXK ڭ XNG گ XGG ں XNN",
	"ڼ XXN ھ XDO ۀ XYH ہ XXG ۂ XGE ۃ XTG ی XYA ۍ XXY ې Y ے XYB ۓ XBE",
)

// table reads rows of a letter and what replaces it; - stands for nothing.
func table(rows ...string) map[rune]string {
	m := map[rune]string{}
	for _, row := range rows {
		fields := strings.Fields(row)
		for i := 0; i+1 < len(fields); i += 2 {
			m[[]rune(fields[i])[0]] = strings.Trim(fields[i+1], "-")
		}
	}
	return m
}
