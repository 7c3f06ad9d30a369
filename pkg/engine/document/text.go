package document

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// The architectures of the networks of the role text. Those of texts are PaddleOCR's; those of zones are fed and answer alike.
const (
	// TextRegions says for each pixel of the picture how probable it is that it lies within a line of text: differentiable
	// binarization (Liao et al., "Real-time Scene Text Detection with Differentiable Binarization", AAAI 2020).
	TextRegions = "text_regions"
	// TextLine says which characters a picture of one line shows: CTC with the characters of the file's metadata.
	TextLine = "text_line"
	// ZoneRegions finds the lines of machine-readable zones alone.
	ZoneRegions = "mrz_regions"
	// ZoneLine reads lines of machine-readable zones alone.
	ZoneLine = "mrz_line"
)

// charactersKey is the entry of an ONNX file's metadata that lists a line reader's characters, one a line, without the blank, which
// comes first, and the space, which comes last. It is PaddleOCR's.
const charactersKey = "character"

// What PaddleOCR and RapidOCR do by default with the probabilities (their DBPostProcess).
const (
	pixelThreshold = 0.3 // from which a pixel belongs to a line
	lineThreshold  = 0.5 // lowest mean probability within a line
	unclipRatio    = 1.6 // lines grow by this share of their area over their outline: the network is taught shrunken ones
	leastSide      = 3   // pixels of the map, before it grows
)

// LineHeight is the height in pixels to which lines are scaled, as PaddleOCR's readers take them.
const LineHeight = 48

// The most that a picture costs.
const (
	mostLines   = 200 // that are found; the most certain stay
	linesAtOnce = 8   // that are read in one call
	mostEnlarge = 4   // times, for a small picture
)

// TextMemory is the most bytes that finding and reading text takes beside the picture and beside the networks: linesAtOnce lines of 1600
// pixels, as three planes and as the probabilities of 6906 classes at each of 200 steps. The input of the other network is smaller.
const TextMemory = linesAtOnce * (3*LineHeight*1600 + 200*6906) * 4

// closerLook is the longer side of the picture's second scale, over that of the first.
const closerLook = 1.5

// Line is a line of text.
type Line struct {
	Text string
	// Confidence is the mean of Characters, 0..1.
	Confidence float32
	// Quad has the text's own corners in pixels of the picture: top left, top right, bottom right, bottom left.
	Quad [4]schema.PointF
	// Characters has the probability of each rune of Text, 0..1.
	Characters []float32
}

// TextReader finds and reads lines of text, in any script that its networks know, and machine-readable zones. It is safe for concurrent
// use.
type TextReader struct {
	text, zone sight
}

// sight are a network that finds lines and one that reads them.
type sight struct {
	regions face.Stage
	line    *lineReader
}

// NewTextReader returns a TextReader for the networks of the role text: one that finds lines of text and one that reads them, or two that
// find and read those of zones, or all four. Stages of other architectures, inputs of fixed size, and a line reader whose file lists no
// characters are Fatal errors.
func NewTextReader(stages []face.Stage) (*TextReader, error) {
	const op = "document.text"
	r := &TextReader{}
	seen := map[string]bool{}
	for _, s := range stages {
		m := s.Model
		if m.Input.Multiple == 0 || m.Input.Layout == models.NHWC || len(s.Net.Outputs()) != 1 {
			return nil, schema.Fatal(op, fmt.Errorf("%s: a network of the role %s takes planes of any size and has one output", m.Name, m.Role))
		}
		if seen[m.Architecture] {
			return nil, schema.Fatal(op, fmt.Errorf("the pack has several networks of the architecture %s; the engine takes one", m.Architecture))
		}
		seen[m.Architecture] = true
		var err error
		switch m.Architecture {
		case TextRegions:
			r.text.regions = s
		case TextLine:
			r.text.line, err = newLineReader(s)
		case ZoneRegions:
			r.zone.regions = s
		case ZoneLine:
			r.zone.line, err = newLineReader(s)
		default:
			err = fmt.Errorf("%s has the architecture %q; for the role %s there are %q", m.Name, m.Architecture, m.Role, []string{TextRegions, TextLine, ZoneRegions, ZoneLine})
		}
		if err != nil {
			return nil, schema.Fatal(op, err)
		}
	}
	if seen[TextRegions] != seen[TextLine] || seen[ZoneRegions] != seen[ZoneLine] || len(seen) == 0 {
		return nil, schema.Fatal(op, fmt.Errorf("the role %s takes one network of the architecture %s and one of %s, or one of %s and one of %s", models.RoleText, TextRegions, TextLine, ZoneRegions, ZoneLine))
	}
	return r, nil
}

// Reads reports whether r reads text of any kind rather than zones alone.
func (r *TextReader) Reads() bool { return r.text.line != nil }

// Text is where a picture shows lines of text. What they say is read when it is asked for, by one goroutine at a time.
type Text struct {
	sight
	second  *lineReader // also reads the lines of zones; nil for none
	picture *imaging.Image
	boxes   []box // the most certain first

	known   []box   // boxes as directed answers them; nil until then
	certain float64 // the mean confidence with which directed read them
}

// box is a line as an upright window of its own; its text runs along its width, in one direction or the other.
type box struct {
	imaging.Window
	score float32
}

// Find finds the lines of text in a picture, however it is turned. The Text refers to the picture, which must not be released before
// it. A picture without text is an answer. r must read text ([TextReader.Reads]).
func (r *TextReader) Find(ctx context.Context, img *imaging.Image) (*Text, error) {
	boxes, err := r.text.find(ctx, img, r.text.regions.Model.Input.LongSide)
	return &Text{sight: r.text, second: r.zone.line, picture: img, boxes: boxes}, err
}

// find finds lines at a scale: the picture's longer side has so many pixels.
func (r sight) find(ctx context.Context, img *imaging.Image, longSide int) ([]box, error) {
	const op = "document.find_text"
	in := r.regions.Model.Input
	scale := min(float64(longSide)/float64(max(img.Width, img.Height)), mostEnlarge)
	width, height := scaled(img.Width, scale), scaled(img.Height, scale)
	paddedWidth, paddedHeight := roundUp(width, in.Multiple), roundUp(height, in.Multiple)
	small := img.ResizePart(0, 0, img.Width, img.Height, width, height)
	buffer := tensors.Take(3 * paddedWidth * paddedHeight)
	defer tensors.Give(buffer)
	small.Planes(*buffer, paddedWidth, paddedHeight, normalisation(in))
	small.Release()
	answer := r.regions.Net.Run(ctx, []onnx.Tensor{{Shape: []int64{3, int64(paddedHeight), int64(paddedWidth)}, Data: *buffer}})[0]
	if answer.Err != nil {
		return nil, fmt.Errorf("%s: %w", op, answer.Err)
	}
	probabilities := answer.Value[0].Data
	if len(probabilities) != paddedWidth*paddedHeight {
		return nil, fmt.Errorf("%s: %s answered %d values for %d × %d pixels", op, r.regions.Model.Name, len(probabilities), paddedWidth, paddedHeight)
	}
	boxes := regions(probabilities, paddedWidth, width, height)
	for i := range boxes {
		b := &boxes[i]
		b.X, b.Y, b.Width, b.Height = b.X/scale, b.Y/scale, b.Width/scale, b.Height/scale
	}
	if r.regions.Model.Architecture == ZoneRegions {
		boxes = level(boxes)
	}
	return boxes, nil
}

// Lines reads all lines, in the order in which a person reads them.
func (t *Text) Lines(ctx context.Context) ([]Line, error) {
	boxes, err := t.directed(ctx)
	if err != nil {
		return nil, err
	}
	lines, err := t.line.read(ctx, t.picture, inOrder(boxes))
	return slices.DeleteFunc(lines, func(l Line) bool { return l.Text == "" }), err
}

// samples is how many lines are read in both directions to learn which one the text has.
const samples = 3

// directed are the boxes with the text running to their right. Text that runs upside down is read the other way round.
func (t *Text) directed(ctx context.Context) ([]box, error) {
	if t.known != nil || len(t.boxes) == 0 {
		return t.known, nil
	}
	boxes := slices.Clone(t.boxes)
	longest := slices.SortedFunc(slices.Values(boxes), func(a, b box) int { return cmp.Compare(b.Width, a.Width) })
	longest = longest[:min(samples, len(longest))]
	forth, err := t.line.read(ctx, t.picture, longest)
	if err != nil {
		return nil, err
	}
	back, err := t.line.read(ctx, t.picture, reversed(longest))
	if err != nil {
		return nil, err
	}
	var forthSum, backSum float32
	for i := range longest {
		forthSum, backSum = forthSum+forth[i].Confidence, backSum+back[i].Confidence
	}
	if backSum > forthSum {
		boxes = reversed(boxes)
	}
	t.known, t.certain = boxes, float64(max(forthSum, backSum))/float64(len(longest))
	return boxes, nil
}

// reversed are the boxes turned by half a turn.
func reversed(boxes []box) []box {
	turned := slices.Clone(boxes)
	for i := range turned {
		turned[i].Turn += math.Pi
	}
	return turned
}

// Direction is how most of the text is turned. Its weight is how certainly that was read, 0..1; 0 without text.
func (t *Text) Direction(ctx context.Context) (Direction, error) {
	boxes, err := t.directed(ctx)
	if err != nil || len(boxes) == 0 {
		return Direction{}, err
	}
	return Direction{Degrees: direction(boxes) * 180 / math.Pi, Weight: t.certain}, nil
}

// direction is the turn of most of the text, in radians, weighed by how long the lines are.
func direction(boxes []box) float64 {
	var x, y float64
	for _, b := range boxes {
		sin, cos := math.Sincos(b.Turn)
		x, y = x+cos*b.Width, y+sin*b.Width
	}
	return math.Atan2(y, x)
}

// lineReader reads lines of text that were found.
type lineReader struct {
	face.Stage
	characters []string // by class: none for the blank, which is the first
	zone       []int8   // by class: the character of a machine-readable zone that it stands for, or noZone
}

func newLineReader(s face.Stage) (*lineReader, error) {
	listed := s.Metadata[charactersKey]
	if listed == "" {
		return nil, fmt.Errorf("the metadata of %s do not list its characters as %q", s.Model.Name, charactersKey)
	}
	r := &lineReader{Stage: s, characters: slices.Concat([]string{""}, strings.Split(strings.TrimSuffix(listed, "\n"), "\n"), []string{" "})}
	r.zone = zoneClasses(r.characters)
	return r, nil
}

// read reads lines, in their order. A row never depends on its neighbours: it is as wide as its own line makes it.
func (r *lineReader) read(ctx context.Context, img *imaging.Image, boxes []box) ([]Line, error) {
	lines := make([]Line, 0, len(boxes))
	err := r.classes(ctx, img, boxes, 1, func(b box, classes []float32) {
		lines = append(lines, r.decode(b, classes))
	})
	return lines, err
}

// classes shows lines to the network and calls use for each, in order, with the probabilities of all classes at each of its steps.
// Lines are shown so many times as wide as they are.
func (r *lineReader) classes(ctx context.Context, img *imaging.Image, boxes []box, stretch float64, use func(box, []float32)) error {
	const op = "document.read_text"
	in := r.Model.Input
	for some := range slices.Chunk(boxes, linesAtOnce) {
		rows := make([]onnx.Tensor, len(some))
		taken := make([]*[]float32, len(some))
		for i, b := range some {
			width := min(max(int(math.Round(b.Width/b.Height*LineHeight*stretch)), 1), in.LongSide)
			padded := roundUp(width, in.Multiple)
			// The network is taught on lines that end in grey, which is zero.
			cut := img.Cut(b.Window, width, LineHeight)
			taken[i] = tensors.Take(3 * LineHeight * padded)
			cut.Planes(*taken[i], padded, LineHeight, normalisation(in))
			cut.Release()
			for y := range 3 * LineHeight {
				clear((*taken[i])[y*padded+width : (y+1)*padded])
			}
			rows[i] = onnx.Tensor{Shape: []int64{3, LineHeight, int64(padded)}, Data: *taken[i]}
		}
		answers := r.Net.Run(ctx, rows)
		for _, t := range taken {
			tensors.Give(t)
		}
		for i, a := range answers {
			if a.Err != nil {
				return fmt.Errorf("%s: %w", op, a.Err)
			}
			if n := len(a.Value[0].Data); n == 0 || n%len(r.characters) != 0 {
				return fmt.Errorf("%s: %s answered %d values; its metadata list %d characters, blank and space included", op, r.Model.Name, n, len(r.characters))
			}
			use(some[i], a.Value[0].Data)
		}
	}
	return nil
}

// decode is the likeliest class of each step, without repetitions and blanks.
func (r *lineReader) decode(b box, classes []float32) Line {
	l := Line{Quad: b.quad()}
	var text strings.Builder
	last := 0
	for step := range slices.Chunk(classes, len(r.characters)) {
		best := argmax(step)
		switch {
		case best == 0:
		case best != last:
			text.WriteString(r.characters[best])
			l.Characters = append(l.Characters, unit(step[best]))
		default:
			end := &l.Characters[len(l.Characters)-1]
			*end = max(*end, unit(step[best]))
		}
		last = best
	}
	l.Text = text.String()
	for _, c := range l.Characters {
		l.Confidence += c / float32(len(l.Characters))
	}
	return l
}

func argmax(values []float32) (best int) {
	for i, v := range values {
		if v > values[best] {
			best = i
		}
	}
	return best
}

// unit is a probability; what is none is 0.
func unit(v float32) float32 {
	if !(v > 0) {
		return 0
	}
	return min(v, 1)
}

// quad has the corners of the text.
func (b box) quad() (q [4]schema.PointF) {
	for i, c := range [4][2]float64{{0, 0}, {1, 0}, {1, 1}, {0, 1}} {
		x, y := b.Place(c[0], c[1])
		q[i] = schema.PointF{X: float32(x), Y: float32(y)}
	}
	return q
}

// regions are the lines of a map of probabilities, whose rows have stride values, of which width × height show the picture: the most
// certain ones first. Their text runs to the right or, if they are steeper than 45°, down.
func regions(probabilities []float32, stride, width, height int) []box {
	var boxes []box
	for _, points := range components(probabilities, stride, width, height) {
		b := enclosing(hull(points))
		if min(b.Width, b.Height) < leastSide {
			continue
		}
		if b.score = meanWithin(b.Window, probabilities, stride, width, height); b.score < lineThreshold {
			continue
		}
		grow := b.Width * b.Height * unclipRatio / (b.Width + b.Height) // the outline is twice the sum, and there are two sides
		b.Width, b.Height = b.Width+grow, b.Height+grow
		boxes = append(boxes, b)
	}
	slices.SortStableFunc(boxes, func(a, b box) int { return cmp.Compare(b.score, a.score) })
	return boxes[:min(len(boxes), mostLines)]
}

// cell is a corner of a pixel.
type cell struct{ x, y int }

// run is a stretch of pixels of one row, to excluded, with the number of its component.
type run struct{ from, to, component int }

// components are the corners of the outermost pixels of each row of each connected part of the map above pixelThreshold.
func components(probabilities []float32, stride, width, height int) [][]cell {
	var parent []int
	root := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	rows := make([][]run, height)
	for y := range height {
		line := probabilities[y*stride : y*stride+width]
		for x := 0; x < width; x++ {
			if !(line[x] > pixelThreshold) {
				continue
			}
			r := run{from: x, component: len(parent)}
			for x < width && line[x] > pixelThreshold {
				x++
			}
			r.to = x
			parent = append(parent, r.component)
			if y > 0 {
				for _, above := range rows[y-1] {
					if above.from <= r.to && above.to >= r.from { // corners touch too
						parent[root(above.component)] = root(r.component)
					}
				}
			}
			rows[y] = append(rows[y], r)
		}
	}
	place := map[int]int{}
	var all [][]cell
	for y, runs := range rows {
		for _, r := range runs {
			key := root(r.component)
			i, ok := place[key]
			if !ok {
				i = len(all)
				place[key] = i
				all = append(all, nil)
			}
			all[i] = append(all[i], cell{r.from, y}, cell{r.from, y + 1}, cell{r.to, y}, cell{r.to, y + 1})
		}
	}
	return all
}

// hull is the convex hull of points, by Andrew's monotone chain.
func hull(points []cell) []cell {
	slices.SortFunc(points, func(a, b cell) int { return cmp.Or(cmp.Compare(a.x, b.x), cmp.Compare(a.y, b.y)) })
	points = slices.Compact(points)
	chain := func(points []cell) (h []cell) {
		for _, p := range points {
			for len(h) >= 2 && cross(h[len(h)-2], h[len(h)-1], p) <= 0 {
				h = h[:len(h)-1]
			}
			h = append(h, p)
		}
		return h[:len(h)-1]
	}
	lower := chain(points)
	slices.Reverse(points)
	return append(lower, chain(points)...)
}

func cross(a, b, c cell) int { return (b.x-a.x)*(c.y-a.y) - (b.y-a.y)*(c.x-a.x) }

// enclosing is the smallest rectangle around a convex hull: one of its sides lies on one of the hull's (Freeman and Shapira 1975). Its
// width is its longer side; it is turned by more than -45° and at most 135°.
func enclosing(h []cell) box {
	least := math.Inf(1)
	var found box
	for i, p := range h {
		q := h[(i+1)%len(h)]
		turn := math.Atan2(float64(q.y-p.y), float64(q.x-p.x))
		sin, cos := math.Sincos(turn)
		left, top, right, bottom := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
		for _, c := range h {
			x, y := float64(c.x)*cos+float64(c.y)*sin, float64(c.y)*cos-float64(c.x)*sin
			left, right, top, bottom = min(left, x), max(right, x), min(top, y), max(bottom, y)
		}
		if area := (right - left) * (bottom - top); area < least {
			least = area
			x, y := (left+right)/2, (top+bottom)/2
			found = box{Window: imaging.Window{X: x*cos - y*sin, Y: x*sin + y*cos, Width: right - left, Height: bottom - top, Turn: turn}}
		}
	}
	if found.Height > found.Width {
		found.Width, found.Height, found.Turn = found.Height, found.Width, found.Turn+math.Pi/2
	}
	for found.Turn > 3*math.Pi/4 {
		found.Turn -= math.Pi
	}
	for found.Turn <= -math.Pi/4 {
		found.Turn += math.Pi
	}
	return found
}

// meanWithin is the mean of the map within a window.
func meanWithin(w imaging.Window, probabilities []float32, stride, width, height int) float32 {
	columns, rows := max(int(w.Width), 1), max(int(w.Height), 1)
	var sum float32
	for v := range rows {
		for u := range columns {
			x, y := w.Place((float64(u)+0.5)/float64(columns), (float64(v)+0.5)/float64(rows))
			if x >= 0 && y >= 0 && x < float64(width) && y < float64(height) {
				sum += probabilities[int(y)*stride+int(x)]
			}
		}
	}
	return sum / float32(columns*rows)
}

// tensors has the values of networks' inputs.
var tensors = imaging.Pool[float32]{Poison: float32(math.NaN())}

func normalisation(in models.Input) imaging.Normalisation {
	return imaging.Normalisation{BGR: in.Colour == "bgr", Scale: in.Scale, Mean: in.Mean, Std: in.Std}
}

func scaled(side int, scale float64) int { return max(int(math.Round(float64(side)*scale)), 1) }

func roundUp(side, multiple int) int { return (side + multiple - 1) / multiple * multiple }
