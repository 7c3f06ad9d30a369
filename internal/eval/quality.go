package eval

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// spoiling degrades a picture in steps. checks are those whose scalars must fall with the steps. LuminanceMean is not
// among them for light, because a picture may be too bright at first.
type spoiling struct {
	name   string
	steps  []float64
	spoil  func(m *imaging.Image, by float64) *imaging.Image
	checks []quality.Check
	turns  bool // by the step in degrees, to the side that the head leans to
}

var spoilings = []spoiling{
	{"blur", []float64{1, 2, 4, 8}, blurred, []quality.Check{quality.Sharpness, quality.ImageSharpness}, false},
	{"darkening", []float64{0.6, 0.35, 0.2, 0.1}, lit,
		[]quality.Check{quality.UnderExposure, quality.ImageUnderExposure, quality.DynamicRange}, false},
	{"brightening", []float64{1.3, 1.7, 2.3, 3}, lit, []quality.Check{quality.OverExposure, quality.ImageOverExposure}, false},
	{"JPEG", []float64{70, 40, 20, 8}, compressed, []quality.Check{quality.Compression}, false},
	{"noise", []float64{4, 8, 16, 32}, noisy, []quality.Check{quality.Noise}, false},
	{"turning", []float64{5, 10, 20, 30}, leaning, []quality.Check{quality.Roll}, true},
}

// spoiledSide is the longer side, in pixels, to which photographs are scaled down first. It makes a step the same for
// all photographs.
const spoiledSide = 640

// level is the largest rise of a scalar (0..100) that counts as unchanged.
const level = 0.5

// Quality degrades the photographs of pairs step by step. For each photograph it computes Spearman's rank correlation
// of the step and the loss of the scalar: 1 if the scalar falls with every step, 0 if it never changes. The count is of
// photographs whose scalar ends lower and never rises. It may stay equal, because scalars are limited to 0..100.
func Quality(ctx context.Context, o Options) (*Report, error) {
	pairs, err := readPairs(o.Data)
	if err != nil {
		return nil, err
	}
	files := images(pairs)
	r := &Report{
		Evaluation: "quality", What: "photographs degraded step by step: Spearman's correlation of the steps and the loss of the scalar, mean over the photographs",
		Pack: o.Subject.describe(models.RoleDetector),
		Data: Data{Folder: filepath.Join(o.Data, "faces", "pairs"), Images: len(files)},
	}
	fallings := make([][][]falling, len(files)) // by photograph, spoiling, check
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) error {
		img, err := o.Subject.photograph(ctx, files[i], files[i])
		if err != nil {
			return err
		}
		if long := max(img.Width, img.Height); long > spoiledSide {
			img = img.Resize(max(img.Width*spoiledSide/long, 1), max(img.Height*spoiledSide/long, 1))
		}
		fallings[i], err = o.spoilAll(ctx, img)
		return err
	})
	if err != nil {
		return nil, err
	}
	for k, s := range spoilings {
		for c, check := range s.checks {
			var all []float64
			var fell Rate
			for i := range files {
				f := fallings[i][k][c]
				if !f.assessed {
					r.fail(filepath.Base(files[i]), "%s: %s: not assessed in every step", s.name, check)
					continue
				}
				all = append(all, f.rho)
				fell.Of++
				if f.monotone {
					fell.Count++
				} else {
					r.fail(filepath.Base(files[i]), "%s: %s: not monotone, correlation %.2f", s.name, check, f.rho)
				}
			}
			if len(all) == 0 {
				continue
			}
			rho, standardError := mean(all)
			interval := Interval{max(rho-1.96*standardError, -1), min(rho+1.96*standardError, 1)}
			r.add(Figure{Name: s.name + ": " + string(check), Value: rho, Unit: Spearman, Interval: &interval, Count: fell.Count, Of: fell.Of})
		}
	}
	return r, nil
}

// falling is how the scalar of a check follows the steps of a spoiling.
type falling struct {
	assessed bool // in every step
	rho      float64
	monotone bool
}

// spoilAll returns the outcomes of one picture for each check of each spoiling. It detects the best face once, so that
// all steps compare the same part of the picture. When turning, it detects the face in each step.
func (o Options) spoilAll(ctx context.Context, img *imaging.Image) ([][]falling, error) {
	best := func(m *imaging.Image) ([]face.Face, error) {
		found, err := o.Subject.engine.Detect(ctx, m, o.Subject.minConfidence())
		return engine.BestConfidence.Select(found), err
	}
	faces, err := best(img)
	if err != nil {
		return nil, err
	}
	first, err := assess(ctx, img, faces)
	if err != nil {
		return nil, err
	}
	all := make([][]falling, len(spoilings))
	for k, s := range spoilings {
		reports := []*schema.FaceQuality{first}
		for _, by := range s.steps {
			if s.turns && first != nil {
				if roll, _, _ := quality.Measured(first, quality.Roll); roll < 0 {
					by = -by
				}
			}
			spoilt, there := s.spoil(img, by), faces
			if s.turns {
				if there, err = best(spoilt); err != nil {
					return nil, err
				}
			}
			report, err := assess(ctx, spoilt, there)
			if err != nil {
				return nil, err
			}
			reports = append(reports, report)
		}
		for _, check := range s.checks {
			all[k] = append(all[k], follow(reports, check))
		}
	}
	return all, nil
}

func follow(reports []*schema.FaceQuality, check quality.Check) falling {
	var steps, losses []float64
	for step, r := range reports {
		if r == nil {
			return falling{}
		}
		_, scalar, ok := quality.Measured(r, check)
		if !ok {
			return falling{}
		}
		steps, losses = append(steps, float64(step)), append(losses, -float64(scalar))
	}
	f := falling{assessed: true, rho: spearman(steps, losses), monotone: losses[len(losses)-1] > losses[0]}
	for i := 1; i < len(losses); i++ {
		f.monotone = f.monotone && losses[i] >= losses[i-1]-level
	}
	return f
}

// assess returns the quality of the first of the faces, measured on the pixels, or nil without a face.
func assess(ctx context.Context, img *imaging.Image, faces []face.Face) (*schema.FaceQuality, error) {
	if len(faces) == 0 {
		return nil, nil
	}
	pixels, err := face.NewAttributeClassifier(nil)
	if err != nil {
		return nil, err
	}
	o := &face.Observation{Face: faces[0]}
	if err := pixels.Observe(ctx, img, []*face.Observation{o})[0]; err != nil {
		return nil, err
	}
	if err := quality.Assess(img, []*face.Observation{o}, faces, nil, nil); err != nil {
		return nil, err
	}
	return o.Quality, nil
}

// spearman returns the correlation of the ranks. Equal values share the mean of their ranks. It is 0 if all values of
// one side are equal.
func spearman(a, b []float64) float64 {
	ra, rb := ranks(a), ranks(b)
	mean := float64(len(a)+1) / 2
	var ab, aa, bb float64
	for i := range ra {
		ab += (ra[i] - mean) * (rb[i] - mean)
		aa += (ra[i] - mean) * (ra[i] - mean)
		bb += (rb[i] - mean) * (rb[i] - mean)
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func ranks(values []float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	out := make([]float64, len(values))
	for i, v := range values {
		first := slices.Index(sorted, v)
		last := first
		for last+1 < len(sorted) && sorted[last+1] == v {
			last++
		}
		out[i] = float64(first+last)/2 + 1
	}
	return out
}

// blurred returns m after a Gaussian blur with that standard deviation in pixels.
func blurred(m *imaging.Image, deviation float64) *imaging.Image {
	reach := int(math.Ceil(3 * deviation))
	kernel := make([]float64, 2*reach+1)
	var sum float64
	for i := range kernel {
		d := float64(i-reach) / deviation
		kernel[i] = math.Exp(-d * d / 2)
		sum += kernel[i]
	}
	pass := func(src *imaging.Image, n, step, lines, lineStep int) *imaging.Image {
		out := imaging.New(src.Width, src.Height)
		for line := range lines {
			for i := range n {
				for c := range 3 {
					var v float64
					for k, w := range kernel {
						at := min(max(i+k-reach, 0), n-1)
						v += w * float64(src.Pix[3*(line*lineStep+at*step)+c])
					}
					out.Pix[3*(line*lineStep+i*step)+c] = byte(v/sum + 0.5)
				}
			}
		}
		return out
	}
	return pass(pass(m, m.Width, 1, m.Height, m.Width), m.Height, m.Width, m.Width, 1)
}

// lit returns m with its values multiplied by factor.
func lit(m *imaging.Image, factor float64) *imaging.Image {
	out := imaging.New(m.Width, m.Height)
	for i, v := range m.Pix {
		out.Pix[i] = byte(min(float64(v)*factor+0.5, 255))
	}
	return out
}

// compressed returns m after compression as a JPEG of that quality, 1..100.
func compressed(m *imaging.Image, level float64) *imaging.Image {
	in := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Width * m.Height {
		copy(in.Pix[4*i:], m.Pix[3*i:3*i+3])
		in.Pix[4*i+3] = 0xff
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, in, &jpeg.Options{Quality: int(level)}); err != nil {
		panic(err) // writing to a buffer cannot fail, and the picture has a size
	}
	out, _, err := imaging.Decode(context.Background(), b.Bytes(), imaging.Limits{})
	if err != nil {
		panic(err) // it was encoded just above
	}
	return out
}

// noisy returns m with normal noise of that standard deviation, the same for every call.
func noisy(m *imaging.Image, deviation float64) *imaging.Image {
	random := rand.New(rand.NewPCG(1, 2))
	out := imaging.New(m.Width, m.Height)
	for i, v := range m.Pix {
		out.Pix[i] = byte(min(max(float64(v)+deviation*random.NormFloat64(), 0), 255))
	}
	return out
}

// leaning returns m turned clockwise by degrees about its middle. Uncovered pixels are black.
func leaning(m *imaging.Image, degrees float64) *imaging.Image {
	w, h := float64(m.Width), float64(m.Height)
	return m.Cut(imaging.Window{X: w / 2, Y: h / 2, Width: w, Height: h, Turn: -degrees * math.Pi / 180}, m.Width, m.Height)
}
