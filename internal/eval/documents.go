package eval

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
)

// Documents measures the detection of a face on an identity document (anti_spoofing_detect_document), and how well it is found again. It
// uses photographs of documents, as they are, pasted onto a table, and printed and photographed by simulation, and photographs of people
// without a document.
func Documents(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RoleDocument); err != nil {
		return nil, err
	}
	threshold, err := o.Subject.threshold(face.ThresholdDocument)
	if err != nil {
		return nil, err
	}
	documents, err := readFolder(filepath.Join(o.Data, "documents"))
	if err != nil {
		return nil, err
	}
	_, photographs, err := readImages(o.Data)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "documents", What: "faces on photographed identity documents, faces of people who are present, and documents that are photographed again",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleDocument, models.RoleEmbedding),
		Data: Data{Folder: o.Data, Images: len(documents) + len(photographs)},
	}
	below := func(folder string, files []string) (all []string) {
		for _, file := range files {
			all = append(all, folder+"/"+file)
		}
		return all
	}
	documents, photographs = below("documents", documents), below("faces", photographs)
	read := func(file string) ([]byte, error) { return os.ReadFile(filepath.Join(o.Data, filepath.FromSlash(file))) }
	for _, set := range []struct {
		name  string
		files []string
		read  func(string) ([]byte, error)
		shown bool
	}{
		{"hits, documents as photographed", documents, read, true},
		{"hits, the same at half the width of a table", documents, func(file string) ([]byte, error) {
			return o.onTable(ctx, filepath.Join(o.Data, filepath.FromSlash(file)))
		}, true},
		{"false alarms, people", photographs, read, false},
	} {
		params := engine.Params{Strategy: engine.BestConfidence, MinConfidence: o.Subject.minConfidence(), Documents: true}
		faceless := 0
		found, err := o.firstFaces(ctx, set.name, set.files, set.read, params, func(string, string) { faceless++ })
		if err != nil {
			return nil, err
		}
		rate := Rate{Of: len(set.files) - faceless}
		for i, f := range found {
			if f == nil {
				continue
			}
			if f.Document != nil {
				rate.Count++
			}
			if (f.Document != nil) != set.shown {
				r.fail(set.files[i], "%s: wrong", set.name)
			}
		}
		r.addRateAt(set.name, rate, threshold)
		if set.shown {
			r.addRate(set.name+": no face was found", Rate{faceless, len(set.files)})
		}
	}
	return r, o.pageGallery(ctx, r, documents)
}

// onTable returns the picture in the file path, pasted onto a brown surface twice as wide and high.
func (o Options) onTable(ctx context.Context, path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	img, err := o.Subject.engine.Decode(ctx, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	w, h := img.Width, img.Height
	table := imaging.Window{X: float64(w) / 2, Y: float64(h) / 2, Width: 2 * float64(w), Height: 2 * float64(h)}
	return img.CutOver(table, 2*w, 2*h, imaging.RGB{120, 110, 100}).Encode(imaging.PNG)
}
