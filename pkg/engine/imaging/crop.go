package imaging

import "math"

// Border says what lies beyond a picture's edge.
type Border int

// The borders.
const (
	Black   Border = iota // black pixels
	Reflect               // the picture mirrored in its outermost pixels, which are not repeated: OpenCV's BORDER_REFLECT_101
)

// Crop returns the pixels of m from (x0, y0), included, to (x1, y1), excluded, which must lie to the right and below; they may
// lie beyond m.
func (m *Image) Crop(x0, y0, x1, y1 int, border Border) *Image {
	out := unset(x1-x0, y1-y0)
	if border == Black {
		clear(out.Pix)
	}
	for y := range out.Height {
		sy, ok := border.at(y0+y, m.Height)
		if !ok {
			continue
		}
		dst, src := out.Pix[3*y*out.Width:3*(y+1)*out.Width], m.Pix[3*sy*m.Width:3*(sy+1)*m.Width]
		from, to := max(x0, 0), min(x1, m.Width) // of the columns inside m
		if from < to {
			copy(dst[3*(from-x0):], src[3*from:3*to])
		}
		if border == Black {
			continue
		}
		for x := range out.Width {
			if x0+x >= from && x0+x < to {
				continue
			}
			sx, _ := border.at(x0+x, m.Width)
			copy(dst[3*x:3*x+3], src[3*sx:3*sx+3])
		}
	}
	return out
}

// at is the index of 0 .. size-1 that stands for i, and whether there is one.
func (b Border) at(i, size int) (int, bool) {
	if i >= 0 && i < size {
		return i, true
	}
	if b == Black {
		return 0, false
	}
	if size == 1 {
		return 0, true
	}
	period := 2 * (size - 1)
	if i = ((i % period) + period) % period; i >= size {
		i = period - i
	}
	return i, true
}

// SampleLinear returns the pixels of m from (x0, y0), included, to (x1, y1), excluded, scaled to width × height by taking the
// four pixels around each sample, however much it shrinks: OpenCV's resize with INTER_LINEAR. It is for networks that were
// trained so; [Image.Resize] shrinks without false patterns. The part must lie inside m and be at least a pixel wide and high.
func (m *Image) SampleLinear(x0, y0, x1, y1, width, height int) *Image {
	out := unset(width, height)
	type tap struct {
		a, b   int // the two pixels' offsets in a row, or their rows
		second float32
	}
	taps := func(from, to, size int) []tap {
		all := make([]tap, size)
		scale := float64(to-from) / float64(size)
		for i := range all {
			at := min(max((float64(i)+0.5)*scale-0.5, 0), float64(to-from-1))
			first := int(at)
			all[i] = tap{from + first, from + min(first+1, to-from-1), float32(at - float64(first))}
		}
		return all
	}
	columns := taps(x0, x1, width)
	for y, row := range taps(y0, y1, height) {
		upper, lower := m.Pix[3*row.a*m.Width:3*(row.a+1)*m.Width], m.Pix[3*row.b*m.Width:3*(row.b+1)*m.Width]
		dst := out.Pix[3*y*width : 3*(y+1)*width]
		for x, c := range columns {
			for channel := range 3 {
				a, b := 3*c.a+channel, 3*c.b+channel
				top := float32(upper[a]) + c.second*(float32(upper[b])-float32(upper[a]))
				bottom := float32(lower[a]) + c.second*(float32(lower[b])-float32(lower[a]))
				dst[3*x+channel] = byte(top + row.second*(bottom-top) + 0.5)
			}
		}
	}
	return out
}

// Window is a part of a picture that may be turned: its centre in pixels, its size in pixels of the picture, and by how many
// radians its upright axis is turned clockwise.
type Window struct{ X, Y, Width, Height, Turn float64 }

// Place is the point of the picture at (u, v) of the window: (0, 0) is its top left corner, (1, 1) its bottom right one. The
// picture's point (x, y) lies in the pixel of the column ⌊x⌋ and the row ⌊y⌋.
func (w Window) Place(u, v float64) (x, y float64) {
	sin, cos := math.Sincos(w.Turn)
	dx, dy := (u-0.5)*w.Width, (v-0.5)*w.Height
	return w.X + dx*cos - dy*sin, w.Y + dx*sin + dy*cos
}

// Turned is w, a window of a picture of width × height, after that picture is turned clockwise by quarters of a turn.
func (w Window) Turned(quarters, width, height int) Window {
	switch quarters % 4 {
	case 1:
		w.X, w.Y = float64(height)-w.Y, w.X
	case 2:
		w.X, w.Y = float64(width)-w.X, float64(height)-w.Y
	case 3:
		w.X, w.Y = w.Y, float64(width)-w.X
	}
	w.Turn += float64(quarters%4) * math.Pi / 2
	return w
}

// Cut is CutOver with black beyond m.
func (m *Image) Cut(w Window, width, height int) *Image { return m.CutOver(w, width, height, RGB{}) }

// CutOver returns the window scaled to width × height, of the colour beyond where it reaches beyond m. Where it shrinks, it
// averages first, so that fine detail makes no false patterns.
func (m *Image) CutOver(w Window, width, height int, beyond RGB) *Image {
	// The part of m that the window touches, shrunk by a whole factor to at least the resolution of the result.
	factor := max(int(min(w.Width/float64(width), w.Height/float64(height))), 1)
	left, top, right, bottom := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, corner := range [4][2]float64{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
		x, y := w.Place(corner[0], corner[1])
		left, top, right, bottom = min(left, x), min(top, y), max(right, x), max(bottom, y)
	}
	out := black(width, height)
	if beyond != (RGB{}) {
		out.Fill(beyond)
	}
	margin := float64(factor)
	x0, y0 := max(int(math.Floor(left-margin)), 0), max(int(math.Floor(top-margin)), 0)
	x1, y1 := min(int(math.Ceil(right+margin)), m.Width), min(int(math.Ceil(bottom+margin)), m.Height)
	if x0 >= x1 || y0 >= y1 {
		return out
	}
	src, k := m, 1.0
	if factor > 1 {
		x1, y1 = x0+(x1-x0+factor-1)/factor*factor, y0+(y1-y0+factor-1)/factor*factor
		src, k = m.ResizePart(x0, y0, x1, y1, (x1-x0)/factor, (y1-y0)/factor), 1/float64(factor)
		defer src.Release()
	} else {
		x0, y0 = 0, 0
	}
	insideW, insideH := float64(m.Width-x0)*k, float64(m.Height-y0)*k
	sin, cos := math.Sincos(w.Turn)
	step := w.Width / float64(width) * k
	for y := range height {
		px, py := w.Place(0.5/float64(width), (float64(y)+0.5)/float64(height))
		sx, sy := (px-float64(x0))*k-0.5, (py-float64(y0))*k-0.5
		for x := range width {
			if sx > -1 && sy > -1 && sx < insideW && sy < insideH {
				fx, fy := math.Floor(sx), math.Floor(sy)
				src.interpolate(out.Pix[3*(y*width+x):][:3], int(fx), int(fy), float32(sx-fx), float32(sy-fy), beyond)
			}
			sx, sy = sx+step*cos, sy+step*sin
		}
	}
	return out
}

// Turned returns m turned clockwise by quarters of a turn; m itself for none.
func (m *Image) Turned(quarters int) *Image {
	return orient(m, [4]int{1, 6, 3, 8}[((quarters%4)+4)%4])
}

// Mirrored returns m with left and right exchanged.
func (m *Image) Mirrored() *Image { return orient(m, 2) }
