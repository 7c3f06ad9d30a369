package engine

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// A step finds out one thing about a picture, about its faces, or about a recording.
type step struct {
	// name is what timings call it.
	name string
	// role is the role of its networks; "" if it has none of its own. architecture tells them apart if several steps share a role.
	role         models.Role
	architecture string
	// without says what happens if the pack has no network for the role.
	without without
	// picture says that the step is about the whole picture. Such steps run before those about faces, also if there is no face.
	picture bool
	// recording says that the step is about a recording. [Engine.Hear] asks for all of these, and no picture for any.
	recording bool
	// wanted reports whether a caller asks for the step.
	wanted func(Params) bool
	// load makes the step's action out of its networks.
	load func(e *Engine, stages []face.Stage, o Options) (action, error)
}

// without is what happens to a step if the pack has no network for its role.
type without int

const (
	refuse    without = iota // requests that ask for the step are refused: role_absent, with the pack's reason
	leaveOut                 // the step does not run, and what it would find stays unknown
	runAnyway                // the step runs, and finds what it can without a network
)

// action is what a step does.
type action struct {
	// run adds to the frame what the step finds.
	run func(context.Context, *frame) error
	// able says why the step cannot do what a caller asks for, although its role has networks. nil: it always can.
	able func(Params) error
}

// steps are everything that an Engine does with a decoded picture, in this order, or with a recording. To add a network, add a row here. Which networks
// are loaded, what is refused if the pack lacks a role, and the stages of the timings follow from it.
func steps() []step {
	return []step{
		{name: "barcodes", picture: true, wanted: func(p Params) bool { return p.Barcodes != nil }, load: scanningBarcodes},
		{name: "document", role: models.RoleDocument, architecture: document.ArchitectureCorners, without: runAnyway, picture: true,
			wanted: func(p Params) bool { return p.Document != nil }, load: scanning},
		{name: "mrz", role: models.RoleText, picture: true, wanted: Params.reads, load: reading},
		{name: "further", picture: true, wanted: func(p Params) bool { return p.Document != nil }, load: further},
		{name: "orient", picture: true, wanted: func(p Params) bool { return p.Document != nil && p.Document.Rotate }, load: orienting},
		{name: "rectify", picture: true, wanted: func(p Params) bool { return p.Document != nil && p.Document.Keep != nil }, load: rectifying},
		{name: "detect", role: models.RoleDetector, picture: true, wanted: faces, load: detecting},
		{name: "corners", role: models.RoleDocument, architecture: document.ArchitectureCorners, without: leaveOut, picture: true,
			wanted: func(p Params) bool { return p.Documents }, load: corners},
		{name: "pose", role: models.RolePose, without: leaveOut, wanted: func(p Params) bool { return attributes(p) || p.Liveness != 0 },
			load: func(_ *Engine, s []face.Stage, _ Options) (action, error) { return observing(face.NewPoseEstimator(s)) }},
		{name: "landmarks", role: models.RoleLandmarks, without: leaveOut, wanted: attributes, load: landmarks},
		{name: "attributes", role: models.RoleAttributes, without: runAnyway, wanted: attributes,
			load: func(_ *Engine, s []face.Stage, _ Options) (action, error) {
				return observing(face.NewAttributeClassifier(s))
			}},
		{name: "liveness", role: models.RoleLiveness, wanted: func(p Params) bool { return p.Liveness != 0 }, load: liveness},
		{name: "documents", role: models.RoleDocument, architecture: face.DocumentGrid, wanted: func(p Params) bool { return p.Documents },
			load: func(_ *Engine, s []face.Stage, _ Options) (action, error) {
				return observing(one(s, face.NewDocumentDetector))
			}},
		{name: "segmentation", role: models.RoleSegmentation, without: leaveOut, wanted: assessed, load: segmentation},
		{name: "quality", wanted: assessed, load: assessment},
		{name: "age", role: models.RoleAge, wanted: func(p Params) bool { return p.Age },
			load: func(_ *Engine, s []face.Stage, _ Options) (action, error) {
				return observing(one(s, face.NewAgeEstimator))
			}},
		{name: "align", wanted: embedded, load: aligning},
		{name: "embed", role: models.RoleEmbedding, wanted: embedded, load: embedding},
		{name: "portraits", wanted: func(p Params) bool { return len(p.Portraits) > 0 }, load: portraits},
		{name: "activity", role: models.RoleActivity, recording: true, wanted: inNoPicture, load: findingSpeech},
		{name: "speaker", role: models.RoleVoice, recording: true, wanted: inNoPicture, load: embeddingVoices},
	}
}

// takes reports whether m is one of the step's networks.
func (s step) takes(m models.Model) bool {
	return m.Role == s.role && (s.architecture == "" || s.architecture == m.Architecture)
}

func attributes(p Params) bool { return p.Attributes || assessed(p) }
func faces(p Params) bool {
	return (p.Document == nil || p.Document.Faces) && (p.Barcodes == nil || !p.Barcodes.Only)
}
func inNoPicture(Params) bool { return false }
func assessed(p Params) bool  { return len(p.Quality) > 0 }
func embedded(p Params) bool  { return p.Embed }

// loaded is a step of an Engine.
type loaded struct {
	step
	action
	absent bool // the pack has no network for its role
}

// able says why e cannot answer p, or nil.
func (e *Engine) able(op string, p Params) error {
	switch {
	case p.Strategy < MultipleFaces || p.Strategy > SingleFaceHybrid:
		return schema.Permanent(op, schema.ReasonInvalidConfiguration, fmt.Errorf("face selection strategy %d; there are 0 to %d", p.Strategy, SingleFaceHybrid))
	case p.Liveness < 0 || p.Liveness > 3:
		return schema.Permanent(op, schema.ReasonInvalidConfiguration, fmt.Errorf("anti-spoofing mode %d; there are 0 to 3", p.Liveness))
	}
	for _, s := range e.steps {
		if !s.wanted(p) {
			continue
		}
		if s.absent && s.without == refuse {
			return e.absent(op, s.role)
		}
		if s.able != nil {
			if err := s.able(p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) absent(op string, role models.Role) error {
	why := e.pack.Absent[role]
	if why == "" {
		why = "its manifest does not name one"
	}
	return schema.Permanent(op, schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has no %s: %s", e.pack.Name, role, why))
}

// run does the steps that f's caller wants, and notes how long each took: first those about the picture, then those about its
// faces, one orientation after the other.
func (e *Engine) run(ctx context.Context, f *frame, timings map[string]time.Duration) error {
	clock := time.Now()
	whole := f
	do := func(f *frame, picture bool) error {
		for _, s := range e.steps {
			if s.picture != picture || s.run == nil || f.over || !s.wanted(f.params) {
				continue
			}
			if err := ctx.Err(); err != nil {
				return schema.Transient("engine.analyze", err)
			}
			paused := whole.paused
			if err := s.run(ctx, f); err != nil {
				return err
			}
			now := time.Now()
			timings[s.name] += now.Sub(clock) - (whole.paused - paused)
			clock = now
		}
		return nil
	}
	if err := do(f, true); err != nil {
		return err
	}
	if err := f.params.portraitsFit(len(f.faces)); err != nil {
		return err
	}
	if f.mayBeCrowd && len(f.faces) > facesAtOnce {
		return errCrowd
	}
	return f.upright(func(g *frame) error {
		now := time.Now()
		timings["detect"] += now.Sub(clock) // turning the picture is a part of finding its faces
		clock = now
		return do(g, false)
	})
}

// one makes a driver of a step's only network. Several networks are a Fatal error that names them, because only one of them would
// be asked.
func one[D any](stages []face.Stage, create func(face.Stage) (D, error)) (driver D, err error) {
	if len(stages) > 1 {
		var names []string
		for _, s := range stages {
			names = append(names, s.Model.Name)
		}
		return driver, schema.Fatal("engine.open", fmt.Errorf("the pack has %d networks for the role %s, %q; the engine takes one", len(stages), stages[0].Model.Role, names))
	}
	return create(stages[0])
}

// observing is the action of an Observer. If it cannot observe a face, the whole picture fails.
func observing(o face.Observer, err error) (action, error) {
	return action{run: func(ctx context.Context, f *frame) error {
		return first(o.Observe(ctx, f.picture, f.faces))
	}}, err
}

func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func detecting(e *Engine, stages []face.Stage, o Options) (_ action, err error) {
	e.detector, err = one(stages, func(s face.Stage) (*face.Detector, error) { return face.NewDetector(s, o.LongSide) })
	return action{run: e.find}, err
}

// corners notes the outline of the document that the picture shows.
func corners(_ *Engine, stages []face.Stage, _ Options) (action, error) {
	finder, err := one(stages, document.NewFinder)
	return action{run: func(ctx context.Context, f *frame) error {
		outlines, err := finder.Find(ctx, f.picture)
		if len(outlines) > 0 {
			f.document = &outlines[0]
		}
		return err
	}}, err
}

// scanning finds the documents that the picture shows, by their contours alone where the pack has no network for them.
func scanning(_ *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	finder := document.NewContourFinder()
	if stages != nil {
		finder, err = one(stages, document.NewFinder)
	}
	return action{run: func(ctx context.Context, f *frame) error {
		if f.params.Document.Segmented {
			f.segmented()
		} else {
			outlines, err := finder.Find(ctx, f.picture)
			if err != nil {
				return err
			}
			f.straighten(outlines)
		}
		accept := f.params.Document.Accept
		f.over = f.documents == nil || accept != nil && !accept(f.documents)
		return nil
	}}, err
}

// scanningBarcodes finds the barcodes of the photograph, and hands over pictures of them.
func scanningBarcodes(*Engine, []face.Stage, Options) (action, error) {
	const op = "engine.barcodes"
	return action{
		run: func(ctx context.Context, f *frame) (err error) {
			f.barcodes, err = barcode.Read(ctx, f.picture, barcode.Options{Unread: f.params.Barcodes.Unread})
			if err != nil && !errors.Is(err, barcode.ErrStopped) {
				return schema.Transient(op, err)
			}
			asked := f.params.Barcodes
			f.barcodes = slices.DeleteFunc(f.barcodes, func(b barcode.Found) bool { return b.Confidence < asked.MinConfidence })
			if asked.Keep == nil {
				return nil
			}
			for i, b := range f.barcodes[:min(len(f.barcodes), MostBarcodesKept)] {
				if err := f.keepBarcode(ctx, i, b); err != nil {
					return err
				}
			}
			return nil
		},
		able: func(Params) error {
			if err := barcode.Available(); err != nil {
				return schema.Permanent(op, schema.ReasonRoleAbsent, fmt.Errorf("barcodes are not read: %w", err))
			}
			return nil
		},
	}, nil
}

// reads reports whether p asks for anything that is read on a document.
func (p Params) reads() bool { return p.Document != nil && (p.Document.MRZ || p.Document.Text != nil) }

// reading reads what the first document says.
func reading(e *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	e.reader, err = document.NewTextReader(stages)
	return action{
		run: func(ctx context.Context, f *frame) error { return e.read(ctx, &f.documents[0], f.params.Document) },
		able: func(p Params) error {
			if p.Document.Text != nil && !e.reader.Reads() {
				return schema.Permanent("engine.analyze", schema.ReasonRoleAbsent, fmt.Errorf("the networks of the model pack %q for the role %s read machine-readable zones alone", e.pack.Name, models.RoleText))
			}
			return nil
		},
	}, err
}

// further judges and reads the documents beside the first, of which only one is straightened at a time.
func further(e *Engine, _ []face.Stage, _ Options) (action, error) {
	return action{run: func(ctx context.Context, f *frame) error {
		for i := range f.documents[1:] {
			o := &f.documents[1+i]
			if !f.straightenOne(o) {
				continue
			}
			var err error
			if f.params.reads() {
				err = e.read(ctx, o, f.params.Document)
			}
			o.Width, o.Height = o.Straight.Width, o.Straight.Height
			o.Straight.Release()
			if o.Straight = nil; err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

// read reads what a straightened document says.
func (e *Engine) read(ctx context.Context, o *document.Observation, asked *DocumentParams) error {
	if asked.MRZ {
		zone := document.MRZOptions{Reference: asked.Today, Segmented: asked.Segmented}
		if zone.Reference.IsZero() {
			zone.Reference = time.Now()
		}
		zones, err := e.reader.MRZ(ctx, o.Straight, zone)
		if err != nil {
			return err
		}
		if len(zones) > 0 {
			o.MRZ = &zones[0]
		}
	}
	if asked.Text != nil && asked.Text(o.MRZ) {
		text, err := e.reader.Find(ctx, o.Straight)
		if err != nil {
			return err
		}
		if o.Text, err = text.Lines(ctx); err != nil {
			return err
		}
		if o.MRZ != nil {
			o.Text = o.MRZ.Printed(o.Text)
		}
	}
	return nil
}

// orienting turns the document upright, as its machine-readable zone and the faces on it say.
func orienting(e *Engine, _ []face.Stage, _ Options) (action, error) {
	return action{
		run: func(ctx context.Context, f *frame) error {
			g := *f
			g.params.Turn = true
			faces, err := e.findAll(ctx, &g)
			if err != nil {
				return err
			}
			var directions []document.Direction
			if m := f.documents[0].MRZ; m != nil {
				directions = append(directions, m.Leans())
			}
			for _, c := range faces {
				directions = append(directions, document.Direction{Degrees: float64(c.Roll()) - 90*float64(c.quarters), Weight: float64(c.Confidence) * math.Sqrt(float64(c.Area()))})
			}
			quarters := document.Upright(directions)
			f.sought, f.found = true, e.afterTurn(f, faces, quarters)
			f.turn(quarters)
			return nil
		},
		able: func(Params) error {
			if e.detector == nil {
				return e.absent("engine.analyze", models.RoleDetector)
			}
			return nil
		},
	}, nil
}

// rectifying hands over the picture of the straightened document.
func rectifying(*Engine, []face.Stage, Options) (action, error) {
	return action{run: func(ctx context.Context, f *frame) error {
		asked := f.params.Document
		file, err := f.picture.Encode(asked.Format)
		if err != nil {
			return err
		}
		return asked.Keep(ctx, &face.Portrait{Image: f.picture, File: file, Format: asked.Format, Corners: f.documents[0].Corners})
	}}, nil
}

func landmarks(e *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	e.landmarker, err = one(stages, face.NewLandmarker)
	return observing(e.landmarker, err)
}

func liveness(e *Engine, stages []face.Stage, _ Options) (action, error) {
	const op = "engine.analyze"
	l, err := face.NewLivenessDetector(stages)
	e.liveness = l
	return action{
		run: func(ctx context.Context, f *frame) error {
			var others []face.Face
			if f.params.Strategy != MultipleFaces {
				others = f.all
			}
			return first(l.Observe(ctx, f.picture, f.faces, f.params.Liveness, others))
		},
		able: func(p Params) error {
			if _, err := l.Mode(p.Liveness); err != nil {
				return schema.Permanent(op, schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has too few networks of the role %s: %w", e.pack.Name, models.RoleLiveness, err))
			}
			return nil
		},
	}, err
}

func segmentation(e *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	e.segmenter, err = one(stages, face.NewSegmenter)
	return observing(e.segmenter, err)
}

func assessment(e *Engine, _ []face.Stage, _ Options) (action, error) {
	limits := map[string]float32{}
	for name, t := range e.thresholds {
		limits[name] = t.Value
	}
	return action{
		run: func(_ context.Context, f *frame) error {
			return quality.Assess(f.picture, f.faces, f.all, f.params.Quality, limits)
		},
		able: func(p Params) error { return quality.CheckGroups(p.Quality) },
	}, nil
}

func aligning(*Engine, []face.Stage, Options) (action, error) {
	return action{run: func(_ context.Context, f *frame) error {
		f.aligned = make([]*imaging.Image, len(f.faces))
		for i, o := range f.faces {
			var err error
			if f.aligned[i], err = face.Align(f.picture, o.Points); err != nil {
				return err
			}
		}
		return nil
	}}, nil
}

func embedding(e *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	e.embedder, err = one(stages, face.NewEmbedder)
	return action{run: func(ctx context.Context, f *frame) error {
		embeddings, err := e.Embed(ctx, f.aligned)
		for _, a := range f.aligned {
			a.Release()
		}
		f.aligned = nil
		for i := range embeddings {
			f.faces[i].Embedding = &embeddings[i]
		}
		return err
	}}, err
}

func portraits(e *Engine, _ []face.Stage, _ Options) (action, error) {
	return action{
		run: e.portray,
		able: func(p Params) error {
			for _, o := range p.Portraits {
				if o.Background != nil && e.segmenter == nil {
					return e.absent("engine.analyze", models.RoleSegmentation)
				}
				if err := o.Check(); err != nil {
					return err
				}
			}
			return nil
		},
	}, nil
}
