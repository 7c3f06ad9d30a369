package face

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// The thresholds that a YuNet's manifest must have.
const (
	// ThresholdConfidence is the confidence, 0..1, from which a cell counts as a face where the caller names none.
	ThresholdConfidence = "confidence"
	// ThresholdNMS is the intersection over union, 0..1, above which the weaker of two boxes is taken for the same face.
	ThresholdNMS = "nms"
)

// maxCandidates is how many cells take part in the comparison of boxes with each other, whose cost is quadratic: top_k of
// OpenCV's FaceDetectorYN (modules/objdetect/include/opencv2/objdetect/face.hpp), which ships the same networks.
const maxCandidates = 5000

// strides of YuNet's three feature maps, in input pixels (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector",
// Machine Intelligence Research 20, 2023, section 3).
var strides = [3]int{8, 16, 32}

// Detector finds faces with YuNet. It is safe for concurrent use.
type Detector struct {
	net           onnx.Network
	input         models.Input
	longSide      int
	minConfidence float32
	maxOverlap    float32
	outputs       [3]heads
	fewShapes     bool // see Stage
}

// heads are the positions, among the network's outputs, of one stride's four maps.
type heads struct{ cls, obj, bbox, kps int }

// NewDetector returns a Detector for the network of the stage. longSide is the long side in pixels that pictures are scaled down to; 0
// takes the manifest's. A network of fixed size ignores it. Any architecture but "yunet", a network without YuNet's outputs and a
// manifest without its thresholds are Fatal errors.
func NewDetector(s Stage, longSide int) (*Detector, error) {
	const op = "face.detector"
	net, m := s.Net, s.Model
	if m.Architecture != "yunet" {
		return nil, schema.Fatal(op, fmt.Errorf("%s has the architecture %q; detectors of the architecture \"yunet\" can be decoded", m.Name, m.Architecture))
	}
	for _, name := range []string{ThresholdConfidence, ThresholdNMS} {
		if _, ok := m.Thresholds[name]; !ok {
			return nil, schema.Fatal(op, fmt.Errorf("%s: its manifest lacks the threshold %q", m.Name, name))
		}
	}
	d := &Detector{
		net: net, input: m.Input, longSide: cmp.Or(longSide, m.Input.LongSide),
		minConfidence: m.Thresholds[ThresholdConfidence].Value, maxOverlap: m.Thresholds[ThresholdNMS].Value,
		fewShapes: s.FewShapes,
	}
	if d.longSide <= 0 && m.Input.Width == 0 {
		return nil, schema.Fatal(op, fmt.Errorf("%s: neither the caller nor the manifest names a long side above 0", m.Name))
	}
	names := net.Outputs()
	for i, stride := range strides {
		for _, head := range []struct {
			name string
			at   *int
		}{{"cls", &d.outputs[i].cls}, {"obj", &d.outputs[i].obj}, {"bbox", &d.outputs[i].bbox}, {"kps", &d.outputs[i].kps}} {
			name := fmt.Sprintf("%s_%d", head.name, stride)
			if *head.at = slices.Index(names, name); *head.at < 0 {
				return nil, schema.Fatal(op, fmt.Errorf("%s has no output %q: it is no YuNet", m.Name, name))
			}
		}
	}
	return d, nil
}

// Detect returns the faces of at least minConfidence, 0..1 (0 stands for the manifest's), best first; faces of equal confidence come
// from top to bottom, then from left to right. It looks at the picture as [Scene] describes.
func (d *Detector) Detect(ctx context.Context, img *imaging.Image, minConfidence float32) ([]Face, error) {
	scene := d.Scene(img)
	defer scene.Release()
	return scene.Detect(ctx, 0, minConfidence)
}

// detect looks at img once and returns its faces, as Detect does.
func (d *Detector) detect(ctx context.Context, img *imaging.Image, minConfidence float32) ([]Face, error) {
	const op = "face.detect"
	minConfidence = cmp.Or(minConfidence, d.minConfidence)
	g := d.geometry(img.Width, img.Height)
	scaled := img.Resize(g.width, g.height)
	buffer := tensors.Take(3 * g.paddedWidth * g.paddedHeight)
	defer tensors.Give(buffer)
	scaled.Planes(*buffer, g.paddedWidth, g.paddedHeight, normalisation(d.input))
	if scaled != img {
		scaled.Release()
	}

	row := onnx.Tensor{Shape: []int64{3, int64(g.paddedHeight), int64(g.paddedWidth)}, Data: *buffer}
	result := d.net.Run(ctx, []onnx.Tensor{row})[0]
	if result.Err != nil {
		return nil, fmt.Errorf("%s: %w", op, result.Err)
	}
	candidates := make([]Face, 0, 32) // the cells of two or three faces
	var err error
	for i, stride := range strides {
		if candidates, err = decode(candidates, result.Value, d.outputs[i], stride, g.paddedWidth/stride, g.paddedHeight/stride, minConfidence); err != nil {
			return nil, fmt.Errorf("%s: %w", op, err)
		}
	}
	faces := suppress(candidates, d.maxOverlap)
	sx, sy := float32(img.Width)/float32(g.width), float32(img.Height)/float32(g.height)
	for i := range faces {
		faces[i].move(func(p schema.PointF) schema.PointF { return schema.PointF{X: p.X * sx, Y: p.Y * sy} })
	}
	return faces, nil
}

// geometry is the size a picture is scaled to and the size it is padded to, in pixels; the padding is right and below.
type geometry struct{ width, height, paddedWidth, paddedHeight int }

// geometry keeps the picture's proportions. A picture is only ever made smaller: YuNet finds the face that fills a picture of
// 112 × 112 as it is, and enlarging found no more.
func (d *Detector) geometry(width, height int) geometry {
	in := d.input
	if in.Width > 0 {
		scale := min(float64(in.Width)/float64(width), float64(in.Height)/float64(height), 1)
		return geometry{scaledSide(width, scale), scaledSide(height, scale), in.Width, in.Height}
	}
	scale := min(float64(d.longSide)/float64(max(width, height)), 1)
	g := geometry{width: scaledSide(width, scale), height: scaledSide(height, scale)}
	g.paddedWidth, g.paddedHeight = d.roundUp(g.width), d.roundUp(g.height)
	if d.fewShapes {
		g.paddedWidth, g.paddedHeight = d.shapeFor(g.width, g.height)
	}
	return g
}

// roundUp is the least size of a side that the network takes which is at least side.
func (d *Detector) roundUp(side int) int {
	// The coarsest map's stride is the least that both sides must be a multiple of.
	multiple := max(d.input.Multiple, strides[len(strides)-1])
	return (side + multiple - 1) / multiple * multiple
}

// shapeFor is the smallest of the few shapes that a picture of that size fits into. Its long side is the detector's or half of it, and
// its short side a half, three quarters or all of that, so most pictures of cameras and telephones have the same two.
func (d *Detector) shapeFor(width, height int) (int, int) {
	long, short := max(width, height), min(width, height)
	for _, l := range []int{d.longSide / 2, d.longSide} {
		for _, s := range []int{l / 2, 3 * l / 4, l} {
			if l, s := d.roundUp(l), d.roundUp(s); long <= l && short <= s {
				if width >= height {
					return l, s
				}
				return s, l
			}
		}
	}
	return d.roundUp(width), d.roundUp(height)
}

// InputShapes returns the shapes that rows for the network have, as channels, height and width, the largest first; nil if they
// are any, or only the one that the network's file declares.
func (d *Detector) InputShapes() [][]int64 {
	if !d.fewShapes || d.input.Width > 0 {
		return nil
	}
	var shapes [][]int64
	for _, l := range []int{d.longSide, d.longSide / 2} {
		for _, s := range []int{l, 3 * l / 4, l / 2} {
			long, short := int64(d.roundUp(l)), int64(d.roundUp(s))
			for _, shape := range [][]int64{{3, short, long}, {3, long, short}} {
				if !slices.ContainsFunc(shapes, func(o []int64) bool { return slices.Equal(o, shape) }) {
					shapes = append(shapes, shape)
				}
			}
		}
	}
	return shapes
}

func scaledSide(side int, scale float64) int { return max(int(math.Round(float64(side)*scale)), 1) }

// decode appends to faces those of one stride's maps, of columns × rows cells, in pixels of the padded input. For the cell (c, r)
// with stride s: score = √(cls·obj); centre = (c+dx, r+dy)·s; size = (e^dw, e^dh)·s; point = (c+kx, r+ky)·s
// (libfacedetection.train, mmdet/models/dense_heads/yunet_head.py; OpenCV, modules/objdetect/src/face_detect.cpp,
// postProcess).
func decode(faces []Face, outputs []onnx.Tensor, h heads, stride, columns, rows int, minConfidence float32) ([]Face, error) {
	cells := columns * rows
	var maps [4][]float32
	for i, want := range [4]struct{ output, values int }{{h.cls, 1}, {h.obj, 1}, {h.bbox, 4}, {h.kps, 10}} {
		maps[i] = outputs[want.output].Data
		if len(maps[i]) != cells*want.values {
			return nil, fmt.Errorf("stride %d: the detector answered %d values for %d cells of %d", stride, len(maps[i]), cells, want.values)
		}
	}
	cls, obj, bbox, kps := maps[0], maps[1], maps[2], maps[3]
	floor := minConfidence * minConfidence
	s := float32(stride)
	for i := range cells {
		product := min(max(cls[i], 0), 1) * min(max(obj[i], 0), 1)
		if product != product {
			return nil, errors.New("the detector answered NaN")
		}
		if product < floor {
			continue
		}
		c, r := float32(i%columns), float32(i/columns)
		b, k := bbox[4*i:][:4], kps[10*i:][:10]
		cx, cy := (c+b[0])*s, (r+b[1])*s
		w, height := exp(b[2])*s, exp(b[3])*s
		f := Face{
			Box:        schema.BoxF{TopLeft: schema.PointF{X: cx - w/2, Y: cy - height/2}, BottomRight: schema.PointF{X: cx + w/2, Y: cy + height/2}},
			Confidence: float32(math.Sqrt(float64(product))),
		}
		sum := cx + cy + w + height
		for p := range f.Points {
			f.Points[p] = schema.PointF{X: (c + k[2*p]) * s, Y: (r + k[2*p+1]) * s}
			sum += f.Points[p].X + f.Points[p].Y
		}
		if math.IsNaN(float64(sum)) || math.IsInf(float64(sum), 0) {
			return nil, errors.New("the detector answered a face without a finite place")
		}
		faces = append(faces, f)
	}
	return faces, nil
}

func exp(v float32) float32 { return float32(math.Exp(float64(v))) }

// suppress sorts faces best first and drops each whose intersection over union with a better one exceeds maxOverlap: greedy
// non-maximum suppression.
func suppress(faces []Face, maxOverlap float32) []Face {
	slices.SortFunc(faces, func(a, b Face) int {
		return cmp.Or(
			cmp.Compare(b.Confidence, a.Confidence),
			cmp.Compare(a.Box.TopLeft.Y, b.Box.TopLeft.Y),
			cmp.Compare(a.Box.TopLeft.X, b.Box.TopLeft.X),
		)
	})
	kept := faces[:0]
	for _, f := range faces[:min(len(faces), maxCandidates)] {
		if !slices.ContainsFunc(kept, func(k Face) bool { return k.Overlap(f) > maxOverlap }) {
			kept = append(kept, f)
		}
	}
	return kept
}
