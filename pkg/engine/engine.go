package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/engine/quality"
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
	// Calls is how many calls of one network are under way at once; the rows of further images share the next (onnx.Share).
	// 0: each image makes calls of its own.
	Calls int
}

// sharedRows are the most rows that images share a call with.
const sharedRows = 64

// Engine analyses images. It is safe for concurrent use.
type Engine struct {
	pack       *models.Pack
	limits     imaging.Limits
	runtime    *onnx.Runtime
	thresholds map[string]models.Threshold // face.Thresholds of pack
	// What performs a role is nil where the pack lacks it.
	detector   *face.Detector
	embedder   *face.Embedder
	landmarker *face.Landmarker
	pose       *face.PoseEstimator
	attributes *face.AttributeClassifier // never nil: what needs no network is always measured
	liveness   *face.LivenessDetector
	age        *face.AgeEstimator
	segmenter  *face.Segmenter
	documents  *face.DocumentDetector
	slots      chan struct{} // one for each image in work; nil: any number
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
	e := &Engine{pack: o.Pack, limits: o.Limits, runtime: runtime, thresholds: face.Thresholds(o.Pack)}
	if o.Concurrency > 0 {
		e.slots = make(chan struct{}, o.Concurrency)
	}
	if err := e.load(o); err != nil {
		return nil, errors.Join(err, runtime.Close())
	}
	return e, nil
}

func (e *Engine) load(o Options) error {
	stages := map[models.Role][]face.Stage{}
	for _, role := range performed {
		for _, m := range o.Pack.Models[role] {
			net, err := e.network(m)
			if err != nil {
				return err
			}
			if o.Calls > 0 && m.Batch != 1 {
				net = onnx.Share(net, sharedRows, o.Calls)
			}
			stages[role] = append(stages[role], face.Stage{Net: net, Model: m})
		}
	}
	// perform makes what performs the role, where the pack fills it.
	perform := func(role models.Role, create func([]face.Stage) error) error {
		if len(stages[role]) == 0 {
			return nil
		}
		return create(stages[role])
	}
	return errors.Join(
		perform(models.RoleDetector, func(s []face.Stage) (err error) {
			e.detector, err = face.NewDetector(s[0].Net, s[0].Model, o.LongSide)
			return err
		}),
		perform(models.RoleEmbedding, func(s []face.Stage) (err error) {
			e.embedder, err = face.NewEmbedder(s[0].Net, s[0].Model)
			return err
		}),
		perform(models.RoleLandmarks, func(s []face.Stage) (err error) { e.landmarker, err = face.NewLandmarker(s[0]); return err }),
		perform(models.RolePose, func(s []face.Stage) (err error) { e.pose, err = face.NewPoseEstimator(s); return err }),
		perform(models.RoleLiveness, func(s []face.Stage) (err error) { e.liveness, err = face.NewLivenessDetector(s); return err }),
		perform(models.RoleAge, func(s []face.Stage) (err error) { e.age, err = face.NewAgeEstimator(s[0]); return err }),
		perform(models.RoleSegmentation, func(s []face.Stage) (err error) { e.segmenter, err = face.NewSegmenter(s[0]); return err }),
		perform(models.RoleDocument, func(s []face.Stage) (err error) { e.documents, err = face.NewDocumentDetector(s[0]); return err }),
		func() (err error) {
			e.attributes, err = face.NewAttributeClassifier(stages[models.RoleAttributes])
			return err
		}(),
	)
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

// performed are the roles whose networks e has loaded, in the order of models.Roles.
var performed = []models.Role{models.RoleDetector, models.RoleEmbedding, models.RoleLandmarks, models.RolePose,
	models.RoleLiveness, models.RoleAge, models.RoleAttributes, models.RoleSegmentation, models.RoleDocument}

// Models names the networks that e has loaded.
func (e *Engine) Models() []schema.ModelRun {
	var all []models.Model
	for _, role := range performed {
		all = append(all, e.pack.Models[role]...)
	}
	return runs(all)
}

func runs(all []models.Model) []schema.ModelRun {
	var runs []schema.ModelRun
	for _, m := range all {
		runs = append(runs, schema.ModelRun{Role: string(m.Role), ID: m.ID()})
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

// Threshold is the pack's threshold of that name (face.ThresholdMask, …), as face.Thresholds finds it.
func (e *Engine) Threshold(name string) (models.Threshold, bool) {
	t, ok := e.thresholds[name]
	return t, ok
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
	// Turn looks for faces in the picture turned by 90, 180 and 270 degrees too, unless it is sure of one that stands upright.
	Turn bool
	// Attributes asks for what the pack's networks and the pixels say of each selected face.
	Attributes bool
	// Liveness asks for the networks of this mode of anti_spoofing_mode, 1 to 3; 0 asks for none.
	Liveness int
	// Documents asks for the identity document that each selected face is on.
	Documents bool
	// Age asks for an estimate of the age.
	Age bool
	// Quality asks for the quality of each selected face, and whether it is what these groups allow (quality.Groups). It asks for
	// Attributes too.
	Quality []string
	// Portraits asks for pictures of each selected face, unless there are more than schema.MaxDetailedFaces.
	Portraits []face.PortraitOptions
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
	// Timings are the durations of the stages that ran: "decode", "detect" (turning included), "pose", "landmarks",
	// "attributes", "liveness", "documents", "age", "quality", "align", "embed",
	// "portraits".
	Timings map[string]time.Duration
}

// Original is box, in pixels of the picture as it was turned, as it lies in the picture before.
func (a *Analysis) Original(box schema.BoxF) schema.BoxF {
	width, height := float32(a.Width), float32(a.Height)
	point := func(p schema.PointF) schema.PointF {
		switch a.Turned {
		case 90:
			return schema.PointF{X: p.Y, Y: width - p.X}
		case 180:
			return schema.PointF{X: width - p.X, Y: height - p.Y}
		case 270:
			return schema.PointF{X: height - p.Y, Y: p.X}
		}
		return p
	}
	p, q := point(box.TopLeft), point(box.BottomRight)
	return schema.BoxF{
		TopLeft:     schema.PointF{X: min(p.X, q.X), Y: min(p.Y, q.Y)},
		BottomRight: schema.PointF{X: max(p.X, q.X), Y: max(p.Y, q.Y)},
	}
}

// Face is a detected face with what was asked for of it; the rest is nil. Attributes has nil where the pack lacks the
// network; a liveness, a document, an age or a background that was asked for of a pack without their role is an error with the reason
// role_absent.
type Face struct {
	face.Face
	Embedding  *schema.Embedding
	Attributes *face.Attributes
	Liveness   *face.Liveness
	Document   *face.Document // nil where the face is on none
	Age        *face.Age
	Quality    *quality.Report
	Portraits  []*face.Portrait // in the order of Params.Portraits
	// Unportrayed is why the face has no portraits although they were asked for: permanent, with the reason face_rejected.
	Unportrayed error
}

// Analyze decodes an image file, finds and selects its faces, and says of each what p asks for.
func (e *Engine) Analyze(ctx context.Context, image []byte, p Params) (*Analysis, error) {
	const op = "engine.analyze"
	if err := e.able(op, p); err != nil {
		return nil, err
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
	lap("decode")
	found, err := e.detect(ctx, img, p)
	if err != nil {
		return nil, err
	}
	img, a.Turned = found.img, 90*found.quarters
	a.Width, a.Height = img.Width, img.Height
	faces := p.Strategy.Select(found.faces)
	for _, f := range faces {
		a.Faces = append(a.Faces, Face{Face: f})
	}
	lap("detect")
	ran := found.ran
	defer func() { a.Models = runs(e.inOrder(ran)) }()
	if len(faces) == 0 {
		return a, nil
	}
	use := func(role models.Role) { ran = append(ran, e.pack.Models[role]...) }
	if p.Attributes || len(p.Quality) > 0 {
		if err := e.attribute(ctx, img, a, use, lap); err != nil {
			return nil, err
		}
	}
	if p.Liveness != 0 {
		stages, _ := e.liveness.Mode(p.Liveness) // able has asked
		for _, s := range stages {
			ran = append(ran, s.Model)
		}
		for i, r := range e.liveness.Assess(ctx, img, faces, p.Liveness) {
			if r.Err != nil {
				return nil, r.Err
			}
			a.Faces[i].Liveness = &r.Liveness
		}
		lap("liveness")
	}
	if p.Documents {
		use(models.RoleDocument)
		for i, r := range e.documents.Find(ctx, img, faces) {
			if r.Err != nil {
				return nil, r.Err
			}
			a.Faces[i].Document = r.Document
		}
		lap("documents")
	}
	if len(p.Quality) > 0 {
		if err := e.assess(ctx, img, a, found.faces, p.Quality, use); err != nil {
			return nil, err
		}
		lap("quality")
	}
	if p.Age {
		use(models.RoleAge)
		for i, r := range e.age.Estimate(ctx, img, faces) {
			if r.Err != nil {
				return nil, r.Err
			}
			a.Faces[i].Age = &r.Age
		}
		lap("age")
	}
	if p.Embed {
		use(models.RoleEmbedding)
		aligned := make([]*imaging.Image, len(faces))
		for i, f := range faces {
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
	}
	if len(p.Portraits) > 0 && len(a.Faces) <= schema.MaxDetailedFaces {
		for i := range a.Faces {
			f := &a.Faces[i]
			for _, o := range p.Portraits {
				portrait, used, err := e.portrait(ctx, img, *f, o)
				if schema.ReasonOf(err) == schema.ReasonFaceRejected { // one face never fails its neighbours
					f.Portraits, f.Unportrayed = nil, err
					break
				}
				if err != nil {
					return nil, err
				}
				f.Portraits = append(f.Portraits, portrait)
				ran = append(ran, used...)
			}
		}
		lap("portraits")
	}
	return a, nil
}

// able says why e cannot answer p, or nil.
func (e *Engine) able(op string, p Params) error {
	switch {
	case p.Strategy < MultipleFaces || p.Strategy > SingleFaceHybrid:
		return schema.Permanent(op, schema.ReasonInvalidConfiguration, fmt.Errorf("face selection strategy %d; there are 0 to %d", p.Strategy, SingleFaceHybrid))
	case p.Liveness < 0 || p.Liveness > 3:
		return schema.Permanent(op, schema.ReasonInvalidConfiguration, fmt.Errorf("anti-spoofing mode %d; there are 0 to 3", p.Liveness))
	case e.detector == nil:
		return e.absent(op, models.RoleDetector)
	case p.Embed && e.embedder == nil:
		return e.absent(op, models.RoleEmbedding)
	case p.Liveness != 0 && e.liveness == nil:
		return e.absent(op, models.RoleLiveness)
	case p.Documents && e.documents == nil:
		return e.absent(op, models.RoleDocument)
	case p.Age && e.age == nil:
		return e.absent(op, models.RoleAge)
	}
	if err := quality.CheckGroups(p.Quality); err != nil {
		return err
	}
	for _, o := range p.Portraits {
		if err := e.ablePortrait(op, o); err != nil {
			return err
		}
	}
	if p.Liveness != 0 {
		if _, err := e.liveness.Mode(p.Liveness); err != nil {
			return schema.Permanent(op, schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has too few networks of the role %s: %w", e.pack.Name, models.RoleLiveness, err))
		}
	}
	return nil
}

// inOrder are the different models of ran in the order of Models.
func (e *Engine) inOrder(ran []models.Model) []models.Model {
	var all []models.Model
	for _, role := range performed {
		for _, m := range e.pack.Models[role] {
			if slices.ContainsFunc(ran, func(r models.Model) bool { return r.Role == role && r.ID() == m.ID() }) {
				all = append(all, m)
			}
		}
	}
	return all
}

// attribute adds pose, landmarks and attributes to the faces of a, in pixels of img.
func (e *Engine) attribute(ctx context.Context, img *imaging.Image, a *Analysis, use func(models.Role), lap func(string)) error {
	faces := make([]face.Face, len(a.Faces))
	seen := make([]face.Seen, len(a.Faces))
	rolls := make([]float32, len(a.Faces))
	for i, f := range a.Faces {
		faces[i], seen[i].Face, rolls[i] = f.Face, f.Face, f.Roll()
	}
	if e.pose != nil {
		use(models.RolePose)
		for i, r := range e.pose.Estimate(ctx, img, faces) {
			if r.Err != nil {
				return r.Err
			}
			// The detector's points are unreliable on heads that lean far, on which its training had few.
			seen[i].Pose, rolls[i] = &r.Pose, r.Pose.Roll
		}
		lap("pose")
	}
	if e.landmarker != nil {
		use(models.RoleLandmarks)
		for i, r := range e.landmarker.Find(ctx, img, faces, rolls) {
			if r.Err != nil {
				return r.Err
			}
			seen[i].Landmarks = &r.Landmarks
		}
		lap("landmarks")
	}
	use(models.RoleAttributes)
	for i, r := range e.attributes.Classify(ctx, img, seen) {
		if r.Err != nil {
			return r.Err
		}
		a.Faces[i].Attributes = &r.Attributes
	}
	lap("attributes")
	return nil
}

// assess adds the quality to the faces of a, which are some of all that were found.
func (e *Engine) assess(ctx context.Context, img *imaging.Image, a *Analysis, all []face.Face, groups []string, use func(models.Role)) error {
	subjects := make([]quality.Subject, len(a.Faces))
	for i, f := range a.Faces {
		subjects[i] = quality.Subject{Face: f.Face, Attributes: *f.Attributes}
		if e.segmenter == nil {
			continue
		}
		mask, err := e.Person(ctx, img, f.Face, f.Attributes.Landmarks)
		switch {
		case err == nil:
			subjects[i].Mask = mask
		case schema.ReasonOf(err) != schema.ReasonFaceRejected: // a face without two eyes has no place for a portrait
			return err
		}
	}
	use(models.RoleSegmentation)
	limits := map[string]float32{}
	for name, t := range e.thresholds {
		limits[name] = t.Value
	}
	reports, err := quality.Assess(img, subjects, all, groups, limits)
	for i, r := range reports {
		a.Faces[i].Quality = r
	}
	return err
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

// Person is face.Segmenter.Person with the pack's network for segmentation.
func (e *Engine) Person(ctx context.Context, img *imaging.Image, f face.Face, landmarks []schema.PointF) (*face.Mask, error) {
	if e.segmenter == nil {
		return nil, e.absent("engine.person", models.RoleSegmentation)
	}
	return e.segmenter.Person(ctx, img, f, landmarks)
}
