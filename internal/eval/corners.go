package eval

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/csv"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"facestream/internal/drawn"
	"facestream/pkg/engine"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// publicCorners are the corners of the documents in the public images that docs/evaluation.md names, read off by eye.
//
//go:embed corners.csv
var publicCorners []byte

// outlined is a photograph with the corners of its documents in pixels; the first document is the one with the machine-readable zone.
type outlined struct {
	file      string
	documents [][4]schema.PointF
}

func parseCorners(text []byte) (all []outlined, err error) {
	reader := csv.NewReader(bytes.NewReader(text))
	reader.Comment, reader.FieldsPerRecord = '#', 9
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	for i, row := range rows[min(1, len(rows)):] {
		var corners [4]schema.PointF
		for k := range 8 {
			v, err := strconv.ParseFloat(row[1+k], 32)
			if err != nil {
				return nil, fmt.Errorf("document %d: %w", i+1, err)
			}
			if k%2 == 0 {
				corners[k/2].X = float32(v)
			} else {
				corners[k/2].Y = float32(v)
			}
		}
		if n := len(all); n > 0 && all[n-1].file == row[0] {
			all[n-1].documents = append(all[n-1].documents, corners)
			continue
		}
		all = append(all, outlined{row[0], [][4]schema.PointF{corners}})
	}
	return all, nil
}

// CornerScenes is the usual number of drawn scenes of each kind.
const CornerScenes = 150

const (
	// sceneSeed is that of the first drawn scene. Nobody looked at these scenes while the finder was made.
	sceneSeed    = 70_000_000
	sceneQuality = 90 // of their JPEG files
	// foundWithin is the error up to which a document counts as found.
	foundWithin = 0.1
)

// Corners measures where documents are found: in public photographs with corners that were read off by eye, and in so many drawn scenes of
// each kind. The error of a document is the largest distance of its corners from the truth, in shares of the picture's diagonal.
func Corners(ctx context.Context, o Options, scenes int) (*Report, error) {
	if err := o.Subject.has(models.RoleDocument); err != nil {
		return nil, err
	}
	pages, err := parseCorners(publicCorners)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "corners", What: "corners of documents: the largest distance of one from the truth, in shares of the picture's diagonal",
		Pack: o.Subject.describe(models.RoleDocument),
		Data: Data{Folder: filepath.Join(o.Data, "documents"), Images: len(pages) + 4*scenes},
		Notes: []string{"The corners of the photographs were read off by eye, to a pixel or two, and the rules of the finder were chosen while it was seen to fail on them: their share is no blind test. The scenes are drawn as the evaluation runs; none of them was used while the finder was made. " +
			"A document is found if the error is at most 10 %"},
	}
	if err := o.pageCorners(ctx, r, pages); err != nil {
		return nil, err
	}
	for _, kind := range []struct {
		name   string
		spread drawn.Spread
	}{
		{"scenes of one document", drawn.Spread{Documents: 1}},
		{"scenes of two documents", drawn.Spread{Documents: 2}},
		{"scenes of a document that a hand holds", drawn.Spread{Documents: 1, Fingers: true}},
		{"scenes without a document", drawn.Spread{}},
	} {
		if err := o.sceneCorners(ctx, r, kind.name, kind.spread, scenes); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (o Options) pageCorners(ctx context.Context, r *Report, pages []outlined) error {
	var within, all Rate
	var more int
	for _, p := range pages {
		file, err := os.ReadFile(filepath.Join(o.Data, "documents", p.file))
		if err != nil {
			return dataError(err)
		}
		a, err := o.documents(ctx, file)
		if err != nil {
			return fmt.Errorf("%s: %w", p.file, err)
		}
		errs, extra := cornerErrors(a, p.documents)
		more += extra
		within.Of++
		if errs[0] <= 0.02 {
			within.Count++
		}
		for i, e := range errs {
			all.Of++
			if e <= 0.02 {
				all.Count++
			} else {
				r.fail("documents/"+p.file, "document %d of %d: off by %.1f %%", i+1, len(errs), 100*e)
			}
		}
	}
	r.addRate("photographs: the page within 2 %", within)
	r.addRate("photographs: all documents within 2 %", all)
	r.add(Figure{Name: "photographs: documents that are none", Value: float64(more) / float64(len(pages)), Unit: PerImage, Count: more, Of: len(pages)})
	return nil
}

func (o Options) sceneCorners(ctx context.Context, r *Report, name string, spread drawn.Spread, scenes int) error {
	type outcome struct {
		errs           []float64
		extra, fingers int
		types          int
	}
	all := make([]outcome, scenes)
	err := o.forEach(ctx, name, scenes, func(ctx context.Context, i int) error {
		s := drawn.NewScene(sceneSeed+uint64(i), spread)
		var file bytes.Buffer
		if err := jpeg.Encode(&file, image.Image(s.Picture), &jpeg.Options{Quality: sceneQuality}); err != nil {
			return err
		}
		a, err := o.documents(ctx, file.Bytes())
		if err != nil {
			return err
		}
		var truth [][4]schema.PointF
		for _, d := range s.Documents {
			var corners [4]schema.PointF
			for k, c := range d {
				corners[k] = schema.PointF{X: float32(c[0]), Y: float32(c[1])}
			}
			truth = append(truth, corners)
		}
		all[i].errs, all[i].extra = cornerErrors(a, truth)
		for _, d := range a.Documents {
			if d.Measures != nil && d.Measures.Fingers >= 0.5 {
				all[i].fingers = 1
			}
		}
		if len(truth) == 1 && len(a.Documents) > 0 && (a.Documents[0].Type == document.ID3) == s.Passport[0] && a.Documents[0].Type != document.Unknown {
			all[i].types = 1
		}
		return nil
	})
	if err != nil {
		return err
	}
	var found, one, types, held, alarms Rate
	var errs []float64
	for _, a := range all {
		for _, e := range a.errs {
			found.Of++
			one.Of++
			if e <= foundWithin {
				found.Count++
				errs = append(errs, e)
			}
			if e <= 0.01 {
				one.Count++
			}
		}
		types.Of, held.Of, alarms.Of = types.Of+1, held.Of+1, alarms.Of+1
		types.Count, held.Count = types.Count+a.types, held.Count+a.fingers
		if a.extra > 0 {
			alarms.Count++
		}
	}
	if spread.Documents > 0 {
		r.addRate(name+": found", found)
		r.addRate(name+": within 1 %", one)
		slices.Sort(errs)
		if len(errs) > 0 {
			r.add(Figure{Name: name + ": median error of those found", Value: errs[len(errs)/2], Unit: Share})
		}
	}
	if spread.Documents == 1 {
		r.addRate(name+": card and passport told apart", types)
		r.addRate(name+": fingers seen, at 0.5", held)
	}
	r.addRate(name+": pictures with a document that is none", alarms)
	return nil
}

// documents are what the pack finds in an image file.
func (o Options) documents(ctx context.Context, file []byte) (*engine.Analysis, error) {
	return o.Subject.engine.Analyze(ctx, file, engine.Params{Document: &engine.DocumentParams{}})
}

// cornerErrors are the errors of the documents, each that of the nearest found outline whichever of its corners comes first, and how many
// outlines belong to none. One that was not found has the error 1.
func cornerErrors(a *engine.Analysis, truth [][4]schema.PointF) (errs []float64, extra int) {
	used := make([]bool, len(a.Documents))
	diagonal := math.Hypot(float64(a.Width), float64(a.Height))
	for _, want := range truth {
		best, who := 1.0, -1
		for i, d := range a.Documents {
			for turn := range 4 {
				worst := 0.0
				for k, w := range want {
					g := d.Corners[(k+turn)%4]
					worst = max(worst, math.Hypot(float64(g.X-w.X), float64(g.Y-w.Y))/diagonal)
				}
				if worst < best && !used[i] {
					best, who = worst, i
				}
			}
		}
		if who >= 0 && best <= foundWithin {
			used[who] = true
		}
		errs = append(errs, best)
	}
	for _, u := range used {
		if !u {
			extra++
		}
	}
	return errs, extra
}
