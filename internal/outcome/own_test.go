package outcome

import (
	"testing"

	"facestream/pkg/schema"
)

// TestOwnOutputs: what facestream writes is known by its mark, whatever others call their objects.
func TestOwnOutputs(t *testing.T) {
	job := &schema.Job{Request: schema.Request{ID: "r", Images: []schema.ObjectRef{{Bucket: "b", Key: "enroll/c/alice/a.jpg"}}}}
	const image = "enroll/c/alice/a.jpg"
	for _, key := range []string{PortraitKey(job, "png"), CropKey(job, 0, 3, "", "jpeg"), DocumentKey(job, 0, "", "png"), image + Suffix} {
		if got, ok := ImageOf(key); !ok || got != image {
			t.Errorf("%s lies beside %q", key, got)
		}
		if !Marked(key, Mark(key)) {
			t.Errorf("%s is not known by its mark", key)
		}
		if copied := "validate/c/bob/" + key; Marked(copied, Mark(key)) || Marked(key, nil) || Marked(key, map[string]string{"facestream-output": ""}) {
			t.Errorf("a copy of %s, or an upload in its place, is taken for an output", key)
		}
	}
	for _, key := range []string{
		"x.portrait.png", ".portrait.png", "a.jpg.portrait.jpeg", "a.5d41402abc4b2a76b9719d911017c592.portrait.png",
		"a.7b9f5b3e-8c52-4a53-9d1c-1f0a6a1c2b3d.portrait.png", // of version 4
		"a.jpg", ".result.json", "a.result.json.jpg",
	} {
		if image, ok := ImageOf(key); ok {
			t.Errorf("%s is taken for an output of %s", key, image)
		}
	}
}
