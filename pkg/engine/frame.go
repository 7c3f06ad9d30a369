package engine

import (
	"context"
	"slices"
	"time"

	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// frame is one picture and what is known of it so far. Each step reads what earlier steps found and adds what it finds itself.
type frame struct {
	params Params
	// picture is upright: as its file says for steps about the picture, and turned so that faces stand for steps about faces.
	picture *imaging.Image
	// document is the outline of the document that the picture shows.
	document *document.Outline
	// found are all faces that were found, best confidence first; all are the same in pixels of picture.
	found []candidate
	all   []face.Face
	// faces are those that params select, and places their places among all of those, which are selected in number.
	faces    []*face.Observation
	places   []int
	selected int
	// mayBeCrowd says that the analysis ends with errCrowd if there are more than facesAtOnce faces.
	mayBeCrowd bool
	// paused is how long the caller took to keep portraits, in the frame of the whole picture.
	paused time.Duration
	// aligned are the pictures of faces that embedding networks take.
	aligned []*imaging.Image
}

// facesAtOnce is how many faces of a picture the steps take at once, so that a crowd takes no more memory than a group: a network's
// input and what is in its layers count for each.
const facesAtOnce = 16

// upright calls do for each orientation that a selected face has, with the picture turned so that those faces stand upright, and with
// facesAtOnce of them at most. Only one turned copy of the picture exists at a time.
func (f *frame) upright(do func(*frame) error) error {
	for quarters := range 4 {
		var places []int
		for i, o := range f.faces {
			if o.Turned == 90*quarters {
				places = append(places, i)
			}
		}
		if places == nil {
			continue
		}
		whole := frame{params: f.params, selected: len(f.faces), picture: f.picture.Turned(quarters)}
		for _, c := range f.found {
			whole.all = append(whole.all, c.in(f.picture, quarters))
		}
		for some := range slices.Chunk(places, facesAtOnce) {
			g := whole
			g.places = some
			for _, i := range some {
				g.faces = append(g.faces, f.faces[i])
			}
			if err := do(&g); err != nil {
				return err
			}
		}
		if whole.picture != f.picture {
			whole.picture.Release()
		}
	}
	return nil
}

// record holds the networks that ran for one picture.
type record map[modelKey]bool

// modelKey identifies a network of a pack: its name is unique within its role only.
type modelKey struct {
	role models.Role
	name string
}

// recordKey is the key under which the context of an analysis carries its record.
type recordKey struct{}

// recorded is a network that notes in the record of the picture that it ran. No step can then report a network that it did not ask.
type recorded struct {
	onnx.Network
	model models.Model
}

// Run implements onnx.Network.
func (r recorded) Run(ctx context.Context, rows []onnx.Tensor) []onnx.RowResult {
	if ran, ok := ctx.Value(recordKey{}).(record); ok && len(rows) > 0 {
		ran[modelKey{r.model.Role, r.model.Name}] = true
	}
	return r.Network.Run(ctx, rows)
}
