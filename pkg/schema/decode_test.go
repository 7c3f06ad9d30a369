package schema

import (
	"strings"
	"testing"
)

func TestDecodeRequestProblems(t *testing.T) {
	for _, tt := range []struct {
		name, data, want string
		reason           Reason
	}{
		{"empty", ``, "request: is empty; it must be an object", ReasonUnparsable},
		{"no JSON", `hello`, "request: is not JSON; it must be an object", ReasonUnparsable},
		{"array", `[{"id":"r"}]`, "request: is an array; it must be an object", ReasonUnparsable},
		{"cut", `{"id":"r","oper`, "request: is not JSON (near byte 10)", ReasonUnparsable},
		{"garbage after", `{"id":"r"} x`, "request: has data after its end (byte 11)", ReasonUnparsable},
		{"second value", `{"id":"r"}{"id":"s"}`, "request: has data after its end (byte 11)", ReasonUnparsable},
		{"not UTF-8", "{\"id\":\"\xff\"}", "request: is not UTF-8", ReasonUnparsable},
		{"too deep", strings.Repeat(`{"config":`, 17) + "1" + strings.Repeat("}", 17), "request: is nested too deeply; at most 16 levels are allowed", ReasonInvalidRequest},
		{"too large", `{"id":"` + strings.Repeat("x", MaxRequestBytes) + `"}`, "request: has 1048585 bytes; at most 1048576 are allowed", ReasonInvalidRequest},
		{"unknown field", `{"id":"r","colection":"c"}`, "colection: is not a field of the request (did you mean collection?)", ReasonInvalidRequest},
		{"case matters", `{"ID":"r"}`, "ID: is not a field of the request (did you mean id?)", ReasonInvalidRequest},
		{"repeated", `{"id":"r","id":"s"}`, "id: is given more than once", ReasonInvalidRequest},
		{"null", `{"puid":null}`, "puid: is null; leave the field out instead", ReasonInvalidRequest},
		{"types", `{"id":1,"images":{},"result_object":"yes","consent":[],"deadline":5}`, "id: is a number; it must be a string; " +
			"images: is an object; it must be an array; result_object: is a string; it must be a boolean; " +
			"consent: is an array; it must be an object; deadline: is a number; it must be a string", ReasonInvalidRequest},
		{"nested", `{"images":[{"bucket":"b","key":"k"},{"bucket":2,"path":"p"},"k"],"consent":{"given":true,"at":"now"}}`,
			"images[1].bucket: is a number; it must be a string; images[1].path: is not a field of the request; " +
				"images[2]: is a string; it must be an object; consent.at: is not a time in RFC 3339, such as 2026-01-31T12:00:00Z", ReasonInvalidRequest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, problems := DecodeRequest([]byte(tt.data))
			if got := problems.Error(); got != tt.want {
				t.Errorf("problems\n got %s\nwant %s", got, tt.want)
			}
			if got := problems.Reason(); got != tt.reason {
				t.Errorf("reason %q, want %q", got, tt.reason)
			}
		})
	}
}

// TestDecodeRequestKeepsTheRest: a request with a problem still has its id, so that it can be answered.
func TestDecodeRequestKeepsTheRest(t *testing.T) {
	r, problems := DecodeRequest([]byte(`{"colour":"red","id":"r-1","operation":"enroll","images":7,"operation_tag":"t","config":{"x":1}}`))
	if len(problems) != 2 || r.ID != "r-1" || r.Operation != OpEnroll || r.Tag != "t" || string(r.Config) != `{"x":1}` {
		t.Errorf("%v: id %q, operation %q, tag %q, config %s", problems, r.ID, r.Operation, r.Tag, r.Config)
	}
}

func TestNormalize(t *testing.T) {
	image := []ObjectRef{{Bucket: "b", Key: "k"}}
	long := strings.Repeat("x", 2000)
	for _, tt := range []struct {
		name string
		r    Request
		want string
	}{
		{"good", Request{ID: "r", Operation: OpValidate, Images: image}, ""},
		{"no id", Request{Operation: OpValidate, Images: image}, "id: is missing; choose one that is unique per request"},
		{"not performed", Request{ID: "r", Operation: OpDocScanFace}, `operation: "doc_scan_face" is not performed by this version`},
		{"no image", Request{ID: "r", Operation: OpEnroll}, "images: enroll takes 1, the request names 0"},
		{"two collections", Request{ID: "r", Operation: OpPredict, Collection: "a", Images: image, Config: []byte(`{"collection_name":"b"}`)},
			`collection: is "a", but config.collection_name is "b"`},
		{"collection", Request{ID: "r", Operation: OpPredict, Collection: "a/b", Images: image},
			"collection: must be 1-64 letters, digits, '_', '.' or '-', and begin with a letter or digit"},
		{"nobody to delete", Request{ID: "r", Operation: OpUserDelete}, "puid: is missing; user_delete needs puid or external_id"},
		{"lengths", Request{ID: RequestID(long), Operation: OpValidate, Images: []ObjectRef{{Bucket: long, Key: long, Version: long, ETag: long}},
			ExternalID: ExternalID(long), PUID: PUID(long), Tag: long, Consent: &Consent{Reference: long}},
			"id: has 2000 bytes; at most 128 are allowed; images[0].bucket: has 2000 bytes; at most 255 are allowed; " +
				"images[0].key: has 2000 bytes; at most 1024 are allowed; images[0].version: has 2000 bytes; at most 1024 are allowed; " +
				"images[0].etag: has 2000 bytes; at most 255 are allowed; external_id: has 2000 bytes; at most 256 are allowed; " +
				"puid: has 2000 bytes; at most 64 are allowed; operation_tag: has 2000 bytes; at most 256 are allowed; " +
				"consent.reference: has 2000 bytes; at most 256 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.r.Normalize().Error(); got != tt.want {
				t.Errorf("problems\n got %s\nwant %s", got, tt.want)
			}
		})
	}
}

func TestNormalizeFillsTheCollection(t *testing.T) {
	for _, tt := range []struct {
		collection Collection
		config     string
		want       Collection
	}{
		{"", ``, DefaultCollection},
		{"", `{"collection_name":"c"}`, "c"},
		{"c", `{"collection_name":"c"}`, "c"},
		{"c", ``, "c"},
	} {
		r := Request{ID: "r", Operation: OpPredict, Collection: tt.collection, Images: []ObjectRef{{Bucket: "b", Key: "k"}}, Config: []byte(tt.config)}
		if problems := r.Normalize(); problems != nil || r.Collection != tt.want {
			t.Errorf("%q with config %s: %q, want %q (%v)", tt.collection, tt.config, r.Collection, tt.want, problems)
		}
	}
}
