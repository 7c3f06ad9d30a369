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
	for _, c := range []struct {
		name     string
		metadata map[string]string
		want     schema.Request
		problems []string
	}{
		{"somebody else's", map[string]string{"owner": "x"}, schema.Request{}, nil},
		{"every field", map[string]string{
			"facestream-collection": "staff", "facestream-external-id": "bob", "facestream-operation-tag": "t", "facestream-consent": "form-7",
			"facestream-config": `{"neighbors":2}`, "facestream-deadline": "2030-01-02T03:04:05Z", "facestream-result-object": "true",
		}, schema.Request{Collection: "staff", ExternalID: "bob", Tag: "t", Consent: &schema.Consent{Given: true, Reference: "form-7"},
			Config: []byte(`{"neighbors":2}`), Deadline: &deadline, ResultObject: true}, nil},
		{"consent", map[string]string{"facestream-consent": "true"}, schema.Request{Consent: &schema.Consent{Given: true}}, nil},
		{"no consent", map[string]string{"facestream-consent": "false"}, schema.Request{Consent: &schema.Consent{}}, nil},
		{"neither", map[string]string{"facestream-consent": ""}, schema.Request{}, []string{"x-amz-meta-facestream-consent"}},
		{"Latin-1", map[string]string{"facestream-external-id": "Zo\xeb", "facestream-collection": "\xff"}, schema.Request{},
			[]string{"x-amz-meta-facestream-collection", "x-amz-meta-facestream-external-id"}},
		{"our own mark", map[string]string{OutputMark: "x"}, schema.Request{}, nil},
		{"unknown", map[string]string{"facestream-operations": "x"}, schema.Request{}, []string{"x-amz-meta-facestream-operations"}},
		{"no time", map[string]string{"facestream-deadline": "soon"}, schema.Request{}, []string{"x-amz-meta-facestream-deadline"}},
		{"no JSON", map[string]string{"facestream-config": "{"}, schema.Request{}, []string{"x-amz-meta-facestream-config"}},
		{"no boolean", map[string]string{"facestream-result-object": "yes"}, schema.Request{}, []string{"x-amz-meta-facestream-result-object"}},
	} {
		var got schema.Request
		var fields []string
		for _, p := range ApplyMetadata(&got, c.metadata) {
			fields = append(fields, p.Field)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if diff := cmp.Diff(c.problems, fields); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
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
