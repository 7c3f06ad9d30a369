package cli

import (
	"context"
	"fmt"
	"strings"

	"facestream/internal/config"
	"facestream/internal/memory"
	"facestream/internal/services/worker"
	"facestream/pkg/engine"
	"facestream/pkg/engine/models"
)

// lookAtMemory loads the packs of a worker one beside the other, as the worker does, and says how much memory this process
// then has more: for the later packs without the networks that they share with earlier ones.
func lookAtMemory(ctx context.Context, cfg config.Worker) (string, error) {
	var said []string
	var first *engine.Engine
	for _, name := range cfg.Models {
		pack, err := models.Locate(name)
		if err != nil {
			return "", err
		}
		before, err := memory.Resident()
		if err != nil {
			return "", err
		}
		e, err := worker.OpenEngine(ctx, cfg, pack, first)
		if err != nil {
			return "", err
		}
		defer e.Close()
		after, err := memory.Resident()
		if err != nil {
			return "", err
		}
		more := ""
		if first == nil {
			first = e
		} else {
			more = " more"
		}
		said = append(said, fmt.Sprintf("%s takes %s%s", name, megabytes(after-before), more))
	}
	return strings.Join(said, ", ") + " (resident; the first with ONNX Runtime; images in work come on top)", nil
}
