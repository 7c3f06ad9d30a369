package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"facestream/internal/allinone"
	"facestream/internal/config"
	"facestream/internal/program"
	"facestream/internal/services/indexer"
	"facestream/internal/services/ingest"
	workers "facestream/internal/services/worker"
	"facestream/internal/verdict"
	"facestream/internal/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// roleVariable makes this program a part of the system that it tests. So a change of the code needs one program to be built.
const roleVariable = "SOAK_ROLE"

// play runs a role and returns the exit code.
func play(role string) int {
	switch role {
	case "ingest":
		return program.Service(role, ingest.Run)
	case "indexer":
		return program.Service(role, indexer.Run)
	case "worker":
		packs := []worker.Pack{simulatedPack()}
		return program.Service(role, workers.With(func(schema.Collection) []worker.Pack { return packs }))
	case "servers":
		return program.Run(func(ctx context.Context) error {
			cfg, err := config.Load("", os.Environ(), nil)
			if err != nil {
				return err
			}
			return allinone.Servers(ctx, cfg, program.Logger(cfg, role), func(context.Context, allinone.Addresses) error { return nil })
		})
	case "store":
		return program.Run(serveStore)
	}
	fmt.Fprintf(os.Stderr, "%s=%s: there is no such role\n", roleVariable, role)
	return program.ExitUsage
}

// simulated is an engine that reads the faces from the pixels of simulatedAlbum. It decodes files as the real one does.
type simulated struct{ pause time.Duration }

const simulatedModel = schema.ModelID("simulated@00000001")

// simulatedPack is the engine with operating points that tell the people of simulatedAlbum apart.
func simulatedPack() worker.Pack {
	pause, _ := time.ParseDuration(os.Getenv("SOAK_PAUSE"))
	return worker.Pack{
		Engine: simulated{pause},
		Verdict: verdict.Pack{
			Name:          "simulated",
			Models:        simulatedRuns(),
			Matching:      schema.Thresholds{Min: 0.35, Med: 0.6, Max: 0.75},
			MinConfidence: 0.5,
			Liveness:      verdict.UnmeasuredLiveness,
			Traits:        verdict.UnmeasuredTraits,
		},
	}
}

func simulatedRuns() []schema.ModelRun {
	return []schema.ModelRun{{Role: string(models.RoleDetector), ID: "simulated@00000002"}, {Role: string(models.RoleEmbedding), ID: simulatedModel}}
}

// Hear implements [worker.Engine]. The pack has no role that hears.
func (simulated) Hear(context.Context, []byte) (*engine.Heard, error) {
	return nil, schema.Permanent("simulated.hear", schema.ReasonRoleAbsent, errors.New("the simulated engine hears nothing"))
}

// Analyze implements [worker.Engine].
func (s simulated) Analyze(ctx context.Context, data []byte, p engine.Params) (*engine.Analysis, error) {
	img, info, err := imaging.Decode(ctx, data, imaging.Limits{})
	if err != nil {
		return nil, err
	}
	time.Sleep(s.pause)
	a := &engine.Analysis{Width: img.Width, Height: img.Height, Damage: info.Damage, Models: simulatedRuns(), Timings: map[string]time.Duration{"decode": time.Microsecond}}
	if v, ok := decode(img.Pix); ok {
		o := face.Observation{Width: img.Width, Height: img.Height}
		o.Box = schema.BoxF{TopLeft: schema.PointF{X: 2, Y: 3}, BottomRight: schema.PointF{X: 13, Y: 14}}
		o.Points = [5]schema.PointF{{X: 5, Y: 6}, {X: 10, Y: 6}, {X: 7, Y: 9}, {X: 5, Y: 11}, {X: 10, Y: 11}}
		o.Confidence = 0.99
		if p.Embed {
			o.Embedding = &schema.Embedding{Model: simulatedModel, Vector: v}
		}
		a.Faces = append(a.Faces, o)
	}
	return a, nil
}
