package cli

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"facestream/internal/gallery"
	"facestream/internal/gallery/gallerytest"
	"facestream/internal/gallery/local"
	"facestream/pkg/schema"
)

// TestGalleryPerson reads back what an enrolment left, beside the indexer that has the gallery open.
func TestGalleryPerson(t *testing.T) {
	dir := t.TempDir()
	g, err := local.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	const model = schema.ModelID("net@12345678")
	row := func(id string, name schema.ExternalID, consent *schema.Consent) gallery.Row {
		r := gallerytest.Random(model, id, schema.DerivePUID("staff", name, ""), 1)
		r.ExternalID, r.Consent = name, consent
		r.Source = &gallery.Source{Image: schema.ObjectRef{Bucket: "images", Key: "enroll/" + id + ".jpg", Version: "v1"}}
		return r
	}
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	rows := []gallery.Row{
		row("1", "alice", &schema.Consent{Given: true, Reference: "form 12", At: &when}), row("2", "alice", nil),
		row("3", "bob", &schema.Consent{Reference: "form 13"}),
		gallerytest.Random(model, "4", "former-person", 2), // without name, consent and source
	}
	if err := errors.Join(g.Upsert(t.Context(), "staff", rows)...); err != nil {
		t.Fatal(err)
	}
	person := func(code int, args ...string) (stdout, said string) {
		t.Helper()
		stdout, said, got := facestream(t, append([]string{"gallery", "person", "--indexer-gallery-dir", dir}, args...)...)
		if got != code {
			t.Fatalf("%v: exit %d, want %d: %s", args, got, code, said)
		}
		return stdout, said
	}
	contains := func(text string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("%q is missing in:\n%s", p, text)
			}
		}
	}

	out, _ := person(0, "-c", "staff", "--external-id", "alice")
	contains(out, "2 images in collection staff, embedded by net@12345678", "given "+when.Local().Format(time.DateTime)+" (form 12)", "none declared", "s3://images/enroll/1.jpg version v1")
	if strings.Contains(out, "enroll/3.jpg") {
		t.Errorf("the rows of somebody else are among them:\n%s", out)
	}
	out, _ = person(0, "-c", "staff", "--puid", string(schema.DerivePUID("staff", "bob", "")))
	contains(out, "refused (form 13)", "bob")
	out, _ = person(0, "-c", "staff", "--puid", "former-person")
	contains(out, "none declared", "unknown")

	out, _ = person(0, "-c", "staff", "--external-id", "alice", "--json")
	var read personEntry
	if err := json.Unmarshal([]byte(out), &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Images) != 2 || read.Model != model || read.Images[0].Consent == nil || !read.Images[0].Consent.At.Equal(when) || read.Images[1].Consent != nil || read.Images[0].Source == nil {
		t.Errorf("read %+v", read)
	}
	if strings.Contains(strings.ToLower(out), "vector") {
		t.Errorf("the embeddings are printed:\n%s", out)
	}

	_, said := person(exitNo, "-c", "staff", "--external-id", "dora")
	contains(said, `nobody in collection "staff" has this name`)
	_, said = person(1, "-c", "guests", "--external-id", "alice")
	contains(said, "nobody was ever enrolled")
	_, said = person(exitUsage, "-c", "staff")
	contains(said, "puid", "external-id")
}

// TestGalleryCopy takes a local gallery to Milvus and reads it there.
func TestGalleryCopy(t *testing.T) {
	if os.Getenv("FACESTREAM_MILVUS") == "" {
		t.Skip("SKIPPED, nothing was copied: set FACESTREAM_MILVUS=host:port; `make test-milvus` does")
	}
	dir := t.TempDir()
	g, err := local.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	alice := gallerytest.Random("net@12345678", "1", schema.DerivePUID("staff", "alice", ""), 1)
	alice.ExternalID, alice.Consent = "alice", &schema.Consent{Given: true, Reference: "form 12"}
	if err := g.Upsert(t.Context(), "staff", []gallery.Row{alice})[0]; err != nil {
		t.Fatal(err)
	}
	prefix := "test" + strings.ReplaceAll(uuid.NewString()[:13], "-", "")
	run := func(driver string, code int, text string, args ...string) {
		t.Helper()
		out, said, got := facestream(t, append(args, "--indexer-gallery-dir", dir, "--indexer-gallery-driver", driver, "--indexer-gallery-milvus-prefix", prefix)...)
		if got != code || !strings.Contains(out+said, text) {
			t.Fatalf("%v with %s: exit %d, %s%s; want %d and %q", args, driver, got, out, said, code, text)
		}
	}
	copied := []string{"gallery", "copy"}
	person := []string{"gallery", "person", "-c", "staff", "--external-id", "alice"}
	run("milvus", 1, "in use by process", copied...)
	if err := g.Close(); err != nil {
		t.Fatal(err)
	}
	run("milvus", 0, "Milvus has the whole gallery", copied...)
	run("milvus", 0, "given (form 12)", person...)
	run("milvus", 1, "holds no local gallery", copied...)
	run("local", 1, "was copied to Milvus", person...)
}

// TestGalleryCopyUsage: the command says what it needs before it does anything. TestCopiedFromLocal shows the copy.
func TestGalleryCopyUsage(t *testing.T) {
	dir := t.TempDir()
	for _, tt := range []struct {
		driver, said string
	}{{"local", "indexer.gallery.driver is local; set it to milvus"}, {"milvus", "holds no local gallery with enrolled people"}} {
		_, said, code := facestream(t, "gallery", "copy", "--indexer-gallery-dir", dir, "--indexer-gallery-driver", tt.driver)
		if code != 1 || !strings.Contains(said, tt.said) {
			t.Errorf("driver %s: exit %d, %s", tt.driver, code, said)
		}
	}
}
