package face

import (
	"facestream/pkg/engine/imaging"
)

// plane is one number a pixel, row after row.
type plane []float32

// guideRadius is that of the guided filter, in widths of the portrait: two to four cells of the mask.
const guideRadius = 0.02

// fuseRadii are those of the two passes of blur fusion, in widths of the portrait: the author's 90 and 6 pixels at the size of
// his images.
var fuseRadii = [2]float64{0.1, 0.007}

// replaceBackground cuts the window out of img, with the background of o behind the person that the mask shows.
//
// The mask, 128 to 256 cells wide, becomes a matte of the portrait's resolution by the guided filter, which moves its edge to that of the
// picture and follows single strands of hair (K. He, J. Sun and X. Tang, "Guided Image Filtering", IEEE TPAMI 35(6), 2013). Where
// a pixel is of both, its colour has the old background in it: the person's own is estimated by blur fusion (M. Forte,
// "Approximate Fast Foreground Colour Estimation", ICIP 2021), so that no rim of it is left.
func replaceBackground(img *imaging.Image, w imaging.Window, mask *Mask, o PortraitOptions) *imaging.Image {
	width, height := o.Width, o.Height
	// What is beyond the picture looks like its edge to the filters, and gets the pad colour at the end.
	portrait := img.CutOver(w, width, height, *o.Pad)
	defer portrait.Release()
	rough, inside := make(plane, width*height), make([]bool, width*height)
	for y := range height {
		for x := range width {
			px, py := w.Place((float64(x)+0.5)/float64(width), (float64(y)+0.5)/float64(height))
			i := y*width + x
			rough[i] = mask.At(px, py)
			inside[i] = px >= 0 && py >= 0 && px < float64(img.Width) && py < float64(img.Height)
			if !inside[i] {
				rough[i] = 0
			}
		}
	}
	alpha := refine(portrait, rough)
	person := foreground(portrait, alpha)
	out := imaging.New(width, height)
	for i, a := range alpha {
		behind := o.Background
		if !inside[i] {
			a, behind = 0, o.Pad
		}
		for c := range 3 {
			out.Pix[3*i+c] = byte(a*person[c][i] + (1-a)*float32(behind[c]) + 0.5)
		}
	}
	return out
}

// channels are the planes of m, 0..255.
func channels(m *imaging.Image) (rgb [3]plane) {
	for c := range rgb {
		rgb[c] = make(plane, m.Width*m.Height)
		for i := range rgb[c] {
			rgb[c][i] = float32(m.Pix[3*i+c])
		}
	}
	return rgb
}

// refine is the matte, 0..1, of m by a rough one. What the filter is less than a third sure of is background: patches of it beside
// hair would keep the old background's colour.
func refine(m *imaging.Image, rough plane) plane {
	const none, all = 0.33, 0.9
	alpha := guided(channels(m), rough, m.Width, m.Height, max(int(guideRadius*float64(m.Width)+0.5), 1))
	for i, a := range alpha {
		alpha[i] = unitInterval((a - none) / (all - none))
	}
	return alpha
}

// foreground is the person's own colour of each pixel, by two passes of blur fusion.
func foreground(m *imaging.Image, alpha plane) [3]plane {
	rgb := channels(m)
	f, b := rgb, rgb
	for _, share := range fuseRadii {
		r := max(int(share*float64(m.Width)+0.5), 1)
		f, b = fuse(rgb, f, b, alpha, m.Width, m.Height, r)
	}
	return f
}

// fuse is a pass of blur fusion: the weighted means of person and background within r, corrected by what they leave of the
// pixel's colour.
func fuse(rgb, f, b [3]plane, alpha plane, width, height, r int) (person, behind [3]plane) {
	rest := make(plane, len(alpha))
	for i, a := range alpha {
		rest[i] = 1 - a
	}
	sumA, sumR := blur(alpha, width, height, r), blur(rest, width, height, r)
	product := make(plane, len(alpha))
	for c := range 3 {
		for i, a := range alpha {
			product[i] = f[c][i] * a
		}
		person[c] = blur(product, width, height, r)
		for i := range product {
			product[i] = b[c][i] * rest[i]
		}
		behind[c] = blur(product, width, height, r)
		for i, a := range alpha {
			fi, bi := person[c][i]/(sumA[i]+1e-5), behind[c][i]/(sumR[i]+1e-5)
			left := rgb[c][i] - a*fi - (1-a)*bi
			person[c][i] = min(max(fi+a*left, 0), 255)
			behind[c][i] = min(max(bi+(1-a)*left, 0), 255)
		}
	}
	return person, behind
}

// guided is the guided filter with a colour picture as its guide (He et al., equation 19).
func guided(guide [3]plane, p plane, width, height, r int) plane {
	const epsilon = 1e-4 * 255 * 255
	mean := func(q plane) plane { return blur(q, width, height, r) }
	product := func(a, b plane) plane {
		out := make(plane, len(a))
		for i := range a {
			out[i] = a[i] * b[i]
		}
		return out
	}
	var m, mp [3]plane // means of the guide, and of the guide times p
	for c := range 3 {
		m[c], mp[c] = mean(guide[c]), mean(product(guide[c], p))
	}
	var cov [6]plane // rr rg rb gg gb bb
	pairs := [6][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 1}, {1, 2}, {2, 2}}
	for k, ij := range pairs {
		cov[k] = mean(product(guide[ij[0]], guide[ij[1]]))
	}
	meanP := mean(p)
	var a [3]plane
	for c := range a {
		a[c] = make(plane, len(p))
	}
	b := make(plane, len(p))
	for i := range p {
		var s [6]float64
		for k, ij := range pairs {
			s[k] = float64(cov[k][i] - m[ij[0]][i]*m[ij[1]][i])
		}
		s[0], s[3], s[5] = s[0]+epsilon, s[3]+epsilon, s[5]+epsilon
		var v [3]float64
		for c := range 3 {
			v[c] = float64(mp[c][i] - m[c][i]*meanP[i])
		}
		x := solveSymmetric(s, v)
		rest := float64(meanP[i])
		for c := range 3 {
			a[c][i] = float32(x[c])
			rest -= x[c] * float64(m[c][i])
		}
		b[i] = float32(rest)
	}
	out := mean(b)
	for c := range 3 {
		ma := mean(a[c])
		for i := range out {
			out[i] += ma[i] * guide[c][i]
		}
	}
	for i, v := range out {
		out[i] = unitInterval(v)
	}
	return out
}

// solveSymmetric solves s·x = v for a symmetric matrix, given as rr rg rb gg gb bb, by its adjugate.
func solveSymmetric(s [6]float64, v [3]float64) [3]float64 {
	rr, rg, rb, gg, gb, bb := s[0], s[1], s[2], s[3], s[4], s[5]
	irr, irg, irb := gg*bb-gb*gb, gb*rb-rg*bb, rg*gb-gg*rb
	igg, igb, ibb := rr*bb-rb*rb, rb*rg-rr*gb, rr*gg-rg*rg
	det := rr*irr + rg*irg + rb*irb
	return [3]float64{
		(irr*v[0] + irg*v[1] + irb*v[2]) / det,
		(irg*v[0] + igg*v[1] + igb*v[2]) / det,
		(irb*v[0] + igb*v[1] + ibb*v[2]) / det,
	}
}

// blur is the mean over the square of 2r+1 pixels a side about each pixel, so far as it lies inside.
func blur(p plane, width, height, r int) plane {
	rows, out := make(plane, len(p)), make(plane, len(p))
	for y := range height {
		src, dst := p[y*width:][:width], rows[y*width:][:width]
		var sum float64
		for _, v := range src[:min(r, width)] {
			sum += float64(v)
		}
		for x := range dst {
			if x+r < width {
				sum += float64(src[x+r])
			}
			if x-r-1 >= 0 {
				sum -= float64(src[x-r-1])
			}
			dst[x] = float32(sum / float64(min(x+r, width-1)-max(x-r, 0)+1))
		}
	}
	sums := make([]float64, width) // of a column
	add := func(y int, sign float64) {
		for x, v := range rows[y*width:][:width] {
			sums[x] += sign * float64(v)
		}
	}
	for y := range min(r, height) {
		add(y, 1)
	}
	for y := range height {
		if y+r < height {
			add(y+r, 1)
		}
		if y-r-1 >= 0 {
			add(y-r-1, -1)
		}
		n := float64(min(y+r, height-1) - max(y-r, 0) + 1)
		for x := range width {
			out[y*width+x] = float32(sums[x] / n)
		}
	}
	return out
}
