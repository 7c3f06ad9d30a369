package objects_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"facestream/pkg/schema"
)

// TestCheapInputCheapCost: whatever a request or a notification names, the store client knows at once that it cannot be read.
// A transient error would be tried again for seconds.
func TestCheapInputCheapCost(t *testing.T) {
	s := newStore(t)
	var refs []schema.ObjectRef
	for _, etag := range []string{"a\nb", "a\r\nX-Evil: 1", "a\x00b", "\x7f", `a"b`, "äß", "a\xff", " ", "*", "a, b", strings.Repeat("x", 255)} {
		refs = append(refs, schema.ObjectRef{Bucket: "images", Key: "k", ETag: etag})
	}
	for _, version := range []string{"a\nb", "a\x00b", "../../x", "a&b=c", "\xff", " ", "ä", strings.Repeat("é", 512)} {
		refs = append(refs, schema.ObjectRef{Bucket: "images", Key: "k", Version: version})
	}
	for _, key := range []string{
		"../k", "a/../k", "a/../../k", "../../etc/passwd", "./k", "a/./k", ".", "..", "/", "//", "/k", "a//k", "k/", "a\x00b", "\x00", "a\nb", "a\rb", "a\x01b", "a\x7fb",
		" ", "", "a\xffb", "a\ufffeb", "a\ufffdb", "a?b#c%2f%00&d=e", "%2e%2e/k", "%", "%zz", `a\..\b`, "+ +", ".sgwtmp/x",
		strings.Repeat("x", 1024), strings.Repeat("x", 1025), strings.Repeat("x/", 512), strings.Repeat("é", 512), strings.Repeat("\x01", 1024),
	} {
		refs = append(refs, schema.ObjectRef{Bucket: "images", Key: key})
	}
	for _, bucket := range []string{"a\nb", "../images", "..", "images/..", "a\x00b", "", "a", strings.Repeat("b", 255), "IMAGES", "nobody", "127.0.0.1", "a\xffb", "images?versions"} {
		refs = append(refs, schema.ObjectRef{Bucket: bucket, Key: "k"})
	}
	for _, ref := range refs {
		_, stat := s.Stat(t.Context(), ref)
		_, _, get := s.Get(t.Context(), ref, 10)
		for what, err := range map[string]error{"stat": stat, "get": get} {
			if err == nil && servers == nil {
				continue // another store may take a key of this kind for a name of what it has
			}
			if schema.ClassOf(err) != schema.ClassPermanent {
				t.Errorf("%s of bucket %q, key %.20q, version %.20q, etag %.20q: got %v, want a permanent error", what, ref.Bucket, ref.Key, ref.Version, ref.ETag, err)
			}
		}
		ref.Version, ref.ETag = "", ""
		if _, err := s.Put(t.Context(), ref, []byte("result"), "application/json", nil); err != nil && schema.ClassOf(err) != schema.ClassPermanent {
			t.Errorf("put of bucket %q, key %.20q: got %v, want none or a permanent error", ref.Bucket, ref.Key, err)
		}
	}
}

// TestRefusedObject: an object that the store does not give out is unreadable as long as the store answers about its bucket.
// While it does not, the refusal may be about everything, and is tried again.
func TestRefusedObject(t *testing.T) {
	var away atomic.Bool
	s := recorded(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Has("list-type") && !away.Load() {
			w.Write([]byte(`<ListBucketResult><Name>b</Name></ListBucketResult>`))
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		if r.Method != http.MethodHead {
			xml.NewEncoder(w).Encode(struct { // as AWS S3 answers for an object with SSE-C
				XMLName xml.Name `xml:"Error"`
				Code    string
			}{Code: "InvalidRequest"})
		}
	})
	ref := schema.ObjectRef{Bucket: "bucket", Key: "k"}
	if _, err := s.Stat(t.Context(), ref); schema.ReasonOf(err) != schema.ReasonImageUnreadable || !strings.Contains(err.Error(), "SSE-C") {
		t.Errorf("got %v, want image_unreadable", err)
	}
	away.Store(true)
	if _, err := s.Stat(t.Context(), ref); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("got %v, want a transient error", err)
	}
}
