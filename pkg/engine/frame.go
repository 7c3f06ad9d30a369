package engine

import (
	"context"
	"slices"
	"time"

	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// frame is one picture and what is known of it so far. Each step reads what earlier steps found and adds what it finds itself.
type frame struct {
	params Params
	// picture is upright: as its file says for steps about the picture, and turned so that faces stand for steps about faces. Once a document
	// was found, it is the straightened document.
	picture *imaging.Image
	// photograph is the whole picture, also once a document was found.
	photograph *imaging.Image
	// document is the outline of the document that the picture shows.
	document *document.Outline
	// documents are those that params.Document asks for, the most confident first.
	documents []document.Observation
	// barcodes are those of the photograph.
	barcodes []barcode.Found
	// over says that nothing further is to be found out.
	over bool
	// sought says that found has the faces already, before the step that is about them.
	sought bool
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

// mostStraight is the largest number of pixels of a straightened document: a page of a passport at 700 dots per inch.
const mostStraight = 8_000_000

// straightPixels is how many pixels the straightened document of a picture of that size has at most.
func straightPixels(width, height int) int { return min(mostStraight, width*height) }

// straighten notes the documents with these outlines, and makes the first one f's picture after judging how it is shown.
func (f *frame) straighten(outlines []document.Outline) {
	for _, outline := range outlines {
		o := document.Observation{Outline: outline}
		if f.documents != nil {
			o.Type, _ = document.TypeOf(o.Corners, f.photograph.Width, f.photograph.Height)
		} else if f.straightenOne(&o) {
			f.picture = o.Straight
		} else { // a sliver
			continue
		}
		f.documents = append(f.documents, o)
	}
}

// straightenOne straightens a document of the photograph, and judges how it is shown there. It reports whether that is possible.
func (f *frame) straightenOne(o *document.Observation) bool {
	whole := f.photograph
	var shape float64
	o.Type, shape = document.TypeOf(o.Corners, whole.Width, whole.Height)
	if o.Straight = document.Straighten(whole, o.Corners, shape, straightPixels(whole.Width, whole.Height)); o.Straight == nil {
		return false
	}
	o.Measures = document.Judge(whole, *o)
	return true
}

// keepBarcode hands over a straightened picture of the barcode of that index.
func (f *frame) keepBarcode(ctx context.Context, i int, b barcode.Found) error {
	asked := f.params.Barcodes
	corners := b.Widened(asked.Margin)
	code := document.Straighten(f.photograph, corners, document.ShapeOf(corners), straightPixels(f.photograph.Width, f.photograph.Height))
	if code == nil { // the corners of some lie on one line
		return nil
	}
	defer code.Release()
	file, err := code.Encode(asked.Format)
	if err != nil {
		return err
	}
	return asked.Keep(ctx, i, &face.Portrait{Image: code, File: file, Format: asked.Format, Corners: corners})
}

// segmented makes the whole picture the document.
func (f *frame) segmented() {
	w, h := f.picture.Width, f.picture.Height
	o := document.Observation{Type: document.Unknown, Straight: f.picture.Crop(0, 0, w, h, imaging.Black)}
	o.Confidence = 1
	x, y := float32(w), float32(h)
	o.Corners = [4]schema.PointF{{}, {X: x}, {X: x, Y: y}, {Y: y}}
	f.documents, f.picture = append(f.documents, o), o.Straight
}

// turn turns the document clockwise by quarters of a turn.
func (f *frame) turn(quarters int) {
	if quarters == 0 {
		return
	}
	o := &f.documents[0]
	o.TurnRead(quarters, o.Straight.Width, o.Straight.Height)
	turned := o.Straight.Turned(quarters)
	o.Straight.Release()
	o.Outline, o.Straight, o.Turned, f.picture = o.Turn(quarters), turned, 90*quarters, turned
}

// seen are the documents of the frame, without the pixels, which it releases.
func (f *frame) seen() []document.Observation {
	for i := range f.documents {
		if o := &f.documents[i]; o.Straight != nil {
			o.Width, o.Height = o.Straight.Width, o.Straight.Height
			o.Straight.Release()
			o.Straight = nil
		}
	}
	return f.documents
}

// inPicture says of each face on a document where it is in the photograph.
func (f *frame) inPicture() {
	if len(f.documents) == 0 {
		return
	}
	onto, ok := f.documents[0].View(f.picture.Width, f.picture.Height)
	for _, o := range f.faces {
		if box := o.Original(); ok {
			o.Photographed = &box
			photographed(o.Photographed, onto)
		}
	}
}

// photographed makes b, a box on a straightened document, the box around it in the photograph.
func photographed(b *schema.BoxF, onto imaging.Projective) {
	left, top, right, bottom := b.TopLeft.X, b.TopLeft.Y, b.BottomRight.X, b.BottomRight.Y
	for i, p := range [4]schema.PointF{b.TopLeft, {X: right, Y: top}, b.BottomRight, {X: left, Y: bottom}} {
		px, py := onto.Apply(float64(p.X), float64(p.Y))
		x, y := float32(px), float32(py)
		if i == 0 {
			b.TopLeft, b.BottomRight = schema.PointF{X: x, Y: y}, schema.PointF{X: x, Y: y}
		}
		b.TopLeft.X, b.TopLeft.Y = min(b.TopLeft.X, x), min(b.TopLeft.Y, y)
		b.BottomRight.X, b.BottomRight.Y = max(b.BottomRight.X, x), max(b.BottomRight.Y, y)
	}
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
