package barcode

import (
	"slices"

	"facestream/pkg/schema"
)

// A PDF417 begins and ends with a pattern that all of its rows share (ISO/IEC 15438, 4.2.1): widths of bars and spaces, a bar first.
var (
	startPattern = []int{8, 1, 1, 1, 1, 1, 1, 3}
	stopPattern  = []int{7, 1, 1, 3, 1, 1, 1, 2, 1}
)

// view is a plane of luma that is looked at from one of four sides: at(x, y) walks along its rows.
type view struct {
	luma          []byte
	width, height int
	offset        int // of the first pixel
	right, down   int // from one pixel to the next
}

func views(luma []byte, width, height int) [4]view {
	last := width*height - 1
	return [4]view{
		{luma, width, height, 0, 1, width},
		{luma, width, height, last, -1, -width},
		{luma, height, width, last - width + 1, -width, 1},
		{luma, height, width, width - 1, width, -1},
	}
}

// place is the pixel of the plane, which is width pixels wide, that the view has at x, y.
func (v view) place(x, y float32, width int) schema.PointF {
	i := v.offset + int(x)*v.right + int(y)*v.down
	i = min(max(i, 0), len(v.luma)-1)
	return schema.PointF{X: float32(i % width), Y: float32(i / width)}
}

// edge is where a pattern was seen on one line: its begin and end along the line, and the width of its modules.
type edge struct {
	line             int
	begin, end, size float32
}

// edges is a pattern that was seen on lines that follow each other.
type edges []edge

func (e edges) size() float32 {
	var sum float32
	for _, o := range e {
		sum += o.size
	}
	return sum / float32(len(e))
}

func (e edges) first() int { return e[0].line }
func (e edges) last() int  { return e[len(e)-1].line }

const (
	lineStep  = 2   // one line in so many is looked at
	mostEdges = 512 // kept of a view: a page full of patterns is not a page of codes
	// leastLines is on how many lines a pattern is seen at least: a PDF417 has three rows, each three modules high.
	leastLines = 4
)

// located is a PDF417 that was found by its start and stop pattern, and the width of its modules in pixels.
type located struct {
	Found
	module float32
}

// locate finds PDF417s whose start and stop pattern are seen on several lines. It takes time in proportion to the pixels. The
// confidence is the share of the lines between the first and the last one on which they are seen, up to 0.9.
func locate(luma []byte, width, height, most int) (found []located) {
	for _, v := range views(luma, width, height) {
		starts, stops := v.guards()
		for _, start := range starts {
			var nearest located
			for _, stop := range stops {
				f, ok := v.between(start, stop, width)
				if ok && (nearest.module == 0 || side(f.Quad[0], f.Quad[1]) < side(nearest.Quad[0], nearest.Quad[1])) {
					nearest = f
				}
			}
			if nearest.module > 0 && len(found) < most {
				found = append(found, nearest)
			}
		}
	}
	return found
}

// between makes a code of a start and a stop pattern that belong together.
func (v view) between(start, stop edges, width int) (f located, ok bool) {
	first, last := max(start.first(), stop.first()), min(start.last(), stop.last())
	size := start.size()
	gap := stop[0].begin - start[0].end
	if last-first < leastLines*lineStep || gap < 17*size || gap > 34*17*size || stop.size() < 0.7*size || stop.size() > 1.4*size {
		return f, false
	}
	lines := float32(max(start.last(), stop.last())-min(start.first(), stop.first()))/lineStep + 1
	f = located{Found{Format: PDF417, Confidence: min(0.9, float32(len(start)+len(stop))/(2*lines))}, (size + stop.size()) / 2}
	a, b, c, d := start[0], stop[0], stop[len(stop)-1], start[len(start)-1]
	f.Quad = [4]schema.PointF{v.place(a.begin, float32(a.line), width), v.place(b.end, float32(b.line), width), v.place(c.end, float32(c.line), width), v.place(d.begin, float32(d.line), width)}
	return f, true
}

// guards finds start and stop patterns.
func (v view) guards() (starts, stops []edges) {
	dark, runs := make([]bool, v.width), make([]int, 0, v.width)
	for y := 0; y < v.height; y += lineStep {
		v.threshold(y, dark)
		runs = lengths(dark, runs[:0])
		starts = v.collect(starts, y, runs, startPattern)
		stops = v.collect(stops, y, runs, stopPattern)
	}
	enough := func(e edges) bool { return len(e) < leastLines }
	return slices.DeleteFunc(starts, enough), slices.DeleteFunc(stops, enough)
}

// threshold says which pixels of line y are darker than the mean of those around them, less a little.
func (v view) threshold(y int, dark []bool) {
	const around = 48
	at := func(x int) int { return int(v.luma[v.offset+y*v.down+x*v.right]) }
	sum, n := 0, 0
	for x := 0; x < min(around, v.width); x++ {
		sum, n = sum+at(x), n+1
	}
	for x := range v.width {
		if x+around < v.width {
			sum, n = sum+at(x+around), n+1
		}
		if x > around {
			sum, n = sum-at(x-around-1), n-1
		}
		dark[x] = at(x)*n < sum-6*n
	}
}

// lengths appends the lengths of the runs of equal pixels; the first one is light and may be empty.
func lengths(dark []bool, runs []int) []int {
	now, n := false, 0
	for _, d := range dark {
		if d != now {
			runs, now, n = append(runs, n), d, 0
		}
		n++
	}
	return append(runs, n)
}

// collect adds the places where the pattern is on line y to those of the lines before.
func (v view) collect(all []edges, y int, runs []int, pattern []int) []edges {
	x := runs[0]
	for i := 1; i+len(pattern) <= len(runs); i += 2 {
		if size, length, ok := fits(runs[i:i+len(pattern)], pattern); ok {
			e := edge{y, float32(x), float32(x + length), size}
			at := slices.IndexFunc(all, func(o edges) bool {
				last := o[len(o)-1]
				return y-last.line <= max(5*lineStep, int(3*size)) && y > last.line && abs(last.begin-e.begin) < 2*size+float32(y-last.line) && abs(last.size-size) < 0.4*size
			})
			switch {
			case at >= 0:
				all[at] = append(all[at], e)
			case len(all) < mostEdges:
				all = append(all, edges{e})
			}
		}
		x += runs[i]
		if i+1 < len(runs) {
			x += runs[i+1]
		}
	}
	return all
}

func abs(v float32) float32 { return max(v, -v) }

// fits reports whether the runs have the widths of the pattern, each within 0.7 modules.
func fits(runs, pattern []int) (size float32, length int, ok bool) {
	modules := 0
	for i, r := range runs {
		length, modules = length+r, modules+pattern[i]
	}
	size = float32(length) / float32(modules)
	if size < 1 {
		return 0, 0, false
	}
	for i, r := range runs {
		if d := float32(r)/size - float32(pattern[i]); d > 0.7 || d < -0.7 {
			return 0, 0, false
		}
	}
	return size, length, true
}
