package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/packs"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// Engines beside each other load what their packs share once, each answers as if it were alone, and each ends by itself.
func TestBeside(t *testing.T) {
	file := cast(t, 1)[0]
	first := starter(t, Options{Concurrency: 1})
	loaded := len(first.pool.networks)
	pack, err := models.Locate(packs.Starter)
	if err != nil {
		t.Fatal(err)
	}
	pack.Models = maps.Clone(pack.Models)
	m := slices.Clone(pack.Models[models.RoleEmbedding])
	m[0].Name, m[0].Input.Mean = "other", [3]float32{0.4, 0.5, 0.6}
	m[0].Batch = 1 // not the same network: it is called otherwise
	pack.Models[models.RoleEmbedding] = m
	second, err := Open(t.Context(), Options{Pack: pack, Beside: first})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(first.pool.networks); got != loaded+1 || second.pool != first.pool {
		t.Errorf("%d networks are loaded for both; want one more than the %d of the first", got, loaded)
	}
	embed := func(e *Engine) schema.Embedding {
		t.Helper()
		a, err := e.Analyze(t.Context(), file, Params{Embed: true})
		if err != nil || len(a.Faces) != 1 {
			t.Fatal(a, err)
		}
		return *a.Faces[0].Embedding
	}
	one, two := embed(first), embed(second)
	if one.Model != first.EmbeddingModel() || two.Model != second.EmbeddingModel() || one.Model == two.Model || slices.Equal(one.Vector, two.Vector) {
		t.Errorf("embeddings of %s and %s", one.Model, two.Model)
	}

	// The slot is one for both.
	first.pool.budget.slots <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	if _, err := second.Analyze(ctx, file, Params{}); schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("an image beside one in the other engine, of one at once: %v; want it to wait", err)
	}
	cancel()
	<-first.pool.budget.slots

	if err := second.Close(); err != nil {
		t.Error(err)
	}
	if got := len(first.pool.networks); got != loaded {
		t.Errorf("%d networks are loaded after the second engine is closed; want the %d of the first", got, loaded)
	}
	if _, err := second.Analyze(t.Context(), file, Params{}); err == nil {
		t.Error("a closed engine answers with the networks of another")
	}
	if got := embed(first); !slices.Equal(got.Vector, one.Vector) {
		t.Error("the first engine answers otherwise after the second is closed")
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Open(t.Context(), Options{Pack: pack, Beside: first}); err == nil {
		t.Error("an engine opens beside a closed one")
	}
}

// A skeleton is not loaded over weights that are not those of the manifest.
func TestWeightsAreChecked(t *testing.T) {
	dir := t.TempDir()
	hash := func(content []byte) string { sum := sha256.Sum256(content); return hex.EncodeToString(sum[:]) }
	skeleton := []byte("sha256:weights.bin " + hash([]byte("true")))
	for name, content := range map[string][]byte{"skeleton.onnx": skeleton, "weights.bin": []byte("false")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := models.Model{Role: models.RoleAge, Name: "age", Architecture: "years", File: "skeleton.onnx", SHA256: hash(skeleton),
		Weights: []models.File{{Name: "weights.bin", SHA256: hash([]byte("true"))}}}
	pack := &models.Pack{Name: "skeletal", Dir: dir, Models: map[models.Role][]models.Model{models.RoleAge: {m}}}
	_, err := Open(t.Context(), Options{Pack: pack, Library: library(t)})
	if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "sha256 of weights.bin") {
		t.Errorf("%v; want a fatal error that names the weights", err)
	}
}

// Images that are analysed at the same time, in memory that goes from one to the next, have the answers that each has alone. Under the
// race detector what was given back is poisoned.
func TestImagesShareNoMemory(t *testing.T) {
	e := starter(t, Options{})
	params := everything
	params.Age, params.Documents = false, false
	files := cast(t, 3)
	small, _, err := imaging.Decode(t.Context(), files[0], imaging.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	part, err := small.ResizePart(-20, -30, small.Width+50, small.Height+10, 500, 410).Encode(imaging.PNG)
	if err != nil {
		t.Fatal(err)
	}
	files = append(files, part)
	answer := func(file []byte) string {
		a, err := e.Analyze(t.Context(), file, params)
		if err != nil {
			t.Error(err)
			return ""
		}
		a.Timings = nil
		answer, err := json.Marshal(a)
		if err != nil {
			t.Error(err)
		}
		return string(answer)
	}
	var alone []string
	for _, file := range files {
		alone = append(alone, answer(file))
	}
	var images sync.WaitGroup
	for i := range 2 * len(files) {
		images.Go(func() {
			if n := i % len(files); answer(files[n]) != alone[n] {
				t.Errorf("picture %d has another answer beside others than alone", n)
			}
		})
	}
	images.Wait()
}

// A detector whose inputs have few shapes finds the faces that it finds in the least padded ones, and its shapes are those that
// it says it has. Of a face that nearly fills the picture, more padding moves the box: there the detector is least sure.
func TestDetectorOfFewShapes(t *testing.T) {
	e := starter(t, Options{})
	m, _ := e.pack.Model(models.RoleDetector)
	net, _, err := e.loan.network(e.pack, m)
	if err != nil {
		t.Fatal(err)
	}
	seen := &shapes{Network: net.Net}
	few, err := face.NewDetector(face.Stage{Net: seen, Model: m, FewShapes: true}, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := cast(t, 1)[0]
	whole, err := e.Decode(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][2]int{{400, 400}, {400, 300}, {400, 267}, {300, 400}, {225, 400}, {310, 310}} {
		img := whole.Crop((400-part[0])/2, 0, (400+part[0])/2, part[1], imaging.Reflect)
		for _, img := range []*imaging.Image{img, img.Resize(2*part[0], 2*part[1]), img.Resize(part[0]/2, part[1]/2)} {
			want, err := e.Detect(t.Context(), img, 0)
			if err != nil {
				t.Fatal(err)
			}
			got, err := few.Detect(t.Context(), img, 0)
			if err != nil || len(got) != len(want) {
				t.Errorf("%d × %d: %d faces (%v), want %d", img.Width, img.Height, len(got), err, len(want))
				continue
			}
			for i := range got {
				if same := got[i].Overlap(want[i]); same < 0.7 || math.Abs(float64(got[i].Confidence-want[i].Confidence)) > 0.1 {
					t.Errorf("%d × %d: face %d overlaps by %.3f, with the confidence %v instead of %v", img.Width, img.Height, i, same, got[i].Confidence, want[i].Confidence)
				}
			}
		}
	}
	known := few.InputShapes()
	for _, s := range seen.all {
		if !slices.ContainsFunc(known, func(k []int64) bool { return slices.Equal(k, s) }) {
			t.Errorf("a row of the shape %v, which is none of %v", s, known)
		}
	}
	if len(known) > 10 || len(seen.all) < 4 {
		t.Errorf("%d shapes, %d of them seen", len(known), len(seen.all))
	}
}

// shapes notes the shapes of rows.
type shapes struct {
	onnx.Network
	all [][]int64
}

func (s *shapes) Run(ctx context.Context, rows []onnx.Tensor) []onnx.RowResult {
	for _, r := range rows {
		if !slices.ContainsFunc(s.all, func(o []int64) bool { return slices.Equal(o, r.Shape) }) {
			s.all = append(s.all, slices.Clone(r.Shape))
		}
	}
	return s.Network.Run(ctx, rows)
}
