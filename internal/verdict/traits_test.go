package verdict

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

func p(x float32) *float32 { return &x }

// frontal is a face with no trait: in the middle of a picture of 400 x 500 pixels, and faultless to all networks.
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
		Light: &face.Light{Mean: 0.5, Low: 0.2, High: 0.8, LostShadows: 0.03, LostHighlights: 0.01}, Sharpness: p(200),
		Liveness: &face.Liveness{Score: 0.8}, Age: &face.Age{Years: 34, Deviation: 2.5, Confidence: 0.75},
	}
}

// pack has points of its own, so that no test passes by another pack's.
var pack = Pack{
	Name:          "fake",
	Models:        []schema.ModelRun{{Role: "detector", ID: "d@1"}, {Role: "embedding", ID: "e@1"}, {Role: "liveness", ID: "l@1"}, {Role: "age", ID: "a@1"}, {Role: "segmentation", ID: "s@1"}, {Role: "document", ID: "o@1"}},
	Matching:      schema.Thresholds{Min: 0.25, Med: 0.5, Max: 0.75},
	Crossing:      0.375,
	MinConfidence: 0.1,
	Liveness:      LivenessPoints{Soft: 0.25, Regular: 0.5, Hardened: 0.75},
	Traits:        UnmeasuredTraits,
}

func newCase(t *testing.T, op schema.Operation, config string) *Case {
	t.Helper()
	images := make([]schema.ObjectRef, op.Images())
	c, err := New(&schema.Job{Request: schema.Request{ID: "r", Operation: op, Images: images, Config: json.RawMessage(config)}}, pack)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func traitsOf(t *testing.T, o *face.Observation, op schema.Operation, config string) schema.FaceTraits {
	t.Helper()
	c := newCase(t, op, config)
	return c.traits(o, c.scores(o))
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
		{schema.FTFaceTooClose, func(s *face.Observation) { s.Width, s.Height = 170, 190; move(s, -115, -155) }, `{"threshold_user_too_close":0.9}`},
		{schema.FTFaceTooFar, func(s *face.Observation) { s.Width, s.Height = 1000, 2000 }, `{"threshold_user_too_far":0.01}`},
		{schema.FTFaceRight, func(s *face.Observation) { move(s, -122, 0) }, `{"threshold_user_right":0}`},
		{schema.FTFaceLeft, func(s *face.Observation) { move(s, 122, 0) }, `{"threshold_user_left":1}`},
		{schema.FTFaceUp, func(s *face.Observation) { move(s, 0, -157) }, `{"threshold_user_up":0}`},
		{schema.FTFaceDown, func(s *face.Observation) { move(s, 0, 157) }, `{"threshold_user_down":1}`},
		{schema.FTImageBlurr, func(s *face.Observation) { s.Sharpness = p(19) }, `{"blur_threshold_enroll_pred":9}`},
		{schema.FTFaceWithGlass, func(s *face.Observation) { s.Glasses = p(0.6) }, ``},
		{schema.FTFaceWithMask, func(s *face.Observation) { s.Mask = p(0.6) }, ``},
		{schema.FTLookingLeft, func(s *face.Observation) { s.Pose.Yaw = 47 }, `{"threshold_profile_enroll":0.6}`},
		{schema.FTLookingRight, func(s *face.Observation) { s.Pose.Yaw = -47 }, `{"threshold_profile_enroll":0.6}`},
		{schema.FTLookingHigh, func(s *face.Observation) { s.Pose.Pitch = 22 }, `{"threshold_high_vertical_enroll":-0.2}`},
		{schema.FTLookingDown, func(s *face.Observation) { s.Pose.Pitch = -22 }, `{"threshold_down_vertical_enroll":0.2}`},
		{schema.FTFaceTooDark, func(s *face.Observation) { s.Light.Mean = 0.2 }, `{"face_too_dark":0.1}`},
		{schema.FTFaceTooDark, func(s *face.Observation) { s.Light.LostShadows = 0.4 }, `{"underexposure_threshold":0.5}`},
		{schema.FTFaceTooBright, func(s *face.Observation) { s.Light.LostHighlights = 0.2 }, `{"overexposure_threshold":0.3}`},
		{schema.FTEyeCovered, func(s *face.Observation) { s.Occlusion["left_eye"] = 0.6 }, ``},
		{schema.FTEyeCovered, func(s *face.Observation) { s.Occlusion["right_eye"] = 0.6 }, ``},
		{schema.FTNoseCovered, func(s *face.Observation) { s.Occlusion["nose"] = 0.6 }, ``},
		{schema.FTMouthCovered, func(s *face.Observation) { s.Occlusion["mouth"] = 0.6 }, ``},
		{schema.FTFaceWithMask, func(s *face.Observation) {
			s.Mask = p(0.6)
			s.Occlusion = map[string]float32{"nose": 0.9, "mouth": 0.9}
		}, ``},
		{schema.FTFaceTooBright, func(s *face.Observation) { s.Light.Mean = 0.9 }, `{"face_too_bright":0.95}`},
		{schema.FTFaceLowValConf, func(s *face.Observation) { s.LandmarkConfidence = p(0.4) }, `{"landmark_confidence_score_threshold":0.3}`},
		{schema.FTEyeBlink, func(s *face.Observation) { s.RightEyeOpen = p(0.3) }, `{"eyes_blinking_threshold":0.8}`},
		{schema.FTMouthOpened, func(s *face.Observation) { s.MouthOpen = p(0.15) }, `{"mouth_opened_threshold":0.9}`},
		{schema.FTFaceRotatedRight, func(s *face.Observation) { s.Pose.Roll = -25 }, `{"angle_rotation_right_threshold":30}`},
		{schema.FTFaceRotatedLeft, func(s *face.Observation) { s.Pose.Roll = 25 }, `{"angle_rotation_left_threshold":30}`},
	}
	// The traits that are set where a key asks for them have their own tests.
	seen := schema.FTInvalidFaceBackground | schema.FTFaceNotInOval | schema.FTFaceTooSmall | schema.FTFaceNoPadding
	for _, tt := range cases {
		name := schema.TraitNames(tt.want)[0]
		seen |= tt.want
		s := frontal()
		tt.change(s)
		if got := traitsOf(t, s, schema.OpEnroll, ``); got != tt.want {
			t.Errorf("%s: %v", name, schema.TraitNames(got))
		}
		if advice(tt.want) == "" {
			t.Errorf("%s: no advice", name)
		}
		if tt.off == "" {
			continue
		}
		if got := traitsOf(t, s, schema.OpEnroll, tt.off); got != 0 {
			t.Errorf("%s under %s: %v", name, tt.off, schema.TraitNames(got))
		}
	}
	if seen != schema.AllFaceTraits {
		t.Errorf("not seen: %v", schema.TraitNames(schema.AllFaceTraits&^seen))
	}
	if got := traitsOf(t, frontal(), schema.OpEnroll, ``); got != 0 {
		t.Errorf("a faultless face: %v", schema.TraitNames(got))
	}
}

// TestContext: enroll and predict have limits of their own, and context_string chooses between them for the rest.
func TestContext(t *testing.T) {
	s := frontal()
	s.Pose = &face.Pose{Yaw: 40} // too much for a prediction, not for an enrolment
	left := schema.FTLookingLeft
	for _, tt := range []struct {
		op   schema.Operation
		raw  string
		want schema.FaceTraits
	}{
		{schema.OpEnroll, `{}`, 0},
		{schema.OpEnroll, `{"context_string":"predict"}`, 0},
		{schema.OpPredict, `{}`, left},
		{schema.OpPredict, `{"context_string":"enroll"}`, left},
		{schema.OpValidate, `{}`, 0},
		{schema.OpValidate, `{"context_string":"predict"}`, left},
		{schema.OpValidate, `{"context_string":"predict","face_validations_off":true}`, 0},
		{schema.OpPredict, `{"threshold_profile_predict":0.7}`, 0},
	} {
		if got := traitsOf(t, s, tt.op, tt.raw); got != tt.want {
			t.Errorf("%s %s: %v, want %v", tt.op, tt.raw, schema.TraitNames(got), schema.TraitNames(tt.want))
		}
	}
	for pitch, config := range map[float32]string{
		22: `{"threshold_high_vertical_predict":-0.2}`, -22: `{"threshold_down_vertical_predict":0.2}`,
	} {
		s.Pose = &face.Pose{Pitch: pitch}
		if got := traitsOf(t, s, schema.OpPredict, config); got != 0 {
			t.Errorf("a pitch of %v within %s: %v", pitch, config, schema.TraitNames(got))
		}
		if got := traitsOf(t, s, schema.OpPredict, ``); got == 0 {
			t.Errorf("a pitch of %v is no trait", pitch)
		}
	}
}

// TestCutOff: where the picture cuts a face off, the box that a detector fits into it does not hide that.
func TestCutOff(t *testing.T) {
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
		if got := traitsOf(t, s, schema.OpEnroll, ``); got != tt.want {
			t.Errorf("moved by %v, %v: %v", tt.dx, tt.dy, schema.TraitNames(got))
		}
	}
}

// TestWhatAKeyAsksFor: traits that a face gets, and reasons for which it is refused, where a key asks for them. A trait of the
// CryptoNets SDK's list beside them keeps the reason face_rejected.
func TestWhatAKeyAsksFor(t *testing.T) {
	busy, sideways := frontal(), frontal()
	native, scalar := float32(80), float32(10)
	busy.Quality = &schema.FaceQuality{Measures: []schema.QualityMeasure{{Check: string(quality.BackgroundUniformity), Native: &native, Scalar: &scalar}}}
	sideways.Pose.Yaw = 50
	hidden := frontal()
	hidden.Occlusion["left_eye"] = 0.9
	for _, tt := range []struct {
		op     schema.Operation
		see    *face.Observation
		config string
		want   schema.Reason
	}{
		{schema.OpEnroll, frontal(), `{"min_inter_eye_distance":70}`, ""}, // it has exactly 70 pixels
		{schema.OpEnroll, frontal(), `{"min_inter_eye_distance":71}`, schema.ReasonFaceTooSmall},
		{schema.OpPredict, frontal(), `{"min_inter_eye_distance":71}`, schema.ReasonFaceTooSmall},
		{schema.OpVerify, frontal(), `{"min_inter_eye_distance":71}`, ""},
		{schema.OpPredict, sideways, `{"min_inter_eye_distance":108,"threshold_profile_predict":0.5}`, ""}, // 70 over the cosine of 50 degrees
		{schema.OpPredict, sideways, `{"min_inter_eye_distance":200}`, schema.ReasonFaceRejected},
		{schema.OpEnroll, frontal(), `{"min_face_padding":125}`, ""}, // the box is 125 pixels from the left
		{schema.OpPredict, frontal(), `{"min_face_padding":126}`, schema.ReasonFaceNotPadded},
		{schema.OpPredict, frontal(), `{"min_face_padding":126,"allowed_face_traits_flags":67108864}`, ""},
		{schema.OpEnroll, busy, `{}`, ""},
		{schema.OpEnroll, busy, `{"refuse_busy_background":true}`, schema.ReasonBackgroundNotPlain},
		{schema.OpPredict, busy, `{"refuse_busy_background":true}`, ""},
		{schema.OpEnroll, hidden, `{}`, schema.ReasonFaceOccluded},
		{schema.OpEnroll, hidden, `{"refuse_occlusion":"never"}`, ""},
		{schema.OpPredict, hidden, `{}`, ""},
		{schema.OpPredict, hidden, `{"refuse_occlusion":"always"}`, schema.ReasonFaceOccluded},
	} {
		c := newCase(t, tt.op, tt.config)
		f := c.Face(tt.see, 0, 1)
		if reason, message := c.refusal(f); reason != tt.want {
			t.Errorf("%s %s: %q, want %q: %s", tt.op, tt.config, reason, tt.want, message)
		}
		if f.Quality != nil {
			t.Errorf("%s %s: the result has a quality that nobody asked for", tt.op, tt.config)
		}
	}
	without := pack
	without.Models = without.Models[:2]
	job := &schema.Job{Request: schema.Request{ID: "r", Operation: schema.OpEnroll, Config: json.RawMessage(`{"refuse_busy_background":true}`)}}
	if _, err := New(job, without); schema.ReasonOf(err) != schema.ReasonRoleAbsent {
		t.Errorf("a background without a network: %v", err)
	}
}

// TestIDenFaceCodes: under iDenFace's requirements a refusal names iDenFace's code.
func TestIDenFaceCodes(t *testing.T) {
	const config = `{"capture":"idenface","threshold_user_too_far":0.13}` // the faultless face takes 13.5 % of its picture
	look := func(change func(*face.Observation)) Found {
		o := frontal()
		change(o)
		return Found{Faces: []schema.FaceResult{newCase(t, schema.OpEnroll, config).Face(o, 0, 1)}}
	}
	for _, tt := range []struct {
		found  Found
		reason schema.Reason
		code   string
	}{
		{Found{}, schema.ReasonNoFace, "F11_0300"},
		{Found{Faces: make([]schema.FaceResult, 2)}, schema.ReasonSeveralFaces, "F11_0304"},
		{look(func(o *face.Observation) { o.Pose.Roll = 50 }), schema.ReasonFaceRejected, "F11_0303"},
		{look(func(o *face.Observation) { o.Pose.Yaw = 35 }), schema.ReasonFaceRejected, "F11_0301"},
		{look(func(o *face.Observation) { o.Pose.Pitch = -35 }), schema.ReasonFaceRejected, "F11_0301"},
		{look(func(o *face.Observation) { o.Occlusion["mouth"] = 1 }), schema.ReasonFaceOccluded, "F11_0306"},
		{look(func(o *face.Observation) { o.Points[1].X = 215 }), schema.ReasonFaceTooSmall, "F11_0302"},
		{look(func(o *face.Observation) { o.Width, o.Height = 5000, 5000 }), schema.ReasonFaceRejected, "F11_0302"},
	} {
		r := newCase(t, schema.OpEnroll, config).Answer(tt.found)
		if r == nil || r.CallStatus.Reason != tt.reason || !strings.Contains(r.CallStatus.ReturnMessage, tt.code+" ") {
			t.Errorf("%s: %+v", tt.code, r)
		}
		if r := newCase(t, schema.OpEnroll, `{"min_inter_eye_distance":60,"refuse_occlusion":"always"}`).Answer(tt.found); r != nil && strings.Contains(r.CallStatus.ReturnMessage, "F11") {
			t.Errorf("without capture: %s", r.CallStatus.ReturnMessage)
		}
	}
	if r := newCase(t, schema.OpEnroll, config).Answer(look(func(*face.Observation) {})); r != nil {
		t.Errorf("a faultless face: %+v", r.CallStatus)
	}
}

// TestNotes: where the pack knows a higher least confidence than the request asks for, the result says so.
func TestNotes(t *testing.T) {
	for _, tt := range []struct {
		op     schema.Operation
		config string
		want   string
	}{
		{schema.OpPredict, `{}`, ""},
		{schema.OpPredict, `{"conf_score_thr_predict":0.05}`, "conf_score_thr_predict is 0.05"},
		{schema.OpPredict, `{"conf_score_thr_enroll":0.05}`, ""},
		{schema.OpEnroll, `{"conf_score_thr_enroll":0.05}`, "conf_score_thr_enroll is 0.05"},
		{schema.OpEnroll, `{"conf_score_thr_enroll":0.2}`, ""},
	} {
		if got := strings.Join(newCase(t, tt.op, tt.config).Notes(), "; "); (tt.want == "") != (got == "") || !strings.HasPrefix(got, tt.want) {
			t.Errorf("%s %s: %q, want %q", tt.op, tt.config, got, tt.want)
		}
	}
}

func TestOval(t *testing.T) {
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
		if got := traitsOf(t, s, schema.OpValidate, `{"validate_face_position_oval":true}`); got != tt.want {
			t.Errorf("moved by %v, %v: %v", tt.dx, tt.dy, schema.TraitNames(got))
		}
		if got := traitsOf(t, s, schema.OpValidate, ``); got != 0 {
			t.Errorf("without validate_face_position_oval: %v", schema.TraitNames(got))
		}
	}
}

// TestWhatIsNotMeasured: a pack without networks sets no trait by guesswork; the place and the line of the eyes remain.
func TestWhatIsNotMeasured(t *testing.T) {
	s := frontal()
	s = &face.Observation{Face: s.Face, Width: s.Width, Height: s.Height}
	if got := traitsOf(t, s, schema.OpEnroll, ``); got != 0 {
		t.Errorf("without attributes: %v", schema.TraitNames(got))
	}
	s.Points[1].Y += 40
	if got := traitsOf(t, s, schema.OpEnroll, ``); got != schema.FTFaceRotatedLeft {
		t.Errorf("with the eye on the picture's right lower: %v", schema.TraitNames(got))
	}
	s.Light, s.Sharpness = &face.Light{Mean: 0.5}, p(200)
	if got := traitsOf(t, s, schema.OpEnroll, ``); got != schema.FTFaceRotatedLeft {
		t.Errorf("without networks: %v", schema.TraitNames(got))
	}
	s.Pose = &face.Pose{Roll: 3}
	if got := traitsOf(t, s, schema.OpEnroll, ``); got != 0 {
		t.Errorf("the pose knows the roll better: %v", schema.TraitNames(got))
	}
	nan := float32(math.NaN())
	s.MouthOpen = &nan
	if got := traitsOf(t, s, schema.OpEnroll, ``); got != 0 {
		t.Errorf("a score that is no number: %v", schema.TraitNames(got))
	}
}

func TestScores(t *testing.T) {
	s := frontal()
	s.Pose = &face.Pose{Yaw: 60, Pitch: -20, Roll: 5}
	got := map[string]float32{}
	order := []string{}
	for _, m := range newCase(t, schema.OpValidate, `{"get_smile_intensity":true}`).scores(s) {
		got[m.Name] = m.Value
		order = append(order, m.Name)
	}
	want := map[string]float32{
		schema.MetricFaceSize: 150. * 180 / 400 / 500, schema.MetricRotation: 5, schema.MetricFrontality: 0.5, schema.MetricVerticalGaze: 0.1479,
		schema.MetricLandmarkConfidence: 0.9, schema.MetricSharpness: 100, schema.MetricBrightness: 0.5, schema.MetricBrightnessLow: 0.2, schema.MetricBrightnessHigh: 0.8,
		schema.MetricInterEyeDistance: 140, schema.MetricPadding: 125, schema.MetricUnderexposure: 0.03, schema.MetricOverexposure: 0.01,
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
	for _, m := range newCase(t, schema.OpValidate, ``).scores(s) {
		if m.Name == schema.MetricSmile {
			t.Error("a smile that nobody asked for")
		}
	}
	if n := len(newCase(t, schema.OpValidate, `{"get_smile_intensity":true}`).scores(&face.Observation{Face: s.Face, Width: 400, Height: 500})); n != 4 {
		t.Errorf("%d scores without attributes, want size, eyes, padding and rotation", n)
	}
}

func TestRejecting(t *testing.T) {
	all, asked := schema.AllFaceTraits, schema.FTFaceTooSmall|schema.FTFaceNoPadding
	for _, tt := range []struct {
		op   schema.Operation
		raw  string
		want schema.FaceTraits
	}{
		{schema.OpEnroll, `{}`, Rejecting(schema.OpEnroll) | asked | schema.CoveredFaceTraits},
		{schema.OpPredict, `{}`, Rejecting(schema.OpPredict) | asked},
		{schema.OpEnroll, `{"allowed_face_traits_flags":128}`, (Rejecting(schema.OpEnroll) | asked | schema.CoveredFaceTraits) &^ schema.FTFaceWithGlass},
		{schema.OpEnroll, `{"allowed_face_traits_flags":134217727}`, 0},
		{schema.OpValidate, `{}`, 0},
	} {
		if got := newCase(t, tt.op, tt.raw).Rejecting(all); got != tt.want {
			t.Errorf("%s %s: %v", tt.op, tt.raw, schema.TraitNames(got))
		}
	}
}

func TestAdviceComesMostImportantFirst(t *testing.T) {
	got := advice(schema.FTEyeBlink | schema.FTFaceTooFar | schema.FTFaceWithMask)
	if want := "Take off the mask. Come closer to the camera. Open your eyes."; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if advice(0) != "" {
		t.Error("advice without a trait")
	}
}
