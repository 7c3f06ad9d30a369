package engine

import (
	"context"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// frame is one picture in work and what is known of it. Steps read what earlier ones found, and add what they find themselves.
//
// Whatever needs the pixels of the picture takes them from here, so that what one step pays for is there for the next.
type frame struct {
	params Params
	// picture is, for steps about the picture, as its file says that it stands, and for steps about faces turned as they stand.
	picture *imaging.Image
	// document is the outline of the document that the picture shows.
	document *face.Outline
	// found are all faces of the picture, best confidence first.
	found []candidate
	// all are the same in pixels of the picture, and faces those of them that params select.
	all   []face.Face
	faces []*face.Observation
	// selected is how many faces of the picture params select, in every orientation.
	selected int
	// aligned are the pictures of faces that embedding networks take.
	aligned []*imaging.Image
}

// upright calls do with the faces of each orientation, in the picture turned so that they stand upright. There is one turned
// copy of the picture at a time.
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

// record are the networks that ran for one picture.
type record map[modelKey]bool

// modelKey tells the networks of a pack apart: names differ within a role only.
type modelKey struct {
	role models.Role
	name string
}

// recordKey is the key of the record in the context under which a picture is analysed.
type recordKey struct{}

// recorded is a network that notes in the record of the picture that it ran, so that nothing else has to know.
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
