package face

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// stage is a network of the architecture with a fixed answer, or with what answer says of each row.
func stage(architecture string, width, height int, answer func(onnx.Tensor) []float32) Stage {
	net := &answers{names: []string{"output"}}
	net.run = func(row onnx.Tensor) onnx.RowResult {
		row.Data = slices.Clone(row.Data) // which belongs to the next picture when this returns
		values := answer(row)
		if values == nil {
			return onnx.RowResult{Err: errors.New("out of memory")}
		}
		return onnx.RowResult{Value: []onnx.Tensor{{Shape: []int64{int64(len(values))}, Data: values}}}
	}
	return Stage{Net: net, Model: models.Model{Name: architecture, Architecture: architecture, SHA256: "0123456789",
		Input: models.Input{Width: width, Height: height, Colour: "rgb", Scale: 1, Std: [3]float32{1, 1, 1}, Crop: 1, Layout: models.NCHW}}}
}

func fixed(values ...float32) func(onnx.Tensor) []float32 {
	return func(onnx.Tensor) []float32 { return values }
}

// boxed is a face with the box and eyes on a level line.
func boxed(x0, y0, x1, y1 float32) Face {
	w, h := x1-x0, y1-y0
	at := func(u, v float32) schema.PointF { return schema.PointF{X: x0 + u*w, Y: y0 + v*h} }
	return Face{Box: schema.BoxF{TopLeft: at(0, 0), BottomRight: at(1, 1)},
		Points: [5]schema.PointF{at(0.3, 0.4), at(0.7, 0.4), at(0.5, 0.6), at(0.35, 0.8), at(0.65, 0.8)}}
}

// observe is what an observer finds of each face, and why it found nothing.
func observe(t *testing.T, o Observer, img *imaging.Image, faces ...Observation) ([]Observation, []error) {
	t.Helper()
	asked := make([]*Observation, len(faces))
	for i := range faces {
		asked[i] = &faces[i]
	}
	return faces, o.Observe(t.Context(), img, asked)
}

// inMode makes an Observer of the networks of a mode.
type inMode struct {
	*LivenessDetector
	mode int
}

func (m inMode) Observe(ctx context.Context, img *imaging.Image, faces []*Observation) []error {
	return m.LivenessDetector.Observe(ctx, img, faces, m.mode, nil)
}

// leaning is f with the line of its eyes turned clockwise.
func leaning(f Face, degrees float32) Observation {
	return Observation{Face: f, Pose: &Pose{Roll: degrees}}
}

func TestLandmarks(t *testing.T) {
	const cells = openSeeMap * openSeeMap
	maps := make([]float32, 3*openSeePoints*cells)
	for i := range openSeePoints {
		cell := (i%28)*openSeeMap + i%14 // row, column
		maps[i*cells+cell] = 0.8
		maps[(openSeePoints+i)*cells+cell] = 0.5   // no offset down
		maps[(2*openSeePoints+i)*cells+cell] = 0.6 // logit(0.6)/16 to the right
	}
	l, err := NewLandmarker(stage("openseeface", 224, 224, fixed(maps...)))
	if err != nil {
		t.Fatal(err)
	}
	f := boxed(100, 100, 200, 260)
	found, errs := observe(t, l, imaging.New(400, 400), Observation{Face: f}, leaning(f, 90))
	if errs[0] != nil || len(found[0].Landmarks) != 66 || math.Abs(float64(*found[0].LandmarkConfidence)-0.8) > 1e-4 {
		t.Fatalf("%d points, confidence %v, %v", len(found[0].Landmarks), *found[0].LandmarkConfidence, errs[0])
	}
	// The crop is 120 × 200 about (150, 180): its corner lies at (90, 80).
	place := func(from int) schema.PointF {
		u := float64(from%14)/27 + math.Log(0.6/0.4)/16
		v := float64(from%28) / 27
		return schema.PointF{X: float32(90 + 120*u), Y: float32(80 + 200*v)}
	}
	for ours, theirs := range map[int]int{0: 0, 36: 36, 47: 47, 48: 58, 49: 48, 53: 52, 54: 62, 55: 53, 59: 57, 60: 59, 62: 61, 63: 63, 65: 65} {
		if diff := cmp.Diff(place(theirs), found[0].Landmarks[ours], cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Errorf("point %d is not theirs %d: %s", ours, theirs, diff)
		}
	}
	order := slices.Sorted(slices.Values(openSeeOrder[:]))
	for i, n := range order {
		if i != n {
			t.Fatalf("the order is no permutation: %v", order)
		}
	}
	// Turned by a quarter to the right, the crop's right is the picture's down.
	turned := found[1].Landmarks[0]
	if want := (schema.PointF{X: 250, Y: float32(120 + 120*math.Log(0.6/0.4)/16)}); cmp.Diff(want, turned, cmpopts.EquateApprox(0, 1e-2)) != "" {
		t.Errorf("turned: %+v, want %+v", turned, want)
	}
}

// A network of 68 points answers fractions of a square around the box, which is turned as the head leans.
func TestLandmarks68(t *testing.T) {
	fractions := make([]float32, 2*68)
	for i := range 68 {
		fractions[2*i], fractions[2*i+1] = float32(i)/67, 0.5 // on a line through the crop's middle
	}
	fractions[2*8+1] = 1.25 // the chin, below the crop
	var seen onnx.Tensor
	s := stage(landmarks68, 96, 96, func(row onnx.Tensor) []float32 { seen = row; return fractions })
	s.Model.Input.Crop = 1.3
	l, err := NewLandmarker(s)
	if err != nil {
		t.Fatal(err)
	}
	img := imaging.New(400, 400)
	copy(img.Pix[3*(150*400+210):], []byte{255, 255, 255}) // 60 to the right of the box's middle
	f := boxed(110, 100, 190, 200)                         // the crop is 130 × 130 about (150, 150)
	for name, c := range map[string]struct {
		roll        float32
		first, chin schema.PointF
		column, row int // where the white pixel is seen
	}{
		"upright":                    {0, schema.PointF{X: 85, Y: 150}, schema.PointF{X: float32(85 + 130*8./67), Y: 150 + 0.75*130}, 92, 48},
		"leaning by a quarter":       {90, schema.PointF{X: 150, Y: 85}, schema.PointF{X: 150 - 0.75*130, Y: float32(85 + 130*8./67)}, 48, 3},
		"leaning by a quarter, left": {-90, schema.PointF{X: 150, Y: 215}, schema.PointF{X: 150 + 0.75*130, Y: float32(215 - 130*8./67)}, 47, 92},
	} {
		found, errs := observe(t, l, img, leaning(f, c.roll))
		points := found[0].Landmarks
		if errs[0] != nil || len(points) != 68 || found[0].LandmarkConfidence != nil || l.Confident() {
			t.Fatalf("%s: %+v, %v", name, found[0], errs[0])
		}
		if diff := cmp.Diff([]schema.PointF{c.first, c.chin}, []schema.PointF{points[0], points[8]}, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		brightest := 0
		for i, v := range seen.Data[:96*96] {
			if v > seen.Data[brightest] {
				brightest = i
			}
		}
		if column, row := brightest%96, brightest/96; max(column-c.column, c.column-column) > 1 || max(row-c.row, c.row-row) > 1 {
			t.Errorf("%s: the network sees the white pixel at (%d, %d), want (%d, %d)", name, column, row, c.column, c.row)
		}
	}
	short, _ := NewLandmarker(stage(landmarks68, 96, 96, fixed(fractions[:132]...)))
	if found, errs := observe(t, short, img, Observation{Face: f}); errs[0] == nil || found[0].Landmarks != nil {
		t.Errorf("66 points: %+v, %v", found, errs)
	}
}

func TestPose(t *testing.T) {
	p, err := NewPoseEstimator([]Stage{stage("fsanet", 8, 8, fixed(-20, 10, 5)), stage("fsanet", 8, 8, fixed(-40, 20, -15))})
	if err != nil {
		t.Fatal(err)
	}
	pose := func(p *PoseEstimator) *Pose {
		t.Helper()
		found, errs := observe(t, p, imaging.New(50, 50), Observation{Face: boxed(10, 10, 40, 40)})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		return found[0].Pose
	}
	if diff := cmp.Diff(&Pose{Yaw: 30, Pitch: 15, Roll: -5}, pose(p), cmpopts.EquateApprox(0, 1e-4)); diff != "" {
		t.Errorf("the mean, with the sign of yaw turned (-want +got):\n%s", diff)
	}
	// Networks of this project answer in its own signs, beside others too.
	for name, c := range map[string]struct {
		stages []Stage
		want   Pose
	}{
		"alone":  {[]Stage{stage(headPose, 8, 8, fixed(20, -10, 5))}, Pose{Yaw: 20, Pitch: -10, Roll: 5}},
		"beside": {[]Stage{stage(headPose, 8, 8, fixed(20, -10, 5)), stage(fsaNet, 8, 8, fixed(-40, 20, -15))}, Pose{Yaw: 30, Pitch: 5, Roll: -5}},
	} {
		p, err := NewPoseEstimator(c.stages)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&c.want, pose(p), cmpopts.EquateApprox(0, 1e-4)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	tilted := stage(headPose, 8, 8, fixed(20, -10, 5))
	tilted.Model.Offset.Pitch = 4
	q, _ := NewPoseEstimator([]Stage{tilted, stage(fsaNet, 8, 8, fixed(-40, 20, -15))})
	if got, want := pose(q), (&Pose{Yaw: 30, Pitch: 7, Roll: -5}); !cmp.Equal(got, want, cmpopts.EquateApprox(0, 1e-4)) {
		t.Errorf("with an offset: %+v, want %+v", got, want)
	}
	far, _ := NewPoseEstimator([]Stage{stage("fsanet", 8, 8, fixed(200, -100, 10))})
	if got := pose(far); got.Yaw != -90 || got.Pitch != -90 {
		t.Errorf("beyond the range: %+v", got)
	}
}

// A network that fails is an error, never an answer.
func TestStagesFail(t *testing.T) {
	img, f := coloured(200, 200), boxed(20, 20, 120, 120)
	nan := float32(math.NaN())
	for name, answer := range map[string]func(onnx.Tensor) []float32{"fails": func(onnx.Tensor) []float32 { return nil }, "wrong size": fixed(1, 2, 3, 4, 5, 6, 7), "NaN": fixed(nan, nan, nan)} {
		p, _ := NewPoseEstimator([]Stage{stage("fsanet", 8, 8, fixed(1, 2, 3)), stage("fsanet", 8, 8, answer)})
		l, _ := NewLivenessDetector([]Stage{stage(miniFASNet, 8, 8, answer)})
		a, _ := NewAgeEstimator(ageStage(answer))
		c, _ := NewAttributeClassifier([]Stage{stage(seetaMask, 8, 8, answer)})
		all, _ := NewAttributeClassifier([]Stage{allStage(answer)})
		for what, o := range map[string]Observer{"pose": p, "liveness": inMode{l, 1}, "age": a, "attributes": c, "all attributes": all} {
			found, errs := observe(t, o, img, Observation{Face: f})
			if diff := cmp.Diff(Observation{Face: f}, found[0]); errs[0] == nil || diff != "" {
				t.Errorf("%s, %s: %v, and the observation changed:\n%s", what, name, errs[0], diff)
			}
		}
	}
}

func TestStagesRefuse(t *testing.T) {
	unsized, interleaved := stage("fsanet", 0, 0, fixed()), stage("fsanet", 8, 8, fixed())
	interleaved.Model.Input.Layout = models.NHWC
	uncropped, unmeasured := stage(headPose, 8, 8, fixed()), allStage(fixed())
	uncropped.Model.Input.Crop = 0
	delete(unmeasured.Model.Thresholds, ThresholdMouthOpen)
	for name, err := range map[string]error{
		"landmarks": second(NewLandmarker(stage("pfld", 8, 8, fixed()))), "pose": second(NewPoseEstimator([]Stage{stage("hopenet", 8, 8, fixed())})),
		"no size": second(NewPoseEstimator([]Stage{unsized})), "nhwc": second(NewPoseEstimator([]Stage{interleaved})),
		"liveness": second(NewLivenessDetector([]Stage{stage("x", 8, 8, fixed())})), "age": second(NewAgeEstimator(stage("x", 8, 8, fixed()))),
		"age without its deviation": second(NewAgeEstimator(stage(years, 8, 8, fixed()))),
		"attributes":                second(NewAttributeClassifier([]Stage{stage("x", 8, 8, fixed())})),
		"no crop":                   second(NewPoseEstimator([]Stage{uncropped})),
		"beside":                    second(NewAttributeClassifier([]Stage{stage(ocec, 8, 8, fixed()), allStage(fixed())})),
		"threshold":                 second(NewAttributeClassifier([]Stage{unmeasured})),
		"glasses without threshold": second(NewAttributeClassifier([]Stage{stage(eyeglasses, 8, 8, fixed())})),
		"twice":                     second(NewAttributeClassifier([]Stage{stage(ocec, 8, 8, fixed()), stage(ocec, 8, 8, fixed())})),
	} {
		if schema.ClassOf(err) != schema.ClassFatal {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// allStage is a network that answers all attributes at once, with the thresholds that its manifest must have.
func allStage(answer func(onnx.Tensor) []float32) Stage {
	s := stage(faceAttributes, 8, 8, answer)
	s.Model.Role, s.Model.Thresholds = models.RoleAttributes, map[string]models.Threshold{}
	for _, name := range allThresholds {
		s.Model.Thresholds[name] = models.Threshold{Value: 0.75}
	}
	return s
}

func second[T any](_ T, err error) error { return err }

// coloured is a picture of fine coloured squares, bright enough and sharp enough for a verdict on liveness.
func coloured(width, height int) *imaging.Image {
	img := imaging.New(width, height)
	for i := range width * height {
		bright := byte(90 + 90*((i%width/3+i/width/3)%2))
		img.Pix[3*i], img.Pix[3*i+1], img.Pix[3*i+2] = bright, bright/2, bright/3
	}
	return img
}

func TestLiveness(t *testing.T) {
	mini := func(live float32) Stage { return stage(miniFASNet, 8, 8, fixed(0, live, 0)) }
	l, err := NewLivenessDetector([]Stage{mini(10), mini(-10), stage(antispoof, 8, 8, fixed(1, 0))})
	if err != nil {
		t.Fatal(err)
	}
	img, f := coloured(200, 200), boxed(20, 20, 120, 120)
	odds := func(logit float64) float32 { return float32(1 / (1 + math.Exp(-logit))) }
	for mode, want := range map[int]struct {
		score  float32
		scores []float32
	}{1: {0.5, []float32{odds(8), odds(-8)}}, 2: {odds(1), []float32{odds(1)}}, 3: {odds(1. / 3), []float32{odds(8), odds(-8), odds(1)}}} {
		found, errs := observe(t, inMode{l, mode}, img, Observation{Face: f})
		if errs[0] != nil {
			t.Fatal(errs[0])
		}
		if diff := cmp.Diff(&Liveness{Score: want.score, Scores: want.scores}, found[0].Liveness, cmpopts.EquateApprox(0, 1e-5)); diff != "" {
			t.Errorf("mode %d (-want +got):\n%s", mode, diff)
		}
	}
	half, _ := NewLivenessDetector([]Stage{mini(1)})
	for _, mode := range []int{2, 3} {
		if _, errs := observe(t, inMode{half, mode}, img, Observation{Face: f}); schema.ReasonOf(errs[0]) != schema.ReasonRoleAbsent {
			t.Errorf("mode %d without its network: %v", mode, errs[0])
		}
	}
}

// The logit of one class against the others together is that of its probability.
func TestLogOdds(t *testing.T) {
	for _, tt := range []struct {
		logits []float32
		class  int
		want   float64
	}{{[]float32{3, 1}, 0, 2}, {[]float32{3, 1}, 1, -2}, {[]float32{0, 2, 0}, 1, 2 - math.Ln2}, {[]float32{500, 1, -500}, 1, -499}} {
		if got := logOdds(tt.logits, tt.class); math.Abs(float64(got)-tt.want) > 1e-5 {
			t.Errorf("%v, class %d: %v, want %v", tt.logits, tt.class, got, tt.want)
		}
	}
}

// Each limit of what can be judged has its code. A face beside one that cannot be judged is judged.
func TestUnassessable(t *testing.T) {
	l, err := NewLivenessDetector([]Stage{stage(miniFASNet, 8, 8, fixed(0, 5, 0))})
	if err != nil {
		t.Fatal(err)
	}
	good := boxed(60, 60, 160, 160)
	seen := func(f Face) Observation { return Observation{Face: f} }
	posed := func(p Pose) Observation { return Observation{Face: good, Pose: &p} }
	measured := func(light, sharpness float32) Observation {
		return Observation{Face: good, Light: &Light{Mean: light}, Sharpness: &sharpness}
	}
	grey, dark, flat := coloured(240, 240), coloured(240, 240), coloured(240, 240)
	for i := range 240 * 240 {
		grey.Pix[3*i+1], grey.Pix[3*i+2] = grey.Pix[3*i], grey.Pix[3*i]
		for c := range 3 {
			dark.Pix[3*i+c] /= 8
		}
		copy(flat.Pix[3*i:], []byte{180, 90, 60})
	}
	for name, tt := range map[string]struct {
		img    *imaging.Image
		face   Observation
		others []Face
		want   schema.Unassessable
	}{
		"good":                            {coloured(240, 240), seen(good), nil, ""},
		"too narrow":                      {coloured(240, 240), seen(boxed(60, 60, 123, 160)), nil, schema.UnassessableSmall},
		"beyond the left border":          {coloured(240, 240), seen(boxed(-12, 20, 88, 120)), nil, schema.UnassessableCut},
		"below the picture":               {coloured(240, 240), seen(boxed(20, 300, 120, 400)), nil, schema.UnassessableCut},
		"wide enough, but not high":       {coloured(240, 150), seen(boxed(60, 20, 160, 140)), nil, schema.UnassessableTight},
		"just enough":                     {coloured(142, 142), seen(boxed(21, 21, 121, 121)), nil, ""},
		"just too little":                 {coloured(138, 142), seen(boxed(19, 21, 119, 121)), nil, schema.UnassessableTight},
		"itself among the others":         {coloured(240, 240), seen(good), []Face{good}, ""},
		"one of half the width beside it": {coloured(240, 240), seen(good), []Face{good, boxed(0, 0, 50, 50)}, ""},
		"one of its size beside it":       {coloured(240, 240), seen(good), []Face{good, boxed(0, 0, 90, 90)}, schema.UnassessableSeveral},
		"without colour":                  {grey, seen(good), nil, schema.UnassessableGrey},
		"dark":                            {dark, seen(good), nil, schema.UnassessableDark},
		"measured as dark":                {coloured(240, 240), measured(0.05, 100), nil, schema.UnassessableDark},
		"without detail":                  {flat, seen(good), nil, schema.UnassessableBlurred},
		"measured as blurred":             {coloured(240, 240), measured(0.5, 1), nil, schema.UnassessableBlurred},
		"turned a little":                 {coloured(240, 240), posed(Pose{Yaw: -30, Pitch: 20, Roll: 20}), nil, ""},
		"turned to the left":              {coloured(240, 240), posed(Pose{Yaw: -60}), nil, schema.UnassessableTurned},
		"looking up":                      {coloured(240, 240), posed(Pose{Pitch: 50}), nil, schema.UnassessableTurned},
		"leaning":                         {coloured(240, 240), posed(Pose{Roll: 45}), nil, schema.UnassessableTurned},
	} {
		o, beside := tt.face, seen(boxed(60, 60, 162, 162))
		if errs := l.Observe(t.Context(), tt.img, []*Observation{&o}, 1, tt.others); errs[0] != nil {
			t.Fatal(errs)
		}
		if r := o.Liveness; r.Unassessable != tt.want || (r.Why == "") != (tt.want == "") || (r.Score == 0) != (tt.want != "") {
			t.Errorf("%s: %+v, want %q", name, r, tt.want)
		}
		if tt.want == schema.UnassessableSmall || tt.want == schema.UnassessableCut || tt.want == schema.UnassessableTurned {
			o = tt.face
			if errs := l.Observe(t.Context(), coloured(240, 240), []*Observation{&o, &beside}, 1, nil); errs[1] != nil || beside.Liveness.Unassessable != "" {
				t.Errorf("%s: the face beside it cannot be assessed either: %+v", name, beside.Liveness)
			}
		}
	}
}

// The manifest says in which modes a network runs; where it does not, the architecture does.
func TestLivenessModes(t *testing.T) {
	network := func(name, architecture string, modes ...int) Stage {
		s := stage(architecture, 8, 8, fixed(0, 0, 0))
		s.Model.Name, s.Model.Modes = name, modes
		return s
	}
	for name, c := range map[string]struct {
		stages []Stage
		want   [3]string // of the modes 1 to 3; "" is an error
	}{
		"none says":               {[]Stage{network("a", miniFASNet), network("b", antispoof), network("c", miniFASNet)}, [3]string{"a c", "b", "a b c"}},
		"one says every":          {[]Stage{network("a", antispoof, 1, 2, 3)}, [3]string{"a", "a", "a"}},
		"one does not say":        {[]Stage{network("a", antispoof)}, [3]string{"", "a", ""}},
		"a mini one that is not":  {[]Stage{network("a", miniFASNet, 2), network("b", miniFASNet)}, [3]string{"b", "a", "b"}},
		"nobody's third":          {[]Stage{network("a", antispoof, 1), network("b", antispoof, 2)}, [3]string{"a", "b", ""}},
		"a third one of its own":  {[]Stage{network("a", antispoof, 3), network("b", miniFASNet)}, [3]string{"b", "", "a"}},
		"several of the same one": {[]Stage{network("b", antispoof, 2, 1), network("a", antispoof, 1)}, [3]string{"b a", "b", ""}},
	} {
		l, err := NewLivenessDetector(c.stages)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range c.want {
			var got []string
			stages, err := l.Mode(i + 1)
			for _, s := range stages {
				got = append(got, s.Model.Name)
			}
			if strings.Join(got, " ") != want || (err == nil) != (want != "") {
				t.Errorf("%s: mode %d runs %q, %v, want %q", name, i+1, got, err, want)
			}
		}
		for _, mode := range []int{-1, 0, 4} {
			if _, err := l.Mode(mode); err == nil {
				t.Errorf("%s: there is a mode %d", name, mode)
			}
		}
	}
}

// The crop has the size of the box times the factor, less where the picture is too small for it, and lies inside the picture.
func TestLiveCrop(t *testing.T) {
	img := imaging.New(200, 100)
	for y := range 100 {
		for x := range 200 {
			img.Pix[3*(y*200+x)], img.Pix[3*(y*200+x)+1] = byte(x), byte(2*y)
		}
	}
	for name, test := range map[string]struct {
		face Face
		crop float32
		want [4]int // left, top, right, bottom, the last two included
	}{
		"inside":        {boxed(90, 40, 110, 60), 2, [4]int{80, 30, 120, 70}},
		"shifted":       {boxed(0, 0, 20, 20), 2, [4]int{0, 0, 40, 40}},
		"shifted back":  {boxed(180, 80, 200, 100), 2, [4]int{159, 59, 199, 99}},
		"as large":      {boxed(90, 30, 110, 70), 4, [4]int{75, 0, 124, 99}}, // 99/40 of the box
		"reaching over": {boxed(-10, 30, 30, 70), 2, [4]int{0, 10, 80, 90}},
	} {
		s := stage(miniFASNet, 2, 2, fixed())
		s.Model.Input.Crop = test.crop
		// Two samples a side lie a quarter of the crop inside.
		got := liveCrop(img, test.face, s)
		w, h := float64(test.want[2]-test.want[0]+1), float64(test.want[3]-test.want[1]+1)
		for i, want := range [4][2]float64{{float64(test.want[0]) + w/4 - 0.5, float64(test.want[1]) + h/4 - 0.5}, {}, {}, {float64(test.want[0]) + w*3/4 - 0.5, float64(test.want[1]) + h*3/4 - 0.5}} {
			if i == 1 || i == 2 {
				continue
			}
			x, y := float64(got.Pix[3*i]), float64(got.Pix[3*i+1])/2
			if math.Abs(x-want[0]) > 1 || math.Abs(y-want[1]) > 1 {
				t.Errorf("%s: sample %d is of (%.1f, %.1f), want (%.1f, %.1f)", name, i, x, y, want[0], want[1])
			}
		}
	}
	s := stage(antispoof, 4, 4, fixed())
	s.Model.Input.Crop = 1.5
	if got := liveCrop(img, boxed(-10, 20, 30, 60), s); got.Width != 4 || got.Pix[0] == 0 {
		t.Errorf("the mirrored crop of a face at the border begins with %v", got.Pix[:3])
	}
}

// neutral are 66 landmarks of a face at rest, eyes 60 apart about (100, 80).
func neutral() []schema.PointF {
	p := make([]schema.PointF, 66)
	at := func(i int, x, y float32) { p[i] = schema.PointF{X: x, Y: y} }
	for k, x := range []float32{55, 65, 75, 85, 75, 65} {
		y := []float32{80, 76, 76, 80, 84, 84}[k]
		at(rightEye+k, x, y)
		at(leftEye+k, x+60, y)
	}
	for k := range 7 {
		at(mouthAt+k, 75+float32(k)*25/3, 130-2*float32(min(k, 6-k)))
	}
	for k := range 5 {
		at(mouthAt+7+k, 117-float32(k)*8.5, 134+2*float32(min(k, 4-k)))
	}
	for k := range 3 {
		at(60+k, 92+8*float32(k), 131)
		at(63+k, 108-8*float32(k), 131)
	}
	return p
}

func TestMouthAndSmile(t *testing.T) {
	rest := neutral()
	if got := mouthOpen(rest); got != 0 {
		t.Errorf("closed lips: %v", got)
	}
	open := neutral()
	for i := 63; i < 66; i++ {
		open[i].Y += 25
	}
	if got := mouthOpen(open); math.Abs(float64(got)-0.5) > 1e-3 {
		t.Errorf("lips apart by half the mouth's width: %v", got)
	}
	full := slices.Concat(rest[:60], []schema.PointF{rest[48]}, rest[60:63], []schema.PointF{rest[54]}, open[63:])
	if got := mouthOpen(full); len(full) != 68 || math.Abs(float64(got)-0.5) > 1e-3 {
		t.Errorf("of %d points: %v", len(full), got)
	}
	broad := neutral()
	for _, corner := range []int{mouthAt, mouthAt + 6} {
		broad[corner].X = 100 + (broad[corner].X-100)*1.5
		broad[corner].Y -= 12
	}
	if s, b := smile(rest), smile(broad); s != 0 || b < 0.9 {
		t.Errorf("at rest %v, broad %v", s, b)
	}
	// Lips that a smile parts are less of an open mouth than those of a face at rest.
	laughing := slices.Clone(broad)
	for i := 63; i < 66; i++ {
		laughing[i].Y += 37.5 // by half the mouth's width
	}
	if got := mouthOpen(laughing); math.Abs(float64(got)-0.5*(1-smileParts)) > 0.01 {
		t.Errorf("a broad smile with lips apart by half its width: %v", got)
	}
	// A leaning head smiles as much.
	leaning := make([]schema.PointF, len(broad))
	sin, cos := math.Sincos(0.6)
	for i, p := range broad {
		leaning[i] = schema.PointF{X: p.X*float32(cos) - p.Y*float32(sin) + 300, Y: p.X*float32(sin) + p.Y*float32(cos)}
	}
	if a, b := smile(broad), smile(leaning); math.Abs(float64(a-b)) > 1e-3 {
		t.Errorf("upright %v, leaning %v", a, b)
	}
	if mouthOpen(make([]schema.PointF, 66)) != 0 || smile(make([]schema.PointF, 66)) != 0 {
		t.Error("points that coincide say something")
	}
}

// A bridge, rims and temples are found on a plain face, and nothing on the plain one.
func TestGlasses(t *testing.T) {
	plain := imaging.New(200, 200)
	for i := range plain.Pix {
		plain.Pix[i] = 180
	}
	framed := imaging.New(200, 200)
	copy(framed.Pix, plain.Pix)
	dark := func(x0, x1, y int) {
		for x := x0; x < x1; x++ {
			for dy := range 3 {
				copy(framed.Pix[3*((y+dy)*200+x):], []byte{20, 20, 20})
			}
		}
	}
	dark(85, 115, 74) // bridge
	dark(20, 50, 76)  // temples
	dark(150, 180, 76)
	dark(50, 90, 98) // rims: below, and towards the nose
	dark(110, 150, 98)
	for y := 78; y < 98; y++ {
		dark(85, 88, y)
		dark(112, 115, y)
	}
	if g := glasses(plain, neutral()); g > 0.01 {
		t.Errorf("glasses on a plain face: %v", g)
	}
	if g := glasses(framed, neutral()); g < 0.99 {
		t.Errorf("no glasses on a framed face: %v", g)
	}
}

func TestLightAndSharpness(t *testing.T) {
	board := imaging.New(112, 112) // single pixels black and white: the sharpest that there is
	half := imaging.New(112, 112)  // a dark and a bright half
	for y := range 112 {
		for x := range 112 {
			if (x+y)%2 == 1 {
				copy(board.Pix[3*(y*112+x):], []byte{255, 255, 255})
			}
			if x >= 56 {
				copy(half.Pix[3*(y*112+x):], []byte{200, 200, 200})
			}
		}
	}
	f := boxed(0, 0, 112, 112)
	if l, s := measureLight(board, f); math.Abs(float64(l.Mean)-0.5) > 0.01 || l.Low != 0 || l.High != 1 || math.Abs(float64(l.LostShadows)-0.5) > 0.01 || math.Abs(float64(l.LostHighlights)-0.5) > 0.01 || s < 900000 {
		t.Errorf("board: %+v, sharpness %v", l, s)
	}
	l, _ := measureLight(half, f)
	if diff := cmp.Diff(Light{Mean: 100. / 255, Low: 0, High: 200. / 255, LostShadows: 0.5}, l, cmpopts.EquateApprox(0, 0.01)); diff != "" {
		t.Errorf("half: %s", diff)
	}
	if _, s := measureLight(imaging.New(50, 50), boxed(0, 0, 50, 50)); s != 0 {
		t.Errorf("a flat area has the sharpness %v", s)
	}
	// Doubling the picture leaves the measure of the same face about as it is, because the face is scaled first.
	big := half.Resize(224, 224)
	_, a := measureLight(half, f)
	if _, b := measureLight(big, boxed(0, 0, 224, 224)); b < a/3 || b > a*3 {
		t.Errorf("sharpness %v at the size of 112, %v at 224", a, b)
	}
}

func TestClassify(t *testing.T) {
	covered := make([]float32, 20)
	for point, logit := range []float32{-10, -10, 10, 10, 0} { // eyes free, nose and one corner of the mouth covered
		covered[4*point+3] = logit
	}
	eye := stage(ocec, 40, 24, func(row onnx.Tensor) []float32 { return []float32{row.Data[0] / 255} })
	c, err := NewAttributeClassifier([]Stage{eye, stage(seetaMask, 8, 8, fixed(0.9, 0.1)), stage(seetaOcclusion, 8, 8, fixed(covered...))})
	if err != nil {
		t.Fatal(err)
	}
	img := imaging.New(200, 200)
	for y := range 200 {
		for x := range 100 { // the picture's left half is bright
			copy(img.Pix[3*(y*200+x):], []byte{255, 255, 255})
		}
	}
	f := boxed(40, 40, 160, 160)
	pose := Pose{Yaw: 3}
	found, errs := observe(t, c, img, Observation{Face: f, Landmarks: neutral(), LandmarkConfidence: ptr(0.7), Pose: &pose}, Observation{Face: f})
	a := found[0]
	if errs[0] != nil || *a.LeftEyeOpen < 0.9 || *a.RightEyeOpen > 0.1 || *a.LandmarkConfidence != 0.7 || a.Pose.Yaw != 3 || a.MouthOpen == nil || a.Smile == nil || a.Glasses == nil {
		t.Errorf("%+v, %v", a, errs[0])
	}
	want := map[string]float32{"left_eye": 0, "right_eye": 0, "nose": 1, "mouth": 0.75}
	if diff := cmp.Diff(want, a.Occlusion, cmpopts.EquateApprox(0, 1e-3)); diff != "" {
		t.Errorf("occlusion (-want +got):\n%s", diff)
	}
	if math.Abs(float64(*a.Mask)-0.9*0.875) > 1e-3 {
		t.Errorf("mask %v, want the network's 0.9 by how far nose and mouth are covered", *a.Mask)
	}
	// Without landmarks only what needs none is said.
	b := found[1]
	if errs[1] != nil || b.LeftEyeOpen != nil || b.MouthOpen != nil || b.Glasses != nil || b.Landmarks != nil || b.Mask == nil || b.Light.Mean == 0 {
		t.Errorf("without landmarks: %+v, %v", b, errs[1])
	}
	none, err := NewAttributeClassifier(nil)
	if err != nil {
		t.Fatal(err)
	}
	if found, _ := observe(t, none, img, Observation{Face: f}); found[0].Mask != nil || found[0].Occlusion != nil || found[0].Light.Mean == 0 {
		t.Errorf("without networks: %+v", found[0])
	}
}

// One network answers everything at once, with the face upright, and wins over the measures on landmarks.
func TestClassifyAll(t *testing.T) {
	answers := []float32{0.9, 0.2, 0.8, 0.1, 0.3, 0.05, 0.15, -0.1, 1.25}
	var seen onnx.Tensor
	s := allStage(func(row onnx.Tensor) []float32 { seen = row; return answers })
	s.Model.Input.Crop = 2
	c, err := NewAttributeClassifier([]Stage{s})
	if err != nil {
		t.Fatal(err)
	}
	img := imaging.New(200, 200)
	for y := range 200 {
		for x := range 100 { // the picture's left half is bright
			copy(img.Pix[3*(y*200+x):], []byte{255, 255, 255})
		}
	}
	f := boxed(60, 70, 140, 130) // the crop is 160 × 160 about (100, 100)
	want := Observation{
		Face: f, LeftEyeOpen: ptr(0.9), RightEyeOpen: ptr(0.2), MouthOpen: ptr(0.8), Mask: ptr(0.1), Glasses: ptr(0.3),
		Occlusion: map[string]float32{"left_eye": 0.05, "right_eye": 0.15, "nose": 0, "mouth": 1},
	}
	for name, landmarks := range map[string][]schema.PointF{"landmarks": neutral(), "no landmarks": nil} {
		found, errs := observe(t, c, img, Observation{Face: f, Landmarks: landmarks})
		r := found[0]
		if (landmarks != nil) != (r.Smile != nil) || errs[0] != nil || r.Light.Mean == 0 {
			t.Errorf("%s: %+v, %v", name, r, errs[0])
		}
		r.Smile, r.Landmarks, r.Light, r.Sharpness = nil, nil, nil, nil
		if diff := cmp.Diff(want, r); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	// rows and columns of the crop that are bright
	bright := func() (left, right, top, bottom bool) {
		at := func(x, y int) bool { return seen.Data[y*8+x] > 128 }
		return at(1, 4), at(6, 4), at(4, 1), at(4, 6)
	}
	if left, right, _, _ := bright(); !left || right {
		t.Errorf("an upright face is seen turned")
	}
	// A head that leans to the picture's right by a quarter has the picture's left below its chin.
	f.Points[0], f.Points[1] = schema.PointF{X: 100, Y: 80}, schema.PointF{X: 100, Y: 120}
	observe(t, c, img, Observation{Face: f})
	if _, _, top, bottom := bright(); top || !bottom {
		t.Errorf("a leaning face is not seen upright")
	}
}

// An eyeglasses network sees a square around the eyes, upright along their line, and its mirror image. Its answer replaces those of
// the measure and of a face_attributes network, and a face without landmarks has none.
func TestEyeglasses(t *testing.T) {
	img := imaging.New(200, 200)
	for y := range 200 {
		for x := range 100 {
			img.Pix[3*(200*y+x)] = 255 // the left half is red
		}
	}
	var left, right []float32 // of each picture
	s := stage(eyeglasses, 8, 8, func(x onnx.Tensor) []float32 {
		left, right = append(left, x.Data[8*4]), append(right, x.Data[8*4+7])
		return []float32{map[bool]float32{true: 0.9, false: 0.5}[x.Data[8*4] > x.Data[8*4+7]]}
	})
	s.Model.Input.Crop = 2
	s.Model.Thresholds = map[string]models.Threshold{ThresholdGlasses: {Value: 0.6}}
	landmarks := make([]schema.PointF, 66)
	for i := range 6 {
		landmarks[rightEye+i], landmarks[leftEye+i] = schema.PointF{X: 80, Y: 100}, schema.PointF{X: 120, Y: 100}
	}
	// The mean of the log odds of 0.9 and 0.5: those of 3/4.
	const want = 0.75
	for name, beside := range map[string][]Stage{"alone": nil, "beside all": {allStage(fixed(make([]float32, allAttributes)...))}} {
		left, right = nil, nil
		c, err := NewAttributeClassifier(append([]Stage{s}, beside...))
		if err != nil {
			t.Fatal(name, err)
		}
		found, errs := observe(t, c, img, Observation{Face: boxed(60, 60, 80, 80), Landmarks: landmarks}, Observation{Face: boxed(60, 60, 80, 80)})
		if errs[0] != nil || errs[1] != nil {
			t.Fatal(name, errs)
		}
		if g := found[0].Glasses; g == nil || math.Abs(float64(*g-want)) > 1e-5 {
			t.Errorf("%s: glasses %v; want %v", name, g, want)
		}
		if g := found[1].Glasses; g != nil {
			t.Errorf("%s: a face without landmarks has glasses %v", name, *g)
		}
		if len(left) != 2 || left[0] <= right[0] || left[1] >= right[1] || left[0] != right[1] {
			t.Errorf("%s: the network sees %v on the left and %v on the right; want a picture and its mirror image", name, left, right)
		}
	}
	// A head that leans to the right by a quarter has the picture's lower half on its right.
	for i := range 6 {
		landmarks[rightEye+i], landmarks[leftEye+i] = schema.PointF{X: 100, Y: 80}, schema.PointF{X: 100, Y: 120}
	}
	left, right = nil, nil
	c, _ := NewAttributeClassifier([]Stage{s})
	observe(t, c, img, Observation{Face: boxed(60, 60, 80, 80), Landmarks: landmarks})
	if len(left) != 2 || left[0] != right[0] {
		t.Errorf("a leaning head is not seen upright: %v, %v", left, right)
	}
}

// What a network of face_attributes answers is held against its own thresholds, never against those of the measures on landmarks.
func TestThresholds(t *testing.T) {
	value := func(v float32) models.Threshold { return models.Threshold{Value: v} }
	landmarks := models.Model{Thresholds: map[string]models.Threshold{ThresholdMouthOpen: value(0.1), ThresholdSmile: value(0.2), ThresholdGlasses: value(0.3)}}
	p := &models.Pack{Models: map[models.Role][]models.Model{
		models.RoleLandmarks:  {landmarks},
		models.RoleAttributes: {{Architecture: ocec, Thresholds: map[string]models.Threshold{ThresholdEyeOpen: value(0.4)}}, {Architecture: seetaMask, Thresholds: map[string]models.Threshold{ThresholdMask: value(0.5), ThresholdMouthOpen: value(0.6)}}},
	}}
	want := map[string]models.Threshold{ThresholdMouthOpen: value(0.1), ThresholdSmile: value(0.2), ThresholdGlasses: value(0.3), ThresholdEyeOpen: value(0.4), ThresholdMask: value(0.5)}
	if diff := cmp.Diff(want, Thresholds(p)); diff != "" {
		t.Errorf("several networks (-want +got):\n%s", diff)
	}
	p.Models[models.RoleAttributes] = []models.Model{allStage(fixed()).Model}
	want = map[string]models.Threshold{ThresholdSmile: value(0.2)}
	for _, name := range allThresholds {
		want[name] = value(0.75)
	}
	if diff := cmp.Diff(want, Thresholds(p)); diff != "" {
		t.Errorf("one network (-want +got):\n%s", diff)
	}
	p.Models[models.RoleAttributes] = append(p.Models[models.RoleAttributes], models.Model{Architecture: eyeglasses, Thresholds: map[string]models.Threshold{ThresholdGlasses: value(0.9)}})
	want[ThresholdGlasses] = value(0.9)
	if diff := cmp.Diff(want, Thresholds(p)); diff != "" {
		t.Errorf("eyeglasses beside it (-want +got):\n%s", diff)
	}
}
