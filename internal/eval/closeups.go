package eval

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// closeups are the sides of the frame that is cut around a face, in sides of the face's box.
var closeups = []struct {
	name string
	side float64
}{{"the face fills the frame", 1}, {"the face fills 80 % of the frame", 1.25}}

// Closeups looks for faces in photographs that are cut so closely that the face fills the frame. The photographs are those
// of root/faces/pairs. The pack's own detector says where the face is in the whole photograph, so one that it does not find
// there counts as missed in every frame.
func Closeups(ctx context.Context, o Options) (*Report, error) {
	folder := filepath.Join(o.Data, "faces", "pairs")
	files, err := imagesBelow(folder)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "closeups", What: "faces in photographs that are cut around the face",
		Pack: o.Subject.describe(models.RoleDetector), Data: Data{Folder: folder, Images: len(files)},
	}
	missed := make([][]string, len(files)) // names of closeups
	err = o.forEach(ctx, "photographs", len(files), func(ctx context.Context, i int) error {
		data, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(files[i])))
		if err != nil {
			return dataError(err)
		}
		img, err := o.Subject.engine.Decode(ctx, data)
		if err != nil {
			return dataError(fmt.Errorf("%s: %w", files[i], err))
		}
		whole, err := o.Subject.engine.Analyze(ctx, data, o.everyFace())
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		for _, c := range closeups {
			found := false
			if len(whole.Faces) > 0 {
				if found, err = o.foundIn(ctx, img, whole.Faces[0].Face, c.side); err != nil {
					return fmt.Errorf("%s: %w", files[i], err)
				}
			}
			if !found {
				missed[i] = append(missed[i], c.name)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	all := Rate{Of: len(closeups) * len(files)}
	all.Count = all.Of
	counts := map[string]int{}
	for i, names := range missed {
		for _, name := range names {
			counts[name]++
			all.Count--
			r.fail(files[i], "missed: %s", name)
		}
	}
	r.addRate("found", all)
	for _, c := range closeups {
		r.addRate("found, "+c.name, Rate{len(files) - counts[c.name], len(files)})
	}
	return r, nil
}

// foundIn reports whether the face f of img is found in a frame around the middle of its box, whose sides are those of the
// box times side. The frame ends where img ends.
func (o Options) foundIn(ctx context.Context, img *imaging.Image, f face.Face, side float64) (bool, error) {
	x0, y0, x1, y1 := around(img, f.Box, side)
	if x1 <= x0 || y1 <= y0 {
		return false, nil
	}
	data, err := img.Crop(x0, y0, x1, y1, imaging.Black).Encode(imaging.PNG)
	if err != nil {
		return false, err
	}
	cut, err := o.Subject.engine.Analyze(ctx, data, o.everyFace())
	if err != nil {
		return false, err
	}
	shifted := f
	shifted.Box = schema.BoxF{
		TopLeft:     schema.PointF{X: f.Box.TopLeft.X - float32(x0), Y: f.Box.TopLeft.Y - float32(y0)},
		BottomRight: schema.PointF{X: f.Box.BottomRight.X - float32(x0), Y: f.Box.BottomRight.Y - float32(y0)},
	}
	for _, found := range cut.Faces {
		if found.Overlap(shifted) >= minOverlap {
			return true, nil
		}
	}
	return false, nil
}

// around returns the part of img around the middle of box whose sides are those of box times side, in pixels; x1 and y1 are
// excluded. It ends where img ends.
func around(img *imaging.Image, box schema.BoxF, side float64) (x0, y0, x1, y1 int) {
	x, y := float64(box.TopLeft.X+box.BottomRight.X)/2, float64(box.TopLeft.Y+box.BottomRight.Y)/2
	w, h := side*float64(box.BottomRight.X-box.TopLeft.X), side*float64(box.BottomRight.Y-box.TopLeft.Y)
	clip := func(v float64, most int) int { return int(math.Round(min(max(v, 0), float64(most)))) }
	return clip(x-w/2, img.Width), clip(y-h/2, img.Height), clip(x+w/2, img.Width), clip(y+h/2, img.Height)
}

// everyFace asks for every face at the confidence of the manifest.
func (o Options) everyFace() engine.Params {
	return engine.Params{Strategy: engine.MultipleFaces, MinConfidence: o.Subject.minConfidence()}
}
