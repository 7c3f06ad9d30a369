// Package schematest validates events in tests against the JSON Schemas of pkg/schema. If the wire schema of the
// CryptoNets SDK is present, it also validates results against the SDK's CallResult.
package schematest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facestream/pkg/schema"
)

// Validate fails t if data is not valid under the schema called name: "request", "job", "analysis", "result",
// "operation-config" or "object-notification".
func Validate(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := Check(name, data); err != nil {
		t.Error(err)
	}
}

// Check returns an error that says what is wrong with data under the schema called name (see [Validate]).
func Check(name string, data []byte) error {
	all, err := ours()
	if err != nil {
		return err
	}
	s, ok := all[name]
	if !ok {
		return fmt.Errorf("there is no schema called %q", name)
	}
	return check(s, name, data)
}

// ValidateResult fails t if data is not a valid result, or not a valid CallResult of the CryptoNets SDK. Without the
// SDK's schema ([CryptoNetsSchema]) the second check is skipped, and the log of t says so.
func ValidateResult(t testing.TB, data []byte) {
	t.Helper()
	Validate(t, "result", data)
	s, err := sdkCallResult()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Logf("not checked against the CryptoNets SDK's CallResult: %v", err)
	case err != nil:
		t.Error(err)
	default:
		if err := check(s, "the CryptoNets SDK's CallResult", data); err != nil {
			t.Error(err)
		}
	}
}

// dataFields are the fields of a result that carry what the operation found or did.
var dataFields = []string{"faces", "compare", "verify", "enroll", "predict", "document", "iso_image", "user_delete", "voice_compare", "user_feedback_message"}

// ValidateOutcome fails t if this version would not publish data as a result. It checks what [ValidateResult] checks,
// that a failure has no data fields, and that a success on images of people has faces (an empty list if none was found). Valid
// results of older versions can break these rules.
func ValidateOutcome(t testing.TB, data []byte) {
	t.Helper()
	ValidateResult(t, data)
	var r schema.Result
	var fields map[string]json.RawMessage
	if err := errors.Join(json.Unmarshal(data, &r), json.Unmarshal(data, &fields)); err != nil {
		t.Error(err)
		return
	}
	reason := r.CallStatus.Reason
	if r.CallStatus.ReturnCode != schema.CodeNoError {
		for _, name := range dataFields {
			if fields[name] != nil {
				t.Errorf("%s failed with %q and carries %s", r.Operation, reason, name)
			}
		}
		return
	}
	if r.Operation.Images() > 0 && !r.Operation.OnVoices() && r.Faces == nil {
		t.Errorf("%s with the reason %q has no faces, not even an empty list", r.Operation, reason)
	}
	if reason == schema.ReasonNoFace && r.Operation != schema.OpCompare && len(r.Faces) > 0 {
		t.Errorf("%s found no face and carries %d", r.Operation, len(r.Faces))
	}
}

func check(s *jsonschema.Schema, name string, data []byte) error {
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("not JSON: %w", err)
	}
	if err := s.Validate(v); err != nil {
		return fmt.Errorf("not valid as %s: %w", name, err)
	}
	return nil
}

var ours = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	names, err := fs.Glob(schema.Schemas(), "*.schema.json")
	if err != nil {
		return nil, err
	}
	all := map[string]*jsonschema.Schema{}
	for _, file := range names {
		b, err := fs.ReadFile(schema.Schemas(), file)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		s, err := compile(file, doc)
		if err != nil {
			return nil, err
		}
		all[strings.TrimSuffix(file, ".schema.json")] = s
	}
	return all, nil
})

func compile(name string, doc any) (*jsonschema.Schema, error) {
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	base, fragment, _ := strings.Cut(name, "#")
	if err := c.AddResource("mem:///"+base, doc); err != nil {
		return nil, err
	}
	return c.Compile("mem:///" + base + "#" + fragment)
}

// CryptoNetsSchema returns the path of the CryptoNets SDK's wire schema: the value of FACESTREAM_CRYPTONETS_SCHEMA,
// else ../shared/seeds/001_wire_schema.json beside the repository. It returns an error if the file does not exist.
func CryptoNetsSchema() (string, error) {
	path := os.Getenv("FACESTREAM_CRYPTONETS_SCHEMA")
	if path == "" {
		root, err := os.Getwd()
		if err != nil {
			return "", err
		}
		for {
			if _, err := os.Stat(filepath.Join(root, "go.mod")); err == nil {
				break
			}
			parent := filepath.Dir(root)
			if parent == root {
				return "", fmt.Errorf("no go.mod above the working directory: %w", fs.ErrNotExist)
			}
			root = parent
		}
		path = filepath.Join(root, "..", "shared", "seeds", "001_wire_schema.json")
	}
	_, err := os.Stat(path)
	return path, err
}

// sdkCallResult is the schema of the CryptoNets SDK's CallResult with one relaxation. The flags fields, whose
// description says "bitwise OR" but whose enum lists single bits, accept every union of bits.
var sdkCallResult = sync.OnceValues(func() (*jsonschema.Schema, error) {
	path, err := CryptoNetsSchema()
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	relaxed := relaxFlags(doc)
	if relaxed != 2 {
		return nil, fmt.Errorf("the SDK's schema has %d flags fields, 2 are known: face_traits_flags and document_traits", relaxed)
	}
	return compile("cryptonets.json#/$defs/CallResult", doc)
})

// relaxFlags removes the enum of every flags field in doc and returns the number of these fields.
func relaxFlags(doc any) int {
	n := 0
	switch x := doc.(type) {
	case map[string]any:
		if d, _ := x["description"].(string); strings.Contains(d, "bitwise OR") {
			delete(x, "enum")
			x["minimum"] = 0
			n++
		}
		for _, v := range x {
			n += relaxFlags(v)
		}
	case []any:
		for _, v := range x {
			n += relaxFlags(v)
		}
	}
	return n
}
