package traits

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

func p(x float32) *float32 { return &x }

// frontal is a face with no trait: in the middle of a picture of 400 x 500 pixels, in all networks' eyes faultless.
func frontal() *face.Observation {
	return &face.Observation{
		Face: face.Face{
			Box:        schema.BoxF{TopLeft: schema.PointF{X: 125, Y: 160}, BottomRight: schema.PointF{X: 275, Y: 340}},
			Points:     [5]schema.PointF{{X: 165, Y: 220}, {X: 235, Y: 220}, {X: 200, Y: 260}, {X: 170, Y: 300}, {X: 230, Y: 300}},
			Confidence: 0.9,
		},
		Width: 400, Height: 500,
		LandmarkConfidence: p(0.9), Pose: &face.Pose{}, LeftEyeOpen: p(0.95), RightEyeOpen: p(0.9), MouthOpen: p(0.05), Smile: p(0.25),
		Mask: p(0.05), Glasses: p(0.05), Occlusion: map[string]float32{"mouth": 0.1},
		Light: &face.Light{Mean: 0.5, Low: 0.2, High: 0.8}, Sharpness: p(200),
	}
}

// move shifts the face of s.
func move(s *face.Observation, dx, dy float32) {
	for i := range s.Points {
		s.Points[i].X, s.Points[i].Y = s.Points[i].X+dx, s.Points[i].Y+dy
	}
	b := &s.Box
	b.TopLeft.X, b.BottomRight.X = b.TopLeft.X+dx, b.BottomRight.X+dx
	b.TopLeft.Y, b.BottomRight.Y = b.TopLeft.Y+dy, b.BottomRight.Y+dy
}

// TestEachTrait makes each trait happen, alone, at the defaults, and then sets the key that drives it so that it does not.
func TestEachTrait(t *testing.T) {
	cases := []struct {
		want   schema.FaceTraits
		change func(*face.Observation)
		off    string // a configuration under which the trait is gone; "" where no key drives it
	}{
		{schema.FTFaceTooClose, func(s *face.Observation) { s.Width, s.Height = 190, 200; move(s, -105, -150) }, `{"threshold_user_too_close":0.9}`},
		{schema.FTFaceTooFar, func(s *face.Observation) { s.Width, s.Height = 1000, 2000 }, `{"threshold_user_too_far":0.1}`},
		{schema.FTFaceRight, func(s *face.Observation) { move(s, -122, 0) }, `{"threshold_user_right":0}`},
		{schema.FTFaceLeft, func(s *face.Observation) { move(s, 122, 0) }, `{"threshold_user_left":1}`},
		{schema.FTFaceUp, func(s *face.Observation) { move(s, 0, -157) }, `{"threshold_user_up":0}`},
		{schema.FTFaceDown, func(s *face.Observation) { move(s, 0, 157) }, `{"threshold_user_down":1}`},
		{schema.FTImageBlurr, func(s *face.Observation) { s.Sharpness = p(19) }, `{"blur_threshold_enroll_pred":9}`},
		{schema.FTFaceWithGlass, func(s *face.Observation) { s.Glasses = p(0.6) }, ``},
		{schema.FTFaceWithMask, func(s *face.Observation) { s.Mask = p(0.6) }, ``},
		{schema.FTLookingLeft, func(s *face.Observation) { s.Pose.Yaw = 47 }, `{"threshold_profile_enroll":0.6}`},
		{schema.FTLookingRight, func(s *face.Observation) { s.Pose.Yaw = -47 }, `{"threshold_profile_enroll":0.6}`},
		{schema.FTLookingHigh, func(s *face.Observation) { s.Pose.Pitch = 15 }, `{"threshold_high_vertical_enroll":-0.15}`},
		{schema.FTLookingDown, func(s *face.Observation) { s.Pose.Pitch = -22 }, `{"threshold_down_vertical_enroll":0.2}`},
		{schema.FTFaceTooDark, func(s *face.Observation) { s.Light.Mean = 0.2 }, `{"face_too_dark":0.1}`},
		{schema.FTFaceTooBright, func(s *face.Observation) { s.Light.Mean = 0.9 }, `{"face_too_bright":0.95}`},
		{schema.FTFaceLowValConf, func(s *face.Observation) { s.LandmarkConfidence = p(0.4) }, `{"landmark_confidence_score_threshold":0.3}`},
		{schema.FTEyeBlink, func(s *face.Observation) { s.RightEyeOpen = p(0.3) }, `{"eyes_blinking_threshold":0.8}`},
		{schema.FTMouthOpened, func(s *face.Observation) { s.MouthOpen = p(0.15) }, `{"mouth_opened_threshold":0.9}`},
		{schema.FTFaceRotatedRight, func(s *face.Observation) { s.Pose.Roll = -25 }, `{"angle_rotation_right_threshold":30}`},
		{schema.FTFaceRotatedLeft, func(s *face.Observation) { s.Pose.Roll = 25 }, `{"angle_rotation_left_threshold":30}`},
	}
	covered := schema.FTInvalidFaceBackground | schema.FTFaceNotInOval // the first is never set, the second has its own test
	for _, tt := range cases {
		name := schema.TraitNames(tt.want)[0]
		covered |= tt.want
		s := frontal()
		tt.change(s)
		if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), schema.DefaultConfig(schema.OpEnroll), schema.OpEnroll); got != tt.want {
			t.Errorf("%s: %v", name, schema.TraitNames(got))
		}
		if Advice(tt.want) == "" {
			t.Errorf("%s: no advice", name)
		}
		if tt.off == "" {
			continue
		}
		config, problems := schema.ResolveConfig(schema.OpEnroll, json.RawMessage(tt.off))
		if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != 0 || problems != nil {
			t.Errorf("%s under %s: %v (%v)", name, tt.off, schema.TraitNames(got), problems)
		}
	}
	if covered != schema.AllFaceTraits {
		t.Errorf("not covered: %v", schema.TraitNames(schema.AllFaceTraits&^covered))
	}
	if got := Of(frontal(), Uncalibrated, Scores(frontal(), Uncalibrated, false), schema.DefaultConfig(schema.OpEnroll), schema.OpEnroll); got != 0 {
		t.Errorf("a faultless face: %v", schema.TraitNames(got))
	}
}

// TestContext: enroll and predict have limits of their own, and context_string chooses between them for the rest.
func TestContext(t *testing.T) {
	s := frontal()
	s.Pose = &face.Pose{Yaw: 40, Pitch: -16} // too much for a prediction, not for an enrolment
	both := schema.FTLookingLeft | schema.FTLookingDown
	for _, tt := range []struct {
		op   schema.Operation
		raw  string
		want schema.FaceTraits
	}{
		{schema.OpEnroll, `{}`, 0},
		{schema.OpEnroll, `{"context_string":"predict"}`, 0},
		{schema.OpPredict, `{}`, both},
		{schema.OpPredict, `{"context_string":"enroll"}`, both},
		{schema.OpValidate, `{}`, 0},
		{schema.OpValidate, `{"context_string":"predict"}`, both},
		{schema.OpValidate, `{"context_string":"predict","face_validations_off":true}`, 0},
		{schema.OpPredict, `{"threshold_profile_predict":0.7,"threshold_down_vertical_predict":0.2}`, 0},
	} {
		config, problems := schema.ResolveConfig(tt.op, json.RawMessage(tt.raw))
		if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, tt.op); got != tt.want || problems != nil {
			t.Errorf("%s %s: %v, want %v", tt.op, tt.raw, schema.TraitNames(got), schema.TraitNames(tt.want))
		}
	}
	s.Pose = &face.Pose{Pitch: 15}
	config, _ := schema.ResolveConfig(schema.OpPredict, json.RawMessage(`{"threshold_high_vertical_predict":-0.2}`))
	if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpPredict); got != 0 {
		t.Errorf("looking up within threshold_high_vertical_predict: %v", schema.TraitNames(got))
	}
}

// TestCutOff: where the picture cuts a face off, the box that a detector fits into it does not hide that.
func TestCutOff(t *testing.T) {
	config := schema.DefaultConfig(schema.OpEnroll)
	for _, tt := range []struct {
		dx, dy float32
		want   schema.FaceTraits
	}{
		{-150, 0, schema.FTFaceRight}, {150, 0, schema.FTFaceLeft}, {0, -200, schema.FTFaceUp}, {0, 190, schema.FTFaceDown},
	} {
		s := frontal()
		move(s, tt.dx, tt.dy)
		b := &s.Box
		b.TopLeft.X, b.TopLeft.Y = max(b.TopLeft.X, 8), max(b.TopLeft.Y, 8)
		b.BottomRight.X, b.BottomRight.Y = min(b.BottomRight.X, 392), min(b.BottomRight.Y, 492)
		if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != tt.want {
			t.Errorf("moved by %v, %v: %v", tt.dx, tt.dy, schema.TraitNames(got))
		}
	}
}

func TestOval(t *testing.T) {
	config, _ := schema.ResolveConfig(schema.OpValidate, json.RawMessage(`{"validate_face_position_oval":true}`))
	for _, tt := range []struct {
		dx, dy float32
		want   schema.FaceTraits
	}{
		{0, 0, 0},
		{60, 0, 0},
		{100, 0, schema.FTFaceNotInOval},
		{0, -100, 0},
		{0, -140, schema.FTFaceNotInOval},
	} {
		s := frontal()
		move(s, tt.dx, tt.dy)
		if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpValidate); got != tt.want {
			t.Errorf("moved by %v, %v: %v", tt.dx, tt.dy, schema.TraitNames(got))
		}
		if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), schema.DefaultConfig(schema.OpValidate), schema.OpValidate); got != 0 {
			t.Errorf("without validate_face_position_oval: %v", schema.TraitNames(got))
		}
	}
}

// TestWhatIsNotMeasured: a pack without networks sets no trait by guesswork; the place and the line of the eyes remain.
func TestWhatIsNotMeasured(t *testing.T) {
	config := schema.DefaultConfig(schema.OpEnroll)
	s := frontal()
	s = &face.Observation{Face: s.Face, Width: s.Width, Height: s.Height}
	if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != 0 {
		t.Errorf("without attributes: %v", schema.TraitNames(got))
	}
	s.Points[1].Y += 40
	if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != schema.FTFaceRotatedLeft {
		t.Errorf("with the eye on the picture's right lower: %v", schema.TraitNames(got))
	}
	s.Light, s.Sharpness = &face.Light{Mean: 0.5}, p(200)
	if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != schema.FTFaceRotatedLeft {
		t.Errorf("without networks: %v", schema.TraitNames(got))
	}
	s.Pose = &face.Pose{Roll: 3}
	if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != 0 {
		t.Errorf("the pose knows the roll better: %v", schema.TraitNames(got))
	}
	nan := float32(math.NaN())
	s.MouthOpen = &nan
	if got := Of(s, Uncalibrated, Scores(s, Uncalibrated, false), config, schema.OpEnroll); got != 0 {
		t.Errorf("a score that is no number: %v", schema.TraitNames(got))
	}
}

func TestScores(t *testing.T) {
	s := frontal()
	s.Pose = &face.Pose{Yaw: 60, Pitch: -20, Roll: 5}
	got := map[string]float32{}
	order := []string{}
	for _, m := range Scores(s, Uncalibrated, true) {
		got[m.Name] = m.Value
		order = append(order, m.Name)
	}
	want := map[string]float32{
		schema.MetricFaceSize: float32(math.Sqrt(150*180)) / 400, schema.MetricRotation: 5, schema.MetricFrontality: 0.5, schema.MetricVerticalGaze: 0.1479,
		schema.MetricLandmarkConfidence: 0.9, schema.MetricSharpness: 100, schema.MetricBrightness: 0.5, schema.MetricBrightnessLow: 0.2, schema.MetricBrightnessHigh: 0.8,
		schema.MetricEyeLeftOpen: 0.95, schema.MetricEyeRightOpen: 0.9, schema.MetricEyesClosed: 0.12, schema.MetricMouthOpen: 0.32, schema.MetricSmile: 0.25,
		schema.MetricGlasses: 0.05, schema.MetricMask: 0.05, schema.MetricOcclusionMouth: 0.1,
	}
	for name, x := range want {
		if y, ok := got[name]; !ok || math.Abs(float64(x-y)) > 1e-3 {
			t.Errorf("%s: %v, want %v", name, y, x)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d scores, want %d: %v", len(got), len(want), got)
	}
	var documented []string
	for _, m := range schema.Metrics() {
		if _, ok := got[m.Name]; ok {
			documented = append(documented, m.Name)
		}
	}
	if strings.Join(order, " ") != strings.Join(documented, " ") {
		t.Errorf("the scores come as %v, documented is %v", order, documented)
	}
	for _, m := range Scores(s, Uncalibrated, false) {
		if m.Name == schema.MetricSmile {
			t.Error("a smile that nobody asked for")
		}
	}
	if n := len(Scores(&face.Observation{Face: s.Face, Width: 400, Height: 500}, Uncalibrated, true)); n != 2 {
		t.Errorf("%d scores without attributes, want size and rotation", n)
	}
}

func TestRejecting(t *testing.T) {
	all := schema.AllFaceTraits
	for _, tt := range []struct {
		op   schema.Operation
		raw  string
		want schema.FaceTraits
	}{
		{schema.OpEnroll, `{}`, schema.InvalidFaceTraits(schema.OpEnroll)},
		{schema.OpPredict, `{}`, schema.InvalidFaceTraits(schema.OpPredict)},
		{schema.OpEnroll, `{"allowed_face_traits_flags":128}`, schema.InvalidFaceTraits(schema.OpEnroll) &^ schema.FTFaceWithGlass},
		{schema.OpEnroll, `{"allowed_face_traits_flags":4194303}`, 0},
		{schema.OpValidate, `{}`, 0},
	} {
		config, _ := schema.ResolveConfig(tt.op, json.RawMessage(tt.raw))
		if got := Rejecting(all, config, tt.op); got != tt.want {
			t.Errorf("%s %s: %v", tt.op, tt.raw, schema.TraitNames(got))
		}
	}
}

func TestAdviceComesMostImportantFirst(t *testing.T) {
	got := Advice(schema.FTEyeBlink | schema.FTFaceTooFar | schema.FTFaceWithMask)
	if want := "Take off the mask. Come closer to the camera. Open your eyes."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if Advice(0) != "" {
		t.Error("advice without a trait")
	}
}
