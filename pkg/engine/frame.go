package engine

import (
	"context"

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
	document *face.Outline
	// found are all faces that were found, best confidence first; all are the same in pixels of picture.
	found []candidate
	all   []face.Face
	// faces are those that params select; selected is how many there are in all orientations together.
	faces    []*face.Observation
	selected int
	// aligned are the pictures of faces that embedding networks take.
	aligned []*imaging.Image
}

// upright calls do once for each orientation that a selected face has, with the picture turned so that those faces stand upright.
// Only one turned copy of the picture exists at a time.
func (f *frame) upright(do func(*frame) error) error {
	for quarters := range 4 {
		g := frame{params: f.params, selected: len(f.faces)}
		for _, o := range f.faces {
			if o.Turned == 90*quarters {
				g.faces = append(g.faces, o)
			}
		}
		if g.faces == nil {
			continue
		}
		g.picture = f.picture.Turned(quarters)
		for _, c := range f.found {
			g.all = append(g.all, c.in(f.picture, quarters))
		}
		if err := do(&g); err != nil {
			return err
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
