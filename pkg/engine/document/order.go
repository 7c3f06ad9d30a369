package document

import (
	"cmp"
	"math"
	"slices"
)

// oneCell is the gap, in line heights, up to which what stands side by side is one cell of a page: the parts of a line.
const oneCell = 1.2

// cell of a page, in the direction of its text: parts of lines that stand side by side, from the left.
type pageCell struct {
	parts                    []box
	left, right, top, bottom float64
}

// inOrder sorts lines as a person reads them for whom most of them are upright: a column from top to bottom before the one to its right,
// where nothing between reaches across both. It is the order of Breuel, "High Performance Document Layout Analysis" (2003).
func inOrder(boxes []box) []box {
	cells := cellsOf(boxes)
	// before says that a is read before b.
	before := func(a, b *pageCell) bool {
		if a.left < b.right && b.left < a.right {
			return a.middle() < b.middle()
		}
		if a.right > b.left {
			return false
		}
		// a is to the left of b: what reaches across both and lies between them separates what is above from what is below.
		from, to := min(a.middle(), b.middle()), max(a.middle(), b.middle())
		return !slices.ContainsFunc(cells, func(c *pageCell) bool {
			return c.middle() > from && c.middle() < to && c.left < a.right && c.right > b.left
		})
	}
	var sorted []box
	seen := map[*pageCell]bool{}
	var read func(*pageCell)
	read = func(b *pageCell) {
		if seen[b] {
			return
		}
		seen[b] = true
		for _, a := range cells {
			if a != b && before(a, b) {
				read(a)
			}
		}
		sorted = append(sorted, b.parts...)
	}
	for _, c := range cells {
		read(c)
	}
	return sorted
}

func (c *pageCell) middle() float64 { return (c.top + c.bottom) / 2 }

// cellsOf joins the parts of lines; the cells come from top to bottom, and from the left in a row.
func cellsOf(boxes []box) (cells []*pageCell) {
	turn := direction(boxes)
	sorted := slices.SortedFunc(slices.Values(boxes), func(a, b box) int { return cmp.Compare(along(a, turn), along(b, turn)) })
	for _, b := range sorted {
		x, y := along(b, turn), down(b, turn)
		lean := math.Abs(math.Sin(b.Turn - turn))
		w, h := b.Width/2*math.Abs(math.Cos(b.Turn-turn)), b.Height/2+b.Width/2*lean
		c := pageCell{[]box{b}, x - w, x + w, y - h, y + h}
		at := slices.IndexFunc(cells, func(d *pageCell) bool {
			last := d.parts[len(d.parts)-1]
			height := min(b.Height, last.Height)
			return math.Abs(y-down(last, turn)) < height/2 && c.left-d.right < oneCell*height && c.left-d.right > -height
		})
		if at < 0 {
			cells = append(cells, &c)
			continue
		}
		d := cells[at]
		d.parts = append(d.parts, b)
		d.right, d.top, d.bottom = max(d.right, c.right), min(d.top, c.top), max(d.bottom, c.bottom)
	}
	slices.SortStableFunc(cells, func(a, b *pageCell) int {
		if math.Abs(a.middle()-b.middle()) < min(a.bottom-a.top, b.bottom-b.top)/4 {
			return cmp.Compare(a.left, b.left)
		}
		return cmp.Compare(a.middle(), b.middle())
	})
	return cells
}
