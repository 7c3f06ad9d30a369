package schema

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigTable checks the table of keys: names are unique, everything is described, every default is a value that
// its key allows, and exactly the keys that have an effect have a field.
func TestConfigTable(t *testing.T) {
	seen := map[string]bool{}
	added := 0
	var c OperationConfig
	fields := map[any]bool{}
	kinds := map[string][]reflect.Kind{
		"string": {reflect.String}, "integer": {reflect.Int, reflect.Uint32}, "number": {reflect.Float32}, "boolean": {reflect.Bool},
	}
	for _, k := range ConfigKeys() {
		if seen[k.Name] || k.Name == "" {
			t.Errorf("%q is named twice or not at all", k.Name)
		}
		seen[k.Name] = true
		if k.Doc == "" || k.Group == "" {
			t.Errorf("%s has no description or no group", k.Name)
		}
		if (k.Effect == "") == (k.Idle == "") {
			t.Errorf("%s must say either what it does or why it does nothing", k.Name)
		}
		if k.Added {
			added++
		}
		if (k.field == nil) == (k.Effect != "") {
			t.Errorf("%s must have a field if it does something, and none if it does nothing", k.Name)
		}
		if k.field != nil {
			if field := k.field(&c); fields[field] {
				t.Errorf("%s shares its field with another key", k.Name)
			} else if fields[field] = true; !slices.Contains(kinds[k.Type], scalarKind(field)) {
				t.Errorf("%s is a %s, but its field is a %T", k.Name, k.Type, field)
			}
		}
		if (k.Type == "number" || k.Type == "integer") && (k.Range == nil) == (k.Enum == nil) {
			t.Errorf("%s must have either a range or an enum", k.Name)
		}
		if k.Default == nil {
			if !strings.HasPrefix(k.Name, "face_thresholds_") {
				t.Errorf("%s has no default", k.Name)
			}
			continue
		}
		raw, err := json.Marshal(k.Default)
		if err != nil {
			t.Fatal(err)
		}
		if _, problem := k.parse(raw); problem != "" {
			t.Errorf("%s: the default %s %s", k.Name, raw, problem)
		}
	}
	if len(seen)-added != 71 {
		t.Errorf("%d keys besides the added ones; the CryptoNets SDK's text and schema have 71 together", len(seen)-added)
	}
	for _, o := range Overrides() {
		k := keyNamed(o.Key)
		if k == nil {
			t.Errorf("override of an unknown key %s", o.Key)
			continue
		}
		raw, _ := json.Marshal(o.Default)
		if _, problem := k.parse(raw); problem != "" || reflect.TypeOf(o.Default) != reflect.TypeOf(k.Default) {
			t.Errorf("override %s of %s: %s", o.Key, o.Operation, problem)
		}
	}
}

// scalarKind is the kind of the scalar that field, a pointer to a field, holds.
func scalarKind(field any) reflect.Kind {
	x := reflect.TypeOf(field).Elem()
	if x.Kind() == reflect.Pointer {
		x = x.Elem()
	}
	return x.Kind()
}

func TestResolveConfigDefaults(t *testing.T) {
	for _, tt := range []struct {
		op   Operation
		want func(*OperationConfig)
	}{
		{OpValidate, func(*OperationConfig) {}},
		{OpEnroll, func(c *OperationConfig) {}},
		{OpPredict, func(c *OperationConfig) { c.Pose.TooFar = 0.005 }},
		{OpDocScanFace, func(c *OperationConfig) {
			c.General.Context, c.Quality.Sharpness, c.Pose.TooFar = ContextPredict, 50, 0.01
			c.Document.Confidence, c.Document.Sharpness, c.Detection.Strategy = 0.8, 100, LargestFace
		}},
	} {
		want := DefaultConfig("")
		tt.want(&want)
		for _, raw := range []string{"", "{}", " \n{ } "} {
			got, problems := ResolveConfig(tt.op, json.RawMessage(raw))
			if problems != nil {
				t.Errorf("%s %q: %v", tt.op, raw, problems)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s %q (-want +got):\n%s", tt.op, raw, diff)
			}
		}
	}
	c := DefaultConfig("")
	if m := c.Matching; m.Min != nil || m.Neighbors != 1 || m.FudgeFactor != 1 || c.Detection.Strategy != MostConfident || c.Portrait.BackgroundColor != 0xF0F0F0 {
		t.Errorf("defaults: %+v, strategy %d, background %x", m, c.Detection.Strategy, c.Portrait.BackgroundColor)
	}
}

func TestResolveConfigKeys(t *testing.T) {
	raw := `{"neighbors": 5.0, "fudge_factor": 1.25, "face_thresholds_min": -0.5, "face_thresholds_med": 0.25,
		"context_string": "predict", "conf_score_thr_predict": 1e-1, "face_validations_off": true, "collection_name": "staff",
		"background_color_rgb": 255, "face_detection_strategy": 0, "threshold_user_too_far": 0.3}`
	got, problems := ResolveConfig(OpPredict, json.RawMessage(raw))
	if problems != nil {
		t.Fatal(problems)
	}
	want := DefaultConfig(OpPredict)
	low, med := float32(-0.5), float32(0.25)
	want.Matching = MatchingConfig{Min: &low, Med: &med, Neighbors: 5, FudgeFactor: 1.25, Duplicates: DuplicatesAllow}
	want.General = GeneralConfig{Context: ContextPredict, CollectionName: "staff", Capture: CaptureSelfie}
	want.Detection.ConfidencePredict, want.Detection.Strategy, want.Quality.ValidationsOff = 0.1, EveryFace, true
	want.Portrait.BackgroundColor, want.Pose.TooFar = 255, 0.3
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMinConfidence(t *testing.T) {
	for _, tt := range []struct {
		op   Operation
		raw  string
		want float32
	}{
		{OpEnroll, `{}`, 0.5},
		{OpPredict, `{}`, 0.12},
		{OpValidate, `{}`, 0.5},
		{OpValidate, `{"context_string":"predict"}`, 0.12},
		{OpEnroll, `{"context_string":"predict","conf_score_thr_enroll":0.75}`, 0.75},
		{OpPredict, `{"conf_score_thr_predict":0.25}`, 0.25},
		{OpDocScanFace, `{}`, 0.12},
	} {
		c, problems := ResolveConfig(tt.op, json.RawMessage(tt.raw))
		if got := c.MinConfidence(tt.op); got != tt.want || problems != nil {
			t.Errorf("%s %s: %v, want %v (%v)", tt.op, tt.raw, got, tt.want, problems)
		}
	}
}

func TestResolveConfigProblems(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{`null`, "config: is null; it must be an object"},
		{`[]`, "config: is an array; it must be an object"},
		{`"rgb"`, "config: is a string; it must be an object"},
		{`{`, "config: is not JSON (near byte 1)"},
		{`{"neighbors":1} 2`, "config: has data after its end (byte 17)"},
		{`{"neighbours":1}`, "config.neighbours: is not a configuration key (did you mean neighbors?)"},
		{`{"Neighbors":1}`, "config.Neighbors: is not a configuration key (did you mean neighbors?)"},
		{`{"shoe_size":1}`, "config.shoe_size: is not a configuration key"},
		{`{"a b\n":1}`, `config."a b\n": is not a configuration key`},
		{`{"neighbors":1,"neighbors":2}`, "config.neighbors: is given more than once"},
		{`{"neighbors":null}`, "config.neighbors: is null; leave the key out to get its default"},
		{`{"neighbors":"1"}`, "config.neighbors: is a string; it must be an integer, 1..100"},
		{`{"neighbors":0}`, "config.neighbors: is out of range; it must be an integer, 1..100"},
		{`{"neighbors":1e300}`, "config.neighbors: is not allowed; it must be an integer, 1..100"},
		{`{"neighbors":1e400}`, "config.neighbors: is out of range; it must be an integer, 1..100"},
		{`{"neighbors":1.5}`, "config.neighbors: is 1.5; it must be an integer, 1..100"},
		{`{"neighbors":true}`, "config.neighbors: is a boolean; it must be an integer, 1..100"},
		{`{"face_validations_off":1}`, "config.face_validations_off: is a number; it must be true or false"},
		{`{"fudge_factor":0}`, "config.fudge_factor: is out of range; it must be a number, above 0, up to 10"},
		{`{"fudge_factor":1e-99}`, "config.fudge_factor: is out of range; it must be a number, above 0, up to 10"},
		{`{"face_thresholds_med":1.01}`, "config.face_thresholds_med: is out of range; it must be a number, -1..1"},
		{`{"context_string":"delete"}`, `config.context_string: has a value that is not allowed; it must be one of "enroll", "predict", "document"`},
		{`{"anti_spoofing_mode":4}`, "config.anti_spoofing_mode: is not allowed; it must be one of 0, 1, 2, 3"},
		{`{"collection_name":"../x"}`, "config.collection_name: has a value that is not allowed; it must be a string that matches ^([A-Za-z0-9][A-Za-z0-9_.-]{0,63})?$"},
		{`{"face_thresholds_min":0.5,"face_thresholds_med":0.4}`, "config.face_thresholds_min: must not exceed face_thresholds_med"},
		{`{"face_thresholds_min":0.5,"face_thresholds_max":0.4}`, "config.face_thresholds_min: must not exceed face_thresholds_max"},
		{`{"neighbors":0,"fudge_factor":11,"blur":1,"fetch_timeout_ms":-1}`, "config.blur: is not a configuration key; " +
			"config.fetch_timeout_ms: is out of range; it must be an integer, 0..2147483647; " +
			"config.fudge_factor: is out of range; it must be a number, above 0, up to 10; " +
			"config.neighbors: is out of range; it must be an integer, 1..100"},
	} {
		_, problems := ResolveConfig(OpValidate, json.RawMessage(tt.raw))
		if diff := cmp.Diff(tt.want, problems.Error()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.raw, diff)
		}
		for _, p := range problems {
			if p.Reason != ReasonInvalidConfiguration {
				t.Errorf("%s: reason %q", tt.raw, p.Reason)
			}
		}
	}
}

// TestConfigProblemsAreDiscreet: the message about a value does not repeat it (invariant 6).
func TestConfigProblemsAreDiscreet(t *testing.T) {
	for _, raw := range []string{
		`{"identifier":"` + strings.Repeat("planted", 40) + `"}`, `{"collection_name":"planted value"}`,
		`{"context_string":"planted"}`, `{"neighbors":"planted"}`, `{"identifier":planted}`, `"planted"`,
	} {
		_, problems := ResolveConfig(OpEnroll, json.RawMessage(raw))
		if len(problems) == 0 || strings.Contains(problems.Error(), "planted") {
			t.Errorf("%s: %v", raw, problems)
		}
	}
}

// TestConfigHasTheKeysOfTheSDK compares names, types and enums with the CryptoNets SDK's own schema.
func TestConfigHasTheKeysOfTheSDK(t *testing.T) {
	path := os.Getenv("FACESTREAM_CRYPTONETS_SCHEMA")
	if path == "" {
		path = filepath.Join("..", "..", "..", "shared", "seeds", "001_wire_schema.json")
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Skipf("SKIPPED the comparison with the CryptoNets SDK's wire schema: %v", err)
	}
	type property struct {
		Type  string
		Enum  []int64
		Names []string `json:"x-enum-varnames"`
	}
	var flags struct {
		Defs struct {
			FaceResult struct {
				Properties struct {
					Traits property `json:"face_traits_flags"`
				}
			}
			DocumentData struct {
				Properties struct {
					Traits property `json:"document_traits"`
				}
			}
		} `json:"$defs"`
	}
	var config struct {
		Defs struct {
			OperationConfig struct{ Properties map[string]property }
		} `json:"$defs"`
	}
	for _, v := range []any{&config, &flags} {
		if err := json.Unmarshal(b, v); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range config.Defs.OperationConfig.Properties {
		k := keyNamed(name)
		if k == nil {
			t.Errorf("the SDK's key %s is missing", name)
			continue
		}
		if k.Type != p.Type {
			t.Errorf("%s is a %s; the SDK's is a %s", name, k.Type, p.Type)
		}
		var enum []int64
		for _, v := range k.Enum {
			if n, ok := v.Value.(int64); ok {
				enum = append(enum, n)
			}
		}
		if !slices.Equal(enum, p.Enum) {
			t.Errorf("%s takes %v; the SDK's takes %v", name, enum, p.Enum)
		}
	}
	if n := len(config.Defs.OperationConfig.Properties); n != 68 {
		t.Errorf("the SDK's schema has %d keys, 68 are known", n)
	}
	for _, tt := range []struct {
		sdk  property
		name func(bit uint32) []string
	}{
		{flags.Defs.FaceResult.Properties.Traits, func(bit uint32) []string { return TraitNames(FaceTraits(bit)) }},
		{flags.Defs.DocumentData.Properties.Traits, func(bit uint32) []string { return TraitNames(DocumentTraits(bit)) }},
	} {
		for i, bit := range tt.sdk.Enum {
			if bit == 0 {
				continue
			}
			if diff := cmp.Diff(tt.sdk.Names[i:i+1], tt.name(uint32(bit))); diff != "" {
				t.Errorf("bit %d (-SDK +ours):\n%s", bit, diff)
			}
		}
	}
}

func TestTraitNames(t *testing.T) {
	if diff := cmp.Diff([]string{"FT_FACE_LEFT", "FT_FACE_NOT_IN_OVAL"}, TraitNames(FTFaceLeft|FTFaceNotInOval|1<<31)); diff != "" {
		t.Error(diff)
	}
	if got := TraitNames(DTFingersDetected); !slices.Equal(got, []string{"DT_FINGERS_DETECTED"}) {
		t.Error(got)
	}
	if got := len(TraitNames(AllFaceTraits)); got != 27 || TraitNames(FaceTraits(0)) != nil {
		t.Errorf("%d face traits", got)
	}
}
