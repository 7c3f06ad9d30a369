package document

import "unicode"

// scripts are the codes of ISO 15924 of the scripts that are told apart.
var scripts = []struct {
	code  string
	table *unicode.RangeTable
}{
	{"Latn", unicode.Latin}, {"Cyrl", unicode.Cyrillic}, {"Grek", unicode.Greek}, {"Arab", unicode.Arabic}, {"Hebr", unicode.Hebrew},
	{"Hira", unicode.Hiragana}, {"Kana", unicode.Katakana}, {"Hang", unicode.Hangul}, {"Hani", unicode.Han},
	{"Deva", unicode.Devanagari}, {"Thai", unicode.Thai}, {"Geor", unicode.Georgian}, {"Armn", unicode.Armenian},
}

// Script is the script of most letters of the line, by its code of ISO 15924; "" where it has no letter of a script that is known.
func (l Line) Script() (most string) {
	counts := map[string]int{}
	for _, r := range l.Text {
		for _, s := range scripts {
			if unicode.Is(s.table, r) {
				counts[s.code]++
				if counts[s.code] > counts[most] {
					most = s.code
				}
			}
		}
	}
	return most
}
