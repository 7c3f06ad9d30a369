package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"reflect"
	"strings"

	"github.com/invopop/jsonschema"

	"facestream/pkg/schema"
)

// The schemas of data that facestream reads are closed: an unknown field is an error. The schemas of data that others
// read are open, so a new field of a result breaks no reader.
func schemas() ([]file, error) {
	var files []file
	for _, root := range []struct {
		name   string
		value  any
		closed bool
	}{
		{"request", schema.Request{}, true},
		{"job", schema.Job{}, false},
		{"analysis", schema.Analysis{}, false},
		{"result", schema.Result{}, false},
	} {
		r := &jsonschema.Reflector{
			Anonymous: true, ExpandedStruct: true, AllowAdditionalProperties: !root.closed,
			Mapper: func(t reflect.Type) *jsonschema.Schema { return mapped(t, root.name) },
		}
		if err := r.AddGoComments("facestream/pkg/schema", ".", jsonschema.WithFullComment()); err != nil {
			return nil, err
		}
		for name, comment := range r.CommentMap {
			r.CommentMap[name] = strings.ReplaceAll(comment, "\n", " ")
		}
		s := r.Reflect(root.value)
		if root.name == "result" {
			// A rejection repeats what its request said, whatever is wrong with it.
			p := s.Definitions["ObjectRef"].Properties
			for pair := p.Oldest(); pair != nil; pair = pair.Next() {
				pair.Value.MinLength, pair.Value.MaxLength = nil, nil
			}
		} else {
			s.Definitions["OperationConfig"] = configSchema()
		}
		if root.name == "result" || root.name == "analysis" { // DocumentAnswer refers to it
			r.ExpandedStruct = false
			referred := r.Reflect(schema.DocumentResult{}).Definitions
			maps.Copy(referred, s.Definitions)
			s.Definitions = referred
		}
		f, err := render(root.name, s)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	config := configSchema()
	config.Version = jsonschema.Version
	f, err := render("operation-config", config)
	return append(files, f), err
}

func render(name string, s *jsonschema.Schema) (file, error) {
	s.ID = jsonschema.ID("urn:facestream:schema:v1:" + name)
	compact, err := json.Marshal(s)
	if err != nil {
		return file{}, err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, compact, "", "  "); err != nil {
		return file{}, err
	}
	b.WriteByte('\n')
	return file{name + ".schema.json", b.Bytes()}, nil
}

// mapped returns the schema of a type whose JSON form does not follow from its Go kind, inside the schema named root.
func mapped(t reflect.Type, root string) *jsonschema.Schema {
	switch t {
	case reflect.TypeFor[schema.Operation]():
		s := &jsonschema.Schema{Type: "string"}
		if root == "result" { // a request for an unknown operation has a result too
			return s
		}
		for _, o := range schema.Operations() {
			s.Enum = append(s.Enum, o)
		}
		return s
	case reflect.TypeFor[schema.Reason]():
		s := &jsonschema.Schema{Type: "string"}
		for _, r := range schema.Reasons() {
			s.Enum = append(s.Enum, r.Reason)
		}
		return s
	case reflect.TypeFor[schema.SpoofStatus]():
		return &jsonschema.Schema{Type: "integer", Enum: []any{0, 1, 2, 3, 4}}
	case reflect.TypeFor[schema.Embedding]():
		p := jsonschema.NewProperties()
		p.Set("model", &jsonschema.Schema{Type: "string"})
		p.Set("vector", &jsonschema.Schema{Type: "string", ContentEncoding: "base64", Description: "Little-endian IEEE 754 float32, one after the other; of unit length."})
		return &jsonschema.Schema{Type: "object", Properties: p, Required: []string{"model", "vector"}}
	case reflect.TypeFor[schema.DocumentAnswer]():
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Ref: "#/$defs/DocumentResult"}, {Type: "null"}}}
	case reflect.TypeFor[schema.DocumentType]():
		return &jsonschema.Schema{Type: "string", Enum: []any{schema.DocumentID1, schema.DocumentID2, schema.DocumentID3, schema.DocumentUnknown}}
	case reflect.TypeFor[schema.Metadata]():
		return &jsonschema.Schema{Type: "object"}
	case reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Ref: "#/$defs/OperationConfig"}
	case reflect.TypeFor[uint32](), reflect.TypeFor[schema.FaceTraits](), reflect.TypeFor[schema.DocumentTraits]():
		return &jsonschema.Schema{Type: "integer", Minimum: json.Number("0"), Maximum: decimal(math.MaxUint32)}
	}
	return nil
}

func configSchema() *jsonschema.Schema {
	p := jsonschema.NewProperties()
	for _, k := range schema.ConfigKeys() {
		s := &jsonschema.Schema{Type: k.Type, Default: k.Default, Description: k.Doc, Pattern: k.Pattern}
		if k.Effect == "" {
			s.Description += " No effect in this version: " + k.Idle + "."
		}
		for _, v := range k.Enum {
			s.Enum = append(s.Enum, v.Value)
		}
		if k.MaxLength > 0 {
			n := uint64(k.MaxLength)
			s.MaxLength = &n
		}
		if k.Range != nil {
			s.Maximum = decimal(k.Range.Max)
			if k.Range.OpenMin {
				s.ExclusiveMinimum = decimal(k.Range.Min)
			} else {
				s.Minimum = decimal(k.Range.Min)
			}
		}
		p.Set(k.Name, s)
	}
	return &jsonschema.Schema{Type: "object", Properties: p, AdditionalProperties: jsonschema.FalseSchema,
		Description: "How the operation is to be done; every key is optional. Some defaults differ per operation: docs/operation-config.md."}
}

func decimal(x float64) json.Number {
	b, _ := json.Marshal(x) // a finite number always has a JSON form
	return json.Number(b)
}
