package schema

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
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
		{"no image", Request{ID: "r", Operation: OpEnroll}, "images: enroll takes 1, the request names 0"},
		{"two collections", Request{ID: "r", Operation: OpPredict, Collection: "a", Images: image, Config: []byte(`{"collection_name":"b"}`)},
			`collection: is "a", but config.collection_name is "b"`},
		{"collection of an operation without any", Request{ID: "r", Operation: OpFaceISO, Collection: "0*", Images: image},
			"collection: must be 1-64 letters, digits, '_', '.' or '-', and begin with a letter or digit"},
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

// TestHostileRequestsAreCheap: the largest requests with the most problems are checked in bounded time, and their rejections are
// small, whatever they repeat.
func TestHostileRequestsAreCheap(t *testing.T) {
	upTo := func(most int, format string) string { // with numbers for #, comma-separated
		var b strings.Builder
		for i := 0; b.Len() < most; i++ {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(strings.ReplaceAll(format, "#", strconv.Itoa(i)))
		}
		return b.String()
	}
	many := func(format string) string { return upTo(MaxRequestBytes-1000, format) }
	const head = `{"id":"r","operation":"validate",`
	long := strings.Repeat("<", MaxRequestBytes-1000)
	for name, c := range map[string]struct {
		body  string
		named int // the problems that the message names at least
	}{
		"unknown keys":             {head + `"images":[{"bucket":"b","key":"k"}],"config":{` + many(`"k#":1`) + `}}`, 1},
		"unknown keys that fit":    {head + `"images":[{"bucket":"b","key":"k"}],"config":{` + upTo(MaxConfigBytes-100, `"k#":1`) + `}}`, MaxProblems},
		"repeated keys":            {head + `"images":[{"bucket":"b","key":"k"}],"config":{` + upTo(MaxConfigBytes-100, `"neighbors":#`) + `}}`, MaxProblems},
		"unknown fields":           {head + many(`"k#":1`) + `}`, MaxProblems},
		"repeated fields":          {head + many(`"puid":"#"`) + `}`, MaxProblems},
		"images":                   {head + `"images":[` + many(`{"bucket":"b","key":"k#","etag":"\"e\""}`) + `]}`, 1},
		"unknown fields of images": {head + `"images":[` + many(`{"x":"#"}`) + `]}`, MaxProblems},
		"images of null":           {head + `"images":[` + many(`null`) + `]}`, MaxProblems},
		"a long tag":               {head + `"images":[],"operation_tag":"` + long + `"}`, 1},
		"a long operation":         {`{"id":"r","operation":"` + long + `"}`, 1},
		"a long collection":        {`{"id":"r","operation":"enroll","images":[{"bucket":"b","key":"k"}],"collection":"` + long + `"}`, 1},
		"a long person":            {`{"id":"r","operation":"enroll","images":[{"bucket":"b","key":"k"}],"external_id":"` + long + `"}`, 1},
		"a long key":               {head + `"images":[{"bucket":"b","key":"` + long + `"}]}`, 1},
	} {
		start := time.Now()
		r, problems := DecodeRequest([]byte(c.body))
		job := Job{Request: r}
		problems = append(problems, job.Resolve()...)
		took := time.Since(start)
		if len(problems) == 0 {
			t.Errorf("%s: no problem", name)
			continue
		}
		result, err := json.Marshal(NewResult(&job, problems.Reason(), problems.Error()))
		if err != nil {
			t.Fatal(err)
		}
		named := strings.Count(problems.Error(), "; ") + 1
		t.Logf("%-25s %d bytes: %d problems, a result of %d bytes, in %v", name, len(c.body), len(problems), len(result), took)
		if len(c.body) > MaxRequestBytes || len(result) > 16<<10 || named < c.named || len(problems) > 3*MaxProblems {
			t.Errorf("%s: a request of %d bytes has %d problems, of which %d are named, and a result of %d bytes", name, len(c.body), len(problems), named, len(result))
		}
		if took > 10*time.Second { // a hundredth of it where nothing else runs
			t.Errorf("%s: checked in %v", name, took)
		}
	}
}
