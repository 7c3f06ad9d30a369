package schema_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/schema"
	"facestream/pkg/schema/schematest"
)

// golden returns the golden events of wire version 1 whose names begin with prefix.
func golden(t testing.TB, prefix string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/golden/v1/" + prefix + "*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no golden events %s*: %v", prefix, err)
	}
	out := map[string][]byte{}
	for _, p := range paths {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(p), ".json")] = b
	}
	return out
}

// TestGolden holds wire version 1: every golden event is valid under its schema and survives decoding and encoding
// byte for byte.
func TestGolden(t *testing.T) {
	kinds := []struct {
		prefix, schema string
		value          func() any // nil for what facestream only reads
	}{
		{"request_", "request", func() any { return new(schema.Request) }},
		{"job_", "job", func() any { return new(schema.Job) }},
		{"analysis_", "analysis", func() any { return new(schema.Analysis) }},
		{"result_", "result", func() any { return new(schema.Result) }},
		{"object_", "object-notification", nil},
	}
	total := 0
	for _, k := range kinds {
		for name, data := range golden(t, k.prefix) {
			total++
			t.Run(name, func(t *testing.T) {
				schematest.Validate(t, k.schema, data)
				if k.value == nil {
					return
				}
				v := k.value()
				d := json.NewDecoder(bytes.NewReader(data))
				d.DisallowUnknownFields()
				if err := d.Decode(v); err != nil {
					t.Fatal(err)
				}
				back, err := json.MarshalIndent(v, "", "  ")
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(string(data), string(back)+"\n"); diff != "" {
					t.Errorf("decoding and encoding changes the event (-golden +again):\n%s", diff)
				}
			})
		}
	}
	if all := golden(t, ""); len(all) != total {
		t.Errorf("%d golden events, %d of a known kind", len(all), total)
	}
}

// TestGoldenCoversEveryOutcome: every operation that is performed has a golden request, job and result, and every reason
// that a result can carry has a golden result with the reason's return code.
func TestGoldenCoversEveryOutcome(t *testing.T) {
	reasons := map[schema.Reason]bool{
		schema.ReasonRequestIDReused: true, // these two end as dead letters
		schema.ReasonUnparsable:      true,
	}
	for name, data := range golden(t, "result_") {
		var r schema.Result
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		s := r.CallStatus
		reasons[s.Reason] = true
		if s.ReturnCode != s.Reason.Code() || s.ReturnStatus != s.ReturnCode {
			t.Errorf("%s: return_code %d, return_status %d; %q has %d", name, s.ReturnCode, s.ReturnStatus, s.Reason, s.Reason.Code())
		}
	}
	for _, r := range schema.Reasons() {
		if !reasons[r.Reason] {
			t.Errorf("no golden result has the reason %s", r.Reason)
		}
	}
	all := golden(t, "")
	for _, o := range schema.Operations() {
		for _, kind := range []string{"request_", "job_", "result_"} {
			if _, ok := all[kind+string(o)]; !ok && o.Performed() && !(kind == "result_" && o == schema.OpPredict) {
				t.Errorf("no golden event %s%s", kind, o)
			}
		}
	}
}

// TestGoldenRequestsAreAccepted: ingest accepts every golden request.
func TestGoldenRequestsAreAccepted(t *testing.T) {
	for name, data := range golden(t, "request_") {
		r, problems := schema.DecodeRequest(data)
		if problems = append(problems, r.Normalize()...); len(problems) > 0 {
			t.Errorf("%s: %v", name, problems)
		}
		var loose schema.Request
		if err := json.Unmarshal(data, &loose); err != nil {
			t.Fatal(err)
		}
		loose.Normalize()
		if diff := cmp.Diff(loose, r); diff != "" {
			t.Errorf("%s: DecodeRequest differs from json.Unmarshal (-json +strict):\n%s", name, diff)
		}
	}
}

// TestResultsAreCallResults validates every kind of result as the CryptoNets SDK's CallResult.
func TestResultsAreCallResults(t *testing.T) {
	if path, err := schematest.CryptoNetsSchema(); err != nil {
		t.Skipf("SKIPPED the check against the CryptoNets SDK's wire schema: %v (%s)", err, path)
	}
	for name, data := range golden(t, "result_") {
		t.Run(name, func(t *testing.T) { schematest.ValidateResult(t, data) })
	}
}

// TestSchemasRefuse: the schemas, and DecodeRequest with Normalize, refuse the same requests.
func TestSchemasRefuse(t *testing.T) {
	base := `"id":"r","operation":"validate","images":[{"bucket":"b","key":"k"}]`
	for name, data := range map[string]string{
		"no id":               `{"operation":"validate","images":[{"bucket":"b","key":"k"}]}`,
		"empty id":            `{"id":"","operation":"validate","images":[{"bucket":"b","key":"k"}]}`,
		"long id":             `{"id":"` + strings.Repeat("x", 129) + `","operation":"validate","images":[{"bucket":"b","key":"k"}]}`,
		"unknown operation":   `{"id":"r","operation":"recognise"}`,
		"unknown field":       `{` + base + `,"colour":"red"}`,
		"other case":          `{` + base + `,"Tag":"x"}`,
		"null":                `{` + base + `,"external_id":null}`,
		"wrong type":          `{` + base + `,"external_id":7}`,
		"no object":           `[]`,
		"image without key":   `{"id":"r","operation":"validate","images":[{"bucket":"b"}]}`,
		"image with more":     `{"id":"r","operation":"validate","images":[{"bucket":"b","key":"k","size":1}]}`,
		"deadline":            `{` + base + `,"deadline":"tomorrow"}`,
		"consent":             `{` + base + `,"consent":{"given":"yes"}}`,
		"metadata no object":  `{"id":"r","operation":"person_create","person":{"metadata":[]}}`,
		"metadata null":       `{"id":"r","operation":"person_create","person":{"metadata":null}}`,
		"ttl below 0":         `{"id":"r","operation":"person_create","person":{"ttl_seconds":-1}}`,
		"ttl fraction":        `{"id":"r","operation":"person_create","person":{"ttl_seconds":0.5}}`,
		"person has more":     `{"id":"r","operation":"person_create","person":{"puid":"x"}}`,
		"page too long":       `{"id":"r","operation":"user_list","page":{"limit":101}}`,
		"too many groups":     `{"id":"r","operation":"user_list","filter":{"groups":[` + strings.TrimSuffix(strings.Repeat(`"g",`, 65), ",") + `]}}`,
		"config no object":    `{` + base + `,"config":[]}`,
		"config null":         `{` + base + `,"config":null}`,
		"config unknown key":  `{` + base + `,"config":{"neighbours":1}}`,
		"config type":         `{` + base + `,"config":{"neighbors":"1"}}`,
		"config fraction":     `{` + base + `,"config":{"neighbors":1.5}}`,
		"config range":        `{` + base + `,"config":{"neighbors":101}}`,
		"config open end":     `{` + base + `,"config":{"fudge_factor":0}}`,
		"config enum":         `{` + base + `,"config":{"context_string":"delete"}}`,
		"config number enum":  `{` + base + `,"config":{"face_detection_strategy":4}}`,
		"config pattern":      `{` + base + `,"config":{"collection_name":"-x"}}`,
		"config null key":     `{` + base + `,"config":{"neighbors":null}}`,
		"config long":         `{` + base + `,"config":{"identifier":"` + strings.Repeat("x", 257) + `"}}`,
		"config nested value": `{` + base + `,"config":{"neighbors":{"n":1}}}`,
	} {
		if err := schematest.Check("request", []byte(data)); err == nil {
			t.Errorf("%s: the schema accepts %s", name, data)
		}
		r, problems := schema.DecodeRequest([]byte(data))
		if problems = append(problems, r.Normalize()...); len(problems) == 0 {
			t.Errorf("%s: DecodeRequest and Normalize accept %s", name, data)
		}
	}
	if err := schematest.Check("request", []byte(`{`+base+`,"config":{"neighbors":3.0,"collection_name":""}}`)); err != nil {
		t.Error(err)
	}
	if err := schematest.Check("result", []byte(`{"request_id":"r","operation":"validate"}`)); err == nil {
		t.Error("the schema accepts a result without call_status")
	}
}

func TestEveryReasonHasACode(t *testing.T) {
	for _, r := range schema.Reasons() {
		if r.Code > 0 || r.Code < -7 || r.Meaning == "" || r.Remedy == "" {
			t.Errorf("%+v is not complete", r)
		}
	}
	if got := schema.Reason("never heard of").Code(); got != schema.CodeGenericError {
		t.Errorf("an unknown reason has code %v", got)
	}
	if !slices.IsSortedFunc(schema.Operations(), func(a, b schema.Operation) int { return a.TypeID() - b.TypeID() }) {
		t.Error("operation_type_id does not follow the order of Operations")
	}
}
