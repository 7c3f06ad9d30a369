package schematest

import (
	"os"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	for _, tt := range []struct{ name, data, want string }{
		{"operation-config", `{"neighbors":2}`, ""},
		{"operation-config", `{"neighbors":0}`, "neighbors"},
		{"operation-config", `{`, "not JSON"},
		{"no such schema", `{}`, "no schema"},
	} {
		err := Check(tt.name, []byte(tt.data))
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %v, want %q", tt.name, tt.data, err, tt.want)
		}
	}
}

// TestCryptoNetsCallResult: the SDK's schema is used, refuses what it should, and accepts a union of flags.
func TestCryptoNetsCallResult(t *testing.T) {
	if _, err := CryptoNetsSchema(); err != nil {
		t.Skipf("SKIPPED the check against the CryptoNets SDK's wire schema: %v", err)
	}
	s, err := sdkCallResult()
	if err != nil {
		t.Fatal(err)
	}
	face := func(traits string) string {
		return `"faces":[{"geometry":{"bounding_box":{"top_left":{"x":0,"y":0},"bottom_right":{"x":1,"y":1}},"eye_left":{"x":0,"y":0},` +
			`"eye_right":{"x":1,"y":0},"face_confidence_score":1},"face_traits_flags":` + traits + `,"spoof_status":2}]`
	}
	const status = `"call_status":{"return_status":0,"operation_id":1,"operation_type_id":0}`
	for _, tt := range []struct {
		data  string
		valid bool
	}{
		{`{` + status + `}`, true},
		{`{` + status + `,` + face("6") + `}`, true},
		{`{` + status + `,` + face("-1") + `}`, false},
		{`{` + face("6") + `}`, false},
		{`{"call_status":{"return_status":7,"operation_id":1,"operation_type_id":0}}`, false},
		{`{` + status + `,"compare":{"is_match":true}}`, false},
	} {
		if err := check(s, "CallResult", []byte(tt.data)); (err == nil) != tt.valid {
			t.Errorf("%s: valid %v, want %v", tt.data, err == nil, tt.valid)
		}
	}
}

func TestCryptoNetsSchemaIsFoundByName(t *testing.T) {
	t.Setenv("FACESTREAM_CRYPTONETS_SCHEMA", "/does/not/exist.json")
	if _, err := CryptoNetsSchema(); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}
