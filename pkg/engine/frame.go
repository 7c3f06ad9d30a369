package engine

import (
	"context"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// frame is one picture in work and what is known of it. Steps read what earlier ones found, and add what they find themselves.
type frame struct {
	params Params
	// picture stands upright: all positions are in its pixels.
	picture *imaging.Image
	// all are the faces that were found, best first, and faces those of them that params select.
	all   []face.Face
	faces []*face.Observation
	// aligned are the pictures of faces that embedding networks take.
	aligned []*imaging.Image
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
