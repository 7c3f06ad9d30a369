package routes

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/schema"
)

func TestRoutesMatch(t *testing.T) {
	routes := Table{
		{Bucket: "cards", Pattern: "in/<collection>/<file>", Fixed: schema.Request{Operation: schema.OpEnroll}},
		{Pattern: DefaultPattern},
	}
	for _, c := range []struct {
		bucket, key string
		want        *schema.Request // nil: no route
	}{
		{"cards", "in/staff/2024/a.jpg", &schema.Request{Operation: "enroll", Collection: "staff"}},
		{"cards", "validate/staff/alice/a.jpg", &schema.Request{Operation: "validate", Collection: "staff", ExternalID: "alice"}},
		{"images", "enroll/staff/alice/a/b.jpg", &schema.Request{Operation: "enroll", Collection: "staff", ExternalID: "alice"}},
		{"images", "enroll/staff/a.jpg", nil},
		{"images", "enroll//alice/a.jpg", nil},
		{"images", "enroll/staff/alice/", nil},
		{"images", "a.jpg", nil},
		{"images", "", nil},
		{"images", "user_delete/staff/alice/a.jpg", &schema.Request{Operation: "upload/user_delete", Collection: "staff", ExternalID: "alice"}},
	} {
		m, ok := routes.Match(c.bucket, c.key)
		if ok != (c.want != nil) {
			t.Errorf("%s/%s: matched %v", c.bucket, c.key, ok)
			continue
		}
		if !ok {
			continue
		}
		ref := schema.ObjectRef{Bucket: c.bucket, Key: c.key, ETag: "e"}
		c.want.ID, c.want.Images = schema.ObjectRequestID(ref), []schema.ObjectRef{ref}
		if got, _ := m.Request(ref); !cmp.Equal(*c.want, got) {
			t.Errorf("%s/%s: %s", c.bucket, c.key, cmp.Diff(*c.want, got))
		}
	}
}

func TestRouteProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		route Route
		want  []string // the fields
	}{
		{"the default", Route{}, nil},
		{"fixed fields", Route{Prefix: "in/", Pattern: "<file>", Fixed: schema.Request{Operation: schema.OpPredict, Collection: "staff", Config: []byte(`{"neighbors":3}`)}}, nil},
		{"a prefix that is no folder", Route{Prefix: "in"}, []string{"prefix"}},
		{"a prefix with a placeholder", Route{Prefix: "<file>/"}, []string{"prefix"}},
		{"no file", Route{Pattern: "<operation>/"}, []string{"pattern"}},
		{"an unknown placeholder", Route{Pattern: "<operation>/<who>/<file>"}, []string{"pattern"}},
		{"a placeholder in a text", Route{Pattern: "x<operation>/<file>", Fixed: schema.Request{Operation: schema.OpPredict}}, []string{"pattern"}},
		{"a placeholder twice", Route{Pattern: "<operation>/<operation>/<file>"}, []string{"pattern"}},
		{"no operation", Route{Pattern: "<collection>/<file>"}, []string{"operation"}},
		{"an unknown operation", Route{Fixed: schema.Request{Operation: "enrol"}}, []string{"operation"}},
		{"an operation on two images", Route{Fixed: schema.Request{Operation: schema.OpCompare}}, []string{"operation"}},
		{"a collection that is none", Route{Fixed: schema.Request{Collection: "a/b"}}, []string{"collection"}},
		{"metadata that is none", Route{Metadata: []string{"tag"}}, []string{"metadata"}},
		{"metadata that the key says", Route{Metadata: []string{metaCollection, metaExternalID}}, []string{"metadata", "metadata"}},
		{"metadata that the route says", Route{Pattern: "<file>", Fixed: schema.Request{Operation: schema.OpPredict, Collection: "staff"}, Metadata: []string{metaCollection, metaExternalID}}, []string{"metadata"}},
		{"metadata that nothing else says", Route{Pattern: "<file>", Fixed: schema.Request{Operation: schema.OpPredict}, Metadata: metadataFields}, nil},
		{"a configuration that is none", Route{Fixed: schema.Request{Operation: schema.OpPredict, Config: []byte(`{"neighbours":3}`)}}, []string{"config"}},
	} {
		var got []string
		for _, p := range c.route.Problems() {
			got = append(got, p.Field)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestPrefixes(t *testing.T) {
	table := Table{{Bucket: "cards", Pattern: "in/<collection>/<file>"}, {}, {Prefix: "x/", Pattern: "<file>"}}
	want := []Prefix{{"cards", "in/"}, {"images", ""}, {"cards", ""}, {"images", "x/"}, {"cards", "x/"}}
	if diff := cmp.Diff(want, table.Prefixes([]string{"images", "cards"})); diff != "" {
		t.Error(diff)
	}
}

// TestAsk: an upload is a request, a request that will be rejected, or nothing that anybody answers.
func TestAsk(t *testing.T) {
	table := Table{{Bucket: "cards", Prefix: "in/", Pattern: "<file>", Fixed: schema.Request{Operation: schema.OpPredict}}, {Bucket: "images"}}
	for _, c := range []struct {
		bucket, key string
		metadata    map[string]string
		problem     string
		none        string
	}{
		{"images", "enroll/staff/alice/a.jpg", nil, "", ""},
		{"images", "enroll/staff/alice/x.portrait.png", nil, "", ""},
		{"images", "enroll/staff/Zoë/a.jpg", nil, "", ""},
		{"cards", "in/2024/a.jpg", nil, "", ""},
		{"images", "enrol/staff/alice/a.jpg", nil, "operation: ", ""},
		{"images", "compare/staff/alice/a.jpg", nil, "images: ", ""},
		{"images", "enroll/staff/alice/../bob/a.jpg", nil, "images[0].key: ", ""},
		{"images", "enroll/staff/alice/./a.jpg", nil, "images[0].key: ", ""},
		{"images", "enroll/staff/Zo\xeb/a.jpg", nil, "images[0].key: is not UTF-8", ""},
		{"images", "enroll/staff/ alice/a.jpg", nil, "external_id: ", ""},
		{"images", "enroll/st aff/alice/a.jpg", nil, "collection: ", ""},
		{"images", "enroll/staff/alice/a.jpg", map[string]string{"facestream-external-id": "Zo\xeb"}, "x-amz-meta-facestream-external-id: is not UTF-8", ""},
		{"images", "enroll/staff/alice/", nil, "", "folder"},
		{"images", "a.jpg", nil, "", "<operation>/<collection>/<external_id>/<file>"},
		{"cards", "a.jpg", nil, "", "in/<file>"},
		{"other", "enroll/staff/alice/a.jpg", nil, "", "served: images, cards, empty"},
		{"empty", "enroll/staff/alice/a.jpg", nil, "", "ingest.routes"},
	} {
		req, problems, err := table.Ask([]string{"images", "cards", "empty"}, c.bucket, c.key, c.metadata)
		if c.none != "" {
			if err == nil || !strings.Contains(err.Error(), c.none) {
				t.Errorf("%s/%s: %v, want %q", c.bucket, c.key, err, c.none)
			}
			continue
		}
		if err != nil || req.Images[0].Key != c.key {
			t.Errorf("%s/%+q: %v", c.bucket, c.key, err)
		}
		if got := problems.Error(); !strings.Contains(got, c.problem) || c.problem == "" && got != "" {
			t.Errorf("%s/%+q: %q, want %q", c.bucket, c.key, got, c.problem)
		}
	}
}

func TestApplyMetadata(t *testing.T) {
	deadline := time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	open := Route{Pattern: "<file>", Fixed: schema.Request{Operation: schema.OpEnroll}, Metadata: metadataFields} // its keys say nothing
	configured := Route{Fixed: schema.Request{Config: []byte(`{"neighbors":2}`), ResultObject: true}, Metadata: []string{metaConfig, metaResultObject}}
	for _, c := range []struct {
		name     string
		route    Route
		metadata map[string]string
		want     schema.Request // what differs from the request without metadata
		problems []string       // parts, one per problem
	}{
		{"somebody else's", Route{}, map[string]string{"owner": "x"}, schema.Request{}, nil},
		{"every field", open, map[string]string{
			"facestream-collection": "staff", "facestream-external-id": "bob", "facestream-operation-tag": "t", "facestream-consent": "form-7",
			"facestream-config": `{"neighbors":2}`, "facestream-deadline": "2030-01-02T03:04:05Z", "facestream-result-object": "true",
		}, schema.Request{Collection: "staff", ExternalID: "bob", Tag: "t", Consent: &schema.Consent{Given: true, Reference: "form-7"},
			Config: []byte(`{"neighbors":2}`), Deadline: &deadline, ResultObject: true}, nil},
		{"what a route takes by default", Route{}, map[string]string{
			"facestream-operation-tag": "t", "facestream-consent": "form-7", "facestream-deadline": "2030-01-02T03:04:05Z", "facestream-result-object": "true",
		}, schema.Request{Tag: "t", Consent: &schema.Consent{Given: true, Reference: "form-7"}, Deadline: &deadline, ResultObject: true}, nil},
		{"consent", Route{}, map[string]string{"facestream-consent": "true"}, schema.Request{Consent: &schema.Consent{Given: true}}, nil},
		{"no consent", Route{}, map[string]string{"facestream-consent": "false"}, schema.Request{Consent: &schema.Consent{}}, nil},
		{"neither", Route{}, map[string]string{"facestream-consent": ""}, schema.Request{}, []string{"x-amz-meta-facestream-consent: is empty"}},
		{"Latin-1", open, map[string]string{"facestream-external-id": "Zo\xeb", "facestream-collection": "\xff"}, schema.Request{},
			[]string{"x-amz-meta-facestream-collection: is not UTF-8", "x-amz-meta-facestream-external-id: is not UTF-8"}},
		{"our own mark", Route{}, map[string]string{OutputMark: "x"}, schema.Request{}, nil},
		{"unknown", Route{}, map[string]string{"facestream-operations": "x"}, schema.Request{}, []string{"x-amz-meta-facestream-operations: is not a field; the route takes operation-tag"}},
		{"no time", Route{}, map[string]string{"facestream-deadline": "soon"}, schema.Request{}, []string{"x-amz-meta-facestream-deadline: is not an RFC 3339 time"}},
		{"no JSON", open, map[string]string{"facestream-config": "{"}, schema.Request{}, []string{"x-amz-meta-facestream-config: is not JSON"}},
		{"no object", open, map[string]string{"facestream-config": "[1]"}, schema.Request{}, []string{"x-amz-meta-facestream-config: is not a JSON object"}},
		{"no boolean", Route{}, map[string]string{"facestream-result-object": "yes"}, schema.Request{}, []string{"x-amz-meta-facestream-result-object: must be"}},

		{"another person than the key's", Route{}, map[string]string{"facestream-external-id": "bob"}, schema.Request{}, []string{"external-id: contradicts the key"}},
		{"another collection than the key's", Route{}, map[string]string{"facestream-collection": "bank"}, schema.Request{}, []string{"collection: contradicts the key"}},
		{"another collection than the route's", Route{Pattern: "<operation>/staff/<external_id>/<file>", Fixed: schema.Request{Collection: "staff"}},
			map[string]string{"facestream-collection": "bank"}, schema.Request{}, []string{"collection: contradicts the key or its route"}},
		{"what the key says, in another spelling", Route{}, map[string]string{"facestream-collection": "staff", "facestream-external-id": "Zoe\u0308"}, schema.Request{}, nil},
		{"a field that the route does not take", Route{}, map[string]string{"facestream-config": "{}"}, schema.Request{}, []string{"config: is not taken by the route of this key, which takes operation-tag"}},
		{"a person that no key names", Route{Pattern: "<operation>/<collection>/<file>"}, map[string]string{"facestream-external-id": "bob"}, schema.Request{}, []string{"external-id: is not taken"}},
		{"a route that takes nothing", Route{Metadata: []string{}}, map[string]string{"facestream-operation-tag": "t"}, schema.Request{}, []string{"which takes none"}},
		{"keys beside the route's", configured, map[string]string{"facestream-config": ` {"fudge_factor":2} `}, schema.Request{Config: []byte(`{"neighbors":2,"fudge_factor":2}`)}, nil},
		{"no keys beside the route's", configured, map[string]string{"facestream-config": `{}`}, schema.Request{}, nil},
		{"a key that the route sets", configured, map[string]string{"facestream-config": `{"neighbors":3}`}, schema.Request{}, []string{"config: sets neighbors, which the route of this key sets"}},
		{"without the result object of the route", configured, map[string]string{"facestream-result-object": "false"}, schema.Request{}, []string{"result-object: contradicts the route"}},
		{"a collection by the back door", Route{Pattern: "<operation>/<file>", Metadata: []string{metaConfig}}, map[string]string{"facestream-config": `{"collection_name":"bank"}`}, schema.Request{},
			[]string{"config: sets collection_name"}},
	} {
		m, ok := Table{c.route}.Match("images", "enroll/staff/Zo\u00eb/a.jpg")
		if !ok {
			t.Fatalf("%s: no route", c.name)
		}
		want, _ := m.Request(schema.ObjectRef{})
		got := want
		var problems []string
		for _, p := range m.Apply(&got, c.metadata) {
			problems = append(problems, p.Field+": "+p.Message)
		}
		if len(problems) != len(c.problems) {
			t.Errorf("%s: %q, want %q", c.name, problems, c.problems)
			continue
		}
		for i, part := range c.problems {
			if !strings.Contains(problems[i], part) {
				t.Errorf("%s: %q, want %q", c.name, problems[i], part)
			}
		}
		if c.want.Collection != "" {
			want.Collection = c.want.Collection
		}
		if c.want.ExternalID != "" {
			want.ExternalID = c.want.ExternalID
		}
		if c.want.Config != nil {
			want.Config = c.want.Config
		}
		want.Tag, want.Consent, want.Deadline = c.want.Tag, c.want.Consent, c.want.Deadline
		want.ResultObject = want.ResultObject || c.want.ResultObject
		if got.ExternalID = got.ExternalID.Normal(); !cmp.Equal(want, got) {
			t.Errorf("%s: %s", c.name, cmp.Diff(want, got))
		}
	}
}

// FuzzRoutes holds that a match never panics and that its request names the object.
func FuzzRoutes(f *testing.F) {
	f.Add(DefaultPattern, "enroll/staff/alice/a.jpg")
	f.Add("in/<file>", "in//")
	f.Fuzz(func(t *testing.T, pattern, key string) {
		m, ok := Table{{Pattern: pattern}}.Match("images", key)
		if !ok {
			return
		}
		if req, _ := m.Request(schema.ObjectRef{Bucket: "images", Key: key, ETag: "e"}); req.Images[0].Key != key {
			t.Errorf("the request of %q names another object", key)
		}
	})
}

// FuzzMetadata: a header sets no field that the route does not take, and never who is meant.
func FuzzMetadata(f *testing.F) {
	f.Add("facestream-consent", `{"given":true}`)
	f.Add("facestream-external-id", "mallory")
	f.Add("facestream-config", `{"neighbors":1}`)
	f.Fuzz(func(t *testing.T, name, value string) {
		m, _ := Table{{}}.Match("images", "enroll/staff/alice/a.jpg")
		want, problems := m.Request(schema.ObjectRef{Bucket: "images", Key: "enroll/staff/alice/a.jpg", ETag: "e"})
		got := want
		problems = append(problems, m.Apply(&got, map[string]string{name: value})...)
		if got.ID != want.ID || got.Operation != want.Operation || got.Collection != want.Collection || got.ExternalID.Normal() != want.ExternalID.Normal() || got.PUID != "" || len(got.Config) > 0 {
			t.Errorf("%q: %q changed the request to %+v, %v", name, value, got, problems)
		}
	})
}
