package schema

import (
	"encoding/json"
	"reflect"
	"testing"
)

// TestPresets: a preset changes the defaults that it lists and no others, and every default is a value of its key.
func TestPresets(t *testing.T) {
	for _, p := range Presets() {
		for _, op := range []Operation{OpEnroll, OpPredict, OpValidate} {
			raw, err := json.Marshal(map[string]any{"capture": p.Capture})
			if err != nil {
				t.Fatal(err)
			}
			got, problems := ResolveConfig(op, raw)
			if problems != nil {
				t.Fatal(problems)
			}
			general, listed := DefaultConfig(op), map[string]any{"capture": string(p.Capture)}
			for _, o := range p.Defaults {
				if o.Operation == "" || o.Operation == op {
					listed[o.Key] = o.Default
				}
			}
			for _, k := range ConfigKeys() {
				want, has := k.value(&general)
				if x, ok := listed[k.Name]; ok {
					value, _ := json.Marshal(x)
					parsed, problem := k.parse(value)
					if problem != "" || reflect.TypeOf(x) != reflect.TypeOf(k.Default) {
						t.Errorf("%s: %s %s: %s (%T)", p.Capture, k.Name, value, problem, x)
						continue
					}
					k.set(&general, parsed)
					want, _ = k.value(&general)
				}
				if x, _ := k.value(&got); has && !reflect.DeepEqual(x, want) {
					t.Errorf("%s, %s: %s is %v, want %v", p.Capture, op, k.Name, x, want)
				}
			}
		}
	}
}

// TestWhoSetsAKey: the request's key stands above the operator's default, which stands above the preset's, and nothing stands
// below a floor. The complete configuration travels with the job.
func TestWhoSetsAKey(t *testing.T) {
	for _, tt := range []struct {
		name, request, defaults, floors string
		capture                         Capture
		sharpness                       float32
		mode                            LivenessMode
	}{
		{"nobody", `{}`, ``, ``, CaptureSelfie, 10, 1},
		{"the preset of the request", `{"capture":"surveillance"}`, ``, ``, CaptureSurveillance, 5, 0},
		{"the preset of the operator", `{}`, `{"capture":"surveillance"}`, ``, CaptureSurveillance, 5, 0},
		{"a request with another preset", `{"capture":"selfie"}`, `{"capture":"surveillance"}`, ``, CaptureSelfie, 10, 1},
		{"a key of the operator", `{"capture":"surveillance"}`, `{"blur_threshold_enroll_pred":7}`, ``, CaptureSurveillance, 7, 0},
		{"a key of the request", `{"blur_threshold_enroll_pred":3}`, `{"capture":"surveillance","blur_threshold_enroll_pred":7}`, ``, CaptureSurveillance, 3, 0},
		{"a floor", `{"capture":"surveillance"}`, ``, `{"anti_spoofing_mode":1,"blur_threshold_enroll_pred":8}`, CaptureSurveillance, 8, 1},
	} {
		j := Job{Request: Request{ID: "r", Operation: OpEnroll, Images: []ObjectRef{{Bucket: "b", Key: "k"}}, Config: json.RawMessage(tt.request)}}
		problems := j.Resolve()
		if tt.defaults != "" {
			problems = append(problems, j.Default(json.RawMessage(tt.defaults))...)
		}
		floors, ps := ParseFloors(json.RawMessage(tt.floors))
		if problems = append(append(problems, ps...), j.Hold(floors)...); problems != nil {
			t.Errorf("%s: %v", tt.name, problems)
			continue
		}
		c, _ := j.Configuration()
		if c.General.Capture != tt.capture || c.Quality.Sharpness != tt.sharpness || c.Liveness.Mode != tt.mode {
			t.Errorf("%s: %s, %v, mode %d", tt.name, c.General.Capture, c.Quality.Sharpness, c.Liveness.Mode)
		}
	}
}
