package engine

import (
	"context"
	"errors"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// heardMemory is what a recording within voice.DefaultLimits takes while it is worked on: its samples as they are decoded and
// resampled, the copy that the network for activity is fed with, and what the two networks compute in between.
const heardMemory = 150e6

// Heard is what a recording holds, and the networks that said so.
type Heard struct {
	*voice.Heard
	Models []schema.ModelRun
}

// Hear decodes a recording and makes the embedding of its speaker. The errors are those of voice.Decode; a pack without the networks
// answers with the reason role_absent.
func (e *Engine) Hear(ctx context.Context, recording []byte) (*Heard, error) {
	if err := e.hears("engine.hear"); err != nil {
		return nil, err
	}
	place, err := e.pool.budget.admit(ctx, heardMemory, false, "the analysis of a recording")
	if err != nil {
		return nil, heardError(err)
	}
	defer place.leave()
	w := e.begin(ctx, place)
	ran := record{}
	h, err := e.listener.Listen(context.WithValue(w.ctx, recordKey{}, ran), recording)
	if err := w.end(err); err != nil {
		return nil, heardError(err)
	}
	return &Heard{h, e.runs(func(m models.Model) bool { return ran[modelKey{m.Role, m.Name}] })}, nil
}

// heardError is err with the reason of a recording for that of a picture.
func heardError(err error) error {
	if schema.ReasonOf(err) == schema.ReasonImageTooLarge {
		return schema.Permanent("engine.hear", schema.ReasonAudioTooLong, errors.New("the analysis of the recording takes more memory or time than it may have"))
	}
	return err
}

// VoiceModel returns the id of the network that embeds voices, or "" if the pack has none.
func (e *Engine) VoiceModel() schema.ModelID {
	if e.listener.Speaker == nil {
		return ""
	}
	return e.listener.Speaker.Model()
}

// hears says why e cannot hear recordings, or nil.
func (e *Engine) hears(op string) error {
	for _, s := range e.steps {
		if s.recording && s.absent {
			return e.absent(op, s.role)
		}
	}
	return nil
}

// The steps about recordings give their networks to the listener, which runs them.

func findingSpeech(e *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	e.listener.Activity, err = one(stages, func(s face.Stage) (*voice.Activity, error) { return voice.NewActivity(s.Net, s.Model) })
	return action{}, err
}

func embeddingVoices(e *Engine, stages []face.Stage, _ Options) (_ action, err error) {
	e.listener.Speaker, err = one(stages, func(s face.Stage) (*voice.Speaker, error) { return voice.NewSpeaker(s.Net, s.Model) })
	return action{}, err
}
