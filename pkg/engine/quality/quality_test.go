package quality

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// drawn is a face of skin colour with dark eyes and mouth, and some texture, in front of grey.
func drawn() (*imaging.Image, *face.Observation) {
	m := imaging.New(300, 400)
	m.Fill(imaging.RGB{200, 200, 200})
	random := rand.New(rand.NewPCG(1, 2))
	blob := func(cx, cy, rx, ry float64, c imaging.RGB) {
		for y := range m.Height {
			for x := range m.Width {
				u, v := (float64(x)+0.5-cx)/rx, (float64(y)+0.5-cy)/ry
				if u*u+v*v > 1 {
					continue
				}
				shade := 1 - 0.3*(u*u+v*v) + 0.05*math.Sin(float64(x)/3)*math.Sin(float64(y)/4) + 0.01*random.NormFloat64()
				for k := range 3 {
					m.Pix[3*(y*m.Width+x)+k] = byte(min(max(float64(c[k])*shade, 0), 255))
				}
			}
		}
	}
	blob(150, 190, 80, 105, imaging.RGB{230, 180, 150})
	blob(115, 170, 12, 6, imaging.RGB{40, 30, 30})
	blob(185, 170, 12, 6, imaging.RGB{40, 30, 30})
	blob(150, 240, 25, 8, imaging.RGB{150, 60, 60})
	f := face.Face{Box: schema.BoxF{TopLeft: schema.PointF{X: 75, Y: 100}, BottomRight: schema.PointF{X: 225, Y: 295}}, Confidence: 0.9,
		Points: [5]schema.PointF{{X: 115, Y: 170}, {X: 185, Y: 170}, {X: 150, Y: 205}, {X: 130, Y: 240}, {X: 170, Y: 240}}}
	return m, &face.Observation{Face: f}
}

func assess(t *testing.T, img *imaging.Image, s *face.Observation, groups ...string) *schema.FaceQuality {
	t.Helper()
	part := img.Crop(75, 100, 225, 295, imaging.Reflect).Resize(112, 145)
	sharpness := face.LaplacianVariance(part.Luma(), 112, 145)
	o := *s
	o.Sharpness = &sharpness
	if err := Assess(img, []*face.Observation{&o}, []face.Face{s.Face}, groups, nil); err != nil {
		t.Fatal(err)
	}
	return o.Quality
}

// measure is one check of an assessment.
type measure struct {
	Native, Scalar float32
	Assessed       bool
}

func measureOf(q *schema.FaceQuality, c Check) (m measure) {
	m.Native, m.Scalar, m.Assessed = Measured(q, c)
	return m
}

// mapped is m with each value through f.
func mapped(m *imaging.Image, f func(v float64) float64) *imaging.Image {
	out := imaging.New(m.Width, m.Height)
	for i, v := range m.Pix {
		out.Pix[i] = byte(min(max(f(float64(v)), 0), 255) + 0.5)
	}
	return out
}

func recompressed(t *testing.T, m *imaging.Image, level int) *imaging.Image {
	t.Helper()
	in := image.NewNRGBA(image.Rect(0, 0, m.Width, m.Height))
	for i := range m.Width * m.Height {
		copy(in.Pix[4*i:], m.Pix[3*i:3*i+3])
		in.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, in, &jpeg.Options{Quality: level}); err != nil {
		t.Fatal(err)
	}
	out, _, err := imaging.Decode(t.Context(), b.Bytes(), imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// TestWhatSpoilsAPicture spoils a drawn one more and more: the scalar that is about it falls each time.
func TestWhatSpoilsAPicture(t *testing.T) {
	img, s := drawn()
	// noisy adds noise of that deviation.
	noisy := func(deviation float64) *imaging.Image {
		random := rand.New(rand.NewPCG(3, 4))
		return mapped(img, func(v float64) float64 { return v + deviation*random.NormFloat64() })
	}
	for _, c := range []struct {
		check Check
		worse []*imaging.Image
	}{
		{Sharpness, []*imaging.Image{img.Resize(150, 200).Resize(300, 400), img.Resize(75, 100).Resize(300, 400), img.Resize(30, 40).Resize(300, 400)}},
		{ImageSharpness, []*imaging.Image{img.Resize(150, 200).Resize(300, 400), img.Resize(75, 100).Resize(300, 400), img.Resize(30, 40).Resize(300, 400)}},
		{UnderExposure, []*imaging.Image{mapped(img, func(v float64) float64 { return v * 0.15 }), mapped(img, func(v float64) float64 { return v * 0.1 })}},
		{ImageUnderExposure, []*imaging.Image{mapped(img, func(v float64) float64 { return v * 0.12 })}},
		{LuminanceMean, []*imaging.Image{mapped(img, func(v float64) float64 { return v * 0.4 }), mapped(img, func(v float64) float64 { return v * 0.2 })}},
		{OverExposure, []*imaging.Image{mapped(img, func(v float64) float64 { return v * 1.5 }), mapped(img, func(v float64) float64 { return v * 2 })}},
		{ImageOverExposure, []*imaging.Image{mapped(img, func(v float64) float64 { return v * 1.5 })}},
		{DynamicRange, []*imaging.Image{mapped(img, func(v float64) float64 { return 64 + v/2 }), mapped(img, func(v float64) float64 { return 96 + v/4 })}},
		{Noise, []*imaging.Image{noisy(4), noisy(8), noisy(16)}},
		{Compression, []*imaging.Image{recompressed(t, img, 40), recompressed(t, img, 20), recompressed(t, img, 5)}},
	} {
		last := measureOf(assess(t, img, s), c.check)
		if !last.Assessed || last.Scalar < 30 {
			t.Errorf("%s of the picture as drawn: %+v", c.check, last)
		}
		for i, worse := range c.worse {
			m := measureOf(assess(t, worse, s), c.check)
			if m.Scalar >= last.Scalar {
				t.Errorf("%s: step %d has the scalar %.1f (%.3f), the better one %.1f (%.3f)", c.check, i+1, m.Scalar, m.Native, last.Scalar, last.Native)
			}
			last = m
		}
	}
}

func TestColourAndLight(t *testing.T) {
	img, s := drawn()
	r := assess(t, img, s)
	if m := measureOf(r, NaturalColour); m.Native != 0 || m.Scalar != 100 {
		t.Errorf("skin has no natural colour: %+v", m)
	}
	if m := measureOf(r, IlluminationUniformity); m.Native < 0.6 {
		t.Errorf("even light: %+v", m)
	}
	blue, aside := imaging.New(300, 400), imaging.New(300, 400)
	for i := range 300 * 400 {
		p := img.Pix[3*i : 3*i+3]
		copy(blue.Pix[3*i:], []byte{p[2], p[1], p[0]})
		for k := range 3 {
			aside.Pix[3*i+k] = byte(float64(p[k]) * (0.3 + 0.7*float64(i%300)/300))
		}
	}
	if m := measureOf(assess(t, blue, s), NaturalColour); m.Native != 100 || m.Scalar > 1 {
		t.Errorf("a blue face has a natural colour: %+v", m)
	}
	if m := measureOf(assess(t, aside, s), IlluminationUniformity); m.Native > 0.1 {
		t.Errorf("light from aside: %+v", m)
	}
	red := imaging.New(8, 8)
	red.Fill(imaging.RGB{200, 100, 100})
	// 200, 100, 100 over their mean: (200 − 100) / 133.3
	if m := measureImage(red)[4]; m.Check != string(ImageColourBalance) || math.Abs(float64(*m.Native)-0.75) > 1e-3 {
		t.Errorf("%+v", m)
	}
}

func TestPlace(t *testing.T) {
	img, s := drawn()
	landmarks := make([]schema.PointF, 68)
	landmarks[0], landmarks[16], landmarks[8] = schema.PointF{X: 75, Y: 180}, schema.PointF{X: 225, Y: 180}, schema.PointF{X: 150, Y: 290}
	landmarks[36], landmarks[39], landmarks[42], landmarks[45] = schema.PointF{X: 105, Y: 170}, schema.PointF{X: 125, Y: 170}, schema.PointF{X: 175, Y: 170}, schema.PointF{X: 195, Y: 170}
	s.Landmarks, s.Pose = landmarks, &face.Pose{Yaw: 60, Pitch: -10}
	other := face.Face{Box: schema.BoxF{BottomRight: schema.PointF{X: 75, Y: 97.5}}}
	if err := Assess(img, []*face.Observation{s}, []face.Face{other, s.Face}, nil, nil); err != nil {
		t.Fatal(err)
	}
	for check, want := range map[Check]float64{
		InterEyeDistance: 140, // 70 over the cosine of 60 degrees
		HeadSize:         0.3, // 120 of 400
		HeadWidth:        0.5,
		HeadX:            0.5,
		HeadY:            0.425,
		MarginLeft:       115.0 / 70,
		MarginRight:      115.0 / 70,
		MarginAbove:      170.0 / 120,
		MarginBelow:      230.0 / 120,
		Padding:          75,
		FaceShare:        150.0 * 195 / 120000,
		Yaw:              60,
		Pitch:            -10,
		Roll:             0,
		SingleFace:       0.25,
		ImageAspect:      0.75,
	} {
		if m := measureOf(s.Quality, check); !m.Assessed || math.Abs(float64(m.Native)-want) > 1e-4 {
			t.Errorf("%s: %+v, want %.4f", check, m, want)
		}
	}
	if m := measureOf(s.Quality, Yaw); math.Abs(float64(m.Scalar)-25) > 0.01 {
		t.Errorf("cos² of 60 degrees is a quarter: %+v", m)
	}
}

func TestBackground(t *testing.T) {
	img, s := drawn()
	s.Person = &face.Mask{Part: imaging.Window{X: 150, Y: 200, Width: 300, Height: 400}, Width: 30, Height: 40, Values: make([]float32, 1200)}
	for i := range s.Person.Values {
		if x, y := 10*(i%30)+5, 10*(i/30)+5; x > 50 && x < 250 && y > 70 {
			s.Person.Values[i] = 1
		}
	}
	plain := measureOf(assess(t, img, s), BackgroundUniformity)
	if !plain.Assessed || plain.Native > 1 || plain.Scalar < 95 {
		t.Errorf("a plain background: %+v", plain)
	}
	for i := range img.Pix {
		if x, y := i/3%300, i/900; x < 40 || y < 40 {
			img.Pix[i] = byte(255 * ((x/10 + y/10) % 2))
		}
	}
	if m := measureOf(assess(t, img, s), BackgroundUniformity); m.Scalar > plain.Scalar-20 {
		t.Errorf("a chequered background: %+v", m)
	}
	for i := range s.Person.Values {
		s.Person.Values[i] = 1
	}
	if m := measureOf(assess(t, img, s), BackgroundUniformity); m.Assessed {
		t.Errorf("no background: %+v", m)
	}
}

func TestGroups(t *testing.T) {
	img, s := drawn()
	status := func(r *schema.FaceQuality, group string, c Check) schema.QualityStatus {
		for _, g := range r.Groups {
			for _, row := range g.Requirements {
				if g.Group == group && row.Check == string(c) {
					return row.Status
				}
			}
		}
		t.Fatalf("%s has no row %s", group, c)
		return ""
	}
	limits := map[string]float32{face.ThresholdEyeOpen: 0.5, face.ThresholdOccluded: 0.5, face.ThresholdMask: 0.5,
		face.ThresholdSharpness: 1, face.ThresholdLight: 0.25}
	sharp := float32(100)
	judge := func(s *face.Observation) *schema.FaceQuality {
		o := *s
		o.Sharpness = &sharp
		if err := Assess(img, []*face.Observation{&o}, []face.Face{s.Face}, []string{Default, ICAO}, limits); err != nil {
			t.Fatal(err)
		}
		return o.Quality
	}
	// Without networks nothing fails, and the group does not pass.
	r := judge(s)
	if got := status(r, Default, EyesOpen); got != NotAssessed {
		t.Errorf("eyes that nobody looked at: %s", got)
	}
	if got := status(r, Default, InterEyeDistance); got != Pass {
		t.Errorf("70 pixels between the eyes: %s by default", got)
	}
	if got := status(r, ICAO, InterEyeDistance); got != Fail {
		t.Errorf("70 pixels between the eyes: %s for ICAO", got)
	}
	if r.Groups[0].Status != NotAssessed || r.Groups[1].Status != Fail {
		t.Errorf("default %s, ICAO %s", r.Groups[0].Status, r.Groups[1].Status)
	}
	open, shut, none := float32(0.9), float32(0.2), float32(0.1)
	s.LeftEyeOpen, s.RightEyeOpen, s.Mask = &open, &open, &none
	s.Occlusion = map[string]float32{"left_eye": 0.1, "right_eye": 0.1, "nose": 0.1, "mouth": 0.1}
	s.Pose = &face.Pose{Yaw: 3}
	r = judge(s)
	if r.Groups[0].Status != Pass {
		t.Errorf("default: %+v", r.Groups[0])
	}
	s.LeftEyeOpen = &shut
	s.Occlusion = map[string]float32{"left_eye": 0.1, "right_eye": 0.8, "nose": 0.1, "mouth": 0.1}
	r = judge(s)
	if a, b := status(r, Default, EyesOpen), status(r, Default, EyesVisible); a != Fail || b != Fail || r.Groups[0].Status != Fail {
		t.Errorf("a shut and a covered eye: %s, %s", a, b)
	}
	delete(limits, face.ThresholdEyeOpen)
	if got := status(judge(s), Default, EyesOpen); got != NotAssessed {
		t.Errorf("without a threshold: %s", got)
	}
	if err := Assess(img, nil, nil, []string{"passport"}, nil); schema.ReasonOf(err) != schema.ReasonInvalidConfiguration {
		t.Errorf("an unknown group: %v", err)
	}
}

// TestTablesNameMeasures has every check of a group among the measures, once.
func TestTablesNameMeasures(t *testing.T) {
	img, s := drawn()
	r := assess(t, img, s)
	seen := map[string]bool{}
	for _, m := range r.Measures {
		if seen[m.Check] {
			t.Errorf("%s is measured twice", m.Check)
		}
		seen[m.Check] = true
		if (m.Native != nil) == (m.Message != "") || m.Scalar != nil && (*m.Scalar < 0 || *m.Scalar > 100) {
			t.Errorf("%+v", m)
		}
	}
	for name, table := range tables {
		for _, rule := range table {
			if !seen[string(rule.check)] {
				t.Errorf("%s asks for %s, which nothing measures", name, rule.check)
			}
			if rule.min != nil && rule.max != nil && *rule.min >= *rule.max || rule.threshold == "" && rule.min == nil && rule.max == nil {
				t.Errorf("%s: %s has no range", name, rule.check)
			}
		}
	}
}

// TestFacesAtTheBorder must not panic, whatever the detector says.
func TestFacesAtTheBorder(t *testing.T) {
	img, s := drawn()
	for _, shift := range []float32{-1000, -180, 180, 1000} {
		moved := *s
		for _, p := range []*schema.PointF{&moved.Box.TopLeft, &moved.Box.BottomRight, &moved.Points[0], &moved.Points[1], &moved.Points[2], &moved.Points[3], &moved.Points[4]} {
			p.X, p.Y = p.X+shift, p.Y+shift
		}
		r := assess(t, img, &moved)
		if m := measureOf(r, Padding); m.Native >= 0 {
			t.Errorf("moved by %v: %+v", shift, m)
		}
		if m := measureOf(r, UnderExposure); (shift == 1000 || shift == -1000) && m.Assessed {
			t.Errorf("moved by %v: %+v", shift, m)
		}
	}
	if r := assess(t, imaging.New(1, 1), &face.Observation{}); measureOf(r, ImageSharpness).Assessed {
		t.Error("a picture of one pixel is sharp or not")
	}
}
