package barcode

import (
	"math"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// straightModule is how many pixels a module is wide in a straightened code.
const straightModule = 4

// straighten cuts the code with these corners out of a plane of luma that is width pixels wide: seen from above, upright, with what is
// around it. module is the width of its modules in the plane. The result is nil for corners that no code has.
func straighten(luma []byte, width int, quad [4]schema.PointF, module float32) (out []byte, w, h int) {
	across := (side(quad[0], quad[1]) + side(quad[3], quad[2])) / 2
	down := (side(quad[0], quad[3]) + side(quad[1], quad[2])) / 2
	scale := straightModule / float64(module)
	around := 2 * 6 * straightModule
	if s := math.Sqrt(MaxPixels / ((scale*across + float64(around)) * (1.3*scale*down + float64(around)))); s < 1 {
		scale *= s
	}
	// The rows at the upper and the lower edge may have been missed.
	marginX, marginY := float64(around)/2, 0.15*scale*down+float64(around)/2
	right, bottom := marginX+scale*across, marginY+scale*down
	w, h = int(right+marginX), int(bottom+marginY)
	var corners [4][2]float64
	for i, p := range quad {
		corners[i] = [2]float64{float64(p.X), float64(p.Y)}
	}
	from, ok := imaging.NewProjective([4][2]float64{{marginX, marginY}, {right, marginY}, {right, bottom}, {marginX, bottom}}, corners)
	if !ok || w < 1 || h < 1 || w*h > 2*MaxPixels {
		return nil, 0, 0
	}
	height := len(luma) / width
	out = make([]byte, w*h)
	for i := range out {
		x, y := from.Apply(float64(i%w)+0.5, float64(i/w)+0.5)
		out[i] = between(luma, width, height, x-0.5, y-0.5)
	}
	return out, w, h
}

func side(a, b schema.PointF) float64 { return math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)) }

// between is the value at x, y, between the pixels around it; white outside.
func between(luma []byte, width, height int, x, y float64) byte {
	if !(x >= 0 && y >= 0 && x < float64(width-1) && y < float64(height-1)) {
		return 255
	}
	i, j := int(x), int(y)
	u, v := x-float64(i), y-float64(j)
	p := luma[j*width+i:]
	q := p[width:]
	return byte((1-v)*((1-u)*float64(p[0])+u*float64(p[1])) + v*((1-u)*float64(q[0])+u*float64(q[1])) + 0.5)
}
