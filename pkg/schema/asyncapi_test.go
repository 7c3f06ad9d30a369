package schema_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"facestream/pkg/events"
	"facestream/pkg/schema/schematest"
)

// asyncAPI is the part of docs/asyncapi.yaml that this test reads.
type asyncAPI struct {
	AsyncAPI string
	Channels map[string]struct {
		Address, Description string
		Messages             map[string]ref
		Bindings             struct {
			Kafka struct {
				Topic         string
				Partitions    int
				Configuration struct {
					Retention int64 `yaml:"retention.ms"`
					MaxBytes  int   `yaml:"max.message.bytes"`
				} `yaml:"topicConfiguration"`
			}
		}
	}
	Operations map[string]struct {
		Action  string
		Channel ref
	}
	Components struct {
		Messages map[string]struct {
			Title    string
			Traits   []ref
			Headers  ref
			Payload  ref
			Bindings struct {
				Kafka struct {
					Key struct{ Type, Description string }
				}
			}
			Examples []struct {
				Name             string
				Headers, Payload map[string]any
			}
		}
		Schemas map[string]any
	}
}

type ref struct {
	Ref string `yaml:"$ref"`
}

func loadAsyncAPI(t *testing.T) (doc asyncAPI, tree any) {
	t.Helper()
	b, err := os.ReadFile("../../docs/asyncapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(b, &tree); err != nil {
		t.Fatal(err)
	}
	return doc, tree
}

// TestAsyncAPIRefs: every $ref leads somewhere, inside the document or to a schema of this package.
func TestAsyncAPIRefs(t *testing.T) {
	_, tree := loadAsyncAPI(t)
	n := 0
	var walk func(at string, v any)
	walk = func(at string, v any) {
		switch x := v.(type) {
		case map[string]any:
			if target, ok := x["$ref"].(string); ok {
				n++
				if !resolves(tree, target) {
					t.Errorf("%s: %s leads nowhere", at, target)
				}
			}
			for k, v := range x {
				walk(at+"/"+k, v)
			}
		case []any:
			for _, v := range x {
				walk(at, v)
			}
		}
	}
	walk("#", tree)
	if n < 30 {
		t.Errorf("only %d references were found", n)
	}
}

func resolves(tree any, target string) bool {
	pointer, local := strings.CutPrefix(target, "#/")
	if !local {
		_, err := os.Stat(filepath.Join("../../docs", target))
		return err == nil
	}
	for _, step := range strings.Split(pointer, "/") {
		m, ok := tree.(map[string]any)
		if !ok || m[step] == nil {
			return false
		}
		tree = m[step]
	}
	return true
}

// TestAsyncAPIChannels: the document has exactly the topics of pkg/events, with the key of every message described, and
// they are created as the document says.
func TestAsyncAPIChannels(t *testing.T) {
	doc, _ := loadAsyncAPI(t)
	if !strings.HasPrefix(doc.AsyncAPI, "3.") {
		t.Errorf("the document is AsyncAPI %q", doc.AsyncAPI)
	}
	specs := map[string]events.TopicSpec{}
	for _, s := range events.DefaultSpecs() {
		specs[string(s.Topic)] = s
	}
	used := map[string]bool{}
	for _, o := range doc.Operations {
		used[o.Channel.Ref] = true
		if o.Action != "send" && o.Action != "receive" {
			t.Errorf("unknown action %q", o.Action)
		}
	}
	for name, c := range doc.Channels {
		s, ok := specs[c.Address]
		if !ok {
			t.Errorf("channel %s has the address %q, which is no topic", name, c.Address)
			continue
		}
		delete(specs, c.Address)
		k := c.Bindings.Kafka
		if k.Topic != c.Address || k.Partitions != s.Partitions || k.Configuration.Retention != s.Retention.Milliseconds() {
			t.Errorf("channel %s: %+v; pkg/events creates %+v", name, k, s)
		}
		if m := k.Configuration.MaxBytes; m != 0 && m != s.MaxBytes {
			t.Errorf("channel %s: max.message.bytes %d; pkg/events creates %d", name, m, s.MaxBytes)
		}
		if c.Description == "" || !used["#/channels/"+name] || len(c.Messages) == 0 {
			t.Errorf("channel %s has no description, operation or message", name)
		}
		for _, m := range c.Messages {
			message := doc.Components.Messages[strings.TrimPrefix(m.Ref, "#/components/messages/")]
			if message.Bindings.Kafka.Key.Description == "" || message.Title == "" {
				t.Errorf("channel %s: the key of %s is not described", name, m.Ref)
			}
		}
	}
	for topic := range specs {
		t.Errorf("the topic %s has no channel", topic)
	}
}

// TestAsyncAPIMessages: every payload is a schema of this package and every example is valid.
func TestAsyncAPIMessages(t *testing.T) {
	doc, _ := loadAsyncAPI(t)
	headers := map[string]*jsonschema.Schema{}
	for name, s := range doc.Components.Schemas {
		c := jsonschema.NewCompiler()
		c.AssertFormat()
		if err := c.AddResource("mem:///"+name, viaJSON(t, s)); err != nil {
			t.Fatal(err)
		}
		compiled, err := c.Compile("mem:///" + name)
		if err != nil {
			t.Fatal(err)
		}
		headers["#/components/schemas/"+name] = compiled
	}
	for name, m := range doc.Components.Messages {
		t.Run(name, func(t *testing.T) {
			header := headers[m.Headers.Ref]
			for _, trait := range m.Traits {
				if trait.Ref == "#/components/messageTraits/cloudEvent" {
					header = headers["#/components/schemas/cloudEventHeaders"]
				}
			}
			if len(m.Examples) == 0 {
				t.Error("no example")
			}
			payload := strings.TrimSuffix(filepath.Base(m.Payload.Ref), ".schema.json")
			for _, e := range m.Examples {
				if m.Payload.Ref != "" { // dead letters hold anything
					b, err := json.Marshal(e.Payload)
					if err != nil {
						t.Fatal(err)
					}
					schematest.Validate(t, payload, b)
				}
				if e.Headers == nil {
					continue
				}
				if header == nil {
					t.Errorf("example %s has headers, the message describes none", e.Name)
				} else if err := header.Validate(viaJSON(t, e.Headers)); err != nil {
					t.Errorf("headers of example %s: %v", e.Name, err)
				}
			}
			if name != "deadLetter" && m.Payload.Ref == "" {
				t.Error("the payload is no schema")
			}
		})
	}
	ce := viaJSON(t, doc.Components.Schemas["cloudEventHeaders"]).(map[string]any)["properties"].(map[string]any)
	for _, h := range []string{"ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time", "content-type", "traceparent"} {
		if ce[h] == nil {
			t.Errorf("the header %s is not described", h)
		}
	}
	types := ce["ce_type"].(map[string]any)["enum"]
	want := []any{events.TypeRequest, events.TypeJob, events.TypeAnalysis, events.TypeResult}
	if diff := cmp.Diff(want, types); diff != "" {
		t.Errorf("ce_type (-pkg/events +document):\n%s", diff)
	}
}

// viaJSON converts a YAML value into the form that encoding/json decodes to.
func viaJSON(t *testing.T, v any) any {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(strings.NewReader(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return out
}
