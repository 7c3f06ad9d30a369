package worker_test

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// TestEveryConfigKey walks every key of the operation configuration through request, worker and indexer: setting a key
// changes the outcome as its row of docs/operation-config.md says, and a key whose row says that it has no effect
// changes nothing.
func TestEveryConfigKey(t *testing.T) {
	type effect struct {
		op     schema.Operation
		config string               // beside the key; "" for none
		see    face.Observation     // on the image
		scan   document.Observation // likewise
		turned int                  // of the image
		value  string               // of the key
		show   func(d *desk, r schema.Result) string
		before string // without the key
		after  string // with it
	}
	look := func(change func(*face.Observation)) face.Observation {
		f := someone(0)
		change(&f)
		return f
	}
	traits := func(_ *desk, r schema.Result) string { return traitsOf(r) }
	reason := func(_ *desk, r schema.Result) string { return string(r.CallStatus.Reason) }
	faces := func(_ *desk, r schema.Result) string { return fmt.Sprint(len(r.Faces)) }
	documentTraits := func(_ *desk, r schema.Result) string {
		return strings.Join(r.Document.Found.Detected.TraitNames, " ")
	}
	zone := func(_ *desk, r schema.Result) string {
		d := r.Document.Found.Detected
		return fmt.Sprint(len(d.MRZ), " ", d.Age.Age)
	}
	codes := func(_ *desk, r schema.Result) string {
		said := ""
		for _, b := range r.Barcodes {
			if said += fmt.Sprint(" ", b.Status); b.Data != nil {
				said += string(b.Data.LastName)
			}
		}
		return fmt.Sprint(r.Document.Asked, len(r.Faces), said)
	}
	text := func(_ *desk, r schema.Result) (said string) {
		if t := r.Document.Found.Detected.Text; t != nil {
			for _, l := range t.Lines {
				said += fmt.Sprint(string(l.Text), " ", l.Script, ", ")
			}
		}
		return said
	}
	checks := func(_ *desk, r schema.Result) (said string) {
		for _, c := range r.Document.Found.Detected.Checks {
			if c.Field == schema.CheckName {
				said += fmt.Sprint(c.Field, " ", c.Outcome, ", ")
			}
		}
		return said
	}
	margin := func(_ *desk, r schema.Result) string { return fmt.Sprint(r.Barcodes[0].Cropped.TopLeft) }
	spoof := func(_ *desk, r schema.Result) string { return fmt.Sprint(r.Faces[0].SpoofStatus) }
	portrait := func(of func(face.PortraitOptions) any) func(*desk, schema.Result) string {
		return func(d *desk, _ schema.Result) string { return fmt.Sprint(of(d.asked[len(d.asked)-1].Portraits[0])) }
	}
	yaw := look(func(f *face.Observation) { f.Pose.Yaw = 50 })
	up := look(func(f *face.Observation) { f.Pose.Pitch = 30 })
	down := look(func(f *face.Observation) { f.Pose.Pitch = -30 })
	unsure := look(func(f *face.Observation) { f.Confidence = 0.3 })
	// Every image shows the face in see. The gallery holds anna at 0 degrees, bert at 40, and carl at 80.
	effects := map[string]effect{
		"capture":                             {op: schema.OpEnroll, see: yaw, value: `"surveillance"`, show: reason, before: "face_rejected", after: ""},
		"context_string":                      {op: schema.OpValidate, see: unsure, value: `"predict"`, show: faces, before: "0", after: "1"},
		"collection_name":                     {op: schema.OpPredict, see: someone(0), value: `"elsewhere"`, show: reason, before: "", after: "unknown_collection"},
		"face_detection_strategy":             {op: schema.OpValidate, see: someone(0), value: `0`, show: faces, before: "1", after: "2"},
		"conf_score_thr_enroll":               {op: schema.OpEnroll, see: someone(0), value: `0.95`, show: reason, before: "", after: "no_face"},
		"conf_score_thr_predict":              {op: schema.OpPredict, see: someone(0), value: `0.95`, show: reason, before: "", after: "no_face"},
		"landmark_confidence_score_threshold": {op: schema.OpValidate, see: someone(0), value: `0.95`, show: traits, before: "", after: "FT_FACE_LOW_VAL_CONF"},
		"automatic_turning":                   {op: schema.OpValidate, see: someone(0), turned: 90, value: `false`, show: faces, before: "2", after: "0", config: `"face_detection_strategy":0`},
		"face_thresholds_min": {op: schema.OpPredict, config: `"neighbors":3`, see: someone(0), value: `0.05`,
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(len(r.Predict.Response.List)) }, before: "2", after: "3"},
		"face_thresholds_med": {op: schema.OpCompare, config: `"face_thresholds_max":0.95`, see: someone(0), value: `0.9`,
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(r.Compare.IsMatch) }, before: "true", after: "false"},
		"face_thresholds_max": {op: schema.OpPredict, see: someone(20), value: `0.95`, show: reason, before: "", after: "no_match"},
		"neighbors": {op: schema.OpPredict, see: someone(0), value: `2`,
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(len(r.Predict.Response.List)) }, before: "1", after: "2"},
		"duplicate_policy": {op: schema.OpEnroll, see: someone(0), value: `"refuse"`, show: reason, before: "", after: "duplicate_face"},
		"fudge_factor": {op: schema.OpCompare, see: someone(0), value: `1.5`,
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(r.Compare.FaceThresholds) }, before: "[0.25 0.5 0.75]", after: "[0.375 0.75 1.125]"},
		"blur_threshold_enroll_pred": {op: schema.OpValidate, see: someone(0), value: `101`, show: traits, before: "", after: "FT_IMAGE_BLURR"},
		"face_too_bright":            {op: schema.OpValidate, see: someone(0), value: `0.4`, show: traits, before: "", after: "FT_FACE_TOO_BRIGHT"},
		"face_too_dark":              {op: schema.OpValidate, see: someone(0), value: `0.6`, show: traits, before: "", after: "FT_FACE_TOO_DARK"},
		"face_validations_off":       {op: schema.OpEnroll, see: yaw, value: `true`, show: reason, before: "face_rejected", after: ""},
		"eyes_blinking_threshold":    {op: schema.OpValidate, see: someone(0), value: `0.05`, show: traits, before: "", after: "FT_EYE_BLINK"},
		"mouth_opened_threshold":     {op: schema.OpValidate, see: someone(0), value: `0.05`, show: traits, before: "", after: "FT_MOUTH_OPENED"},
		"get_smile_intensity": {op: schema.OpValidate, see: someone(0), value: `true`, before: "absent", after: "0.25",
			show: func(_ *desk, r schema.Result) string {
				for _, m := range r.Faces[0].Scores {
					if m.Name == schema.MetricSmile {
						return fmt.Sprint(m.Value)
					}
				}
				return "absent"
			}},
		"refuse_bad_exposure":       {op: schema.OpEnroll, see: look(func(f *face.Observation) { f.Light.Mean = 0.1 }), value: `true`, show: reason, before: "", after: "image_underexposed"},
		"allowed_face_traits_flags": {op: schema.OpEnroll, see: yaw, value: fmt.Sprint(uint32(schema.FTLookingLeft)), show: reason, before: "face_rejected", after: ""},
		"underexposure_threshold":   {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Light.LostShadows = 0.2 }), value: `0.1`, show: traits, before: "", after: "FT_FACE_TOO_DARK"},
		"overexposure_threshold":    {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Light.LostHighlights = 0.05 }), value: `0.01`, show: traits, before: "", after: "FT_FACE_TOO_BRIGHT"},
		"refuse_occlusion":          {op: schema.OpEnroll, see: look(func(f *face.Observation) { f.Occlusion = map[string]float32{"nose": 1} }), value: `"never"`, show: reason, before: "face_occluded", after: ""},
		"refuse_busy_background": {op: schema.OpEnroll, see: someone(0), value: `true`, before: "[]", after: "[default]",
			show: func(d *desk, _ schema.Result) string { return fmt.Sprint(d.asked[len(d.asked)-1].Quality) }},
		"min_inter_eye_distance": {op: schema.OpEnroll, see: someone(0), value: `2000`, show: reason, before: "", after: "face_too_small"},
		"min_face_padding":       {op: schema.OpEnroll, see: someone(0), value: `2000`, show: reason, before: "", after: "face_not_padded"},
		"use_age_stddev": {op: schema.OpEstimateAge, see: someone(0), value: `true`,
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(r.Faces[0].Age.Estimated) }, before: "34", after: "31.5"},
		"threshold_profile_enroll":        {op: schema.OpEnroll, see: yaw, value: `0.6`, show: reason, before: "face_rejected", after: ""},
		"threshold_profile_predict":       {op: schema.OpPredict, see: yaw, value: `0.6`, show: reason, before: "face_rejected", after: ""},
		"threshold_high_vertical_enroll":  {op: schema.OpEnroll, see: up, value: `-0.3`, show: reason, before: "face_rejected", after: ""},
		"threshold_high_vertical_predict": {op: schema.OpPredict, see: up, value: `-0.3`, show: reason, before: "face_rejected", after: ""},
		"threshold_down_vertical_enroll":  {op: schema.OpEnroll, see: down, value: `0.3`, show: reason, before: "face_rejected", after: ""},
		"threshold_down_vertical_predict": {op: schema.OpPredict, see: down, value: `0.3`, show: reason, before: "face_rejected", after: ""},
		"angle_rotation_left_threshold": {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Pose.Roll = 10 }), value: `5`, show: traits,
			before: "", after: "FT_FACE_ROTATED_LEFT"},
		"angle_rotation_right_threshold": {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Pose.Roll = -10 }), value: `5`, show: traits,
			before: "", after: "FT_FACE_ROTATED_RIGHT"},
		"threshold_user_right":        {op: schema.OpValidate, see: someone(0), value: `0.4`, show: traits, before: "", after: "FT_FACE_RIGHT"},
		"threshold_user_left":         {op: schema.OpValidate, see: someone(0), value: `0.6`, show: traits, before: "", after: "FT_FACE_LEFT"},
		"threshold_user_up":           {op: schema.OpValidate, see: someone(0), value: `0.4`, show: traits, before: "", after: "FT_FACE_UP"},
		"threshold_user_down":         {op: schema.OpValidate, see: someone(0), value: `0.6`, show: traits, before: "", after: "FT_FACE_DOWN"},
		"threshold_user_too_far":      {op: schema.OpValidate, see: someone(0), value: `0.5`, show: traits, before: "", after: "FT_FACE_TOO_FAR"},
		"threshold_user_too_close":    {op: schema.OpValidate, see: someone(0), value: `0.1`, show: traits, before: "", after: "FT_FACE_TOO_CLOSE"},
		"validate_face_position_oval": {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Box.TopLeft.Y -= 150; f.Box.BottomRight.Y -= 150 }), value: `true`, show: traits, before: "", after: "FT_FACE_NOT_IN_OVAL"},
		"anti_spoofing_mode":          {op: schema.OpValidate, see: someone(0), value: `0`, show: spoof, before: "0", after: "2"},
		"anti_spoofing_threshold":     {op: schema.OpValidate, see: someone(0), value: `0.99`, show: spoof, before: "0", after: "4"},
		"anti_spoofing_detect_document": {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Document = &face.Document{Confidence: 0.5} }), value: `true`,
			show: spoof, before: "0", after: "4"},
		"quality_groups": {op: schema.OpValidate, see: someone(0), value: `"icao,default"`, before: "[] false", after: "[icao default] true",
			show: func(d *desk, r schema.Result) string {
				return fmt.Sprint(d.asked[len(d.asked)-1].Quality, r.Faces[0].Quality != nil)
			}},
		"document_images":                {op: schema.OpEnroll, see: look(func(f *face.Observation) { f.Liveness.Score = 0.1 }), scan: card(200, 133), value: `"first"`, show: reason, before: "spoof_detected", after: ""},
		"conf_score_thr_doc":             {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `0.95`, show: reason, before: "", after: "document_rejected"},
		"blur_threshold_doc":             {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `1700`, show: documentTraits, before: "", after: "DT_DOCUMENT_IS_BLURRY"},
		"threshold_doc_too_close":        {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `0.35`, show: documentTraits, before: "", after: "DT_DOCUMENT_IS_CLOSE"},
		"threshold_doc_too_far":          {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `0.6`, show: documentTraits, before: "", after: "DT_DOCUMENT_IS_FAR"},
		"threshold_doc_x":                {op: schema.OpDocScanFace, see: someone(0), scan: card(40, 133), value: `0.05`, show: documentTraits, before: "", after: "DT_DOCUMENT_IS_LEFT"},
		"threshold_doc_y":                {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 30), value: `0.05`, show: documentTraits, before: "", after: "DT_DOCUMENT_IS_UP"},
		"document_scan_barcode_only":     {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, show: codes, before: "true 1", after: "false 0 0SAMPLE 4"},
		"detect_barcode_without_parsing": {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, show: codes, before: "true 1", after: "true 1 0 0"},
		"detect_and_recognize_barcode":   {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, show: codes, before: "true 1", after: "true 1 0SAMPLE 4"},
		"conf_score_thr_barcode": {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), config: `"document_scan_barcode_only":true`, value: `0.8`, show: codes,
			before: "false 0 0SAMPLE 4", after: "false 0 0SAMPLE"},
		"barcode_margin": {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), config: `"document_scan_barcode_only":true`, value: `0.25`, show: margin,
			before: "{200 390}", after: "{125 375}"},
		"detect_document_only": {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, show: faces, before: "1", after: "0"},
		"document_auto_rotation": {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, before: "{200 133}", after: "{800 633}",
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(r.Document.Found.Detected.Box.TopLeft) }},
		"detect_and_recognize_mrz_code": {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, before: "0 -1", after: "2 -1", show: zone},
		"mrz_segmented_input":           {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, before: "0 -1", after: "2 -1", show: zone},
		"calculate_age_from_ocr_text":   {op: schema.OpDocScanFace, see: someone(0), scan: card(200, 133), value: `true`, before: "0 -1", after: "2 33", show: zone},
		"recognize_document_text":       {op: schema.OpDocScanFace, see: someone(0), scan: printed(), value: `true`, before: "", after: "UTOPIA Latn, 12 AUG 74 Latn, ", show: text},
		"check_document_consistency":    {op: schema.OpDocScanFace, see: someone(0), scan: printed("NAME SPECIMEN, ANNA MARIA"), value: `true`, before: "", after: "name agrees, ", show: checks},
		"check_fingers_over_document":   {op: schema.OpDocScanFace, see: someone(0), scan: held(0.6), value: `true`, show: documentTraits, before: "", after: "DT_FINGERS_DETECTED"},
		"fingers_over_document_threshold": {op: schema.OpDocScanFace, config: `"check_fingers_over_document":true`, see: someone(0), scan: held(0.6), value: `0.7`, show: documentTraits,
			before: "DT_FINGERS_DETECTED", after: ""},
		"doc_validations_off": {op: schema.OpDocScanFace, see: someone(0), scan: card(0, 133), value: `true`, show: faces, before: "0", after: "1"},

		"background_color_rgb": {op: schema.OpFaceISO, see: someone(0), value: `255`, before: "[240 240 240] [240 240 240]", after: "[0 0 255] [0 0 255]",
			show: portrait(func(o face.PortraitOptions) any { return fmt.Sprint(*o.Background, *o.Pad) })},
		"portrait_preset": {op: schema.OpFaceISO, see: someone(0), value: `"crop_1x1"`, before: "face_iso", after: "crop_1x1",
			show: portrait(func(o face.PortraitOptions) any { return o.Preset })},
		"portrait_width": {op: schema.OpFaceISO, see: someone(0), value: `300`, before: "0", after: "300",
			show: portrait(func(o face.PortraitOptions) any { return o.Width })},
		"portrait_format": {op: schema.OpFaceISO, see: someone(0), value: `"jpeg"`, before: ".png", after: ".jpeg",
			show: func(_ *desk, r schema.Result) string { return path.Ext(r.ISOImage.Image.Object.Key) }},
		"portrait_background": {op: schema.OpFaceISO, see: someone(0), value: `"keep"`, before: "true", after: "false",
			show: portrait(func(o face.PortraitOptions) any { return o.Background != nil })},
		"crop_faces": {op: schema.OpCompare, see: someone(0), value: `true`, before: "0 crops", after: "2 crops",
			show: func(d *desk, r schema.Result) string {
				n := 0
				for _, f := range r.Faces {
					if f.Crop != nil && d.written[f.Crop.Object.Key] != "" {
						n++
					}
				}
				return fmt.Sprint(n, " crops")
			}},
		"challenge_actions": {op: schema.OpChallenge, value: `"blink"`, before: "2", after: "1",
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(len(r.Challenge.Actions)) }},
		"challenge_count": {op: schema.OpChallenge, value: `4`, before: "2", after: "4",
			show: func(_ *desk, r schema.Result) string { return fmt.Sprint(len(r.Challenge.Actions)) }},
		"liveness_calibration": {op: schema.OpValidate, see: look(func(f *face.Observation) { f.Liveness.Score = 0.4 }), value: `"SOFT"`, show: spoof,
			before: "4", after: "0"},
		"liveness_not_assessable": {op: schema.OpEnroll, see: look(func(f *face.Observation) { f.Liveness = &face.Liveness{Unassessable: schema.UnassessableTight} }),
			value: `"ALLOW"`, before: "liveness_unknown", after: "", show: func(_ *desk, r schema.Result) string { return string(r.CallStatus.Reason) }},
	}
	run := func(e effect, setting string) (*desk, schema.Result) {
		d := newDesk(t)
		for name, angle := range map[string]float64{"anna": 0, "bert": 40, "carl": 80} {
			d.pictures[name] = picture{faces: []face.Observation{someone(angle)}}
			if r := d.ask(schema.Request{Operation: schema.OpEnroll, Images: images(name), ExternalID: schema.ExternalID(name)}); r.CallStatus.Reason != "" {
				t.Fatalf("%+v", r.CallStatus)
			}
		}
		second := someone(90) // for the strategy; less sure than any other
		second.Confidence = 0.2
		if e.op == schema.OpValidate {
			second.Confidence = min(0.85, e.see.Confidence-0.05)
		}
		d.pictures["seen"] = picture{faces: []face.Observation{e.see, second}, turned: e.turned}
		if e.scan.Measures != nil {
			d.pictures["seen"] = picture{faces: []face.Observation{e.see}, scanned: []document.Observation{e.scan}, barcodes: licence(t)}
		}
		d.pictures["other"] = picture{faces: []face.Observation{someone(40)}}
		r := schema.Request{Operation: e.op, Images: images("seen")}
		switch e.op {
		case schema.OpCompare:
			r.Images = images("seen", "other")
		case schema.OpChallenge:
			r.Images = nil
		}
		var settings []string
		for _, s := range []string{e.config, setting} {
			if s != "" {
				settings = append(settings, s)
			}
		}
		r.Config = json.RawMessage("{" + strings.Join(settings, ",") + "}")
		return d, d.ask(r)
	}
	idle := map[schema.Operation]schema.Result{} // the outcomes without any key
	for _, k := range schema.ConfigKeys() {
		t.Run(k.Name, func(t *testing.T) {
			e, ok := effects[k.Name]
			if ok != (k.Effect != "") {
				t.Fatalf("the key's row says %q %q, but the test has an effect: %v", k.Effect, k.Idle, ok)
			}
			if !ok {
				for _, op := range []schema.Operation{schema.OpValidate, schema.OpEnroll, schema.OpCompare, schema.OpEstimateAge} {
					without, ok := idle[op]
					if !ok {
						_, without = run(effect{op: op, see: someone(0)}, "")
						idle[op] = without
					}
					_, with := run(effect{op: op, see: someone(0)}, fmt.Sprintf("%q:%s", k.Name, another(k)))
					if diff := cmp.Diff(without, with, sameOutcome); diff != "" {
						t.Errorf("%s: a key without an effect changes the outcome (-without +with):\n%s", op, diff)
					}
				}
				return
			}
			if got := e.show(run(e, "")); got != e.before {
				t.Errorf("without the key: %q, want %q", got, e.before)
			}
			if got := e.show(run(e, fmt.Sprintf("%q:%s", k.Name, e.value))); got != e.after {
				t.Errorf("with %s: %q, want %q", e.value, got, e.after)
			}
		})
	}
}

// sameOutcome leaves out what differs between any two requests.
var sameOutcome = cmp.Options{
	cmpopts.IgnoreFields(schema.Result{}, "RequestID", "Timings"), cmpopts.IgnoreFields(schema.CallStatus{}, "OperationID"),
	cmpopts.IgnoreTypes(schema.FaceID{}, schema.EnrollResponse{}),
}

// another is a value of k other than its default.
func another(k schema.ConfigKey) string {
	switch {
	case k.Enum != nil:
		for _, v := range k.Enum {
			if v.Value != k.Default {
				data, _ := json.Marshal(v.Value)
				return string(data)
			}
		}
	case k.Type == "boolean":
		return fmt.Sprint(k.Default != true)
	case k.Type == "string":
		return `"something"`
	case k.Default == k.Range.Max:
		return fmt.Sprint(int64(k.Range.Min))
	}
	return fmt.Sprint(int64(k.Range.Max))
}

// TestConfigurationComesFromIngest: worker and indexer work by the configuration that the job carries. Their own defaults
// serve only jobs of an ingest that resolved none.
func TestConfigurationComesFromIngest(t *testing.T) {
	d := newDesk(t)
	for name, angle := range map[string]float64{"anna": 0, "bert": 40} {
		d.pictures[name] = picture{faces: []face.Observation{someone(angle)}}
		d.ask(schema.Request{Operation: schema.OpEnroll, Images: images(name), ExternalID: schema.ExternalID(name)})
	}
	for _, tt := range []struct {
		resolved   string
		candidates int
		traits     string
	}{
		{``, 1, ""},
		{`{"neighbors":2,"face_too_dark":0.6}`, 2, "FT_FACE_TOO_DARK"},
	} {
		job := schema.Job{Request: schema.Request{ID: "r", Operation: schema.OpPredict, Collection: schema.DefaultCollection, Images: images("anna")},
			AcceptedAt: time.Unix(1700000000, 0), ResolvedConfig: json.RawMessage(tt.resolved)}
		r := d.do(job)
		if r.Predict == nil || r.Predict.Response == nil {
			t.Fatalf("%+v", r.CallStatus)
		}
		if n := len(r.Predict.Response.List); n != tt.candidates || traitsOf(r) != tt.traits {
			t.Errorf("%s: %d candidates, traits %q", tt.resolved, n, traitsOf(r))
		}
	}
}

// TestAttributesAreAskedFor: the networks for attributes run only if the validations or the smile need them.
func TestAttributesAreAskedFor(t *testing.T) {
	for raw, want := range map[string]bool{
		`{}`: true, `{"face_validations_off":true}`: false, `{"face_validations_off":true,"get_smile_intensity":true}`: true,
	} {
		d := newDesk(t)
		d.pictures["a"] = with(func(f *face.Observation) { f.Pose = &face.Pose{Yaw: 80} })
		r := d.ask(schema.Request{Operation: schema.OpValidate, Images: images("a"), Config: json.RawMessage(raw)})
		if got := d.asked[0].Attributes; got != want {
			t.Errorf("%s: attributes asked for: %v", raw, got)
		}
		if off := strings.Contains(raw, "validations_off"); off != (r.Faces[0].Traits == 0) {
			t.Errorf("%s: traits %v", raw, r.Faces[0].TraitNames)
		}
	}
}
