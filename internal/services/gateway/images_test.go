package gateway_test

import (
	"bytes"
	"net/http"
	"testing"

	"facestream/internal/gateway/auth"
	"facestream/internal/host"
	"facestream/pkg/schema"
)

// The images of a result are there for whoever may see it, as long as the store has them. Whoever may not name an object does not see it
// through the request of somebody who may.
func TestImages(t *testing.T) {
	_, store, err := host.Clients(system.cfg)
	if err != nil {
		t.Fatal(err)
	}
	bearer := token(t, "validate", "*")
	mayName := token(t, "validate", "*", func(g *auth.Grant) { g.Objects = []string{system.cfg.S3.Bucket + "/private/*"} })
	image := func(bearer string, of *answer, name string) *answer {
		t.Helper()
		id := of.RequestID
		if of.problem.Result != nil {
			id = of.problem.Result.RequestID
		}
		return ask(t, http.MethodGet, system.first+"/v1/requests/"+string(id)+"/images/"+name, nil, "Authorization", "Bearer "+bearer)
	}
	put := func(key string, data []byte) schema.ObjectRef {
		t.Helper()
		ref, err := store.Put(t.Context(), schema.ObjectRef{Bucket: system.cfg.S3.Bucket, Key: key}, data, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		return ref
	}

	sent := post(t, bearer, "validate", nil, [][]byte{red})
	if a := image(bearer, sent, "0"); a.status != 200 || a.header.Get("Content-Type") != "image/png" || !bytes.Equal(a.body, red) {
		t.Errorf("%d %s, %d bytes", a.status, a.header.Get("Content-Type"), len(a.body))
	}
	for _, name := range []string{"1", "15", "portrait", "document", "face-0", "face-999", "barcode-0", "barcode-15"} {
		if a := image(bearer, sent, name); a.status != 404 || a.problem.Reason != "not_found" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, name := range []string{"16", "00", "-1", "x", "face-", "face-00", "face-1000", "portrait2", "barcode-16", "barcode-"} {
		if a := image(bearer, sent, name); a.status != 400 || a.problem.Reason != "invalid_parameter" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := image(token(t, "predict", "*"), sent, "0"); a.status != 404 {
		t.Errorf("to a caller who may not see the result: %d %s", a.status, a.body)
	}
	sent.RequestID = "never"
	if a := image(bearer, sent, "0"); a.status != 404 {
		t.Errorf("of a request that never was: %d %s", a.status, a.body)
	}

	ref := put("private/green.png", green)
	named := postJSON(t, mayName, "validate", `{"images":["s3://`+ref.Bucket+`/private/green.png"]}`)
	if a := image(mayName, named, "0"); a.status != 200 || !bytes.Equal(a.body, green) {
		t.Errorf("to the caller who named it: %d, %d bytes", a.status, len(a.body))
	}
	if a := image(bearer, named, "0"); a.status != 404 {
		t.Errorf("to a caller who may not name it: %d, %d bytes", a.status, len(a.body))
	}
	if err := store.Remove(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if a := image(mayName, named, "0"); a.status != 404 || a.problem.Reason != "not_found" {
		t.Errorf("after its erasure: %d %s", a.status, a.body)
	}

	put("private/page.html", []byte("<html><script>alert(1)</script></html>"))
	page := postJSON(t, mayName, "validate", `{"images":["s3://`+ref.Bucket+`/private/page.html"]}`)
	if a := image(mayName, page, "0"); a.status != 200 || a.header.Get("Content-Type") != "application/octet-stream" {
		t.Errorf("what is no image: %d %s", a.status, a.header.Get("Content-Type"))
	}
	put("private/large.png", make([]byte, system.cfg.Gateway.MaxBody+1))
	large := postJSON(t, mayName, "validate", `{"images":["s3://`+ref.Bucket+`/private/large.png"]}`)
	if a := image(mayName, large, "0"); a.status != 413 || a.problem.Reason != schema.ReasonImageTooLarge {
		t.Errorf("what is too large: %d %s", a.status, a.body)
	}
}
