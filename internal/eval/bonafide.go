package eval

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// mostAligned is how many of LFW's aligned faces BonaFide takes, evenly spread over the people.
const mostAligned = 40

// shown are the forms in which BonaFide shows a photograph of a living person. frame is the side of a cut around the face, in
// sides of its box; 0 leaves the photograph whole.
var shown = []struct {
	name  string
	frame float64
	grey  bool
}{{"as photographed", 0, false}, {"greyscale", 0, true}, {"cut to the face", 1, false}, {"cut to 1.25 times the face", 1.25, false}}

// BonaFide shows living people in forms that say little about liveness: greyscale, and cut so closely that the surroundings
// are missing. Such a face may be not assessable; called a spoof, it is an invented certainty. The photographs are those of
// root/faces/pairs, in each form, and aligned faces of root/lfw/data, which are cut already.
func BonaFide(ctx context.Context, o Options) (*Report, error) {
	if err := o.Subject.has(models.RoleLiveness); err != nil {
		return nil, err
	}
	folder := filepath.Join(o.Data, "faces", "pairs")
	files, err := imagesBelow(folder)
	if err != nil {
		return nil, err
	}
	aligned, err := spread(o.Data)
	if err != nil {
		return nil, err
	}
	j, err := o.judge(nil)
	if err != nil {
		return nil, err
	}
	r := &Report{
		Evaluation: "bonafide", What: "living people, also in greyscale and as tight crops, at predict with the default configuration",
		Pack: o.Subject.describe(models.RoleDetector, models.RoleLiveness), Data: Data{Folder: o.Data, Images: len(files) + len(aligned)},
	}
	names := make([]string, 0, len(shown)+1)
	for _, form := range shown {
		names = append(names, form.name)
	}
	names = append(names, "aligned faces of LFW")
	var all []string // paths below o.Data
	for _, file := range files {
		all = append(all, "faces/pairs/"+file)
	}
	all = append(all, aligned...)
	statuses := make([][]schema.SpoofStatus, len(all)) // by form; -1 for a form without one face
	err = o.forEach(ctx, "photographs", len(all), func(ctx context.Context, i int) (err error) {
		data, err := os.ReadFile(filepath.Join(o.Data, filepath.FromSlash(all[i])))
		if err != nil {
			return dataError(err)
		}
		pictures := [][]byte{data}
		if i < len(files) {
			if pictures, err = o.forms(ctx, data); err != nil {
				return fmt.Errorf("%s: %w", all[i], err)
			}
		}
		for _, picture := range pictures {
			status := schema.SpoofStatus(-1)
			if picture != nil {
				answers, err := j.judge(ctx, picture)
				if err != nil {
					return fmt.Errorf("%s: %w", all[i], err)
				}
				if predict := answers[len(answers)-1]; len(predict.faces) == 1 {
					status = predict.faces[0].SpoofStatus
				}
			}
			statuses[i] = append(statuses[i], status)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	var figures []string
	for _, name := range names {
		figures = append(figures, name+": called a spoof", name+": not assessable")
	}
	set := models.NewDataSet("faces/pairs", files)
	if !r.fair(o.Subject, set, figures, o.Subject.traitThresholds()...) {
		return r, nil
	}
	spoofs, unsure, total := make([]Rate, len(names)), make([]Rate, len(names)), Rate{}
	for i := range all {
		for k, status := range statuses[i] {
			if i >= len(files) {
				k = len(shown)
			}
			if status < 0 {
				continue
			}
			spoofs[k].Of, unsure[k].Of = spoofs[k].Of+1, unsure[k].Of+1
			if k > 0 {
				total.Of++
			}
			switch status {
			case schema.SpoofDetected:
				spoofs[k].Count++
				if k > 0 {
					total.Count++
				}
				r.fail(all[i], "%s: called a spoof", names[k])
			case schema.SpoofInvalidFace:
				unsure[k].Count++
			}
		}
	}
	for k := range names {
		if spoofs[k].Of > 0 {
			r.addRate(figures[2*k], spoofs[k])
			r.addRate(figures[2*k+1], unsure[k])
		}
	}
	if total.Of > 0 {
		r.addRate("greyscale and tight crops: called a spoof", total)
	}
	return r, nil
}

// spread returns up to mostAligned images of root/lfw/data, one for each of people who are evenly spread, as paths below
// root. There are none if that folder is missing.
func spread(root string) (files []string, err error) {
	if _, err := os.Stat(lfwImages(root)); err != nil {
		return nil, nil
	}
	people, err := readPeople(root)
	if err != nil {
		return nil, err
	}
	for i := range min(mostAligned, len(people)) {
		p := people[i*len(people)/min(mostAligned, len(people))]
		files = append(files, "lfw/data/"+p.name+"/"+filepath.Base(p.images[0]))
	}
	return slices.Compact(files), nil
}

// forms returns the photograph in each of the forms shown. A cut of a photograph without a face is nil.
func (o Options) forms(ctx context.Context, photograph []byte) ([][]byte, error) {
	img, err := o.Subject.engine.Decode(ctx, photograph)
	if err != nil {
		return nil, err
	}
	params := o.everyFace()
	params.Strategy = engine.BestConfidence
	whole, err := o.Subject.engine.Analyze(ctx, photograph, params)
	if err != nil {
		return nil, err
	}
	all := make([][]byte, len(shown))
	for k, form := range shown {
		picture := img
		switch {
		case form.frame > 0 && len(whole.Faces) == 0:
			continue
		case form.frame > 0:
			x0, y0, x1, y1 := around(img, whole.Faces[0].Box, form.frame)
			if x1 <= x0 || y1 <= y0 {
				continue
			}
			picture = img.Crop(x0, y0, x1, y1, imaging.Black)
		case form.grey:
			picture = greyscale(img)
		default:
			all[k] = photograph
			continue
		}
		if all[k], err = picture.Encode(imaging.PNG); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// greyscale returns img without its colours.
func greyscale(img *imaging.Image) *imaging.Image {
	out := imaging.New(img.Width, img.Height)
	for i, y := range img.Luma() {
		v := byte(min(max(y+0.5, 0), 255))
		out.Pix[3*i], out.Pix[3*i+1], out.Pix[3*i+2] = v, v, v
	}
	return out
}
