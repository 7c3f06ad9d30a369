package eval

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"facestream/pkg/engine"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// analyze returns, for the best face of each photograph below the folder faces, what params ask for. It returns nil for
// a photograph without a face, and adds it to the failures of r.
func (o Options) analyze(ctx context.Context, r *Report, files []string, params engine.Params) ([]*face.Observation, error) {
	params.Strategy, params.MinConfidence = engine.BestConfidence, o.Subject.minConfidence()
	read := func(file string) ([]byte, error) {
		return os.ReadFile(filepath.Join(o.Data, "faces", filepath.FromSlash(file)))
	}
	return o.firstFaces(ctx, "photographs", files, read, params, func(file, why string) { r.fail(file, "%s", why) })
}

// firstFaces returns, for the first face that the engine selects in each picture, what params ask for. It returns nil
// for a picture without a face, and calls fail with the reason, in the order of the pictures.
func (o Options) firstFaces(ctx context.Context, what string, pictures []string, read func(picture string) ([]byte, error), params engine.Params,
	fail func(picture, why string)) ([]*face.Observation, error) {
	found := make([]*face.Observation, len(pictures))
	why := make([]string, len(pictures))
	err := o.forEach(ctx, what, len(pictures), func(ctx context.Context, i int) error {
		data, err := read(pictures[i])
		if err != nil {
			return dataError(err)
		}
		a, err := o.Subject.engine.Analyze(ctx, data, params)
		switch reason := schema.ReasonOf(err); {
		case reason == schema.ReasonRoleAbsent:
			return err
		case reason != "":
			why[i] = string(reason) + ": " + schema.MessageOf(err)
		case err != nil:
			return fmt.Errorf("%s: %w", pictures[i], err)
		case len(a.Faces) == 0:
			why[i] = "no face was found"
		default:
			found[i] = &a.Faces[0]
		}
		return nil
	})
	for i, w := range why {
		if w != "" {
			fail(pictures[i], w)
		}
	}
	return found, err
}

// threshold returns the threshold of that name in the manifest.
func (s *Subject) threshold(name string) (float32, error) {
	t, ok := s.engine.Threshold(name)
	if !ok {
		return 0, fmt.Errorf("the manifest of the pack %q has no threshold %q", s.pack.Name, name)
	}
	return t.Value, nil
}

// traitThresholds returns the names of the thresholds by which the pack's findings become traits and liveness.
func (s *Subject) traitThresholds() []string {
	return slices.Sorted(maps.Keys(face.Thresholds(s.pack)))
}

// has returns an error that says which of the roles the pack lacks and why, or nil.
func (s *Subject) has(roles ...models.Role) error {
	var missing []error
	for _, role := range roles {
		if len(s.pack.Models[role]) == 0 {
			missing = append(missing, fmt.Errorf("the model pack %q has no %s: %s", s.pack.Name, role, s.pack.Absent[role]))
		}
	}
	if missing == nil {
		return nil
	}
	return schema.Permanent("eval", schema.ReasonRoleAbsent, errors.Join(missing...))
}

func fileNames(all []labelled) []string {
	files := make([]string, len(all))
	for i, l := range all {
		files[i] = l.file
	}
	return files
}
