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
	pages, err := parseCorners(publicCorners)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "corners", What: "corners of documents: the largest distance of one from the truth, in shares of the picture's diagonal",
		Pack: o.Subject.describe(models.RoleDocument),
		Data: Data{Folder: filepath.Join(o.Data, "documents"), Images: len(pages) + 5*scenes},
		Notes: []string{"The corners of the photographs were read off by eye, to a pixel or two, and the rules of the finder were chosen while it was seen to fail on them: their share is no blind test. The scenes are drawn as the evaluation runs; none of them was used while the finder was made. " +
			"A document is found if the error is at most 10 %"},
	}
	for _, w := range o.finders() {
		if err := o.pageCorners(ctx, r, pages, w); err != nil {
			return nil, err
		}
	}
	for _, kind := range []struct {
		name   string
		spread drawn.Spread
	}{
		{"scenes of one document", drawn.Spread{Documents: 1}},
		{"scenes of two documents", drawn.Spread{Documents: 2}},
		{"scenes of a document that a hand holds", drawn.Spread{Documents: 1, Fingers: true}},
		{"scenes of a document that the picture cuts off", drawn.Spread{Documents: 1, Cut: true}},
		{"scenes without a document", drawn.Spread{}},
	} {
		if err := o.sceneCorners(ctx, r, kind.name, kind.spread, scenes); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// finder is a way to find documents.
type finder struct {
	suffix string // of its figures
	find   func(ctx context.Context, file []byte) (*engine.Analysis, error)
}

// finders are the pack's way, and that without its network if it has one.
func (o Options) finders() []finder {
	all := []finder{{"", o.documents}}
	if o.Subject.has(models.RoleDocument) == nil {
		contours := document.NewContourFinder()
		all = append(all, finder{", by contours alone", func(ctx context.Context, file []byte) (*engine.Analysis, error) {
			m, err := o.Subject.engine.Decode(ctx, file)
			if err != nil {
				return nil, err
			}
			defer m.Release()
			outlines, err := contours.Find(ctx, m)
			a := &engine.Analysis{Width: m.Width, Height: m.Height}
			for _, l := range outlines {
				d := document.Observation{Outline: l}
				d.Type, _ = document.TypeOf(l.Corners, m.Width, m.Height)
				a.Documents = append(a.Documents, d)
			}
			return a, err
		}})
	}
	return all
}

func (o Options) pageCorners(ctx context.Context, r *Report, pages []outlined, w finder) error {
	var within, all Rate
	var more int
	for _, p := range pages {
		file, err := os.ReadFile(filepath.Join(o.Data, "documents", p.file))
		if err != nil {
			return dataError(err)
		}
		a, err := w.find(ctx, file)
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
			} else if w.suffix == "" {
				r.fail("documents/"+p.file, "document %d of %d: off by %.1f %%", i+1, len(errs), 100*e)
			}
		}
	}
	r.addRate("photographs: the page within 2 %"+w.suffix, within)
	r.addRate("photographs: all documents within 2 %"+w.suffix, all)
	r.add(Figure{Name: "photographs: documents that are none" + w.suffix, Value: float64(more) / float64(len(pages)), Unit: PerImage, Count: more, Of: len(pages)})
	return nil
}

// seenIn is what was found in a scene.
type seenIn struct {
	errs                       []float64
	extra, fingers, types, cut int
}

func (o Options) sceneCorners(ctx context.Context, r *Report, name string, spread drawn.Spread, scenes int) error {
	ways := o.finders()
	all := make([][]seenIn, len(ways))
	for i := range all {
		all[i] = make([]seenIn, scenes)
	}
	err := o.forEach(ctx, name, scenes, func(ctx context.Context, i int) error {
		s := drawn.NewScene(sceneSeed+uint64(i), spread)
		var file bytes.Buffer
		if err := jpeg.Encode(&file, image.Image(s.Picture), &jpeg.Options{Quality: sceneQuality}); err != nil {
			return err
		}
		var truth [][4]schema.PointF
		for _, d := range s.Documents {
			truth = append(truth, visible(d, s.Picture.Rect.Dx(), s.Picture.Rect.Dy()))
		}
		for k, w := range ways {
			a, err := w.find(ctx, file.Bytes())
			if err != nil {
				return err
			}
			seen := &all[k][i]
			seen.errs, seen.extra = cornerErrors(a, truth)
			for _, d := range a.Documents {
				if d.Measures != nil && d.Measures.Fingers >= 0.5 {
					seen.fingers = 1
				}
				if d.Measures != nil && d.Measures.Cut > 0 {
					seen.cut = 1
				}
			}
			if len(truth) == 1 && len(a.Documents) > 0 && (a.Documents[0].Type == document.ID3) == s.Passport[0] && a.Documents[0].Type != document.Unknown {
				seen.types = 1
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for k, w := range ways {
		r.addScenes(name, w.suffix, spread, all[k])
	}
	return nil
}

// addScenes adds the figures of scenes of a kind.
func (r *Report) addScenes(name, suffix string, spread drawn.Spread, all []seenIn) {
	var found, one, types, held, cut, alarms Rate
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
		types.Of, held.Of, cut.Of, alarms.Of = types.Of+1, held.Of+1, cut.Of+1, alarms.Of+1
		types.Count, held.Count, cut.Count = types.Count+a.types, held.Count+a.fingers, cut.Count+a.cut
		if a.extra > 0 {
			alarms.Count++
		}
	}
	if spread.Documents > 0 {
		r.addRate(name+": found"+suffix, found)
		r.addRate(name+": within 1 %"+suffix, one)
		slices.Sort(errs)
		if len(errs) > 0 {
			r.add(Figure{Name: name + ": median error of those found" + suffix, Value: errs[len(errs)/2], Unit: Share})
		}
	}
	if spread.Documents == 1 && !spread.Cut {
		r.addRate(name+": card and passport told apart"+suffix, types)
	}
	if spread.Documents == 1 && suffix == "" {
		r.addRate(name+": fingers seen, at 0.5", held)
		r.addRate(name+": said to be cut off", cut)
	}
	r.addRate(name+": pictures with a document that is none"+suffix, alarms)
}

// visible are the corners of the part of a document that a picture of that size shows: one that lies beyond the picture is moved along the
// document's side to the picture's border.
func visible(corners [4][2]float64, width, height int) (part [4]schema.PointF) {
	w, h := float64(width), float64(height)
	inside := func(p [2]float64) bool { return p[0] >= 0 && p[1] >= 0 && p[0] <= w && p[1] <= h }
	for i, p := range corners {
		for _, k := range []int{i + 1, i + 3} {
			q := corners[k%4]
			if inside(p) || !inside(q) {
				continue
			}
			// From q, which can be seen, as far towards p as the picture reaches.
			far := 1.
			for axis, size := range [2]float64{w, h} {
				switch d := p[axis] - q[axis]; {
				case p[axis] < 0:
					far = min(far, -q[axis]/d)
				case p[axis] > size:
					far = min(far, (size-q[axis])/d)
				}
			}
			p = [2]float64{q[0] + far*(p[0]-q[0]), q[1] + far*(p[1]-q[1])}
		}
		part[i] = schema.PointF{X: float32(p[0]), Y: float32(p[1])}
	}
	return part
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
