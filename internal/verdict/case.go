package verdict

import (
	"cmp"
	"fmt"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// Case is one job with its configuration and a model pack.
type Case struct {
	job        *schema.Job
	config     schema.OperationConfig
	pack       Pack
	thresholds schema.Thresholds        // between two people, or two documents
	crossing   schema.Thresholds        // between a document and a person
	actions    []schema.ChallengeAction // that the images must show; nil without a challenge
}

// New returns the case of job under pack. It returns a permanent error with a reason if the configuration contradicts
// the pack, or if the operation needs a network that the pack lacks.
func New(job *schema.Job, pack Pack) (*Case, error) {
	config, problems := job.Configuration()
	if len(problems) > 0 {
		return nil, schema.Permanent("verdict.config", problems.Reason(), problems)
	}
	c := &Case{job: job, config: config, pack: pack}
	if c.thresholds, problems = thresholds(config.Matching, pack.Matching, job.Floors); c.embeds() && len(problems) > 0 {
		return nil, schema.Permanent("verdict.thresholds", problems.Reason(), problems)
	}
	crossing := pack.Matching
	crossing.Med = cmp.Or(pack.Crossing, pack.Matching.Med)
	crossing.Min, crossing.Max = min(crossing.Min, crossing.Med), max(crossing.Max, crossing.Med)
	if c.crossing, problems = thresholds(config.Matching, crossing, job.Floors); len(problems) > 0 {
		if c.shows(0) {
			return nil, schema.Permanent("verdict.thresholds", problems.Reason(), problems)
		}
		// Nobody who shows no document has to know of the pack's threshold for documents.
		c.crossing = c.thresholds
		c.crossing.Med = c.crossing.Max
	}
	if config.Quality.PlainBackground && !pack.has(models.RoleSegmentation) {
		return nil, schema.Permanent("verdict.pack", schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has no %s network, which refuse_busy_background needs", pack.Name, models.RoleSegmentation))
	}
	return c, pack.Performs(job.Operation)
}

// Notes says what is done differently from what the configuration asks, because the pack does not allow it.
func (c *Case) Notes() (notes []string) {
	asked := c.config.MinConfidence(c.job.Operation)
	if asked < c.pack.MinConfidence && asked != schema.DefaultConfig(c.job.Operation).MinConfidence(c.job.Operation) {
		key := "conf_score_thr_enroll"
		if c.config.Predicts(c.job.Operation) {
			key = "conf_score_thr_predict"
		}
		notes = append(notes, fmt.Sprintf("%s is %v; the model pack finds no faces below a confidence of %v, which applies instead", key, asked, c.pack.MinConfidence))
	}
	return notes
}

// Thresholds returns the thresholds by which matches with people of the gallery are judged, and those for the rows that show a document.
func (c *Case) Thresholds() (people, documents schema.Thresholds) {
	if c.job.Operation.OnVoices() {
		return c.pack.Voices, c.pack.Voices
	}
	return c.between(c.shows(0), false), c.between(c.shows(0), true)
}

// between returns the thresholds between two images, of which each shows a document or not.
func (c *Case) between(a, b bool) schema.Thresholds {
	if a != b {
		return c.crossing
	}
	return c.thresholds
}

// shows reports whether the image of that index is said to show a document.
func (c *Case) shows(image int) bool { return c.embeds() && c.config.Document.Images.Has(image) }

// embeds reports whether the operation compares faces by their embeddings.
func (c *Case) embeds() bool {
	switch c.job.Operation {
	case schema.OpEnroll, schema.OpPredict, schema.OpCompare, schema.OpVerify:
		return true
	}
	return c.job.Challenge != ""
}

// ParamsOf returns what to ask of the engine about the image of that index.
func (c *Case) ParamsOf(image int) engine.Params {
	p := c.Params()
	if c.shows(image) { // nobody is present whose liveness there would be
		p.Document, p.Liveness, p.Documents = &engine.DocumentParams{Faces: true, Rotate: true}, 0, false
		if p.Strategy != engine.MultipleFaces {
			p.Strategy = engine.BiggestFace
		}
	}
	return p
}

// Params returns what to ask of the engine about each image that shows no document beside people.
func (c *Case) Params() engine.Params {
	op, config := c.job.Operation, c.config
	p := engine.Params{
		MinConfidence: max(c.pack.MinConfidence, config.MinConfidence(op)),
		Strategy:      engine.Strategy(config.Detection.Strategy),
		Turn:          config.Detection.Turn,
		Attributes:    !config.Quality.ValidationsOff || config.Quality.Smile,
		Age:           op == schema.OpEstimateAge,
		Quality:       config.Quality.GroupNames(),
		Embed:         c.embeds(),
	}
	p.Barcodes = c.barcodes()
	if c.barcodesOnly() {
		return engine.Params{Barcodes: p.Barcodes}
	}
	p.Attributes = p.Attributes || c.actions != nil
	if config.Quality.PlainBackground && p.Quality == nil {
		p.Quality = []string{quality.Default} // the background is measured with everything else
	}
	switch o := portrait(config.Portrait); {
	case op == schema.OpFaceISO:
		p.Portraits = []face.PortraitOptions{o}
	case config.Portrait.CropFaces || op == schema.OpDocScanFace:
		o.Background = nil
		p.Portraits = []face.PortraitOptions{o}
	}
	if c.scans() { // nobody is present whose liveness there would be
		p.Document = &engine.DocumentParams{Faces: !config.Document.Only && !config.Document.Segmented, Rotate: config.Document.Rotate, MRZ: c.readsZone() || config.Document.Text || config.Document.Checks, Segmented: config.Document.Segmented, Today: c.job.AcceptedAt, Accept: c.accepts, Format: imaging.Format(config.Portrait.Format)}
		if d := config.Document; (d.Text || d.Checks || d.Age) && !d.Segmented {
			p.Document.Text = c.readsText
		}
		p.Age = config.Document.Checks && c.pack.has(models.RoleAge)
		return p
	}
	switch op {
	case schema.OpValidate, schema.OpEnroll, schema.OpPredict, schema.OpVerify, schema.OpAntiSpoofing:
		if c.pack.has(models.RoleLiveness) {
			p.Liveness = int(config.Liveness.Mode)
		}
		// If the pack cannot do it, the engine returns an error. An attack must not pass because nothing looked for it.
		p.Documents = config.Liveness.DetectDocument && config.Liveness.Mode != schema.LivenessOff
	}
	return p
}

// portrait returns the options of portraits under config.
func portrait(config schema.PortraitConfig) face.PortraitOptions {
	colour := imaging.RGB{byte(config.BackgroundColor >> 16), byte(config.BackgroundColor >> 8), byte(config.BackgroundColor)}
	o := face.PortraitOptions{Preset: face.Preset(config.Preset), Width: config.Width, Pad: &colour, Format: imaging.Format(config.Format)}
	if config.Background == schema.BackgroundReplace {
		o.Background = &colour
	}
	return o
}

// Performs returns a permanent error with the reason role_absent if p lacks a role that op needs. A role is not needed
// if only a part of the answer would be missing. The engine itself checks the detector and the embedding.
func (p Pack) Performs(op schema.Operation) error {
	var needs []models.Role
	switch {
	case op == schema.OpEstimateAge:
		needs = []models.Role{models.RoleAge}
	case op == schema.OpAntiSpoofing:
		needs = []models.Role{models.RoleLiveness}
	case op.OnVoices():
		needs = []models.Role{models.RoleVoice, models.RoleActivity}
	}
	for _, role := range needs {
		if !p.has(role) {
			return schema.Permanent("verdict.pack", schema.ReasonRoleAbsent, fmt.Errorf("the model pack %q has no %s network, which %s needs", p.Name, role, op))
		}
	}
	return nil
}
