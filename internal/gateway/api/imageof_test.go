package api

import (
	"testing"

	"facestream/pkg/schema"
)

// TestImageOf names the images that a result has, and none that it lacks.
func TestImageOf(t *testing.T) {
	made := func(key string) *schema.OutputImage { return &schema.OutputImage{Object: schema.ObjectRef{Key: key}} }
	result := &schema.Result{
		Images:   []schema.ObjectRef{{Key: "upload"}},
		ISOImage: &schema.ISOImageResult{Image: made("portrait")},
		Document: schema.DocumentAnswer{Found: &schema.DocumentResult{Cropped: made("document")}},
		Faces:    []schema.FaceResult{{}, {Crop: made("second face")}},
		Barcodes: []schema.BarcodeResult{{Crop: made("code")}, {}},
	}
	for name, want := range map[string]string{
		"0": "upload", "1": "", "portrait": "portrait", "document": "document", "face-0": "", "face-1": "second face", "face-2": "", "barcode-0": "code", "barcode-1": "", "barcode-2": "",
	} {
		ref, ok := imageOf(result, name)
		if got := ref.Key; got != want || ok != (want != "") || !imageNames.MatchString(name) {
			t.Errorf("%s: %q, %v", name, got, ok)
		}
		if ref, ok := imageOf(&schema.Result{}, name); ok {
			t.Errorf("%s of an empty result: %q", name, ref.Key)
		}
	}
}
