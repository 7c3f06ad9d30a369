package quality

import (
	"math"
	"slices"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// measured is a measure of a native value and its scalar. Networks can answer hostile pixels with numbers that are not finite,
// of which nothing can be said.
func measured(c Check, native, scalar float64) schema.QualityMeasure {
	n, s := float32(native), float32(min(max(scalar, 0), 100))
	if n-n != 0 || s-s != 0 {
		return unassessed(c, "the measure is not a finite number")
	}
	return schema.QualityMeasure{Check: string(c), Native: &n, Scalar: &s}
}

func unassessed(c Check, why string) schema.QualityMeasure {
	return schema.QualityMeasure{Check: string(c), Message: why}
}

func sigmoid(v, at, width float64) float64 { return 1 / (1 + math.Exp((at-v)/width)) }

func cosSquared(degrees float64) float64 {
	c := math.Cos(degrees * math.Pi / 180)
	return c * c
}

// measureFace are the checks of a face, in the order of their declaration.
func measureFace(img *imaging.Image, o *face.Observation, all []face.Face) []schema.QualityMeasure {
	g := newGeometry(o)
	ms := slices.Concat(measureLight(img, o, g), []schema.QualityMeasure{measureBackground(img, o.Person)}, measureNative(img, o.Face), measurePlace(img, o, g))
	return append(slices.Concat(ms, measureTraits(o, g)), measureSingle(o.Face, all))
}

// geometry are distances of a face in pixels.
type geometry struct {
	left, right schema.PointF // centres of the eyes, of the picture
	eyes, mouth schema.PointF // middles
	d, t        float64
	turn        float64 // of the line through the eyes, radians, clockwise
}

const chinLandmark = 8

func newGeometry(o *face.Observation) geometry {
	var g geometry
	landmarks := o.Landmarks
	g.left, g.right = face.EyeCentres(o.Face, landmarks)
	g.eyes = middle(g.left, g.right)
	g.mouth = middle(o.Points[3], o.Points[4])
	g.d = distance(g.left, g.right)
	g.turn = math.Atan2(float64(g.right.Y-g.left.Y), float64(g.right.X-g.left.X))
	if len(landmarks) > chinLandmark {
		g.t = distance(g.eyes, landmarks[chinLandmark])
	} else {
		// The detector's box ends at the chin.
		g.t = float64(o.Box.BottomRight.Y - g.eyes.Y)
	}
	g.d, g.t = max(g.d, 1e-3), max(g.t, 1e-3)
	return g
}

func middle(a, b schema.PointF) schema.PointF {
	return schema.PointF{X: (a.X + b.X) / 2, Y: (a.Y + b.Y) / 2}
}

func distance(a, b schema.PointF) float64 { return math.Hypot(float64(a.X-b.X), float64(a.Y-b.Y)) }

// histogram counts lumas 0..255.
type histogram struct {
	counts [256]int
	n      int
}

func (h *histogram) add(luma float32) { h.counts[min(int(luma+0.5), 255)]++; h.n++ }

// share is that of the lumas from low to high, both included.
func (h *histogram) share(low, high int) float64 {
	sum := 0
	for _, c := range h.counts[low : high+1] {
		sum += c
	}
	return float64(sum) / float64(max(h.n, 1))
}

func (h *histogram) entropy() (bits float64) {
	for _, c := range h.counts {
		if c > 0 {
			p := float64(c) / float64(h.n)
			bits -= p * math.Log2(p)
		}
	}
	return bits
}

// moments are mean and variance of the lumas over 255.
func (h *histogram) moments() (mean, variance float64) {
	for v, c := range h.counts {
		mean += float64(c) * float64(v) / 255 / float64(max(h.n, 1))
	}
	for v, c := range h.counts {
		d := float64(v)/255 - mean
		variance += float64(c) * d * d / float64(max(h.n, 1))
	}
	return mean, variance
}

func (h *histogram) under(c Check) schema.QualityMeasure {
	v := h.share(0, 25)
	return measured(c, v, 120*(0.832-sigmoid(v, 0.92, 0.05)))
}

func (h *histogram) over(c Check) schema.QualityMeasure {
	v := h.share(247, 255)
	return measured(c, v, 1/(v+0.01))
}

func (h *histogram) dynamicRange(c Check) schema.QualityMeasure {
	v := h.entropy()
	return measured(c, v, 12.5*v)
}

func sharpness(c Check, variance float64) schema.QualityMeasure {
	return measured(c, variance, 100*variance/(variance+50))
}

// measureLight are the checks of the face's pixels at a common scale: inside the ellipse of the face's box, turned upright.
func measureLight(img *imaging.Image, o *face.Observation, g geometry) []schema.QualityMeasure {
	box := o.Box
	const width = 160
	w := imaging.Window{X: float64(box.TopLeft.X+box.BottomRight.X) / 2, Y: float64(box.TopLeft.Y+box.BottomRight.Y) / 2,
		Width: max(float64(box.BottomRight.X-box.TopLeft.X), 1), Height: max(float64(box.BottomRight.Y-box.TopLeft.Y), 1), Turn: g.turn}
	height := min(max(int(width*w.Height/w.Width), 8), 4*width)
	cut := img.Cut(w, width, height)
	luma := cut.Luma()
	cut.Release()
	var h histogram
	for y := range height {
		for x := range width {
			u, v := (float64(x)+0.5)/width*2-1, (float64(y)+0.5)/float64(height)*2-1
			px, py := w.Place((u+1)/2, (v+1)/2)
			if u*u+v*v <= 1 && px >= 0 && py >= 0 && px < float64(img.Width) && py < float64(img.Height) {
				h.add(luma[y*width+x])
			}
		}
	}
	if h.n == 0 {
		const why = "the face lies beyond the picture"
		var ms []schema.QualityMeasure
		for _, c := range []Check{Sharpness, UnderExposure, OverExposure, LuminanceMean, LuminanceVariance, DynamicRange, NaturalColour, IlluminationUniformity} {
			ms = append(ms, unassessed(c, why))
		}
		return ms
	}
	sharp := unassessed(Sharpness, "the sharpness was not measured")
	if o.Sharpness != nil {
		sharp = sharpness(Sharpness, float64(*o.Sharpness))
	}
	mean, variance := h.moments()
	spread := 60 * variance / (60*variance + 1)
	ms := []schema.QualityMeasure{
		sharp,
		h.under(UnderExposure), h.over(OverExposure),
		measured(LuminanceMean, mean, 100*sigmoid(mean, 0.2, 0.05)*(1-sigmoid(mean, 0.8, 0.05))),
		measured(LuminanceVariance, variance, 100*math.Sin(spread*math.Pi)),
		h.dynamicRange(DynamicRange),
	}
	return append(ms, measureCheeks(img, g)...)
}

// measureCheeks are the checks of two squares of 0.3 D below the eyes, half way to the mouth.
func measureCheeks(img *imaging.Image, g geometry) []schema.QualityMeasure {
	const side = 64
	down := [2]float64{float64(g.mouth.X-g.eyes.X) / 2, float64(g.mouth.Y-g.eyes.Y) / 2}
	var histograms [2][64]float64
	var a, b float64
	for i, eye := range []schema.PointF{g.left, g.right} {
		w := imaging.Window{X: float64(eye.X) + down[0], Y: float64(eye.Y) + down[1], Width: 0.3 * g.d, Height: 0.3 * g.d, Turn: g.turn}
		if w.X < 0 || w.Y < 0 || w.X >= float64(img.Width) || w.Y >= float64(img.Height) {
			const why = "a cheek lies beyond the picture"
			return []schema.QualityMeasure{unassessed(NaturalColour, why), unassessed(IlluminationUniformity, why)}
		}
		cheek := img.Cut(w, side, side)
		for k, l := range cheek.Luma() {
			histograms[i][min(int(l/4), 63)] += 1.0 / (side * side)
			pa, pb := labAB(cheek.Pix[3*k], cheek.Pix[3*k+1], cheek.Pix[3*k+2])
			a, b = a+pa/(2*side*side), b+pb/(2*side*side)
		}
	}
	off := 100.0
	if a >= 0 && b >= 0 {
		off = math.Hypot(max(0, 5-a, a-25), max(0, 5-b, b-35))
	}
	var common float64
	for bin, share := range histograms[0] {
		common += min(share, histograms[1][bin])
	}
	return []schema.QualityMeasure{
		measured(NaturalColour, off, 200*(1-sigmoid(off, 0, 10))),
		measured(IlluminationUniformity, common, 100*math.Pow(common, 0.3)),
	}
}

// linear are the linear lights of sRGB's values (IEC 61966-2-1).
var linear = func() (table [256]float64) {
	for i := range table {
		v := float64(i) / 255
		if v <= 0.04045 {
			table[i] = v / 12.92
		} else {
			table[i] = math.Pow((v+0.055)/1.055, 2.4)
		}
	}
	return table
}()

// labAB are a* and b* of CIELAB for the white D65.
func labAB(r, g, b byte) (float64, float64) {
	lr, lg, lb := linear[r], linear[g], linear[b]
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124564*lr + 0.3575761*lg + 0.1804375*lb) / 0.95047)
	y := f(0.2126729*lr + 0.7151522*lg + 0.0721750*lb)
	z := f((0.0193339*lr + 0.1191920*lg + 0.9503041*lb) / 1.08883)
	return 500 * (x - y), 200 * (y - z)
}

// measureBackground takes the pixels whose surroundings the mask has as background.
func measureBackground(img *imaging.Image, mask *face.Mask) schema.QualityMeasure {
	if mask == nil {
		return unassessed(BackgroundUniformity, "the model pack has no segmentation")
	}
	const height = 354
	width := min(max(int(height*mask.Part.Width/max(mask.Part.Height, 1)), 8), 4*height)
	cut := img.Cut(mask.Part, width, height)
	luma := cut.Luma()
	cut.Release()
	behind := make([]bool, len(luma))
	for y := range height {
		for x := range width {
			px, py := mask.Part.Place((float64(x)+0.5)/float64(width), (float64(y)+0.5)/height)
			behind[y*width+x] = mask.At(px, py) < 0.1
		}
	}
	const reach = 3 // pixels from the person
	var sum float64
	n := 0
	for y := reach; y < height-reach; y++ {
	next:
		for x := reach; x < width-reach; x++ {
			for _, dy := range []int{-reach, 0, reach} {
				for _, dx := range []int{-reach, 0, reach} {
					if !behind[(y+dy)*width+x+dx] {
						continue next
					}
				}
			}
			gx, gy := sobel(luma, width, y*width+x)
			sum += math.Hypot(gx, gy)
			n++
		}
	}
	if n < len(luma)/100 {
		return unassessed(BackgroundUniformity, "there is no background around the person")
	}
	v := sum / float64(n)
	return measured(BackgroundUniformity, v, 190*(1-sigmoid(v, 10, 100)))
}

func sobel(luma []float32, width, i int) (gx, gy float64) {
	at := func(dx, dy int) float64 { return float64(luma[i+dy*width+dx]) }
	gx = at(1, -1) + 2*at(1, 0) + at(1, 1) - at(-1, -1) - 2*at(-1, 0) - at(-1, 1)
	gy = at(-1, 1) + 2*at(0, 1) + at(1, 1) - at(-1, -1) - 2*at(0, -1) - at(1, -1)
	return gx, gy
}

// measureNative are the checks of the picture's own pixels, in the middle nativeSide of the face's box at most.
func measureNative(img *imaging.Image, f face.Face) []schema.QualityMeasure {
	const nativeSide = 256
	span := func(low, high float32, size int) (from, to int) {
		from, to = max(int(low), 0), min(int(high), size)
		if cut := (to - from - nativeSide) / 2; cut > 0 {
			from, to = from+cut, to-cut
		}
		return from, to
	}
	x0, x1 := span(f.Box.TopLeft.X, f.Box.BottomRight.X, img.Width)
	y0, y1 := span(f.Box.TopLeft.Y, f.Box.BottomRight.Y, img.Height)
	if x1-x0 < 24 || y1-y0 < 24 {
		const why = "the face has too few pixels"
		return []schema.QualityMeasure{unassessed(Compression, why), unassessed(Noise, why)}
	}
	part := img.Crop(x0, y0, x1, y1, imaging.Reflect)
	luma := part.Luma()
	b := (blockiness(luma, part.Width, part.Height, 1) + blockiness(luma, part.Width, part.Height, part.Width)) / 2
	n := noise(luma, part.Width, part.Height)
	return []schema.QualityMeasure{measured(Compression, b, 100*math.Exp(-b/3)), measured(Noise, n, 100*math.Exp(-n/10))}
}

// blockiness is how much larger the steps between neighbours, step apart, are at every eighth of them than those beside these, for
// the phase at which that is most; 0 where none stands out.
func blockiness(luma []float32, width, height, step int) float64 {
	var sums [8]float64
	var counts [8]int
	for y := range height {
		for x := range width {
			along, end := x, width
			if step != 1 {
				along, end = y, height
			}
			if along < 2 || along+1 >= end {
				continue
			}
			i := y*width + x
			here := math.Abs(float64(luma[i] - luma[i-step]))
			beside := (math.Abs(float64(luma[i-step]-luma[i-2*step])) + math.Abs(float64(luma[i+step]-luma[i]))) / 2
			sums[along%8] += here - beside
			counts[along%8]++
		}
	}
	means := make([]float64, 8)
	for k := range means {
		means[k] = sums[k] / float64(max(counts[k], 1))
	}
	slices.Sort(means)
	return max(means[7]-(means[3]+means[4])/2, 0)
}

// noise is Immerkær's estimate over the half of the pixels with the smallest gradient, in which there is least else; to the
// nearest quarter of a gradient.
func noise(luma []float32, width, height int) float64 {
	const perUnit, greatest = 4, 4*255*2 + 1 // no Sobel gradient of lumas is longer
	var sums [greatest * perUnit]float64     // of the responses, by gradient
	var counts [greatest * perUnit]int
	for y := 1; y < height-1; y++ {
		for x := 1; x < width-1; x++ {
			i := y*width + x
			at := func(dx, dy int) float64 { return float64(luma[i+dy*width+dx]) }
			r := at(-1, -1) + at(1, -1) + at(-1, 1) + at(1, 1) - 2*(at(0, -1)+at(-1, 0)+at(1, 0)+at(0, 1)) + 4*at(0, 0)
			gx, gy := sobel(luma, width, i)
			bin := int(perUnit * math.Sqrt(gx*gx+gy*gy))
			sums[bin] += math.Abs(r)
			counts[bin]++
		}
	}
	var sum float64
	n := 0
	for bin, count := range counts {
		sum, n = sum+sums[bin], n+count
		if 2*n >= (width-2)*(height-2) {
			break
		}
	}
	return math.Sqrt(math.Pi/2) / 6 * sum / float64(n)
}

// measurePlace are the checks of where the face is and how it is turned.
func measurePlace(img *imaging.Image, o *face.Observation, g geometry) []schema.QualityMeasure {
	width, height := float64(img.Width), float64(img.Height)
	x, y := float64(g.eyes.X)/width, float64(g.eyes.Y)/height
	d := g.d
	const noPose, noLandmarks = "the model pack has no pose", "the model pack has no landmarks"
	yaw, pitch := unassessed(Yaw, noPose), unassessed(Pitch, noPose)
	if p := o.Pose; p != nil {
		yaw, pitch = measured(Yaw, float64(p.Yaw), 100*cosSquared(float64(p.Yaw))), measured(Pitch, float64(p.Pitch), 100*cosSquared(float64(p.Pitch)))
		d /= max(math.Cos(float64(p.Yaw)*math.Pi/180), 0.1)
	}
	headWidth := unassessed(HeadWidth, noLandmarks)
	if l := o.Landmarks; len(l) > 2*chinLandmark {
		v := distance(l[0], l[2*chinLandmark]) / width
		headWidth = measured(HeadWidth, v, 200*(1-sigmoid(math.Abs(v-0.625), 0, 0.1)))
	}
	box := o.Box
	padding := min(float64(box.TopLeft.X), float64(box.TopLeft.Y), width-float64(box.BottomRight.X), height-float64(box.BottomRight.Y))
	share := float64(o.Area()) / (width * height)
	size := g.t / height
	left, right := float64(g.left.X)/g.d, (width-float64(g.right.X))/g.d
	above, below := float64(g.eyes.Y)/g.t, (height-float64(g.eyes.Y))/g.t
	roll := g.turn * 180 / math.Pi
	rollScalar := 100 * cosSquared(roll)
	if math.Abs(roll) > 90 {
		rollScalar = 0 // upside down is no better than lying
	}
	return []schema.QualityMeasure{
		measured(InterEyeDistance, d, 100*sigmoid(d, 70, 20)),
		measured(HeadSize, size, 200*(1-sigmoid(math.Abs(size-0.45), 0, 0.05))),
		headWidth,
		measured(HeadX, x, 100*(1-2*math.Abs(x-0.5))),
		measured(HeadY, y, 100*(1-math.Abs(y-0.4)/0.6)),
		measured(MarginLeft, left, 100*sigmoid(left, 0.9, 0.1)),
		measured(MarginRight, right, 100*sigmoid(right, 0.9, 0.1)),
		measured(MarginAbove, above, 100*sigmoid(above, 1.4, 0.1)),
		measured(MarginBelow, below, 100*sigmoid(below, 1.8, 0.1)),
		measured(Padding, padding, padding),
		measured(FaceShare, share, 100*share/0.25),
		yaw, pitch,
		measured(Roll, roll, rollScalar),
	}
}

// measureTraits are the checks of what is seen of the face.
func measureTraits(o *face.Observation, g geometry) []schema.QualityMeasure {
	probability := func(c Check, v *float32, what string) schema.QualityMeasure {
		if v == nil {
			return unassessed(c, "the model pack has no network for "+what)
		}
		return measured(c, float64(*v), 100*(1-float64(*v)))
	}
	eyes := unassessed(EyesOpen, "the model pack has no network for open eyes")
	if o.LeftEyeOpen != nil && o.RightEyeOpen != nil {
		v := float64(min(*o.LeftEyeOpen, *o.RightEyeOpen))
		eyes = measured(EyesOpen, v, 100*v)
	}
	mouth := unassessed(MouthClosed, "the model pack has no landmarks")
	if gap, ok := face.LipGap(o.Landmarks); ok {
		v := float64(gap) / g.t
		mouth = measured(MouthClosed, v, 100*(1-sigmoid(v, 0.2, 0.06)))
	}
	covered := func(c Check, regions ...string) schema.QualityMeasure {
		var most *float32
		for _, r := range regions {
			if p, ok := o.Occlusion[r]; ok && (most == nil || p > *most) {
				most = &p
			}
		}
		return probability(c, most, "covered faces")
	}
	return []schema.QualityMeasure{
		eyes, mouth,
		covered(EyesVisible, "left_eye", "right_eye"), covered(NoseVisible, "nose"), covered(MouthVisible, "mouth"),
		probability(NoMask, o.Mask, "masks"),
		probability(NoGlasses, o.Glasses, "glasses, nor landmarks, by which they are found"),
		probability(ExpressionNeutrality, o.Smile, "landmarks, by which a smile is found"),
	}
}

func measureSingle(f face.Face, all []face.Face) schema.QualityMeasure {
	var largest float64
	for _, other := range all {
		if other != f {
			largest = max(largest, float64(other.Area()))
		}
	}
	v := min(largest/max(float64(f.Area()), 1), 1)
	return measured(SingleFace, v, 100*(1-v))
}

// measureImage are the checks of the whole picture.
func measureImage(img *imaging.Image) []schema.QualityMeasure {
	const side = 640
	small := img
	if long := max(img.Width, img.Height); long > side {
		small = img.Resize(max(img.Width*side/long, 1), max(img.Height*side/long, 1))
	}
	luma := small.Luma()
	var h histogram
	for _, l := range luma {
		h.add(l)
	}
	var means [3]float64
	for i, v := range small.Pix {
		means[i%3] += float64(v)
	}
	total := means[0] + means[1] + means[2]
	balance := 3 * (max(means[0], means[1], means[2]) - min(means[0], means[1], means[2])) / max(total, 1)
	sharp := unassessed(ImageSharpness, "the picture has too few pixels")
	if small.Width >= 3 && small.Height >= 3 {
		sharp = sharpness(ImageSharpness, float64(face.LaplacianVariance(luma, small.Width, small.Height)))
	}
	width, height := float64(img.Width), float64(img.Height)
	return []schema.QualityMeasure{
		sharp, h.under(ImageUnderExposure), h.over(ImageOverExposure), h.dynamicRange(ImageDynamicRange),
		measured(ImageColourBalance, balance, 100*(1-balance)),
		measured(ImageWidth, width, 100*width/600), measured(ImageHeight, height, 100*height/600),
		measured(ImageAspect, width/height, 100*(1-math.Abs(width/height-0.75))),
	}
}
