package face

import (
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// mouthOpen is the mean gap between the inner lips over the mouth's width, at most 1: the mouth aspect ratio, made as the eye
// aspect ratio of T. Soukupová and J. Čech, "Real-Time Eye Blink Detection using Facial Landmarks", CVWW 2016. Closed lips
// have about 0, a yawn 0.6 and more. A broad smile parts the lips, too, but does not open the mouth: it takes off smileParts.
func mouthOpen(p []schema.PointF) float32 {
	upper, lower := innerLip(p)
	var gap float32
	for i := range upper {
		gap += distance(upper[i], lower[i]) / 3
	}
	width := distance(p[mouthAt], p[mouthAt+6])
	if width == 0 {
		return 0
	}
	return unitInterval(gap / width * (1 - smileParts*smile(p)))
}

// smileParts is the share of the gap that a broad smile accounts for. Of the 14 of 600 generated faces whose measure is highest with
// it, 10 speak; without it, most smile.
const smileParts = 0.4

// LipGap is the greatest distance between the inner lips in pixels; ok is false without landmarks.
func LipGap(landmarks []schema.PointF) (gap float32, ok bool) {
	if len(landmarks) < 66 {
		return 0, false
	}
	upper, lower := innerLip(landmarks)
	for i := range upper {
		gap = max(gap, distance(upper[i], lower[i]))
	}
	return gap, true
}

// smile grows with the two movements of a smile (P. Ekman and W. Friesen's action unit 12, the lip corner puller): the mouth
// gets wider, against the distance of the outer corners of the eyes, and its corners rise, against the middle of the lips.
// Each is 0 at the value of a face at rest and 1 at that of a broad smile; the answer is their mean.
func smile(p []schema.PointF) float32 {
	eyes := distance(p[rightEye], p[leftEye+3])
	width := distance(p[mouthAt], p[mouthAt+6])
	if eyes == 0 || width == 0 {
		return 0
	}
	// In the mouth's own direction, so that a leaning head has the same answer.
	sin, cos := math.Sincos(float64(degrees(p[mouthAt], p[mouthAt+6])) * math.Pi / 180)
	down := func(q schema.PointF) float32 { return q.Y*float32(cos) - q.X*float32(sin) }
	corners := (down(p[mouthAt]) + down(p[mouthAt+6])) / 2
	middle := (down(p[mouthAt+3]) + down(p[mouthAt+9])) / 2
	wide := (width/eyes - smileRest) / (smileBroad - smileRest)
	lift := ((middle-corners)/width - liftRest) / (liftBroad - liftRest)
	return unitInterval((unitInterval(wide) + unitInterval(lift)) / 2)
}

// The measures of a smile at rest and at a broad one: about the upper quartile of 36 generated faces that do not smile and the
// median of 57 that show their teeth. Nothing of them was taken from the images that an evaluation uses.
const (
	smileRest, smileBroad = 0.65, 0.75
	liftRest, liftBroad   = 0.08, 0.16
)

// Light is the brightness of a face: shares of its luma, ITU-R BT.601.
type Light struct {
	Mean float32 // 0 black .. 1 white
	Low  float32 // the 5th percentile, 0..1
	High float32 // the 95th percentile, 0..1
	// LostShadows and LostHighlights are the shares, 0..1, of the pixels with a luma of 0..25 and of 247..255 of 255, in the
	// ellipse in the box (OFIQ, UnderExposurePrevention and OverExposurePrevention).
	LostShadows, LostHighlights float32
}

// measureLight takes the luma of the face's box: its brightness, and its sharpness as [Observation] describes it.
func measureLight(img *imaging.Image, f Face) (Light, float32) {
	const width = 112
	w := f.standing(1)
	height := min(max(int(math.Round(width*w.Height/max(w.Width, 1))), 3), 4*width)
	cut := img.Cut(w, width, height)
	luma := cut.Luma()
	cut.Release()
	var sum float64
	for _, v := range luma {
		sum += float64(v)
	}
	n := len(luma)
	light := Light{Mean: float32(sum / float64(n) / 255), Low: nth(luma, n*5/100) / 255, High: nth(luma, n*95/100) / 255}
	var shadows, highlights, inside int
	for y := range height {
		for x := range width {
			u, v := (float64(x)+0.5)/width*2-1, (float64(y)+0.5)/float64(height)*2-1
			if u*u+v*v > 1 {
				continue
			}
			inside++
			switch l := luma[y*width+x]; {
			case l < 25.5:
				shadows++
			case l >= 246.5:
				highlights++
			}
		}
	}
	light.LostShadows, light.LostHighlights = float32(shadows)/float32(max(inside, 1)), float32(highlights)/float32(max(inside, 1))
	return light, LaplacianVariance(luma, width, height)
}

// nth is the value that has the index n, from 0, among lumas in ascending order.
func nth(luma []float32, n int) float32 {
	var counts [256]int
	for _, v := range luma {
		counts[int(v)]++
	}
	whole := 0
	for ; n >= counts[whole]; whole++ {
		n -= counts[whole]
	}
	near := make([]float32, 0, counts[whole])
	for _, v := range luma {
		if int(v) == whole {
			near = append(near, v)
		}
	}
	slices.Sort(near)
	return near[n]
}

// LaplacianVariance is the variance of the four-neighbour Laplacian of a picture of at least 3 × 3 lumas, over the pixels that have
// four neighbours.
func LaplacianVariance(luma []float32, width, height int) float32 {
	var sum, square float64
	n := float64((width - 2) * (height - 2))
	for y := 1; y < height-1; y++ {
		for x := 1; x < width-1; x++ {
			i := y*width + x
			l := float64(luma[i-1] + luma[i+1] + luma[i-width] + luma[i+width] - 4*luma[i])
			sum, square = sum+l, square+l*l
		}
	}
	return float32(square/n - sum/n*sum/n)
}

// eyesPatch is the grey part of a picture around the eyes, in the frame of the face: the line through the eyes is level at
// row y0, and the eyes' centres lie unit columns apart about column x0.
type eyesPatch struct {
	luma          []float32
	width, height int
	x0, y0        float64
}

// patchUnit is the distance of the eyes in a patch, in pixels.
const patchUnit = 48

func newEyesPatch(img *imaging.Image, p []schema.PointF) eyesPatch {
	left, right := centre(p[rightEye:rightEye+6]...), centre(p[leftEye:leftEye+6]...)
	c := centre(left, right)
	unit := max(float64(distance(left, right)), 1)
	turn := float64(degrees(left, right)) * math.Pi / 180
	// From half a distance above the eyes to one below, and one and a tenth to each side.
	up, down, side := 0.6, 1.1, 1.1
	sin, cos := math.Sincos(turn)
	middle := (down - up) / 2 * unit
	w := imaging.Window{X: float64(c.X) - middle*sin, Y: float64(c.Y) + middle*cos, Width: 2 * side * unit, Height: (up + down) * unit, Turn: turn}
	e := eyesPatch{width: int(2 * side * patchUnit), height: int((up + down) * patchUnit), x0: side * patchUnit, y0: up * patchUnit}
	cut := img.Cut(w, e.width, e.height)
	e.luma = cut.Luma()
	cut.Release()
	return e
}

// part is the columns and rows, end excluded, from (x0, y0) to (x1, y1) in distances of the eyes from the middle between them.
func (e eyesPatch) part(x0, x1, y0, y1 float64) (x, xEnd, y, yEnd int) {
	at := func(v, origin float64, size int) int { return min(max(int(math.Round(v*patchUnit+origin)), 0), size) }
	return at(x0, e.x0, e.width), at(x1, e.x0, e.width), at(y0, e.y0, e.height), at(y1, e.y0, e.height)
}

// mean is the mean luma of a part.
func (e eyesPatch) mean(x0, x1, y0, y1 float64) float64 {
	left, right, top, bottom := e.part(x0, x1, y0, y1)
	var sum float64
	for y := top; y < bottom; y++ {
		for _, v := range e.luma[y*e.width+left : y*e.width+right] {
			sum += float64(v)
		}
	}
	return sum / float64(max((right-left)*(bottom-top), 1))
}

// lines says of each row of a part, or of each column where down is set, how strong a thin line it is: how much brighter it is
// than those lineReach before and after it, against the mean luma of the part. The outermost ones are left out.
func (e eyesPatch) lines(x0, x1, y0, y1 float64, down bool) []float64 {
	left, right, top, bottom := e.part(x0, x1, y0, y1)
	n, across := bottom-top, right-left
	if down {
		n, across = across, n
	}
	means := make([]float64, n)
	var sum float64
	for i := range means {
		for k := range across {
			x, y := left+k, top+i
			if down {
				x, y = left+i, top+k
			}
			means[i] += float64(e.luma[y*e.width+x]) / float64(across)
		}
		sum += means[i] / float64(n)
	}
	strengths := make([]float64, n-2*lineReach)
	for i := range strengths {
		// 16 of 255: the lines of a black patch are noise
		strengths[i] = (means[i+lineReach] - (means[i]+means[i+2*lineReach])/2) / (sum + 16)
	}
	return strengths
}

// lineReach is in pixels of a patch; a frame is thinner than a sixteenth of the distance of the eyes.
const lineReach = 3

func strongest(lines []float64) (most float64) {
	for _, l := range lines {
		most = max(most, math.Abs(l))
	}
	return most
}

// through is the strength of the strongest line that runs through all of several parts, bright in all or dark in all, a row
// higher or lower in some.
func through(parts [][]float64) (most float64) {
	for _, sign := range []float64{1, -1} {
		for i := range parts[0] {
			least := math.Inf(1)
			for _, p := range parts {
				near := math.Inf(-1)
				for _, l := range p[max(i-1, 0):min(i+2, len(p))] {
					near = max(near, sign*l)
				}
				least = min(least, near)
			}
			most = max(most, least)
		}
	}
	return most
}

// glasses looks for the thin lines of a frame where skin has none: the bridge across the nose, the lower and inner rims and the
// temples, those of the weaker side (after X. Jiang, M. Binkert, B. Achermann and H. Bunke, "Towards Detection of Glasses in
// Facial Images", Pattern Analysis & Applications 3, 2000), and for eyes that are brighter or darker than the cheeks. The answer
// is the logistic function that fits 1,601 generated faces best, 256 of them with glasses, told apart by eye; both kinds weigh
// the same. In ten-fold cross-validation it finds 96.9 % of the glasses at 0.5, and sees some on 3.6 % of the other faces.
// Sunglasses that lie aslant are missed, and hard shadows found.
func glasses(img *imaging.Image, p []schema.PointF) float32 {
	e := newEyesPatch(img, p)
	// Both sides of the face, from the middle outwards.
	weaker := func(x0, x1, y0, y1 float64, down bool) float64 {
		return min(strongest(e.lines(-x1, -x0, y0, y1, down)), strongest(e.lines(x0, x1, y0, y1, down)))
	}
	thirds := [][]float64{e.lines(-0.12, -0.04, -0.3, 0.3, false), e.lines(-0.04, 0.04, -0.3, 0.3, false), e.lines(0.04, 0.12, -0.3, 0.3, false)}
	eyes := max(e.mean(-0.75, -0.25, -0.15, 0.2), e.mean(0.25, 0.75, -0.15, 0.2))
	cheeks := (e.mean(-0.7, -0.3, 0.5, 0.8) + e.mean(0.3, 0.7, 0.5, 0.8)) / 2
	sum := 23.35 + 3.34*math.Log((eyes+16)/(cheeks+16))
	for _, l := range []struct{ weight, line float64 }{
		{2.08, strongest(e.lines(-0.12, 0.12, -0.3, 0.3, false))}, // bridge
		{1.66, through(thirds)},
		{0.38, weaker(0.35, 0.65, 0.15, 0.5, false)}, // lower rims
		{2.27, weaker(0.8, 0.95, -0.3, 0.3, false)},  // temples
		{2.50, weaker(0.12, 0.4, 0.02, 0.3, true)},   // inner rims
	} {
		sum += l.weight * math.Log(l.line+1e-3)
	}
	return sigmoid(float32(sum))
}
