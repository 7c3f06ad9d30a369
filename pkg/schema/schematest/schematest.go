// Package schematest validates events in tests: against the JSON Schemas of pkg/schema and, where the seed SDK's wire
// schema lies beside the repository, results against its CallResult.
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

// Validate fails t where data is not valid under the schema called name: "request", "job", "analysis", "result",
// "operation-config" or "object-notification".
func Validate(t testing.TB, name string, data []byte) {
	t.Helper()
	if err := Check(name, data); err != nil {
		t.Error(err)
	}
}

// Check reports what is wrong with data under the schema called name, as [Validate] does.
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

// ValidateResult fails t where data is no valid result, or no valid CallResult of the seed SDK. Without the seed's schema
// ([SeedSchema]) the second check is left out, and the log of t says so.
func ValidateResult(t testing.TB, data []byte) {
	t.Helper()
	Validate(t, "result", data)
	s, err := seedCallResult()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		t.Logf("not checked against the seed's CallResult: %v", err)
	case err != nil:
		t.Error(err)
	default:
		if err := check(s, "the seed's CallResult", data); err != nil {
			t.Error(err)
		}
	}
}

// dataFields are the fields of a result that carry what the operation found or did.
var dataFields = []string{"faces", "compare", "verify", "enroll", "predict", "iso_image", "user_delete", "user_feedback_message"}

// ValidateOutcome fails t where data is no result that this version publishes. Besides what [ValidateResult] checks, a failure
// has no data fields, and a success on images has faces, an empty list where none was found. Results of older versions can
// be valid and break these rules.
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
	if r.Operation.Images() > 0 && r.Faces == nil {
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

// SeedSchema is the file with the seed SDK's wire schema: FACESTREAM_SEED_SCHEMA, else ../shared/seeds/001_wire_schema.json
// beside the repository.
func SeedSchema() (string, error) {
	path := os.Getenv("FACESTREAM_SEED_SCHEMA")
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

// seedCallResult is the seed's CallResult with one relaxation: the flags fields, whose description says "bitwise OR" but
// whose enum lists the single bits, take every union of bits.
var seedCallResult = sync.OnceValues(func() (*jsonschema.Schema, error) {
	path, err := SeedSchema()
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
		return nil, fmt.Errorf("the seed's schema has %d flags fields, 2 are known: face_traits_flags and document_traits", relaxed)
	}
	return compile("seed.json#/$defs/CallResult", doc)
})

// relaxFlags takes the enum off every flags field in doc and returns how many there were.
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
