package verdict

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/document/documenttest"
	"facestream/pkg/engine/face"
	"facestream/pkg/schema"
)

// elsewhere are the keys that decide nothing here, and who reads them.
var elsewhere = map[string]string{
	"collection_name":  "schema.Request.Normalize",
	"neighbors":        "the indexer",
	"duplicate_policy": "the indexer",

	"challenge_actions": "challenge.Issuer",
	"challenge_count":   "challenge.Issuer",
}

// codes are a barcode of 100 × 100 pixels that was read, and one that was not.
var codes = []barcode.Found{
	{Format: barcode.QR, Read: true, Text: "text", Confidence: 1, Quad: [4]schema.PointF{{}, {X: 100}, {X: 100, Y: 100}, {Y: 100}}},
	{Format: barcode.PDF417, Confidence: 0.5},
}

// TestEachKey: each key of the operation configuration changes what its row of docs/operation-config.md says, in the one
// place that decides it. TestEveryConfigKey in internal/worker walks the same keys through the services.
func TestEachKey(t *testing.T) {
	look := func(change func(*face.Observation)) *face.Observation {
		o := frontal()
		change(o)
		return o
	}
	// What a key can change.
	traits := func(c *Case, o *face.Observation) string {
		return strings.Join(schema.TraitNames(c.traits(o, c.scores(o))), " ")
	}
	refusal := func(c *Case, o *face.Observation) string {
		reason, _ := c.refusal(c.Face(o, 0, 1))
		return string(reason)
	}
	spoof := func(c *Case, o *face.Observation) string { return fmt.Sprint(c.Face(o, 0, 1).SpoofStatus) }
	thresholds := func(c *Case, _ *face.Observation) string {
		people, _ := c.Thresholds()
		return fmt.Sprint(people)
	}
	least := func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().MinConfidence) }
	portrait := func(of func(face.PortraitOptions) any) func(*Case, *face.Observation) string {
		return func(c *Case, _ *face.Observation) string { return fmt.Sprint(of(c.Params().Portraits[0])) }
	}
	sideways := look(func(o *face.Observation) { o.Pose.Yaw = 50 })
	up := look(func(o *face.Observation) { o.Pose.Pitch = 30 })
	down := look(func(o *face.Observation) { o.Pose.Pitch = -30 })
	const rejected = "face_rejected"
	tested := map[string]bool{}

	// scanned is what the traits of a document make of its case.
	scanned := func(change func(*document.Observation)) func(*Case, *face.Observation) string {
		return func(c *Case, _ *face.Observation) string {
			o := lying()
			change(o)
			return strings.Join(c.documentData(o, document.NewPage(nil), nil).TraitNames, " ")
		}
	}
	asIs := scanned(func(*document.Observation) {})
	for key, tt := range map[string]struct {
		op            schema.Operation
		see           *face.Observation // nil: a faultless face
		value         string
		show          func(*Case, *face.Observation) string
		before, after string
	}{
		"capture":                             {op: schema.OpEnroll, see: sideways, value: `"surveillance"`, show: refusal, before: rejected},
		"context_string":                      {op: schema.OpValidate, value: `"predict"`, show: least, before: "0.5", after: "0.12"},
		"conf_score_thr_enroll":               {op: schema.OpEnroll, value: `0.75`, show: least, before: "0.5", after: "0.75"},
		"conf_score_thr_predict":              {op: schema.OpPredict, value: `0.05`, show: least, before: "0.12", after: "0.1"}, // the pack's
		"landmark_confidence_score_threshold": {op: schema.OpValidate, value: `0.95`, show: traits, after: "FT_FACE_LOW_VAL_CONF"},
		"face_detection_strategy": {op: schema.OpValidate, value: `0`, before: "1", after: "0",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Strategy) }},
		"automatic_turning": {op: schema.OpValidate, value: `false`, before: "true", after: "false",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Turn) }},

		"face_thresholds_min": {op: schema.OpPredict, value: `0.125`, show: thresholds, before: "{0.25 0.5 0.75}", after: "{0.125 0.5 0.75}"},
		"face_thresholds_med": {op: schema.OpCompare, value: `0.625`, show: thresholds, before: "{0.25 0.5 0.75}", after: "{0.25 0.625 0.75}"},
		"face_thresholds_max": {op: schema.OpVerify, value: `0.875`, show: thresholds, before: "{0.25 0.5 0.75}", after: "{0.25 0.5 0.875}"},
		"fudge_factor":        {op: schema.OpCompare, value: `1.5`, show: thresholds, before: "{0.25 0.5 0.75}", after: "{0.375 0.75 1.125}"},

		"blur_threshold_enroll_pred": {op: schema.OpValidate, value: `101`, show: traits, after: "FT_IMAGE_BLURR"},
		"face_too_bright":            {op: schema.OpValidate, value: `0.4`, show: traits, after: "FT_FACE_TOO_BRIGHT"},
		"face_too_dark":              {op: schema.OpValidate, value: `0.6`, show: traits, after: "FT_FACE_TOO_DARK"},
		"face_validations_off":       {op: schema.OpEnroll, see: sideways, value: `true`, show: refusal, before: rejected},
		"eyes_blinking_threshold":    {op: schema.OpValidate, value: `0.05`, show: traits, after: "FT_EYE_BLINK"},
		"mouth_opened_threshold":     {op: schema.OpValidate, value: `0.05`, show: traits, after: "FT_MOUTH_OPENED"},
		"get_smile_intensity": {op: schema.OpValidate, value: `true`, before: "20", after: "21",
			show: func(c *Case, o *face.Observation) string { return fmt.Sprint(len(c.scores(o))) }},
		"allowed_face_traits_flags": {op: schema.OpEnroll, see: sideways, value: fmt.Sprint(uint32(schema.FTLookingLeft)), show: refusal, before: rejected},
		"refuse_bad_exposure": {op: schema.OpEnroll, see: look(func(o *face.Observation) { o.Light.Mean = 0.1 }), value: `true`, show: refusal,
			after: "image_underexposed"},
		"underexposure_threshold": {op: schema.OpValidate, value: `0.02`, show: traits, after: "FT_FACE_TOO_DARK"},
		"overexposure_threshold":  {op: schema.OpValidate, value: `0.005`, show: traits, after: "FT_FACE_TOO_BRIGHT"},
		"refuse_occlusion": {op: schema.OpEnroll, see: look(func(o *face.Observation) { o.Occlusion["nose"] = 1 }), value: `"never"`, show: refusal,
			before: "face_occluded"},
		"refuse_busy_background": {op: schema.OpEnroll, value: `true`, before: "[]", after: "[default]",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Quality) }},
		"min_inter_eye_distance": {op: schema.OpEnroll, value: `71`, show: refusal, after: "face_too_small"},
		"min_face_padding":       {op: schema.OpEnroll, value: `126`, show: refusal, after: "face_not_padded"},
		"use_age_stddev": {op: schema.OpEstimateAge, value: `true`, before: "34", after: "31.5",
			show: func(c *Case, o *face.Observation) string { return fmt.Sprint(c.Face(o, 0, 1).Age.Estimated) }},
		"quality_groups": {op: schema.OpValidate, value: `"icao,default"`, before: "[]", after: "[icao default]",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Quality) }},

		"threshold_profile_enroll":        {op: schema.OpEnroll, see: sideways, value: `0.6`, show: refusal, before: rejected},
		"threshold_profile_predict":       {op: schema.OpPredict, see: sideways, value: `0.6`, show: refusal, before: rejected},
		"threshold_high_vertical_enroll":  {op: schema.OpEnroll, see: up, value: `-0.3`, show: refusal, before: rejected},
		"threshold_high_vertical_predict": {op: schema.OpPredict, see: up, value: `-0.3`, show: refusal, before: rejected},
		"threshold_down_vertical_enroll":  {op: schema.OpEnroll, see: down, value: `0.3`, show: refusal, before: rejected},
		"threshold_down_vertical_predict": {op: schema.OpPredict, see: down, value: `0.3`, show: refusal, before: rejected},
		"angle_rotation_left_threshold": {op: schema.OpValidate, see: look(func(o *face.Observation) { o.Pose.Roll = 10 }), value: `5`, show: traits,
			after: "FT_FACE_ROTATED_LEFT"},
		"angle_rotation_right_threshold": {op: schema.OpValidate, see: look(func(o *face.Observation) { o.Pose.Roll = -10 }), value: `5`, show: traits,
			after: "FT_FACE_ROTATED_RIGHT"},
		"threshold_user_right":     {op: schema.OpValidate, value: `0.4`, show: traits, after: "FT_FACE_RIGHT"},
		"threshold_user_left":      {op: schema.OpValidate, value: `0.6`, show: traits, after: "FT_FACE_LEFT"},
		"threshold_user_up":        {op: schema.OpValidate, value: `0.4`, show: traits, after: "FT_FACE_UP"},
		"threshold_user_down":      {op: schema.OpValidate, value: `0.6`, show: traits, after: "FT_FACE_DOWN"},
		"threshold_user_too_far":   {op: schema.OpValidate, value: `0.5`, show: traits, after: "FT_FACE_TOO_FAR"},
		"threshold_user_too_close": {op: schema.OpValidate, value: `0.1`, show: traits, after: "FT_FACE_TOO_CLOSE"},
		"validate_face_position_oval": {op: schema.OpValidate, see: look(func(o *face.Observation) { move(o, 0, -140) }), value: `true`, show: traits,
			after: "FT_FACE_NOT_IN_OVAL"},

		"anti_spoofing_mode": {op: schema.OpValidate, value: `2`, before: "1", after: "2",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Liveness) }},
		"anti_spoofing_threshold": {op: schema.OpValidate, value: `0.99`, show: spoof, before: "0", after: "4"},
		"anti_spoofing_detect_document": {op: schema.OpValidate, value: `true`, before: "false", after: "true",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Documents) }},
		"liveness_calibration": {op: schema.OpValidate, see: look(func(o *face.Observation) { o.Liveness.Score = 0.4 }), value: `"SOFT"`, show: spoof,
			before: "4", after: "0"},
		"liveness_not_assessable": {op: schema.OpEnroll, see: look(func(o *face.Observation) { o.Liveness = &face.Liveness{Unassessable: schema.UnassessableTight} }),
			value: `"ALLOW"`, before: "liveness_unknown", after: "", show: func(c *Case, o *face.Observation) string {
				if r := c.Answer(Found{Faces: []schema.FaceResult{c.Face(o, 0, 1)}}); r != nil {
					return string(r.CallStatus.Reason)
				}
				return ""
			}},

		"document_images": {op: schema.OpVerify, value: `"first"`, before: "1 {0.25 0.5 0.75}", after: "0 {0.25 0.375 0.75}",
			show: func(c *Case, o *face.Observation) string {
				return fmt.Sprint(c.ParamsOf(0).Liveness, " ") + thresholds(c, o)
			}},
		"conf_score_thr_doc":      {op: schema.OpDocScanFace, value: `0.95`, show: asIs, after: "DT_DOCUMENT_WITH_LOW_CONFIDENCE_SCORE"},
		"blur_threshold_doc":      {op: schema.OpDocScanFace, value: `1700`, show: asIs, after: "DT_DOCUMENT_IS_BLURRY"},
		"threshold_doc_too_close": {op: schema.OpDocScanFace, value: `0.4`, show: asIs, after: "DT_DOCUMENT_IS_CLOSE"},
		"threshold_doc_too_far":   {op: schema.OpDocScanFace, value: `0.6`, show: asIs, after: "DT_DOCUMENT_IS_FAR"},
		"threshold_doc_x": {op: schema.OpDocScanFace, value: `0.05`, after: "DT_DOCUMENT_IS_LEFT",
			show: scanned(func(o *document.Observation) { o.Measures.Left = 0.04 })},
		"threshold_doc_y": {op: schema.OpDocScanFace, value: `0.05`, after: "DT_DOCUMENT_IS_DOWN",
			show: scanned(func(o *document.Observation) { o.Measures.Bottom = 0.04 })},
		"detect_document_only": {op: schema.OpDocScanFace, value: `true`, before: "true", after: "false",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Document.Faces) }},
		"document_scan_barcode_only": {op: schema.OpDocScanFace, value: `true`, before: "true false", after: "false true",
			show: func(c *Case, _ *face.Observation) string {
				p := c.Params()
				return fmt.Sprint(p.Document != nil, p.Barcodes != nil)
			}},
		"detect_barcode_without_parsing": {op: schema.OpDocScanFace, value: `true`, before: "true", after: "false",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Barcodes(codes, 0)[0].Data != nil) }},
		"detect_and_recognize_barcode": {op: schema.OpDocScanFace, value: `true`, before: "true false", after: "true true",
			show: func(c *Case, _ *face.Observation) string {
				p := c.Params()
				return fmt.Sprint(p.Document != nil, p.Barcodes != nil && !p.Barcodes.Only)
			}},
		"conf_score_thr_barcode": {op: schema.OpDocScanFace, value: `0.8`, before: "0.25", after: "0.8",
			show: func(c *Case, _ *face.Observation) string {
				c.config.Document.Barcode = true
				return fmt.Sprint(c.Params().Barcodes.MinConfidence)
			}},
		"recognize_document_text": {op: schema.OpDocScanFace, value: `true`, before: "false", after: "true",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Document.Text != nil) }},
		"check_document_consistency": {op: schema.OpDocScanFace, value: `true`, before: "0", after: "2",
			show: func(c *Case, _ *face.Observation) string {
				c.job.AcceptedAt = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
				o := lying()
				o.MRZ, o.Width, o.Height = documenttest.Passport(t, c.job.AcceptedAt), 100, 60
				f := frontal()
				return fmt.Sprint(len(c.Document(&engine.Analysis{Documents: []document.Observation{*o}, Faces: []face.Observation{*f}}).Detected.Checks))
			}},
		"barcode_margin": {op: schema.OpDocScanFace, value: `0.5`, before: "{-10 -10}", after: "{-50 -50}",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Barcodes(codes, 0)[0].Cropped.TopLeft) }},
		"document_auto_rotation": {op: schema.OpDocScanFace, value: `true`, before: "false", after: "true",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Document.Rotate) }},
		"detect_and_recognize_mrz_code": {op: schema.OpDocScanFace, value: `true`, before: "false", after: "true",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(c.Params().Document.MRZ) }},
		"mrz_segmented_input": {op: schema.OpDocScanFace, value: `true`, before: "false true", after: "true false",
			show: func(c *Case, _ *face.Observation) string {
				p := c.Params().Document
				return fmt.Sprint(p.MRZ && p.Segmented, p.Faces)
			}},
		"calculate_age_from_ocr_text": {op: schema.OpDocScanFace, value: `true`, before: " -1", after: "1990-05-01 35",
			show: func(c *Case, _ *face.Observation) string {
				c.job.AcceptedAt = time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
				o := lying()
				o.MRZ = documenttest.Passport(t, c.job.AcceptedAt)
				age := c.documentData(o, document.NewPage(nil), nil).Age
				return fmt.Sprint(string(age.DOB), " ", age.Age)
			}},
		"check_fingers_over_document": {op: schema.OpDocScanFace, value: `true`, before: "", after: "DT_FINGERS_DETECTED",
			show: scanned(func(o *document.Observation) { o.Measures.Fingers = 0.6 })},
		"fingers_over_document_threshold": {op: schema.OpDocScanFace, value: `0.4`, before: "0", after: "256",
			show: func(c *Case, _ *face.Observation) string {
				o := lying()
				o.Measures.Fingers, c.config.Document.Fingers = 0.45, true
				return fmt.Sprint(uint32(c.documentTraits(o)))
			}},
		"doc_validations_off": {op: schema.OpDocScanFace, value: `true`, before: "DT_DOCUMENT_IS_FAR", after: "",
			show: scanned(func(o *document.Observation) { o.Measures.Share = 0.2 })},

		"background_color_rgb": {op: schema.OpFaceISO, value: `255`, before: "[240 240 240] [240 240 240]", after: "[0 0 255] [0 0 255]",
			show: portrait(func(o face.PortraitOptions) any { return fmt.Sprint(*o.Background, *o.Pad) })},
		"portrait_preset": {op: schema.OpFaceISO, value: `"crop_1x1"`, before: "face_iso", after: "crop_1x1",
			show: portrait(func(o face.PortraitOptions) any { return o.Preset })},
		"portrait_width": {op: schema.OpFaceISO, value: `300`, before: "0", after: "300", show: portrait(func(o face.PortraitOptions) any { return o.Width })},
		"portrait_format": {op: schema.OpFaceISO, value: `"jpeg"`, before: "png", after: "jpeg",
			show: portrait(func(o face.PortraitOptions) any { return o.Format })},
		"portrait_background": {op: schema.OpFaceISO, value: `"keep"`, before: "true", after: "false",
			show: portrait(func(o face.PortraitOptions) any { return o.Background != nil })},
		"crop_faces": {op: schema.OpCompare, value: `true`, before: "0", after: "1",
			show: func(c *Case, _ *face.Observation) string { return fmt.Sprint(len(c.Params().Portraits)) }},
	} {
		see := tt.see
		if see == nil {
			see = frontal()
		}
		if got := tt.show(newCase(t, tt.op, `{}`), see); got != tt.before {
			t.Errorf("without %s: %q, want %q", key, got, tt.before)
		}
		if got := tt.show(newCase(t, tt.op, fmt.Sprintf("{%q:%s}", key, tt.value)), see); got != tt.after {
			t.Errorf("%s %s: %q, want %q", key, tt.value, got, tt.after)
		}
		tested[key] = true
	}
	for _, k := range schema.ConfigKeys() {
		if here := k.Effect != "" && elsewhere[k.Name] == ""; here != tested[k.Name] {
			t.Errorf("%s decides something here: %v, is tested here: %v", k.Name, here, tested[k.Name])
		}
	}
}
