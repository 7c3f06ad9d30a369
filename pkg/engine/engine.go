package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// Options say what an Engine is made of.
type Options struct {
	// Pack has the networks; its files must be on this machine.
	Pack *models.Pack
	// Library is the path of the ONNX Runtime library; "" searches for it as onnx.FindLibrary does.
	Library string
	// Limits bound what an image may cost; zero fields take imaging.DefaultLimits.
	Limits imaging.Limits
	// LongSide is the long side in pixels that pictures are scaled down to for the detector; 0 takes the pack's.
	LongSide int
	// Concurrency is how many images Analyze works on at once, each on one thread; others wait for their turn. 0: any number.
	Concurrency int
}

// Engine analyses images. It is safe for concurrent use.
type Engine struct {
	pack     *models.Pack
	limits   imaging.Limits
	runtime  *onnx.Runtime
	detector *face.Detector // nil where the pack lacks the role, as embedder
	embedder *face.Embedder
	slots    chan struct{} // one for each image in work; nil: any number
}

// Open loads the networks of the roles that an Engine performs. A role that the pack does not fill is no error here: the
// operations that need it answer with the reason role_absent. A library or network that cannot be loaded is a Fatal error.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Pack == nil {
		return nil, schema.Fatal("engine.open", errors.New("no model pack was given"))
	}
	library := o.Library
	if library == "" {
		var err error
		if library, _, err = onnx.FindLibrary(ctx); err != nil {
			return nil, err
		}
	}
	runtime, err := onnx.Open(ctx, library)
	if err != nil {
		return nil, err
	}
	e := &Engine{pack: o.Pack, limits: o.Limits, runtime: runtime}
	if o.Concurrency > 0 {
		e.slots = make(chan struct{}, o.Concurrency)
	}
	if err := e.load(o); err != nil {
		return nil, errors.Join(err, runtime.Close())
	}
	return e, nil
}

func (e *Engine) load(o Options) error {
	if m, ok := o.Pack.Model(models.RoleDetector); ok {
		net, err := e.network(m)
		if err != nil {
			return err
		}
		if e.detector, err = face.NewDetector(net, m, o.LongSide); err != nil {
			return err
		}
	}
	if m, ok := o.Pack.Model(models.RoleEmbedding); ok {
		net, err := e.network(m)
		if err != nil {
			return err
		}
		if e.embedder, err = face.NewEmbedder(net, m); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) network(m models.Model) (onnx.Network, error) {
	file, err := e.pack.Read(m)
	if err != nil {
		return nil, err
	}
	return e.runtime.Load(m.File, file, onnx.SessionOptions{Batch: m.Batch})
}

// Close waits for the calls in the networks and unloads them. Later calls fail.
func (e *Engine) Close() error { return e.runtime.Close() }

// Models names the networks that e has loaded.
func (e *Engine) Models() []schema.ModelRun { return e.runs(e.detector != nil, e.embedder != nil) }

func (e *Engine) runs(detector, embedder bool) []schema.ModelRun {
	var runs []schema.ModelRun
	add := func(role models.Role) {
		for _, m := range e.pack.Models[role] {
			runs = append(runs, schema.ModelRun{Role: string(role), ID: m.ID()})
		}
	}
	if detector {
		add(models.RoleDetector)
	}
	if embedder {
		add(models.RoleEmbedding)
	}
	return runs
}

// EmbeddingModel names the network that embeddings come from; "" where the pack has none.
func (e *Engine) EmbeddingModel() schema.ModelID {
	if e.embedder == nil {
		return ""
	}
	return e.embedder.Model()
}

// Thresholds are the cosines, -1..1, by which the pack's embeddings are matched ("min", "med", …), each with the evaluation
// that measured it; none where the pack has no embedding network. The caller owns the map.
func (e *Engine) Thresholds() map[string]models.Threshold {
	m, _ := e.pack.Model(models.RoleEmbedding)
	return maps.Clone(m.Thresholds)
}

func (e *Engine) absent(op string, role models.Role) error {
	why := e.pack.Absent[role]
	if why == "" {
		why = "its manifest does not name one"
	}
	return schema.Permanent(op, schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has no %s: %s", e.pack.Name, role, why))
}

// Params say what Analyze looks for.
type Params struct {
	// MinConfidence is the least confidence of a face, 0..1; 0 takes the pack's.
	MinConfidence float32
	// Strategy selects among the faces.
	Strategy Strategy
	// Embed asks for the embedding of each selected face.
	Embed bool
	// Turn looks for faces in the picture turned by 90, 180 and 270 degrees too where it has none upright.
	Turn bool
	// Attributes asks for what the pack's networks and the pixels say of each selected face.
	Attributes bool
	// Liveness asks for the networks of this mode of anti_spoofing_mode, 1 to 3; 0 asks for none.
	Liveness int
	// Age asks for an estimate of the age.
	Age bool
}

// Analysis is what an image shows. Width and Height are those of the upright picture in pixels.
type Analysis struct {
	Width, Height int
	// Turned is by how many degrees, clockwise, the picture was turned to stand upright: 0, 90, 180 or 270. All positions
	// are those in the turned picture.
	Turned int
	// Faces are the selected ones, best confidence first; none is a finding, not an error.
	Faces []Face
	// Models are the networks that ran.
	Models []schema.ModelRun
	// Timings are the durations of the stages that ran: "decode", "detect", "align", "embed".
	Timings map[string]time.Duration
}

// Face is a detected face with what was asked for of it; the rest is nil. Attributes has nil where the pack lacks the
// network; a liveness or an age that was asked for of a pack without their role is an error with the reason role_absent.
type Face struct {
	face.Face
	Embedding  *schema.Embedding
	Attributes *face.Attributes
	Liveness   *face.Liveness
	Age        *face.Age
}

// Analyze decodes an image file and finds, selects and embeds its faces.
func (e *Engine) Analyze(ctx context.Context, image []byte, p Params) (*Analysis, error) {
	const op = "engine.analyze"
	switch {
	case p.Strategy < MultipleFaces || p.Strategy > SingleFaceHybrid:
		return nil, schema.Permanent(op, schema.ReasonInvalidConfiguration, fmt.Errorf("face selection strategy %d; there are 0 to %d", p.Strategy, SingleFaceHybrid))
	case e.detector == nil:
		return nil, e.absent(op, models.RoleDetector)
	case p.Embed && e.embedder == nil:
		return nil, e.absent(op, models.RoleEmbedding)
	}
	if e.slots != nil {
		select {
		case e.slots <- struct{}{}:
			defer func() { <-e.slots }()
		case <-ctx.Done():
			return nil, schema.Transient(op, ctx.Err())
		}
	}
	a := &Analysis{Timings: map[string]time.Duration{}}
	clock := time.Now()
	lap := func(stage string) {
		now := time.Now()
		a.Timings[stage], clock = now.Sub(clock), now
	}
	img, err := e.Decode(ctx, image)
	if err != nil {
		return nil, err
	}
	a.Width, a.Height = img.Width, img.Height
	lap("decode")
	faces, err := e.Detect(ctx, img, p.MinConfidence)
	if err != nil {
		return nil, err
	}
	for _, f := range p.Strategy.Select(faces) {
		a.Faces = append(a.Faces, Face{Face: f})
	}
	lap("detect")
	embed := p.Embed && len(a.Faces) > 0
	a.Models = e.runs(true, embed)
	if !embed {
		return a, nil
	}
	aligned := make([]*imaging.Image, len(a.Faces))
	for i, f := range a.Faces {
		if aligned[i], err = face.Align(img, f.Points); err != nil {
			return nil, err
		}
	}
	lap("align")
	embeddings, err := e.Embed(ctx, aligned)
	if err != nil {
		return nil, err
	}
	for i := range a.Faces {
		a.Faces[i].Embedding = &embeddings[i]
	}
	lap("embed")
	return a, nil
}

// Decode is imaging.Decode under the engine's limits.
func (e *Engine) Decode(ctx context.Context, image []byte) (*imaging.Image, error) {
	img, _, err := imaging.Decode(ctx, image, e.limits)
	return img, err
}

// Detect is face.Detector.Detect with the pack's detector.
func (e *Engine) Detect(ctx context.Context, img *imaging.Image, minConfidence float32) ([]face.Face, error) {
	if e.detector == nil {
		return nil, e.absent("engine.detect", models.RoleDetector)
	}
	return e.detector.Detect(ctx, img, minConfidence)
}

// Embed returns the embedding of each aligned face (face.Align, or pictures that are aligned already), in order. All fail
// with the first that fails; face.Embedder answers each by itself.
func (e *Engine) Embed(ctx context.Context, aligned []*imaging.Image) ([]schema.Embedding, error) {
	if e.embedder == nil {
		return nil, e.absent("engine.embed", models.RoleEmbedding)
	}
	embeddings := make([]schema.Embedding, len(aligned))
	for i, r := range e.embedder.Embed(ctx, aligned) {
		if r.Err != nil {
			return nil, r.Err
		}
		embeddings[i] = r.Embedding
	}
	return embeddings, nil
}
