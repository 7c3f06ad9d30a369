package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// Options are the options of [Open].
type Options struct {
	// Pack has the networks; its files must be on this machine.
	Pack *models.Pack
	// Library is the path of the ONNX Runtime library; "" searches for one that has Device, as onnx.FindLibraryFor does.
	Library string
	// Device runs the networks, except those that the pack keeps on the processor. The zero Device is the processor; onnx.Auto
	// may become it. Another device that cannot be used is a Fatal error.
	Device onnx.Device
	// Limits bound what an image may cost; zero fields take imaging.DefaultLimits.
	Limits imaging.Limits
	// LongSide is the length of the longer side, in pixels, to which pictures are scaled down for the detector; 0 means
	// the pack's.
	LongSide int
	// Memory is how many bytes the images in work may take together, their decoders and portraits included, their files and the
	// networks excluded; 0: any number. Images wait for it before they are decoded. One that would take more than all images but the
	// quarter that is kept for light ones is refused (image_too_large).
	Memory int64
	// Time is how long the analysis of an image may take, without waiting and without what Params.Portray takes; 0: any time.
	Time time.Duration
	// Concurrency is the number of images that Analyze processes at once, with one thread each; others wait. 0: any
	// number.
	Concurrency int
	// OnGPU takes the place of Concurrency where images share calls, because the device is a GPU.
	OnGPU int
	// Calls is the largest number of concurrent calls of one network. Further images share the next call
	// ([onnx.Share]). 0: the device decides: on a processor each image makes its own calls, on a GPU there is one.
	Calls int
	// Beside is an Engine that is open, or nil. The new one shares with it the networks that both packs have, and its
	// Library, Device, Memory, Concurrency, OnGPU and Calls; the options of these names are ignored. Each is closed by itself,
	// in any order.
	Beside *Engine
}

// Engine analyses images. It is safe for concurrent use.
type Engine struct {
	pack       *models.Pack
	networks   []models.Model // models.Pack.All of pack
	limits     imaging.Limits
	time       time.Duration
	pool       *pool
	loan       *loan                       // of the networks
	thresholds map[string]models.Threshold // face.Thresholds of pack
	steps      []loaded                    // in the order in which they run
	placed     []Placed
	// The networks that more than one step, or the methods of Engine, ask; nil where the pack has none for the role.
	detector   *face.Detector
	landmarker *face.Landmarker
	segmenter  *face.Segmenter
	liveness   *face.LivenessDetector
	embedder   *face.Embedder
	reader     *document.TextReader
	listener   voice.Listener // its networks; nil where the pack has none for the role
}

// Open loads the networks of the roles that an Engine uses. A role that the pack lacks is not an error here: calls that
// need it return an error with the reason role_absent. A library or network that cannot be loaded is a Fatal error.
func Open(ctx context.Context, o Options) (*Engine, error) {
	if o.Pack == nil {
		return nil, schema.Fatal("engine.open", errors.New("no model pack was given"))
	}
	p, err := joinPool(ctx, o)
	if err != nil {
		return nil, err
	}
	e := &Engine{pack: o.Pack, networks: o.Pack.All(), limits: o.Limits, time: o.Time, pool: p, loan: &loan{pool: p}, thresholds: face.Thresholds(o.Pack)}
	err = e.load(o)
	if err == nil {
		err = e.warm(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// warm makes the calls of each network that cost more than later ones.
func (e *Engine) warm(ctx context.Context) error {
	for _, s := range e.steps {
		for _, m := range e.pack.Models[s.role] {
			if !s.takes(m) {
				continue
			}
			in, shapes := m.Input, [][]int64(nil)
			switch {
			case s.recording: // rows of every length, for which no device can be prepared
				continue
			case s.role == models.RoleDetector:
				shapes = e.detector.InputShapes()
			case in.Layout == models.NHWC:
				shapes = [][]int64{{int64(in.Height), int64(in.Width), 3}}
			default:
				shapes = [][]int64{{3, int64(in.Height), int64(in.Width)}}
			}
			if err := e.pool.warm(ctx, keyOf(m), shapes); err != nil {
				return schema.Fatal("engine.open", fmt.Errorf("%s: %w", m.ID(), err))
			}
		}
	}
	return nil
}

// load loads the networks of each step. A network that no step takes, although the engine performs its role, is a Fatal error: it
// would never be asked.
func (e *Engine) load(o Options) error {
	var problems []error
	performed, taken := map[models.Role]bool{}, map[modelKey]bool{}
	for _, s := range steps() {
		performed[s.role] = true
		var stages []face.Stage
		for _, m := range o.Pack.Models[s.role] {
			if !s.takes(m) {
				continue
			}
			taken[modelKey{m.Role, m.Name}] = true
			stage, where, err := e.loan.network(e.pack, m)
			if err != nil {
				return err
			}
			e.placed = append(e.placed, Placed{ModelRun: schema.ModelRun{Role: string(m.Role), ID: m.ID()}, Placement: where})
			stages = append(stages, stage)
		}
		l := loaded{step: s, absent: s.role != "" && stages == nil}
		if !l.absent || s.without == runAnyway {
			var err error
			if l.action, err = s.load(e, stages, o); err != nil {
				problems = append(problems, err)
			}
		}
		e.steps = append(e.steps, l)
	}
	for _, m := range e.networks {
		if performed[m.Role] && !taken[modelKey{m.Role, m.Name}] {
			problems = append(problems, schema.Fatal("engine.open", fmt.Errorf("%s has the architecture %q, which no step of the engine drives for the role %s", m.Name, m.Architecture, m.Role)))
		}
	}
	return errors.Join(problems...)
}

// Close waits for running calls and unloads the networks that no other Engine shares. Later calls fail.
func (e *Engine) Close() error { return e.loan.close() }

// Models names the networks that e has loaded, in the order of models.Roles.
func (e *Engine) Models() []schema.ModelRun {
	return e.runs(func(m models.Model) bool {
		return slices.ContainsFunc(e.steps, func(s loaded) bool { return s.takes(m) })
	})
}

// Device returns the device that e runs on, the name of the GPU ("" where it is none of NVIDIA), and why it is this one, ""
// where Options.Device named it.
func (e *Engine) Device() (device onnx.Device, gpu, why string) {
	r := e.pool.runtime
	return r.Device, r.GPU, r.Why
}

// Concurrency returns the number of images that e processes at once, as Options say it for its device; 0: any number.
func (e *Engine) Concurrency() int { return cap(e.pool.budget.slots) }

// Placed is a network with the device that runs it.
type Placed struct {
	schema.ModelRun
	Placement
}

// Placement is where a network runs.
type Placement struct {
	Device onnx.Device
	// Shared says that the device leaves operators of the network to the processor (onnx.Session.Shared).
	Shared bool
}

// String names the device and, where operators are left to it, the processor: "cuda:0", "cuda:0 and cpu".
func (p Placement) String() string {
	if p.Shared {
		return p.Device.String() + " and cpu"
	}
	return p.Device.String()
}

// Networks returns where the networks of e run, in the order of its steps. One that serves several steps is listed once.
func (e *Engine) Networks() []Placed {
	var out []Placed
	for _, p := range e.placed {
		if !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// runs names the networks of the pack that which holds for.
func (e *Engine) runs(which func(models.Model) bool) []schema.ModelRun {
	var runs []schema.ModelRun
	for _, m := range e.networks {
		if which(m) {
			runs = append(runs, schema.ModelRun{Role: string(m.Role), ID: m.ID()})
		}
	}
	return runs
}

// EmbeddingModel returns the id of the embedding network, or "" if the pack has none.
func (e *Engine) EmbeddingModel() schema.ModelID {
	if e.embedder == nil {
		return ""
	}
	return e.embedder.Model()
}

// Thresholds returns the cosines, -1..1, by which the pack's embeddings are matched ("min", "med", …), each with the
// evaluation that measured it. The map is empty if the pack has no embedding network. The caller owns it.
func (e *Engine) Thresholds() map[string]models.Threshold {
	m, _ := e.pack.Model(models.RoleEmbedding)
	return maps.Clone(m.Thresholds)
}

// Threshold is the pack's threshold of that name (face.ThresholdMask, …), as face.Thresholds finds it.
func (e *Engine) Threshold(name string) (models.Threshold, bool) {
	t, ok := e.thresholds[name]
	return t, ok
}

// Params say what Analyze finds out.
type Params struct {
	// MinConfidence is the lowest confidence of a face, 0..1; 0 means the pack's.
	MinConfidence float32
	// Strategy selects among the faces.
	Strategy Strategy
	// Embed asks for the embedding of each selected face.
	Embed bool
	// Turn also looks for faces in the picture turned by 90, 180 and 270 degrees, unless an upright face is certain.
	Turn bool
	// Attributes asks for the attributes of each selected face, by the pack's networks and the pixels.
	Attributes bool
	// Liveness asks for the networks of this mode of anti_spoofing_mode, 1 to 3; 0 asks for none.
	Liveness int
	// Documents asks for the identity document on which each selected face is, and for the outline of the document in
	// the picture.
	Documents bool
	// Document asks for the documents that the picture shows, and says what is looked for on them; nil: nothing. The faces are then
	// those on the most confident document, and what is said of them is about the straightened document.
	Document *DocumentParams
	// Barcodes asks for the barcodes in the picture, and says which; nil: none.
	Barcodes *BarcodeParams
	// Age asks for an estimate of the age.
	Age bool
	// Quality asks for the quality of each selected face, and whether it is what these groups allow (quality.Groups). It asks for
	// Attributes too.
	Quality []string
	// Portraits asks for pictures of each selected face, unless there are more than MostPortrayed. If they have more than
	// PortraitPixels together, the picture is refused (invalid_configuration).
	Portraits []face.PortraitOptions
	// MostPortrayed is the largest number of faces that get portraits; 0 means schema.MaxDetailedFaces, and
	// -1 none.
	MostPortrayed int
	// PortraitPixels is the largest number of pixels of all portraits together; 0 means MaxPortraitPixels.
	PortraitPixels int
	// Portray takes the portraits of a face, which it may keep, one face after the other: face is its index in Analysis.Faces, of which
	// there are so many. They are not kept in the face's observation. Other images are worked on meanwhile. An error ends the
	// analysis. nil keeps them in the observations.
	Portray func(ctx context.Context, face, faces int, portraits []*face.Portrait) error
}

// BarcodeParams say which barcodes Analyze finds.
type BarcodeParams struct {
	// Only says that nobody looks for faces. Nothing else may be asked for then.
	Only bool
	// Unread asks also for those that can be located and not read.
	Unread bool
	// MinConfidence is the lowest confidence of a barcode, 0..1.
	MinConfidence float32
	// Keep takes a straightened picture of each barcode, one after the other, with its index in Analysis.Barcodes: the first
	// MostBarcodesKept, with Margin around them as a share of their sides, in Format. nil makes none. Other images are worked on
	// meanwhile. An error ends the analysis.
	Keep   func(context.Context, int, *face.Portrait) error
	Margin float32
	Format imaging.Format
}

// MostBarcodesKept is the largest number of barcodes of a picture of which pictures are made.
const MostBarcodesKept = 16

// DocumentParams say what Analyze finds out about documents.
type DocumentParams struct {
	// Faces asks for the faces on the document.
	Faces bool
	// MRZ asks for the machine-readable zone of each document.
	MRZ bool
	// Text says whether the other lines of text on a document are asked for, given its zone, which is nil where none was found; nil: no.
	// Without MRZ, the lines of the zone are among them.
	Text func(*document.MRZ) bool
	// Segmented says that the picture shows a machine-readable zone and nothing else. No document is looked for: the whole picture is it.
	Segmented bool
	// Today is the day against which two-digit years get their century; zero: that of the analysis.
	Today time.Time
	// Rotate turns the document so that what is on it stands upright.
	Rotate bool
	// Format is that of the picture which Keep takes.
	Format imaging.Format
	// Keep takes a picture of the straightened document, once that is accepted; nil makes none. Other images are worked on meanwhile. An
	// error ends the analysis.
	Keep func(context.Context, *face.Portrait) error
	// Accept says whether the documents that were found, the most confident first, are worth looking at: if not, nobody looks for
	// faces. nil accepts all. It must not keep the documents.
	Accept func([]document.Observation) bool
}

// Analysis is what an image shows.
type Analysis struct {
	// Width and Height are those of the picture in pixels, turned as the orientation in its file says.
	Width, Height int
	// Damage is imaging.Info's: what is wrong with the file; empty for a sound one.
	Damage string
	// Faces are the selected ones, best confidence first; none is a finding, not an error.
	Faces []face.Observation
	// Document is the outline of the identity document that the picture shows; nil where there is none, or nobody asked.
	Document *document.Outline
	// Documents are those that Params.Document asks for, the most confident first.
	Documents []document.Observation
	// Barcodes are those that Params.Barcodes asks for, from top to bottom, in pixels of the picture. A search that took too long has what
	// was found until then.
	Barcodes []barcode.Found
	// Models are the networks that ran.
	Models []schema.ModelRun
	// Timings has the duration of "decode" and of each step that ran, by its name.
	Timings map[string]time.Duration
}

// Analyze decodes an image file, finds and selects its faces, and finds out about each what p asks for.
func (e *Engine) Analyze(ctx context.Context, image []byte, p Params) (*Analysis, error) {
	const op = "engine.analyze"
	if err := e.able(op, p); err != nil {
		return nil, err
	}
	file, err := imaging.Open(image, e.limits)
	if err != nil {
		return nil, err
	}
	a, err := e.analyze(ctx, file, p, false)
	if errors.Is(err, errCrowd) { // what is known of it is given up with its place
		return e.analyze(ctx, file, p, true)
	}
	return a, err
}

// analyze is Analyze of a file whose header was read. crowd says that the picture was seen to show many faces.
func (e *Engine) analyze(ctx context.Context, file *imaging.File, p Params, crowd bool) (*Analysis, error) {
	width, height := file.Size()
	place, err := e.pool.budget.admit(ctx, p.memory(file), crowd, fmt.Sprintf("the analysis of its %d × %d pixels", width, height))
	if err != nil {
		return nil, err
	}
	f := &frame{params: p, mayBeCrowd: place.mayBeCrowd()}
	w := e.begin(ctx, place)
	start := time.Now()
	var info imaging.Info
	if f.picture, info, err = file.Decode(w.ctx); err != nil {
		// A decoder in a sandbox may still hold its memory.
		place.rest()
		go func() { file.Wait(); place.leave() }()
		return nil, w.end(err)
	}
	defer place.leave()
	f.photograph = f.picture
	defer f.photograph.Release()
	defer f.seen()
	aside := func(do func() error) error {
		start := time.Now()
		defer func() { f.paused += time.Since(start) }()
		return w.pause(do)
	}
	if keep := p.Portray; keep != nil {
		f.params.Portray = func(_ context.Context, i, faces int, portraits []*face.Portrait) error {
			return aside(func() error { return keep(ctx, i, faces, portraits) })
		}
	}
	if p.Document != nil && p.Document.Keep != nil {
		asked := *p.Document
		asked.Keep = func(_ context.Context, made *face.Portrait) error {
			return aside(func() error { return p.Document.Keep(ctx, made) })
		}
		f.params.Document = &asked
	}
	if p.Barcodes != nil && p.Barcodes.Keep != nil {
		asked := *p.Barcodes
		asked.Keep = func(_ context.Context, i int, made *face.Portrait) error {
			return aside(func() error { return p.Barcodes.Keep(ctx, i, made) })
		}
		f.params.Barcodes = &asked
	}
	a := &Analysis{Width: f.picture.Width, Height: f.picture.Height, Damage: info.Damage, Timings: map[string]time.Duration{"decode": time.Since(start)}}
	ran := record{}
	if err := w.end(e.run(context.WithValue(w.ctx, recordKey{}, ran), f, a.Timings)); err != nil {
		return nil, err
	}
	f.inPicture()
	a.Document, a.Documents, a.Barcodes = f.document, f.seen(), f.barcodes
	for _, o := range f.faces {
		a.Faces = append(a.Faces, *o)
	}
	a.Models = e.runs(func(m models.Model) bool { return ran[modelKey{m.Role, m.Name}] })
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
		embeddings[i] = r.Value
	}
	return embeddings, nil
}

// MRZ finds and reads the machine-readable zones in a picture, as document.TextReader.MRZ does, with the pack's networks for text.
func (e *Engine) MRZ(ctx context.Context, img *imaging.Image, o document.MRZOptions) ([]document.MRZ, error) {
	if e.reader == nil {
		return nil, e.absent("engine.mrz", models.RoleText)
	}
	return e.reader.MRZ(ctx, img, o)
}

// Lines finds and reads the lines of text in a picture, in reading order, with the pack's networks for text.
func (e *Engine) Lines(ctx context.Context, img *imaging.Image) ([]document.Line, error) {
	if e.reader == nil || !e.reader.Reads() {
		return nil, e.absent("engine.lines", models.RoleText)
	}
	text, err := e.reader.Find(ctx, img)
	if err != nil {
		return nil, err
	}
	return text.Lines(ctx)
}

// Liveness returns the answer of the liveness networks of a mode for each face of an upright picture. The pose of the head
// is not measured: a face that is turned too far is judged.
func (e *Engine) Liveness(ctx context.Context, img *imaging.Image, faces []face.Face, mode int) ([]face.Liveness, error) {
	if e.liveness == nil {
		return nil, e.absent("engine.liveness", models.RoleLiveness)
	}
	seen := make([]*face.Observation, len(faces))
	for i, f := range faces {
		seen[i] = &face.Observation{Face: f, Width: img.Width, Height: img.Height}
	}
	if err := first(e.liveness.Observe(ctx, img, seen, mode, nil)); err != nil {
		return nil, err
	}
	found := make([]face.Liveness, len(faces))
	for i, o := range seen {
		found[i] = *o.Liveness
	}
	return found, nil
}

// Person is face.Segmenter.Person with the pack's network for segmentation.
func (e *Engine) Person(ctx context.Context, img *imaging.Image, f face.Face, landmarks []schema.PointF) (*face.Mask, error) {
	if e.segmenter == nil {
		return nil, e.absent("engine.person", models.RoleSegmentation)
	}
	return e.segmenter.Person(ctx, img, f, landmarks)
}
