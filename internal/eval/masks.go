package eval

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

const (
	// leastSide is the least width and height of a labelled face that counts, in pixels. Below it even people are unsure
	// whether there is a face.
	leastSide = 20
	// loosely is the least intersection over union of a found box with one that a person drew. People include the hair or
	// leave out the chin, so half, which two detectors reach, would be strict.
	loosely = 0.3
)

// maskLabels are the labels of root/labelled/masks/boxes.csv in English, and as the public list has them.
var maskLabels = map[string]string{
	"with_mask": "masked", "con_mascarilla": "masked",
	"without_mask": "bare", "sin_mascarilla": "bare",
	"mask_weared_incorrect": "badly masked", "mascarilla_mal_puesta": "badly masked",
}

// drawnBox is a face that a person marked in a picture.
type drawnBox struct {
	face.Face
	label string // a value of maskLabels
}

// readBoxes reads root/labelled/masks/boxes.csv: a line of titles, then file,xmin,ymin,xmax,ymax,label with pixels and a
// label of maskLabels. It returns the boxes by the file.
func readBoxes(root string) (folder string, boxes map[string][]drawnBox, err error) {
	path := filepath.Join(root, "labelled", "masks", "boxes.csv")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", nil, dataError(err)
	}
	if boxes, err = parseBoxes(text); err != nil {
		return "", nil, dataError(fmt.Errorf("%s: %w", path, err))
	}
	return filepath.Dir(path), boxes, nil
}

func parseBoxes(text []byte) (map[string][]drawnBox, error) {
	reader := csv.NewReader(bytes.NewReader(text))
	reader.FieldsPerRecord = 6
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, err
	}
	boxes := map[string][]drawnBox{}
	for i, row := range rows[min(1, len(rows)):] {
		if !filepath.IsLocal(row[0]) {
			return nil, fmt.Errorf("line %d: %q is not a path inside the folder", i+2, row[0])
		}
		var at [4]float32
		for k := range at {
			x, err := strconv.ParseFloat(row[1+k], 32)
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", i+2, err)
			}
			at[k] = float32(x)
		}
		label, ok := maskLabels[row[5]]
		if !ok {
			return nil, fmt.Errorf("line %d: the label is %q; it must be one of %q", i+2, row[5], slices.Sorted(maps.Keys(maskLabels)))
		}
		box := schema.BoxF{TopLeft: schema.PointF{X: at[0], Y: at[1]}, BottomRight: schema.PointF{X: at[2], Y: at[3]}}
		boxes[row[0]] = append(boxes[row[0]], drawnBox{face.Face{Box: box}, label})
	}
	if len(boxes) == 0 {
		return nil, errors.New("it has no box")
	}
	return boxes, nil
}

// small reports whether the face is too small to count.
func (b drawnBox) small() bool {
	return b.Box.BottomRight.X-b.Box.TopLeft.X < leastSide || b.Box.BottomRight.Y-b.Box.TopLeft.Y < leastSide
}

// Masks compares the faces that the pack finds in scenes, and the masks that it sees on them, with the boxes that people
// drew: root/labelled/masks.
func Masks(ctx context.Context, o Options) (*Report, error) {
	folder, boxes, err := readBoxes(o.Data)
	if err != nil {
		return nil, err
	}
	files := slices.Sorted(maps.Keys(boxes))
	r := &Report{
		Evaluation: "masks", What: fmt.Sprintf("faces of %d pixels or more in scenes, with and without masks, against boxes that people drew; a found box belongs to a drawn one from an IoU of %v", leastSide, loosely),
		Pack: o.Subject.describe(models.RoleDetector, models.RoleAttributes), Data: Data{Folder: folder, Images: len(files)},
	}
	all := make([][]face.Observation, len(files))
	err = o.forEach(ctx, "scenes", len(files), func(ctx context.Context, i int) error {
		data, err := os.ReadFile(filepath.Join(folder, files[i]))
		if err != nil {
			return dataError(err)
		}
		params := o.everyFace()
		params.Attributes = true
		a, err := o.Subject.engine.Analyze(ctx, data, params)
		if err != nil {
			return fmt.Errorf("%s: %w", files[i], err)
		}
		all[i] = a.Faces
		return nil
	})
	if err != nil {
		return nil, err
	}
	threshold, err := o.Subject.threshold(face.ThresholdMask)
	judged := err == nil
	found := map[string]*Rate{"masked": {}, "bare": {}, "badly masked": {}}
	seen := map[string]*Rate{"masked": {}, "bare": {}}
	extra := 0
	for i, file := range files {
		taken := matchDrawn(all[i], boxes[file])
		missed, blind, alarms := 0, 0, 0
		for k, b := range boxes[file] {
			if b.small() {
				continue
			}
			found[b.label].Of++
			if taken[k] < 0 {
				missed++
				continue
			}
			found[b.label].Count++
			score, rate := all[i][taken[k]].Mask, seen[b.label]
			if !judged || score == nil || rate == nil {
				continue
			}
			rate.Of++
			switch masked := *score >= threshold; {
			case masked:
				rate.Count++
				if b.label == "bare" {
					alarms++
				}
			case b.label == "masked":
				blind++
			}
		}
		spare := len(all[i])
		for _, k := range taken {
			if k >= 0 {
				spare--
			}
		}
		extra += spare
		if missed+blind+alarms+spare > 0 {
			var why []string
			for _, w := range []struct {
				n    int
				what string
			}{{missed, "missed"}, {blind, "with a mask that was not seen"}, {alarms, "bare, and seen as masked"}, {spare, "that nobody drew"}} {
				if w.n > 0 {
					why = append(why, fmt.Sprintf("%d %s", w.n, w.what))
				}
			}
			r.fail(file, "faces: %s", strings.Join(why, ", "))
		}
	}
	for _, label := range []string{"masked", "bare", "badly masked"} {
		if found[label].Of > 0 {
			r.addRate("found, "+label, *found[label])
		}
	}
	for _, label := range []string{"masked", "bare"} {
		figure := "mask seen, " + label
		if seen[label].Of > 0 && r.fair(o.Subject, models.NewDataSet("labelled/masks", files), []string{figure}, face.ThresholdMask) {
			r.addRateAt(figure, *seen[label], threshold)
		}
	}
	perImage, interval := perUnit(extra, len(files))
	r.add(Figure{Name: "faces that nobody drew", Value: perImage, Unit: PerImage, Interval: &interval, Count: extra, Of: len(files)})
	return r, nil
}

// matchDrawn returns, for each drawn box, the index of the found face that overlaps it most, or -1 if the overlap is below
// loosely. The pairs with the largest overlap are matched first.
func matchDrawn(found []face.Observation, drawn []drawnBox) []int {
	taken := make([]int, len(drawn))
	for k := range taken {
		taken[k] = -1
	}
	used := make([]bool, len(found))
	for {
		best, at, to := float32(loosely), -1, -1
		for k, b := range drawn {
			for i := range found {
				if taken[k] >= 0 || used[i] {
					continue
				}
				if overlap := found[i].Overlap(b.Face); overlap > best || at < 0 && overlap == best {
					best, at, to = overlap, k, i
				}
			}
		}
		if at < 0 {
			return taken
		}
		taken[at], used[to] = to, true
	}
}
