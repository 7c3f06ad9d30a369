package engine

import (
	"context"
	"errors"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
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

// VoiceThreshold is the cosine, -1..1, from which on two voices are taken for one. ok is false if the pack has none.
func (e *Engine) VoiceThreshold() (t models.Threshold, ok bool) {
	return e.pack.Threshold(models.RoleVoice, voice.ThresholdMatch)
}

func (e *Engine) hears(op string) error {
	switch {
	case e.listener.Speaker == nil:
		return e.absent(op, models.RoleVoice)
	case e.listener.Activity == nil:
		return e.absent(op, models.RoleActivity)
	}
	return nil
}

// loadVoices loads the networks that hear.
func (e *Engine) loadVoices() error {
	drivers := map[models.Role]func(onnx.Network, models.Model) error{
		models.RoleVoice: func(n onnx.Network, m models.Model) (err error) {
			e.listener.Speaker, err = voice.NewSpeaker(n, m)
			return err
		},
		models.RoleActivity: func(n onnx.Network, m models.Model) (err error) {
			e.listener.Activity, err = voice.NewActivity(n, m)
			return err
		},
	}
	var problems []error
	for _, m := range e.networks {
		drive := drivers[m.Role]
		if drive == nil {
			continue
		}
		stage, where, err := e.loan.network(e.pack, m)
		if err != nil {
			return err
		}
		e.placed = append(e.placed, Placed{ModelRun: schema.ModelRun{Role: string(m.Role), ID: m.ID()}, Placement: where})
		problems = append(problems, drive(stage.Net, m))
	}
	return errors.Join(problems...)
}
