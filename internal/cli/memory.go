package cli

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
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
		said = append(said, fmt.Sprintf("%s takes %s%s, %s", name, megabytes(max(after-before, 0)), more, devicesOf(e)))
	}
	return strings.Join(said, "; ") + " (resident; the first with ONNX Runtime; images in work come on top)", nil
}

// devicesOf says which device runs the networks of e: "9 networks on cuda:0, 1 on cpu (x@12345678)". All but the most
// frequent are named.
func devicesOf(e *engine.Engine) string {
	on := map[string][]string{}
	for _, n := range e.Networks() {
		on[n.String()] = append(on[n.String()], string(n.ID))
	}
	devices := slices.SortedFunc(maps.Keys(on), func(a, b string) int { return cmp.Or(len(on[b])-len(on[a]), strings.Compare(a, b)) })
	var said []string
	for i, device := range devices {
		if i == 0 {
			said = append(said, fmt.Sprintf("%d networks on %s", len(on[device]), device))
		} else {
			said = append(said, fmt.Sprintf("%d on %s (%s)", len(on[device]), device, strings.Join(on[device], ", ")))
		}
	}
	return strings.Join(said, ", ")
}
