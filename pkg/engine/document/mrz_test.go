package document

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/mrz"
)

// seen is what a network sees of a text: each character for two steps with a blank behind it.
func seen(text string) (l zoneLine) {
	var gap zoneStep
	gap[blank] = 0.99
	for _, c := range []byte(text) {
		var step zoneStep
		step[strings.IndexByte(zoneAlphabet, c)] = 0.98
		l.steps = append(l.steps, step, step, gap)
	}
	l.like = true
	return l
}

// overlooked is a line one of whose characters the network all but overlooks.
func (l zoneLine) overlooked(at int) zoneLine {
	faint := l.without(at)
	faint.steps[3*at][strings.IndexByte(zoneAlphabet, firstLine[at])] = 0.01
	return faint
}

// without is a line at one of whose characters the network sees only a blank.
func (l zoneLine) without(at int) zoneLine {
	gap := l.steps[2]
	l.steps = append([]zoneStep(nil), l.steps...)
	l.steps[3*at], l.steps[3*at+1] = gap, gap
	return l
}

// doubled is a line one of whose characters the network sees twice.
func (l zoneLine) doubled(at int) zoneLine {
	var steps []zoneStep
	for i := range l.steps {
		steps = append(steps, l.steps[i])
		if i == 3*at+2 {
			steps = append(steps, l.steps[3*at:3*at+3]...)
		}
	}
	l.steps = steps
	return l
}

const (
	firstLine  = "P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<"
	secondLine = "L898902C36UTO7408122F1204159ZE184226B<<<<<10"
)

// TestSpell: the length of a line says how many fillers there are.
func TestSpell(t *testing.T) {
	for name, l := range map[string]zoneLine{
		"as it is": seen(firstLine), "without a filler": seen(firstLine).overlooked(30), "with a filler too many": seen(firstLine).doubled(30),
	} {
		if s := l.spell(len(firstLine), len(firstLine)); s.text != firstLine {
			t.Errorf("%s: %s", name, s.text)
		}
	}
	if s := seen(secondLine).without(20).spell(44, 44); s.text == secondLine || slices.Min(s.confidence) > unseenBelow {
		t.Errorf("a line with a character that nobody saw: %s, %.2f", s.text, s.confidence)
	}
	if s := seen("L898").spell(44, 44); s.text != "" {
		t.Errorf("4 characters with 12 steps are spelt as %s", s.text)
	}
	if s := (zoneLine{}).spell(44, 44); s.text != "" {
		t.Errorf("nothing is spelt as %s", s.text)
	}
}

// TestSpellNames: a name has no digits, so what looks like one is a letter.
func TestSpellNames(t *testing.T) {
	l := seen("P<UTOER1KSS0N<<ANNA<MAR1A<<<<<<<<<<<<<<<<<<<")
	for i := range l.steps { // the network takes each a little for the letters that look like it
		for _, group := range lookalikes {
			digit := &l.steps[i][group[0]-'0']
			for _, letter := range group[1:] {
				l.steps[i][letter-'A'+10] += *digit / 20 / float32(letter-'A'+1)
			}
		}
		l.steps[i]['O'-'A'+10] *= 4
	}
	if s := l.spell(5, 44); s.text != firstLine || s.confidence[7] < 0.9 {
		t.Errorf("%s, the first I with %.2f", s.text, s.confidence[7])
	}
	if s := l.spell(44, 44); s.text == firstLine {
		t.Error("without names there are no digits either")
	}
}

// taking is what the network sees of a line one of whose characters it takes for another with this probability.
func taking(text string, at int, other byte, p float32) zoneLine {
	l := seen(text)
	for _, i := range []int{3 * at, 3*at + 1} {
		l.steps[i] = zoneStep{}
		l.steps[i][strings.IndexByte(zoneAlphabet, other)] = p
		l.steps[i][strings.IndexByte(zoneAlphabet, text[at])] = 0.98 - p
	}
	return l
}

// TestTogether: of what several looks say of a line, most of the probability decides at each place, and what they do not agree on is
// doubtful.
func TestTogether(t *testing.T) {
	spell := func(at int, other byte, p float32) spelling { return taking(secondLine, at, other, p).spell(44, 44) }
	wrong := spell(3, '6', 0.6)
	if wrong.text == secondLine || wrong.confidence[3] > 0.7 {
		t.Fatalf("one look: %s, %.2f", wrong.text, wrong.confidence[3])
	}
	s := together([]spelling{wrong, spell(3, '6', 0.1), spell(20, 'M', 0.7)})
	if s.text != secondLine {
		t.Errorf("three looks: %s", s.text)
	}
	for i, c := range s.confidence {
		if doubted := i == 3 || i == 20; (c < Sure) != doubted {
			t.Errorf("place %d: %.2f", i, c)
		}
	}
	if s := together([]spelling{wrong}); s.text != wrong.text {
		t.Errorf("a look by itself: %s", s.text)
	}
}

// TestSettled: a zone is looked at again where its check digits do not hold, unless the reader has no doubt, and where it doubts a name.
func TestSettled(t *testing.T) {
	o := MRZOptions{Reference: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}
	broken := secondLine[:43] + "9"
	for name, c := range map[string]struct {
		first, second zoneLine
		settled, sure bool
	}{
		"as it is":                   {seen(firstLine), seen(secondLine), true, true},
		"a doubtful name":            {taking(firstLine, 8, 'H', 0.45), seen(secondLine), false, false},
		"printed with a wrong digit": {seen(firstLine), seen(broken), true, true},
		"doubtful, and wrong":        {seen(firstLine), taking(broken, 20, 'M', 0.3), false, true},
	} {
		zone := bestZone([]zoneLine{c.first, c.second}, o)
		if zone == nil || zone.settled() != c.settled {
			t.Errorf("%s: settled %v", name, !c.settled)
		} else if f := zone.Reading.Field(mrz.FieldHolder); (f.Confidence >= Sure) != c.sure {
			t.Errorf("%s: the name has a confidence of %.2f", name, f.Confidence)
		}
	}
}

// TestBestZone finds a zone among lines, of each format, and none among others.
func TestBestZone(t *testing.T) {
	o := MRZOptions{Reference: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}
	for text, want := range map[string]mrz.Format{
		firstLine + "\n" + secondLine:                                                                    mrz.TD3,
		"REPUBLICOFUTOPIAPASSPORT\n" + firstLine + "\n" + secondLine:                                     mrz.TD3,
		"I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<": mrz.TD1,
		"I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6":                     mrz.TD2,
		"V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL8988901C4XXX4009078F96121096ZE184226B<<<<<<":     mrz.MRVA,
		"V<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nL8988901C4XXX4009078F9612109<<<<<<<<":                     mrz.MRVB,
		"THEBEARERISACITIZENOFUTOPIA\nANDMAYPASSWITHOUTLETORHINDRANCE":                                   0,
		secondLine + "\n" + secondLine:                                                                   0,
		secondLine:                                                                                       0,
	} {
		var lines []zoneLine
		for i, line := range strings.Split(text, "\n") {
			l := seen(line)
			l.box = box{Window: imaging.Window{X: 500, Y: 100 + 40*float64(i), Width: 900, Height: 30, Turn: math.Pi}}
			lines = append(lines, l)
		}
		m := bestZone(lines, o)
		switch {
		case m == nil:
			if want != 0 {
				t.Errorf("no zone in\n%s", text)
			}
		case m.Reading.Document.Format != want || !m.Reading.Clean():
			t.Errorf("a zone %s in\n%s", m.Reading.Document.Format, text)
		case math.Abs(math.Abs(float64(m.Direction))-180) > 1 || m.Confidence < 0.9 || !m.settled():
			t.Errorf("%s: direction %.0f, confidence %.2f", want, m.Direction, m.Confidence)
		}
	}
}
