package document

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/mrz"
	"facestream/pkg/schema"
)

// MRZ is a machine-readable zone in a picture.
type MRZ struct {
	// Reading has the fields, what the check digits say of each, and each character that was replaced.
	Reading *mrz.Reading
	// Lines are the lines of the zone as they were read, before anything was replaced.
	Lines []Line
	// Quad has the zone's own corners in pixels of the picture: top left, top right, bottom right, bottom left.
	Quad [4]schema.PointF
	// Direction is where the zone's text runs, in degrees clockwise: 0 to the right, 90 down; -180..180.
	Direction float32
	// Confidence is the mean of the lines' confidences, 0..1.
	Confidence float32

	boxes []box // of the lines
	spelt []spelling
}

// Sure is the confidence of a field from which its reader is sure of it. Below it, a field that no check digit covers, such as a name, is
// doubtful, though all check digits hold.
const Sure = 0.9

// MRZOptions are the options of [Text.MRZ].
type MRZOptions struct {
	// Reference is the day against which two-digit years get their century.
	Reference time.Time
	// Segmented says that the picture shows the zone and nothing else.
	Segmented bool
}

// zoneAlphabet has the characters of machine-readable zones; filler is the last.
const (
	zoneAlphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ<"
	zoneSize     = len(zoneAlphabet)
	noZone       = -1
)

// zoneClasses are, by class of a line reader, the places in zoneAlphabet of the characters that classes stand for: letters of lower case
// and with marks for the plain ones, and signs that look like fillers for those; zoneSize for the blank.
func zoneClasses(characters []string) []int8 {
	classes := make([]int8, len(characters))
	for i, c := range characters {
		classes[i] = noZone
		r, _ := utf8.DecodeRuneInString(c)
		switch {
		case i == 0:
			classes[i] = int8(zoneSize)
		case strings.ContainsRune("‹＜〈⟨«≪《⟪Λ∧", r):
			classes[i] = int8(zoneSize - 1)
		case unicode.Is(unicode.Latin, r):
			if plain, err := mrz.Transliterate(c, ""); err == nil && len(plain) == 1 {
				c = plain
			}
			fallthrough
		default:
			if len(c) == 1 {
				classes[i] = int8(strings.IndexByte(zoneAlphabet, c[0]))
			}
		}
	}
	return classes
}

// zoneStep has the probability of each character of zoneAlphabet, and behind them of the blank.
type zoneStep [zoneSize + 1]float32

// zoneLine is what the network sees of a line that may belong to a zone.
type zoneLine struct {
	box   box
	steps []zoneStep
	like  bool // one of a zone's
}

// zoneLine adds up the classes that stand for the same character.
func (r *lineReader) zoneLine(b box, classes []float32) zoneLine {
	l := zoneLine{box: b, steps: make([]zoneStep, 0, len(classes)/len(r.zone))}
	for values := range slices.Chunk(classes, len(r.zone)) {
		var step zoneStep
		for i, at := range r.zone {
			if at != noZone {
				step[at] += unit(values[i])
			}
		}
		l.steps = append(l.steps, step)
	}
	read := r.decode(b, classes)
	var own, fillers, lower, foreign int
	for _, c := range read.Text {
		switch {
		case c == '<':
			fillers++
			own++
		case c >= 'a' && c <= 'z':
			lower++
		case strings.ContainsRune(zoneAlphabet, c):
			own++
		default:
			foreign++
		}
	}
	if fillers < fewFillers {
		foreign += lower
	}
	l.like = own+lower >= leastCharacters && foreign*mostForeign <= own+lower
	return l
}

// lookalikes has the groups of a digit and letters that readers take for each other in OCR-B.
var lookalikes = []string{"0OQD", "1IL", "2Z", "5S", "6G", "8B"}

// lettersOf is the step of a text without digits.
func lettersOf(step zoneStep) zoneStep {
	for _, group := range lookalikes {
		digit := group[0] - '0'
		for _, letter := range []byte(group[1:]) {
			step[letter-'A'+10] += step[digit]
		}
		step[digit] = 0
	}
	return step
}

// What a step counts at least, so that one step never decides alone. What readers overlook are fillers among others.
const (
	leastProbability = 1e-4
	leastOfFiller    = 1e-3
)

func logarithms(step zoneStep) zoneStep {
	for c, p := range step {
		step[c] = float32(math.Log(float64(max(p, leastProbability))))
	}
	return step
}

// spelling is the likeliest reading of a line that has so many characters.
type spelling struct {
	text       string
	confidence []float64 // of each character: its highest probability at its steps
	// others has for each character the highest probability of each of zoneAlphabet at its steps and at the blanks behind it.
	others [][zoneSize]float32
}

// The states of a reading after so many characters: each character of zoneAlphabet, the blank behind another one, and the blank behind a
// filler.
const (
	filler      = zoneSize - 1
	blank       = zoneSize
	fillerBlank = zoneSize + 1
	states      = zoneSize + 2
)

// spell returns the likeliest reading of exactly so many characters of zoneAlphabet, by the Viterbi algorithm over the CTC's states. Readers
// lose and double fillers, of which zones have many in a row; the length of the line decides how many there are. From the place letters
// on there are names, which have no digits: a digit there counts for the letters that look like it. It has no text if the steps have no
// room for the length.
func (l zoneLine) spell(letters, length int) spelling {
	never := float32(math.Inf(-1))
	scores := slices.Repeat([]float32{never}, (length+1)*states)
	next := slices.Clone(scores)
	scores[blank] = 0
	const fewer = states                            // is added to the state before where it belongs to one character less
	paths := make([]int8, len(l.steps)*len(scores)) // the state before
	for t, step := range l.steps {
		logs, named := logarithms(step), logarithms(lettersOf(step))
		overlooked := max(logs[filler], float32(math.Log(leastOfFiller)))
		back := paths[t*len(scores):][:len(scores)]
		next[blank], back[blank] = scores[blank]+logs[blank], int8(blank)
		for n := 1; n <= min(length, t+1); n++ {
			here, before := scores[n*states:][:states], scores[(n-1)*states:][:states]
			to, way := next[n*states:][:states], back[n*states:][:states]
			other := argmax(here[:filler])
			if here[blank] > here[other] {
				other = blank
			}
			to[blank], way[blank] = here[other]+logs[blank], int8(other)
			after := filler
			if here[fillerBlank] > here[filler] {
				after = fillerBlank
			}
			to[fillerBlank], way[fillerBlank] = here[after]+logs[blank], int8(after)

			first := argmax(before)
			second := (first + 1) % states
			for c, v := range before {
				if c != first && v > before[second] {
					second = c
				}
			}
			from, logs := 0, &logs
			if n > letters {
				from, logs = 10, &named
			}
			for c := from; c < zoneSize; c++ {
				prior := first
				if c == first {
					prior = second
				}
				to[c], way[c] = here[c]+logs[c], int8(c)
				if score := before[prior] + logs[c]; score > to[c] {
					to[c], way[c] = score, int8(prior+fewer)
				}
			}
			if score := before[fillerBlank] + overlooked; score > to[filler] {
				to[filler], way[filler] = score, int8(fillerBlank+fewer)
			}
		}
		scores, next = next, scores
	}
	state := argmax(scores[length*states:])
	if math.IsInf(float64(scores[length*states+state]), -1) {
		return spelling{}
	}
	text, confidence, others := make([]byte, length), make([]float64, length), make([][zoneSize]float32, length)
	for t, at := len(l.steps)-1, length; t >= 0; t-- {
		step := l.steps[t]
		if at > letters {
			step = lettersOf(step)
		}
		if state < zoneSize {
			text[at-1] = zoneAlphabet[state]
			confidence[at-1] = max(confidence[at-1], min(float64(step[state]), 1))
		}
		if at > 0 {
			for c := range others[at-1] {
				others[at-1][c] = max(others[at-1][c], step[c])
			}
		}
		before := int(paths[t*len(scores)+at*states+state])
		if before >= fewer {
			before -= fewer
			at--
		}
		state = before
	}
	return spelling{string(text), confidence, others}
}

// possible has for each character the others that it may be.
func (s spelling) possible() []string {
	all := make([]string, len(s.others))
	for i, others := range s.others {
		for c, p := range others {
			if p >= leastPossible && zoneAlphabet[c] != s.text[i] {
				all[i] += zoneAlphabet[c : c+1]
			}
		}
	}
	return all
}

// together is what several looks at one line, spelt with the same length, say of it: at each place the character that has most of the
// probability, which is the mean of what the looks give it.
func together(looks []spelling) spelling {
	length := len(looks[0].text)
	s := spelling{confidence: make([]float64, length), others: make([][zoneSize]float32, length)}
	text := make([]byte, length)
	for i := range length {
		for _, l := range looks {
			var all float32
			for _, p := range l.others[i] {
				all += p
			}
			// What a look leaves to the blank it gives to no character.
			share := 1 / max(all, 1) / float32(len(looks))
			for c, p := range l.others[i] {
				s.others[i][c] += p * share
			}
		}
		best := argmax(s.others[i][:])
		text[i], s.confidence[i] = zoneAlphabet[best], min(float64(s.others[i][best]), 1)
	}
	s.text = string(text)
	return s
}

// zoneShape has a format's lines and columns, and where its names are.
type zoneShape struct{ lines, columns, nameLine, nameColumn int }

// zoneShapes are those of all formats.
var zoneShapes = []zoneShape{{3, 30, 2, 0}, {2, 36, 0, 5}, {2, 44, 0, 5}}

// shapeOf is that of a zone.
func shapeOf(lines []spelling) zoneShape {
	return zoneShapes[slices.IndexFunc(zoneShapes, func(s zoneShape) bool { return s.lines == len(lines) && s.columns == len(lines[0].text) })]
}

// spellAll spells the lines of a zone of a shape.
func spellAll(lines []zoneLine, s zoneShape) (spelt []spelling) {
	for i, l := range lines {
		letters := s.columns
		if i == s.nameLine {
			letters = s.nameColumn
		}
		spelt = append(spelt, l.spell(letters, s.columns))
	}
	return spelt
}

// What tells the lines of a zone from others.
const (
	leastAspect     = 12   // the width of the longest line, as it was found, over its height: a zone's have 15 and more
	mostTried       = 8    // of a picture's longest lines
	leastCharacters = 20   // of a line
	mostForeign     = 4    // one in so many characters is none of a zone
	fewFillers      = 3    // with fewer, letters of lower case are foreign
	certainEnough   = 0.8  // the confidence from which a zone may be one of which no check digit holds
	leastPossible   = 0.02 // the probability from which a character may be another one
	unseenBelow     = 0.1  // the probability of a character that the reader did not see
	mostUnseen      = 8    // one in so many characters
	doubtful        = 0.6  // the probability of a character below which the zone is looked at again, though its check digits hold
	sameRow         = 0.4  // line heights by which parts of one line are shifted at most
	mostGap         = 3.5  // line heights from one line to the next
	mostRows        = 4    // rows that are read, where a zone has 2 or 3
)

// zoneScales are the scales at which the network for zones looks at a picture until it sees a zone: the manifest's, and others for one that
// fills the picture and for one that is small in it.
var zoneScales = []float64{1, 0.7, 1.5}

// MRZ finds and reads the machine-readable zones in a picture, the most certain first: by the networks for zones, and where these find
// none, among the lines of text. None is an answer.
func (r *TextReader) MRZ(ctx context.Context, img *imaging.Image, o MRZOptions) (best []MRZ, err error) {
	if r.zone.line != nil {
		for _, scale := range zoneScales {
			text := &Text{sight: r.zone, second: r.text.line, picture: img}
			if text.boxes, err = r.zone.find(ctx, img, int(scale*float64(r.zone.regions.Model.Input.LongSide))); err != nil {
				return nil, err
			}
			zones, err := text.zones(ctx, o)
			if err == nil && zones == nil && best == nil && o.Segmented {
				zones, err = text.strips(ctx, o)
			}
			if err != nil {
				return nil, err
			}
			if len(zones) > 0 && (best == nil || better(&zones[0], &best[0]) < 0) {
				best = zones
			}
			if best != nil && best[0].settled() {
				break
			}
		}
	}
	if best != nil || r.text.line == nil {
		return best, nil
	}
	text, err := r.Find(ctx, img)
	if err != nil {
		return nil, err
	}
	return text.MRZ(ctx, o)
}

// MRZ finds and reads the machine-readable zones among the lines, the most certain first. Where there is none, it looks at the picture
// once more: turned so that its text runs to the right, or, if it does, closer. None is an answer.
func (t *Text) MRZ(ctx context.Context, o MRZOptions) ([]MRZ, error) {
	zones, err := t.zones(ctx, o)
	if err != nil || len(zones) > 0 {
		return zones, err
	}
	direction, err := t.Direction(ctx)
	if err != nil {
		return nil, err
	}
	quarters := Upright([]Direction{direction})
	turned := t.picture.Turned(quarters)
	if turned != t.picture {
		defer turned.Release()
	}
	longSide, long := t.regions.Model.Input.LongSide, max(turned.Width, turned.Height)
	if closer := min(int(closerLook*float64(longSide)), long); quarters == 0 && closer > longSide {
		longSide = closer
	} else if quarters == 0 && !o.Segmented {
		return nil, nil
	}
	boxes, err := t.find(ctx, turned, longSide)
	if err != nil {
		return nil, err
	}
	again := &Text{sight: t.sight, second: t.second, picture: turned, boxes: boxes}
	if zones, err = again.zones(ctx, o); err != nil {
		return nil, err
	}
	if len(zones) == 0 && o.Segmented {
		zones, err = again.strips(ctx, o)
	}
	for i := range zones {
		zones[i].turn(4-quarters, turned.Width, turned.Height)
	}
	return zones, err
}

// turn turns the picture of width × height pixels, in which the zone lies, clockwise by quarters of a turn.
func (m *MRZ) turn(quarters, width, height int) {
	turnQuad(&m.Quad, quarters, width, height)
	for i := range m.Lines {
		turnQuad(&m.Lines[i].Quad, quarters, width, height)
	}
	m.Direction = float32(math.Remainder(float64(m.Direction)+90*float64(quarters), 360))
}

// turnQuad turns the picture of width × height pixels, in which q lies, clockwise by quarters of a turn.
func turnQuad(q *[4]schema.PointF, quarters, width, height int) {
	for i, p := range q {
		w := imaging.Window{X: float64(p.X), Y: float64(p.Y)}.Turned(quarters, width, height)
		q[i] = schema.PointF{X: float32(w.X), Y: float32(w.Y)}
	}
}

// strips reads a picture that shows a zone and nothing else: as two lines and as three, that fill it.
func (t *Text) strips(ctx context.Context, o MRZOptions) ([]MRZ, error) {
	var best *MRZ
	for n := 2; n <= 3; n++ {
		var rows []box
		height := float64(t.picture.Height) / float64(n)
		for i := range n {
			rows = append(rows, box{Window: imaging.Window{X: float64(t.picture.Width) / 2, Y: (float64(i) + 0.5) * height, Width: float64(t.picture.Width), Height: height}})
		}
		for range 2 {
			lines, err := t.zoneLines(ctx, t.line, rows, looks[0])
			if err != nil {
				return nil, err
			}
			if m := bestZone(lines, o); m != nil && (best == nil || better(m, best) < 0) {
				best = m
			}
			rows = upsideDown(rows)
		}
	}
	if best == nil {
		return nil, nil
	}
	return []MRZ{*best}, nil
}

// zones finds and reads the zones among the lines, the most certain first.
func (t *Text) zones(ctx context.Context, o MRZOptions) ([]MRZ, error) {
	rest := slices.SortedFunc(slices.Values(t.boxes), func(a, b box) int { return cmp.Compare(b.Width, a.Width) })
	var zones []MRZ
	for range mostTried {
		if len(rest) == 0 || rest[0].Width < leastAspect*rest[0].Height {
			break
		}
		seed := rest[0]
		zone, err := t.zone(ctx, rowsAround(seed, rest), seed, o)
		if err != nil {
			return nil, err
		}
		rest = rest[1:]
		if zone != nil {
			zones = append(zones, *zone)
			rest = slices.DeleteFunc(rest, func(b box) bool { return quadOf(zone.Quad).holds(point{b.X, b.Y}) })
		}
	}
	slices.SortStableFunc(zones, func(a, b MRZ) int { return better(&a, &b) })
	return zones, nil
}

// What zones measure: the height of a line as readers are taught it, over the distance of lines, and over the width of 30 characters, the
// fewest that a line has.
const (
	heightOfLeading = 4.7 / 6.35
	heightOfWidth   = 4.2 / (30 * 2.54)
)

// level gives the lines of zones the height that they have by their distance from the next line, or at most by their length: a map that is
// coarse for lines so thin says little of it. At both ends it leaves a quarter of that, lest a character is cut.
func level(boxes []box) []box {
	levelled := slices.Clone(boxes)
	for i, b := range boxes {
		apart := math.Inf(1)
		for _, other := range boxes {
			turn := math.Abs(math.Remainder(b.Turn-other.Turn, math.Pi))
			d := math.Abs(down(other, b.Turn) - down(b, b.Turn))
			if turn < 0.12 && d > 0.3*b.Height && math.Abs(along(other, b.Turn)-along(b, b.Turn)) < b.Width/2 && other.Width > b.Width/2 {
				apart = min(apart, d)
			}
		}
		levelled[i].Height = min(b.Height, b.Width*heightOfWidth)
		if apart < mostGap*levelled[i].Height {
			levelled[i].Height = apart * heightOfLeading
		}
		levelled[i].Width += levelled[i].Height / 2
	}
	return levelled
}

// upsideDown are rows as whoever sees them upside down: the last first, each read the other way round.
func upsideDown(rows []box) []box {
	rows = reversed(rows)
	slices.Reverse(rows)
	return rows
}

// rowsAround are the rows of the column of text that is as wide as a line, from the first down. Each row is as long as the line at least:
// the lines of a zone begin and end together.
func rowsAround(long box, boxes []box) []box {
	var column []box
	for _, b := range boxes {
		if parallel(long, b) && math.Abs(along(b, long.Turn)-along(long, long.Turn))+b.Width/2 < 0.6*long.Width {
			column = append(column, b)
		}
	}
	slices.SortFunc(column, func(a, b box) int { return cmp.Compare(down(a, long.Turn), down(b, long.Turn)) })
	var rows []box
	for _, b := range column {
		if n := len(rows) - 1; n >= 0 && down(b, long.Turn)-down(rows[n], long.Turn) < sameRow*min(b.Height, rows[n].Height) {
			if b.Width > rows[n].Width {
				b, rows[n] = rows[n], b
			}
			rows[n] = spanning(rows[n], b)
		} else {
			rows = append(rows, b)
		}
	}
	for i, r := range rows {
		if r.Width < long.Width {
			r.Turn = long.Turn // is better known
		}
		rows[i] = spanning(r, long)
	}
	return rows
}

// zone reads the zone that has a line in one of the rows, in the direction in which it reads as one, and again where check digits do
// not hold or characters are doubtful. It is nil if the line is none of a zone.
func (t *Text) zone(ctx context.Context, rows []box, seed box, o MRZOptions) (best *MRZ, err error) {
	at := slices.IndexFunc(rows, func(b box) bool { return math.Abs(down(b, seed.Turn)-down(seed, seed.Turn)) < sameRow*seed.Height })
	for range 2 {
		lines, err := t.zoneAround(ctx, rows, at)
		if err != nil {
			return nil, err
		}
		if m := bestZone(lines, o); m != nil && (best == nil || better(m, best) < 0) {
			best = m
		}
		if best != nil && best.Confidence > certainEnough {
			break
		}
		rows = upsideDown(rows)
		at = len(rows) - 1 - at
	}
	if best == nil {
		return nil, nil
	}
	return t.closer(ctx, best, o)
}

// closer looks again at a zone until it is settled, in other ways and with the second reader, and takes what all looks together say of each
// character, or the best of them.
func (t *Text) closer(ctx context.Context, best *MRZ, o MRZOptions) (*MRZ, error) {
	boxes, spelt := best.boxes, [][]spelling{best.spelt}
	for _, l := range looks {
		for _, reader := range []*lineReader{t.line, t.second} {
			if best.settled() {
				return best, nil
			}
			if reader == nil || reader == t.line && l == looks[0] { // was seen
				continue
			}
			lines, err := t.zoneLines(ctx, reader, boxes, l)
			if err != nil {
				return nil, err
			}
			again := zoneOf(spellAll(lines, shapeOf(best.spelt)), lines, o)
			if again == nil {
				continue
			}
			spelt = append(spelt, again.spelt)
			all := make([]spelling, len(boxes))
			for i := range all {
				var line []spelling
				for _, s := range spelt {
					line = append(line, s[i])
				}
				all[i] = together(line)
			}
			for _, m := range []*MRZ{again, zoneOf(all, lines, o)} {
				if m != nil && better(m, best) < 0 {
					best = m
				}
			}
		}
	}
	return best, nil
}

// zoneAround reads a row, and those below and above it, as long as they read as a zone's.
func (t *Text) zoneAround(ctx context.Context, rows []box, at int) (lines []zoneLine, err error) {
	read := func(i int) (like bool) {
		var l []zoneLine
		if l, err = t.zoneLines(ctx, t.line, rows[i:i+1], looks[0]); err != nil || !l[0].like {
			return false
		}
		if i < at {
			lines = slices.Concat(l, lines)
		} else {
			lines = append(lines, l...)
		}
		return true
	}
	if !read(at) {
		return nil, err
	}
	for i := at + 1; i < len(rows) && len(lines) < mostRows && near(rows[i-1], rows[i]) && read(i); i++ {
	}
	for i := at - 1; i >= 0 && err == nil && len(lines) < mostRows && near(rows[i], rows[i+1]) && read(i); i-- {
	}
	return lines, err
}

// look is how a line is shown to the reader: how many times as high as it was found, and as wide as it is.
type look struct{ height, stretch float64 }

// looks are tried until a zone is settled.
var looks = []look{{1, 1}, {0.8, 1}, {1.15, 1.15}, {0.9, 1.3}}

// zoneLines shows lines to a reader.
func (t *Text) zoneLines(ctx context.Context, reader *lineReader, boxes []box, l look) ([]zoneLine, error) {
	shown := slices.Clone(boxes)
	for i := range shown {
		shown[i].Height *= l.height
	}
	var lines []zoneLine
	err := reader.classes(ctx, t.picture, shown, l.stretch, func(b box, classes []float32) {
		lines = append(lines, reader.zoneLine(b, classes))
	})
	return lines, err
}

// bestZone is the best zone that some of the lines, one below the other, may be, or nil.
func bestZone(lines []zoneLine, o MRZOptions) *MRZ {
	var best *MRZ
	for _, s := range zoneShapes {
		for from := 0; from+s.lines <= len(lines); from++ {
			some := lines[from : from+s.lines]
			if m := zoneOf(spellAll(some, s), some, o); m != nil && (best == nil || better(m, best) < 0) {
				best = m
			}
		}
	}
	return best
}

// zoneOf is the zone that lines of text are, or nil.
func zoneOf(lines []spelling, seen []zoneLine, o MRZOptions) *MRZ {
	m := MRZ{spelt: lines}
	var text, others []string
	var confidence []float64
	for i, l := range lines {
		if l.text == "" {
			return nil
		}
		text = append(text, l.text)
		confidence = append(append(confidence, l.confidence...), 1) // of the line break
		others = append(append(others, l.possible()...), "")
		line := Line{Text: l.text, Quad: seen[i].box.quad()}
		for _, c := range l.confidence {
			line.Characters = append(line.Characters, float32(c))
			line.Confidence += float32(c) / float32(len(l.confidence))
		}
		m.Lines = append(m.Lines, line)
		m.Confidence += line.Confidence / float32(len(lines))
	}
	reading, err := mrz.Parse(strings.Join(text, "\n"), mrz.Options{Reference: o.Reference, Confidence: confidence[:len(confidence)-1], Others: others[:len(others)-1]})
	if err != nil {
		return nil
	}
	m.Reading = reading
	if !m.plausible() {
		return nil
	}
	for _, l := range seen {
		m.boxes = append(m.boxes, l.box)
	}
	first, last := m.Lines[0].Quad, m.Lines[len(lines)-1].Quad
	m.Quad = [4]schema.PointF{first[0], first[1], last[2], last[3]}
	m.Direction = float32(math.Remainder(m.boxes[0].Turn, 2*math.Pi) * 180 / math.Pi)
	return &m
}

// plausible tells a zone from other lines that are made as long as its lines: by its check digits, or by what it says of document and
// issuer, and by how few of its characters the reader did not see.
func (m *MRZ) plausible() bool {
	unseen, all := 0, 0
	for _, l := range m.Lines {
		for _, c := range l.Characters {
			if all++; c < unseenBelow {
				unseen++
			}
		}
	}
	_, held := m.checks()
	code, issuer := m.Reading.Field(mrz.FieldCode).Problem == "", m.Reading.Field(mrz.FieldIssuer).Problem == ""
	return unseen*mostUnseen <= all && (held >= 2 && (code || issuer) || held == 1 && code && issuer || code && issuer && m.Confidence > certainEnough)
}

// Leans is the direction of the zone. It counts as much as a face as wide as the zone.
func (m *MRZ) Leans() Direction {
	return Direction{Degrees: float64(m.Direction), Weight: float64(m.Confidence) * math.Hypot(float64(m.Quad[1].X-m.Quad[0].X), float64(m.Quad[1].Y-m.Quad[0].Y))}
}

// settled reports whether another look at the zone is of no use: its check digits hold and no character is doubtful, or the reader has no
// doubt of what is printed, though check digits do not hold.
func (m *MRZ) settled() bool {
	least := float32(1)
	for _, l := range m.Lines {
		least = min(least, slices.Min(l.Characters))
	}
	return least >= Sure || least >= doubtful && m.Reading.Clean()
}

// checks counts the check digits of the zone, and those that hold.
func (m *MRZ) checks() (all, held int) {
	for _, f := range m.Reading.Fields {
		switch f.Check {
		case mrz.CheckOK:
			held++
			fallthrough
		case mrz.CheckWrong:
			all++
		}
	}
	return all, held
}

// better compares zones: those with more check digits that hold first, then the more certain.
func better(a, b *MRZ) int {
	if a.Reading.Clean() != b.Reading.Clean() {
		if a.Reading.Clean() {
			return -1
		}
		return 1
	}
	_, x := a.checks()
	_, y := b.checks()
	return cmp.Or(cmp.Compare(y, x), cmp.Compare(b.Confidence, a.Confidence))
}

// near reports whether b is the next row below a.
func near(a, b box) bool { return down(b, a.Turn)-down(a, a.Turn) < mostGap*max(a.Height, b.Height) }

// down and along are where a box lies, seen in the direction of turn.
func down(b box, turn float64) float64 {
	sin, cos := math.Sincos(turn)
	return b.Y*cos - b.X*sin
}

func along(b box, turn float64) float64 {
	sin, cos := math.Sincos(turn)
	return b.X*cos + b.Y*sin
}

// parallel reports whether two lines run in one direction, within 7°, and are of similar height.
func parallel(a, b box) bool {
	return math.Abs(math.Remainder(a.Turn-b.Turn, math.Pi)) < 0.12 && max(a.Height, b.Height) < 1.8*min(a.Height, b.Height)
}

// spanning is a made as long as several boxes together.
func spanning(a box, boxes ...box) box {
	from, to := math.Inf(1), math.Inf(-1)
	for _, b := range boxes {
		at := along(b, a.Turn)
		from, to = min(from, at-b.Width/2), max(to, at+b.Width/2)
	}
	sin, cos := math.Sincos(a.Turn)
	move := (from+to)/2 - along(a, a.Turn)
	a.X, a.Y, a.Width = a.X+move*cos, a.Y+move*sin, to-from
	return a
}
