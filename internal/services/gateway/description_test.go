package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"facestream/internal/gateway/api"
	"facestream/pkg/schema"
)

// described is the API as its description has it.
var described = sync.OnceValues(func() (*description, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.Description()))
	if err != nil {
		return nil, err
	}
	d := &description{schemas: jsonschema.NewCompiler(), compiled: map[string]*jsonschema.Schema{}}
	if err := d.schemas.AddResource("urn:api", doc); err != nil {
		return nil, err
	}
	return d, json.Unmarshal(api.Description(), &d.document)
})

type description struct {
	document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			Responses map[string]struct {
				Ref     string `json:"$ref"`
				Content map[string]any
			}
		}
		Components struct {
			Schemas map[string]any
		}
	}
	schemas *jsonschema.Compiler

	mu       sync.Mutex
	compiled map[string]*jsonschema.Schema
}

var (
	ids    = regexp.MustCompile(`^(/v1/(?:requests|dead-letters)/)[^/]+`)
	images = regexp.MustCompile(`/images/[^/]+$`)
)

// conforms says how an answer differs from what the description has for it. A method or path that is not there needs a problem.
func conforms(method, path string, status int, kind string, body []byte) error {
	d, err := described()
	if err != nil {
		return err
	}
	path = images.ReplaceAllString(ids.ReplaceAllString(path, "${1}{id}"), "/images/{image}")
	where := "#/components/responses/Problem"
	if operation, ok := d.document.Paths[path][strings.ToLower(method)]; ok {
		code := fmt.Sprint(status)
		answer, ok := operation.Responses[code]
		if !ok {
			return fmt.Errorf("%s %s answers %d, which is not described", method, path, status)
		}
		if answer.Content["*/*"] != nil {
			return nil
		}
		if answer.Ref == "" {
			where = "#/paths/" + strings.ReplaceAll(path, "/", "~1") + "/" + strings.ToLower(method) + "/responses/" + code
		}
	} else if status < 400 {
		return fmt.Errorf("%s %s answers %d and is not described", method, path, status)
	}
	want := "application/json"
	if strings.HasSuffix(where, "Problem") {
		want = "application/problem+json"
	}
	if kind != want {
		return fmt.Errorf("%s %s answers %d as %q, want %q", method, path, status, kind, want)
	}
	s, err := d.compile("urn:api" + where + "/content/" + strings.ReplaceAll(want, "/", "~1") + "/schema")
	if err != nil {
		return err
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	return s.Validate(value)
}

func (d *description) compile(at string) (*jsonschema.Schema, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, ok := d.compiled[at]; ok {
		return s, nil
	}
	s, err := d.schemas.Compile(at)
	d.compiled[at] = s
	return s, err
}

// The description names every operation that is performed, its schemas are sound, and a gateway serves it to everybody.
func TestDescription(t *testing.T) {
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	if d.document.OpenAPI != "3.1.0" || len(d.document.Components.Schemas) < 40 {
		t.Errorf("version %q, %d schemas", d.document.OpenAPI, len(d.document.Components.Schemas))
	}
	for name := range d.document.Components.Schemas {
		if _, err := d.compile("urn:api#/components/schemas/" + name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, op := range schema.Operations() {
		if _, ok := d.document.Paths["/v1/"+string(op)]; ok != op.Performed() {
			t.Errorf("%s is described: %v, performed: %v", op, ok, op.Performed())
		}
	}
	res, err := http.Get(system.first + "/v1/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(res.Body); err != nil || !bytes.Equal(body.Bytes(), api.Description()) {
		t.Errorf("served: %d bytes, %v", body.Len(), err)
	}
}
