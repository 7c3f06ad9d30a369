package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"io/fs"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"facestream/pkg/engine/document"
	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/engine/quality"
	"facestream/pkg/engine/voice"
	"facestream/pkg/schema"
)

// place returns the folder that the environment variable names, or that lies at the default path relative to the
// repository's root; without it the test is skipped.
func place(t testing.TB, variable, fallback string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join(root(t), fallback)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIPPED: the real networks and photographs were not tested: there is no %s; set %s", dir, variable)
	}
	return dir
}

func root(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func dataDir(t testing.TB) string { return place(t, "FACESTREAM_DATA", "../shared/data") }

// openPack is the open pack as this version describes it, with the files of the one that was pulled.
func openPack(t testing.TB) *models.Pack {
	t.Helper()
	pack, err := models.Open(filepath.Join(root(t), "packs", "open"))
	if err != nil {
		t.Fatal(err)
	}
	if pack.Dir, err = models.PulledDir(pack.Name); err != nil {
		t.Skipf("SKIPPED: the networks of the open pack were not tested: %v; run `make models FACESTREAM_MODELS=open`", err)
	}
	files, err := models.Verify(t.Context(), pack)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.State != models.StateOK {
			t.Skipf("SKIPPED: the networks of the open pack were not tested: %s in %s is %s; run `make models FACESTREAM_MODELS=open`", f.File.Name, pack.Dir, f.State)
		}
	}
	return pack
}

func library(t testing.TB) string {
	t.Helper()
	path, _, err := onnx.FindLibrary(t.Context())
	if err != nil {
		t.Skipf("SKIPPED: the real networks were not tested: %v", err)
	}
	return path
}

func openEngine(t testing.TB) *Engine {
	t.Helper()
	pack := openPack(t)
	e, err := Open(t.Context(), Options{Pack: pack, Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func read(t testing.TB, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reference is what tools/reference/reference.py writes.
type reference struct {
	LongSide      int     `json:"long_side"`
	MinConfidence float32 `json:"min_confidence"`
	Aligned       []struct {
		File      string `json:"file"`
		Embedding string `json:"embedding"`
	} `json:"aligned"`
	Photos []photo `json:"photos"`
}

// photo is the best face of one photograph.
type photo struct {
	File       string      `json:"file"`
	Width      int         `json:"width"`
	Height     int         `json:"height"`
	Faces      int         `json:"faces"`
	Box        [4]float32  `json:"box"`
	Points     [10]float32 `json:"points"`
	Confidence float32     `json:"confidence"`
	Embedding  string      `json:"embedding"`
}

func readReference(t testing.TB) reference {
	t.Helper()
	var r reference
	if err := json.Unmarshal(read(t, "testdata", "reference.json"), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Aligned) != 100 || len(r.Photos) == 0 {
		t.Fatalf("%d aligned faces and %d photos in the reference", len(r.Aligned), len(r.Photos))
	}
	return r
}

func vector(t testing.TB, encoded string) []float32 {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	v, err := schema.DecodeVector(raw)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestEmbeddingsAgreeWithReference(t *testing.T) {
	data, e, ref := dataDir(t), openEngine(t), readReference(t)
	worst := float32(1)
	for _, want := range ref.Aligned {
		img, err := e.Decode(t.Context(), read(t, data, want.File))
		if err != nil {
			t.Fatalf("%s: %v", want.File, err)
		}
		got, err := e.Embed(t.Context(), []*imaging.Image{img})
		if err != nil {
			t.Fatalf("%s: %v", want.File, err)
		}
		cosine := schema.Cosine(got[0].Vector, vector(t, want.Embedding))
		if worst = min(worst, cosine); cosine < 0.998 { // the decoders of JPEG differ
			t.Errorf("%s: cosine %.5f with the reference, want at least 0.998", want.File, cosine)
		}
	}
	t.Logf("%d aligned faces, least cosine %.5f", len(ref.Aligned), worst)
}

func TestPhotosAgreeWithReference(t *testing.T) {
	data, e, ref := dataDir(t), openEngine(t), readReference(t)
	worst, furthest := float32(1), 0.0
	for _, want := range ref.Photos {
		a, err := e.Analyze(t.Context(), read(t, data, want.File), Params{MinConfidence: ref.MinConfidence, Embed: true})
		if err != nil {
			t.Fatalf("%s: %v", want.File, err)
		}
		if len(a.Faces) != want.Faces || a.Width != want.Width || a.Height != want.Height {
			t.Errorf("%s: %d faces in %d×%d, want %d in %d×%d", want.File, len(a.Faces), a.Width, a.Height, want.Faces, want.Width, want.Height)
			continue
		}
		best := a.Faces[0]
		cosine := schema.Cosine(best.Embedding.Vector, vector(t, want.Embedding))
		if worst = min(worst, cosine); cosine < 0.995 {
			t.Errorf("%s: cosine %.5f with the reference, want at least 0.995", want.File, cosine)
		}
		// Places agree within one pixel of the scaled picture.
		unit := math.Max(1, float64(max(a.Width, a.Height))/float64(ref.LongSide))
		got := []float32{best.Box.TopLeft.X, best.Box.TopLeft.Y, best.Box.BottomRight.X, best.Box.BottomRight.Y}
		for _, p := range best.Points {
			got = append(got, p.X, p.Y)
		}
		for i, w := range append(want.Box[:], want.Points[:]...) {
			off := math.Abs(float64(got[i]-w)) / unit
			if furthest = math.Max(furthest, off); off > 1 {
				t.Errorf("%s: coordinate %d is %.2f, the reference's %.2f", want.File, i, got[i], w)
			}
		}
		if d := best.Confidence - want.Confidence; d < -0.02 || d > 0.02 {
			t.Errorf("%s: confidence %.3f, the reference's %.3f", want.File, best.Confidence, want.Confidence)
		}
	}
	t.Logf("%d photos, least cosine %.5f, largest distance %.3f px of the scaled picture", len(ref.Photos), worst, furthest)
}

func TestSmallAlignedCropsHaveAFace(t *testing.T) {
	data, e, ref := dataDir(t), openEngine(t), readReference(t)
	for _, r := range ref.Aligned {
		a, err := e.Analyze(t.Context(), read(t, data, r.File), Params{})
		if err != nil || len(a.Faces) == 0 {
			t.Errorf("%s: %+v, %v; want a face that fills 112 × 112 to be found without enlarging", r.File, a, err)
		}
	}
}

// Every row must get the answer that it would get alone, in whatever company and however many calls run at once.
func TestRowsAreIndependent(t *testing.T) {
	data, e, ref := dataDir(t), openEngine(t), readReference(t)
	var images []*imaging.Image
	var alone []schema.Embedding
	for _, r := range ref.Aligned[:6] {
		img, err := e.Decode(t.Context(), read(t, data, r.File))
		if err != nil {
			t.Fatal(err)
		}
		one, err := e.Embed(t.Context(), []*imaging.Image{img})
		if err != nil {
			t.Fatal(err)
		}
		images, alone = append(images, img), append(alone, one[0])
	}
	together, err := e.Embed(t.Context(), images)
	if err != nil {
		t.Fatal(err)
	}
	for i := range alone {
		if c := schema.Cosine(alone[i].Vector, together[i].Vector); c < 0.99999 {
			t.Errorf("row %d: cosine %.6f between alone and in company", i, c)
		}
	}
}

// A network of the pack either answers each row of a batch as it answers the row alone, or its manifest says batch: 1.
func TestEveryNetworkTakesBatches(t *testing.T) {
	e, pack := openEngine(t), openPack(t)
	dice := rand.New(rand.NewPCG(1, 2))
	for _, m := range pack.All() {
		shape := rowShape(m)
		net, _, err := e.loan.network(e.pack, m)
		if err != nil {
			t.Errorf("%s: %v", m.Name, err)
			continue
		}
		rows := make([]onnx.Tensor, 3)
		for i := range rows {
			size := int64(1)
			for _, n := range shape {
				size *= n
			}
			rows[i] = onnx.Tensor{Shape: shape, Data: make([]float32, size)}
			for k := range rows[i].Data {
				rows[i].Data[k] = dice.Float32()
				if in := m.Input; len(shape) == 3 {
					c := k * 3 / len(rows[i].Data)
					rows[i].Data[k] = (rows[i].Data[k]*255*in.Scale - in.Mean[c]) / in.Std[c]
				}
			}
		}
		company := net.Net.Run(t.Context(), rows)
		worst := 0.0
		for i, row := range rows {
			single := net.Net.Run(t.Context(), []onnx.Tensor{row})[0]
			if err := errors.Join(single.Err, company[i].Err); err != nil {
				t.Errorf("%s, row %d: %v", m.Name, i, err)
				break
			}
			for o := range single.Value {
				for k, v := range single.Value[o].Data {
					worst = max(worst, math.Abs(float64(v-company[i].Value[o].Data[k])))
				}
			}
		}
		t.Logf("%s %s, batch %d: %.1g apart in company", m.Role, m.Name, m.Batch, worst)
		if worst > 1e-4 {
			t.Errorf("%s: an answer is %g apart in company; its manifest must say batch: 1", m.Name, worst)
		}
	}
}

// rowShape is that of a row for a network of pictures, or of two seconds of sound and more.
func rowShape(m models.Model) []int64 {
	width, height := int64(m.Input.Width), int64(m.Input.Height)
	switch {
	case m.Role == models.RoleVoice:
		return []int64{200, voice.Bins}
	case m.Role == models.RoleActivity:
		const samples = 512 + 64 // of a frame, and the end of the one before it
		return []int64{70, samples}
	case m.Architecture == document.TextLine || m.Architecture == document.ZoneLine:
		width, height = 128, document.LineHeight
	case width == 0:
		width, height = 128, 96
	}
	if m.Input.Layout == models.NHWC {
		return []int64{height, width, 3}
	}
	return []int64{3, height, width}
}

func TestAnalyzeConcurrently(t *testing.T) {
	data, e, ref := dataDir(t), openEngine(t), readReference(t)
	var files [][]byte
	var alone []*Analysis
	slices.SortFunc(ref.Photos, func(a, b photo) int { return a.Width*a.Height - b.Width*b.Height })
	for _, p := range ref.Photos[:4] { // small ones: the race detector makes decoding slow
		file := read(t, data, p.File)
		a, err := e.Analyze(t.Context(), file, Params{Embed: true})
		if err != nil {
			t.Fatal(err)
		}
		files, alone = append(files, file), append(alone, a)
	}
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			want := alone[i%len(alone)]
			got, err := e.Analyze(t.Context(), files[i%len(files)], Params{Embed: true})
			if err != nil {
				t.Error(err)
				return
			}
			if diff := cmp.Diff(want.Faces, got.Faces); diff != "" {
				t.Errorf("photo %d among others differs from itself alone: %d against %d faces", i%len(files), len(got.Faces), len(want.Faces))
			}
		})
	}
	wg.Wait()
}

func TestAnalyze(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	group := read(t, data, "faces", "group_t1.jpg")
	all, err := e.Analyze(t.Context(), group, Params{})
	if err != nil || len(all.Faces) != 6 {
		t.Fatalf("%d faces in the group photo, %v; want 6", len(all.Faces), err)
	}
	for _, f := range all.Faces {
		if f.Embedding != nil {
			t.Error("an embedding that nobody asked for")
		}
	}
	if diff := cmp.Diff([]string{"decode", "detect"}, stages(all)); diff != "" {
		t.Error(diff)
	}
	one, err := e.Analyze(t.Context(), group, Params{Strategy: BiggestFace, Embed: true})
	if err != nil || len(one.Faces) != 1 || one.Faces[0].Embedding.Model != e.EmbeddingModel() {
		t.Fatalf("%+v, %v", one, err)
	}
	if diff := cmp.Diff([]string{"align", "decode", "detect", "embed"}, stages(one)); diff != "" {
		t.Error(diff)
	}
	want := []schema.ModelRun{e.Models()[0], e.Models()[1]} // of detector and embedding
	if diff := cmp.Diff(want, one.Models); diff != "" {
		t.Error(diff)
	}
	if n := len(one.Faces[0].Embedding.Vector); n != 128 {
		t.Errorf("%d components", n)
	}
	if _, ok := e.Thresholds()["med"]; !ok {
		t.Errorf("thresholds %v", e.Thresholds())
	}
	if _, err := e.Analyze(t.Context(), group, Params{Strategy: 4}); schema.ReasonOf(err) != schema.ReasonInvalidConfiguration {
		t.Errorf("strategy 4: %v", err)
	}
}

func stages(a *Analysis) []string {
	var names []string
	for name := range a.Timings {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestAnalyzeHostile(t *testing.T) {
	e := openEngine(t)
	for _, c := range imagingtest.Hostile() {
		a, err := e.Analyze(t.Context(), c.Data, Params{Embed: true})
		if schema.ReasonOf(err) != c.WantReason || (c.WantReason == "") != (err == nil) {
			t.Errorf("%s: %v, want reason %q", c.Name, err, c.WantReason)
		}
		if err == nil && len(a.Faces) != 0 {
			t.Errorf("%s: %d faces found", c.Name, len(a.Faces))
		}
	}
}

// A camera held sideways stores the picture turned and says so; the faces' places are those of the upright picture.
func TestAnalyzeTurned(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	file := read(t, data, "faces", "pairs", "img5.jpg")
	want, err := e.Analyze(t.Context(), file, Params{Strategy: BestConfidence, Embed: true})
	if err != nil || len(want.Faces) != 1 {
		t.Fatal(want, err)
	}
	img, err := e.Decode(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	stored := image.NewNRGBA(image.Rect(0, 0, img.Height, img.Width)) // turned by 90° to the left
	for y := range img.Height {
		for x := range img.Width {
			p := img.Pix[3*(y*img.Width+x):]
			stored.SetNRGBA(y, img.Width-1-x, color.NRGBA{R: p[0], G: p[1], B: p[2], A: 0xff})
		}
	}
	got, err := e.Analyze(t.Context(), imagingtest.WithEXIF(imagingtest.JPEG(stored), 6), Params{Strategy: BestConfidence, Embed: true})
	if err != nil || len(got.Faces) != 1 || got.Width != want.Width || got.Height != want.Height {
		t.Fatalf("%+v, %v; want one face in %d × %d", got, err, want.Width, want.Height)
	}
	if diff := cmp.Diff(want.Faces[0].Face, got.Faces[0].Face, cmpopts.EquateApprox(0, 2)); diff != "" {
		t.Error(diff)
	}
	if c := schema.Cosine(want.Faces[0].Embedding.Vector, got.Faces[0].Embedding.Vector); c < 0.98 { // JPEG twice
		t.Errorf("cosine %.4f between the two ways of storing one picture", c)
	}
}

// everything asks for all that can be said of a face.
var everything = Params{Strategy: BestConfidence, Embed: true, Turn: true, Attributes: true, Liveness: 3, Documents: true, Age: true,
	Quality: []string{quality.Default}, Portraits: []face.PortraitOptions{{Background: &imaging.RGB{200, 200, 200}}}}

func TestAnalyzeEverything(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	a, err := e.Analyze(t.Context(), read(t, data, "faces", "pairs", "img1.jpg"), everything)
	if err != nil || len(a.Faces) != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	want := []string{"age", "align", "attributes", "corners", "decode", "detect", "documents", "embed", "landmarks", "liveness", "portraits", "pose", "quality", "segmentation"}
	if diff := cmp.Diff(want, stages(a)); diff != "" {
		t.Errorf("stages (-want +got):\n%s", diff)
	}
	all := slices.DeleteFunc(e.Models(), func(m schema.ModelRun) bool {
		return slices.Contains([]models.Role{models.RoleText, models.RoleVoice, models.RoleActivity}, models.Role(m.Role))
	})
	if diff := cmp.Diff(all, a.Models); diff != "" {
		t.Errorf("networks of faces that ran (-all +got):\n%s", diff)
	}
	f := a.Faces[0]
	if f.Embedding == nil || f.Liveness == nil || len(f.Liveness.Scores) != 4 || f.Age == nil || f.Age.Years < 1 || f.Quality == nil || len(f.Portraits) != 1 || f.Document != nil || f.Turned != 0 {
		t.Fatalf("%+v", f)
	}
	if len(f.Landmarks) != 66 || f.Pose == nil || f.LeftEyeOpen == nil || f.Mask == nil || len(f.Occlusion) != 4 || *f.Sharpness == 0 {
		t.Errorf("%+v", f)
	}
	// The points of the detector and the landmarks agree about one face.
	eyes := f.Points[1].X - f.Points[0].X
	for five, sixtySix := range map[int]int{2: 30, 3: 48, 4: 54} {
		p, q := f.Points[five], f.Landmarks[sixtySix]
		if d := math.Hypot(float64(p.X-q.X), float64(p.Y-q.Y)); d > 0.25*float64(eyes) {
			t.Errorf("landmark %d is %.1f pixels from the detector's point %d; the eyes are %.1f apart", sixtySix, d, five, eyes)
		}
	}
	one, err := e.Analyze(t.Context(), read(t, data, "faces", "pairs", "img1.jpg"), Params{Liveness: 2})
	if want := []schema.ModelRun{a.Models[0], a.Models[3], a.Models[4], a.Models[7], a.Models[8]}; err != nil || !slices.Equal(one.Models, want) {
		t.Errorf("mode 2 names the networks %+v, %v; want the detector, those of the pose and the last two of liveness: %+v", one.Models, err, want)
	}
	none, err := e.Analyze(t.Context(), imagingtest.PNG(imagingtest.Gradient(64, 64)), everything)
	if err != nil || len(none.Faces) != 0 {
		t.Errorf("no face: %+v, %v", none, err)
	}
}

// What a person sees in a photograph, the engine says at the manifest's thresholds.
func TestTraitsOfPhotographs(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	for file, check := range map[string]func(face.Observation) bool{
		"pose/left_face.jpeg":           func(f face.Observation) bool { return f.Pose.Yaw < -30 },
		"pose/right_face.png":           func(f face.Observation) bool { return f.Pose.Yaw > 30 },
		"pose/rise_face.jpeg":           func(f face.Observation) bool { return f.Pose.Pitch > 15 && *f.MouthOpen > 0.23 },
		"pose/lower_face.jpeg":          func(f face.Observation) bool { return f.Pose.Pitch < -15 },
		"pose/left_wryneck.png":         func(f face.Observation) bool { return f.Pose.Roll < -20 },
		"pose/right_wryneck.png":        func(f face.Observation) bool { return f.Pose.Roll > 20 },
		"reaction/close_eyes.jpeg":      func(f face.Observation) bool { return *f.LeftEyeOpen < 0.5 && *f.RightEyeOpen < 0.5 },
		"reaction/close_open_eyes.jpeg": func(f face.Observation) bool { return *f.LeftEyeOpen < 0.5 && *f.RightEyeOpen > 0.5 },
		"reaction/open_eyes.png":        func(f face.Observation) bool { return *f.LeftEyeOpen > 0.5 && *f.RightEyeOpen > 0.5 },
		"bulk/mask.png":                 func(f face.Observation) bool { return *f.Mask > 0.5 && f.Occlusion["mouth"] > 0.5 },
		"bulk/kun.jpg":                  func(f face.Observation) bool { return *f.Mask < 0.5 && f.Occlusion["mouth"] < 0.5 },
		"emotion/happy.png":             func(f face.Observation) bool { return *f.Smile > 0.5 && *f.MouthOpen < 0.23 },
		"emotion/sad.png":               func(f face.Observation) bool { return *f.Smile < 0.3 && *f.MouthOpen < 0.23 },
		"bulk/blur.jpg":                 func(f face.Observation) bool { return *f.Sharpness < 20 && f.Light.Mean < 0.25 },
		"../spoof/live_1.jpg":           func(f face.Observation) bool { return f.Liveness.Unassessable == "" && f.Liveness.Score > 0.9 },
		"../spoof/spoof_1.jpg":          func(f face.Observation) bool { return f.Liveness.Unassessable == "" && f.Liveness.Score < 0.5 },
		"../spoof/spoof_2.jpg":          func(f face.Observation) bool { return f.Liveness.Unassessable == "" && f.Liveness.Score < 0.5 },
	} {
		a, err := e.Analyze(t.Context(), read(t, data, "faces", "attributes", file), Params{Strategy: BestConfidence, Attributes: true, Liveness: 1})
		if err != nil || len(a.Faces) != 1 {
			t.Errorf("%s: %+v, %v", file, a, err)
			continue
		}
		if f := a.Faces[0]; !check(f) {
			t.Errorf("%s: pose %+v, light %+v, sharpness %.0f, liveness %+v", file, *f.Pose, f.Light, *f.Sharpness, *f.Liveness)
		}
	}
}

// A photograph without EXIF that lies on its side is turned, and one that stands upright is not.
func TestTurn(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	var upright *Analysis
	for _, c := range []struct {
		file   string
		turned int
	}{{"rot_0.jpg", 0}, {"rot_90.jpg", 270}, {"rot_180.jpg", 180}, {"rot_270.jpg", 90}} {
		file := read(t, data, "faces", "attributes", "rotate", c.file)
		a, err := e.Analyze(t.Context(), file, Params{Strategy: BestConfidence, Turn: true, Embed: true})
		if err != nil || len(a.Faces) != 1 || a.Faces[0].Turned != c.turned {
			t.Fatalf("%s: %+v, %v; want a face, turned by %d", c.file, a, err, c.turned)
		}
		if upright == nil {
			upright = a
		}
		if cosine := schema.Cosine(upright.Faces[0].Embedding.Vector, a.Faces[0].Embedding.Vector); cosine < 0.95 || a.Faces[0].Width != upright.Faces[0].Width {
			t.Errorf("%s: cosine %.3f to the upright one, %d × %d", c.file, cosine, a.Faces[0].Width, a.Faces[0].Height)
		}
		plain, err := e.Analyze(t.Context(), file, Params{Strategy: BestConfidence})
		if err != nil || plain.Faces[0].Turned != 0 {
			t.Errorf("%s was turned without being asked: %+v, %v", c.file, plain, err)
		}
	}
}

func TestLacksWhatIsAsked(t *testing.T) {
	e := openEngine(t)
	picture := imagingtest.PNG(imagingtest.Gradient(8, 8))
	for mode, reason := range map[int]schema.Reason{-1: schema.ReasonInvalidConfiguration, 4: schema.ReasonInvalidConfiguration} {
		if _, err := e.Analyze(t.Context(), picture, Params{Liveness: mode}); schema.ReasonOf(err) != reason {
			t.Errorf("anti-spoofing mode %d: %v", mode, err)
		}
	}
	for name, c := range map[string]struct {
		role models.Role
		keep int
		p    Params
	}{"liveness": {models.RoleLiveness, 0, Params{Liveness: 1}}, "age": {models.RoleAge, 0, Params{Age: true}},
		"document": {models.RoleDocument, 0, Params{Documents: true}}, "mode 2 without its networks": {models.RoleLiveness, 2, Params{Liveness: 2}}} {
		pack := *openPack(t)
		pack.Models = maps.Clone(pack.Models)
		if pack.Models[c.role] = pack.Models[c.role][:c.keep]; c.keep == 0 {
			delete(pack.Models, c.role)
		}
		e, err := Open(t.Context(), Options{Pack: &pack, Library: library(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		if _, err := e.Analyze(t.Context(), picture, c.p); schema.ReasonOf(err) != schema.ReasonRoleAbsent || !strings.Contains(err.Error(), string(c.role)) {
			t.Errorf("%s: %v", name, err)
		}
		// What needs no network is still measured.
		if _, err := e.Analyze(t.Context(), picture, Params{Attributes: true, Turn: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRoleAbsent(t *testing.T) {
	for _, role := range []models.Role{models.RoleDetector, models.RoleEmbedding} {
		pack := *openPack(t)
		pack.Models = map[models.Role][]models.Model{}
		for r, m := range openPack(t).Models {
			if r != role {
				pack.Models[r] = m
			}
		}
		e, err := Open(t.Context(), Options{Pack: &pack, Library: library(t)})
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		_, err = e.Analyze(t.Context(), imagingtest.PNG(imagingtest.Gradient(8, 8)), Params{Embed: true})
		if schema.ReasonOf(err) != schema.ReasonRoleAbsent || !bytes.Contains([]byte(err.Error()), []byte(role)) {
			t.Errorf("%s: %v", role, err)
		}
		if (role == models.RoleEmbedding) != (e.EmbeddingModel() == "" && len(e.Thresholds()) == 0) {
			t.Errorf("without %s the embedding model is %q", role, e.EmbeddingModel())
		}
	}
}

func TestOpenFails(t *testing.T) {
	if _, err := Open(t.Context(), Options{}); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("no pack: %v", err)
	}
	pack := *openPack(t)
	pack.Dir = t.TempDir()
	if _, err := Open(t.Context(), Options{Pack: &pack, Library: library(t)}); schema.ClassOf(err) != schema.ClassFatal {
		t.Errorf("no files: %v", err)
	}
}

func TestSelect(t *testing.T) {
	f := func(side, confidence float32) face.Face {
		return face.Face{Box: schema.BoxF{BottomRight: schema.PointF{X: side, Y: side}}, Confidence: confidence}
	}
	faces := []face.Face{f(10, 0.9), f(20, 0.8), f(21, 0.5), f(1, 0.4)}
	for s, want := range map[Strategy][]face.Face{
		MultipleFaces: faces, BestConfidence: faces[:1], BiggestFace: faces[2:3], SingleFaceHybrid: faces[1:2],
	} {
		if diff := cmp.Diff(want, s.Select(faces)); diff != "" {
			t.Errorf("strategy %d: %s", s, diff)
		}
		if got := s.Select(nil); len(got) != 0 {
			t.Errorf("strategy %d of nothing: %v", s, got)
		}
	}
}

// The example of the documentation works: from a folder with a pack and a photo to what it prints.
func TestExample(t *testing.T) {
	data, pack := dataDir(t), openPack(t)
	t.Setenv(onnx.EnvLibrary, library(t))
	manifest := read(t, root(t), "packs", "open", "pack.yaml")
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "packs", "open"), os.DirFS(pack.Dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "packs", "open", "pack.yaml"), manifest, 0o644); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"portrait.jpg": "img1.jpg", "another-portrait.jpg": "img2.jpg"} {
		if err := os.Symlink(filepath.Join(data, "faces", "pairs", target), filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	stdout := os.Stdout
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout = w
	Example()
	os.Stdout = stdout
	w.Close()
	var out bytes.Buffer
	if _, err := out.ReadFrom(r); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "portrait.jpg: 1 face, 128 components\nanother-portrait.jpg: 1 face, 128 components\nthe same person: true\n"; got != want {
		t.Errorf("the example prints\n%s\nwant\n%s", got, want)
	}
}

func benchmarkImage(b *testing.B, e *Engine) (*imaging.Image, []byte) {
	b.Helper()
	file := read(b, dataDir(b), "faces", "pairs", "img2.jpg") // 1536 × 1152
	img, err := e.Decode(b.Context(), file)
	if err != nil {
		b.Fatal(err)
	}
	return img, file
}

// parallel runs f on all cores at once, as the worker does, and reports images a second.
func parallel(b *testing.B, f func(context.Context) error) {
	b.ReportAllocs()
	b.SetParallelism(1)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := f(b.Context()); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "images/s")
	b.ReportMetric(float64(runtime.GOMAXPROCS(0)), "threads")
}

func BenchmarkDetect(b *testing.B) {
	e := openEngine(b)
	img, _ := benchmarkImage(b, e)
	parallel(b, func(ctx context.Context) error {
		_, err := e.Detect(ctx, img, 0)
		return err
	})
}

func BenchmarkEmbed(b *testing.B) {
	e := openEngine(b)
	img, _ := benchmarkImage(b, e)
	faces, err := e.Detect(b.Context(), img, 0)
	if err != nil || len(faces) == 0 {
		b.Fatal(faces, err)
	}
	parallel(b, func(ctx context.Context) error {
		aligned, err := face.Align(img, faces[0].Points)
		if err != nil {
			return err
		}
		_, err = e.Embed(ctx, []*imaging.Image{aligned})
		return err
	})
}

func BenchmarkAnalyze(b *testing.B) {
	e := openEngine(b)
	_, file := benchmarkImage(b, e)
	parallel(b, func(ctx context.Context) error {
		_, err := e.Analyze(ctx, file, Params{Strategy: BestConfidence, Embed: true})
		return err
	})
}

// An image waits for its turn, and no longer than its context.
func TestConcurrency(t *testing.T) {
	e, err := Open(t.Context(), Options{Pack: openPack(t), Library: library(t), Concurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	picture, err := os.ReadFile(filepath.Join(dataDir(t), "faces/couple.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	e.pool.budget.slots <- struct{}{}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := e.Analyze(ctx, picture, Params{}); schema.ClassOf(err) != schema.ClassTransient || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("with every slot taken: %v", err)
	}
	<-e.pool.budget.slots
	for range 2 {
		if _, err := e.Analyze(t.Context(), picture, Params{}); err != nil {
			t.Error(err)
		}
	}
}
