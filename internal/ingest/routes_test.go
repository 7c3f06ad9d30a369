package ingest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/schema"
)

func TestRoutesMatch(t *testing.T) {
	routes := Routes{
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
		if diff := cmp.Diff(*c.want, m.Request(ref)); diff != "" {
			t.Errorf("%s/%s: %s", c.bucket, c.key, diff)
		}
	}
}

func TestRouteValidate(t *testing.T) {
	for pattern, ok := range map[string]bool{
		DefaultPattern: true, "in/<file>": true, "<file>": true,
		"": false, "in/": false, "<operation>/<who>/<file>": false, "<file>/in": false, "x<operation>/<file>": false,
	} {
		if err := (Route{Pattern: pattern}).Validate(); (err == nil) != ok {
			t.Errorf("%q: %v", pattern, err)
		}
	}
}

func TestWatchedPrefixes(t *testing.T) {
	routes := Routes{{Bucket: "cards", Pattern: "in/<collection>/<file>"}, {Pattern: DefaultPattern}, {Pattern: "x/<file>"}}
	want := []watchedPrefix{{"cards", "in/"}, {"images", ""}, {"cards", ""}, {"images", "x/"}, {"cards", "x/"}}
	got := routes.watched([]string{"images", "cards"})
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(watchedPrefix{})); diff != "" {
		t.Error(diff)
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
		{"unknown", map[string]string{"facestream-operations": "x"}, schema.Request{}, []string{"x-amz-meta-facestream-operations"}},
		{"no time", map[string]string{"facestream-deadline": "soon"}, schema.Request{}, []string{"x-amz-meta-facestream-deadline"}},
		{"no JSON", map[string]string{"facestream-config": "{"}, schema.Request{}, []string{"x-amz-meta-facestream-config"}},
		{"no boolean", map[string]string{"facestream-result-object": "yes"}, schema.Request{}, []string{"x-amz-meta-facestream-result-object"}},
	} {
		var got schema.Request
		var fields []string
		for _, p := range applyMetadata(&got, c.metadata) {
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
		m, ok := Routes{{Pattern: pattern}}.Match("images", key)
		if ok && m.Request(schema.ObjectRef{Bucket: "images", Key: key, ETag: "e"}).Images[0].Key != key {
			t.Errorf("the request of %q names another object", key)
		}
	})
}
