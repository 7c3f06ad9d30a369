package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"facestream/internal/config"
	"facestream/internal/drawn"
	"facestream/internal/eval"
	"facestream/packs"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// runEval runs `facestream eval` with args on the services' pack, and reads what it printed as JSON where args ask for it.
func runEval(t *testing.T, args ...string) (report eval.Report, stdout string, err error) {
	t.Helper()
	pack := cmp.Or(os.Getenv("FACESTREAM_MODELS"), config.Default().Worker.Models[0])
	if _, err := models.Locate(pack); err != nil {
		t.Skipf("SKIPPED, nothing was evaluated: no model pack: %v", err)
	}
	if _, _, err := onnx.FindLibrary(t.Context()); err != nil {
		t.Skipf("SKIPPED, nothing was evaluated: %v", err)
	}
	c := root()
	c.SilenceUsage, c.SilenceErrors = true, true
	var out, errs bytes.Buffer
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(append([]string{"eval"}, args...))
	err = c.ExecuteContext(t.Context())
	if args[len(args)-1] == "--json" {
		if err := json.Unmarshal(out.Bytes(), &report); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out.String())
		}
	}
	return report, out.String(), err
}

// fewData is a folder in the layout of docs/evaluation.md with links to some of the evaluation data: 12 people of LFW, 8 of
// them with several images, a group and a couple, and four pairs of photographs, one of them with an image without a face.
func fewData(t *testing.T) string {
	t.Helper()
	data, err := filepath.Abs(filepath.Join("..", "..", eval.DefaultData()))
	if env := os.Getenv(eval.EnvData); env != "" {
		data, err = filepath.Abs(env)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(data); err != nil {
		t.Skipf("SKIPPED, nothing was evaluated: no evaluation data: %v; set %s", err, eval.EnvData)
	}
	dir := t.TempDir()
	link := func(name string) {
		t.Helper()
		to := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(data, filepath.FromSlash(name)), to); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	mates, strangers := fewPeople(t, filepath.Join(data, "lfw", "data"))
	pairs := "2 4\n"
	for i, p := range mates {
		link("lfw/data/" + p.name)
		pairs += fmt.Sprintf("%s\t%d\t%d\n", p.name, p.numbers[0], p.numbers[1])
		if i%4 == 3 {
			for _, p := range mates[i-3 : i+1] {
				other := mates[(i+4)%8]
				pairs += fmt.Sprintf("%s\t%d\t%s\t%d\n", p.name, p.numbers[0], other.name, other.numbers[0])
			}
		}
	}
	for _, p := range strangers {
		link("lfw/data/" + p.name)
	}
	write("lfw/pairs.txt", []byte(pairs))

	link("faces/couple.jpg")
	link("documents/25_pass-uto.jpg")
	link("documents/100_pass-hrv.jpg")
	for _, name := range []string{"img20.jpg", "img21.jpg", "img16.jpg", "img17.jpg"} {
		link("faces/pairs/" + name)
	}
	var grey bytes.Buffer
	if err := png.Encode(&grey, image.NewGray(image.Rect(0, 0, 200, 200))); err != nil {
		t.Fatal(err)
	}
	write("faces/pairs/grey.png", grey.Bytes())
	write("faces/pairs/pairs.csv", []byte("file_x,file_y,Decision\nimg20.jpg,img21.jpg,Yes\nimg16.jpg,img17.jpg,Yes\nimg20.jpg,img16.jpg,No\nimg20.jpg,grey.png,Yes\n"))
	return dir
}

type fewPerson struct {
	name    string
	numbers []int
}

// fewPeople are the first 8 people with several images, and the first 4 with one.
func fewPeople(t *testing.T, lfw string) (mates, strangers []fewPerson) {
	t.Helper()
	folders, err := os.ReadDir(lfw)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range folders {
		files, err := os.ReadDir(filepath.Join(lfw, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p := fewPerson{name: f.Name()}
		for _, file := range files {
			var n int
			if _, err := fmt.Sscanf(strings.TrimPrefix(file.Name(), f.Name()), "_%d.jpg", &n); err != nil {
				t.Fatalf("%s: %v", file.Name(), err)
			}
			p.numbers = append(p.numbers, n)
		}
		if len(files) > 1 && len(mates) < 8 {
			mates = append(mates, p)
		} else if len(files) == 1 && len(strangers) < 4 {
			strangers = append(strangers, p)
		}
	}
	if len(mates) < 8 || len(strangers) < 4 {
		t.Fatalf("%s has too few people", lfw)
	}
	return mates, strangers
}

// wantFigures checks figures by name: the count they come from, and a range for the value.
func wantFigures(t *testing.T, r eval.Report, want map[string][2]float64, of map[string]int) {
	t.Helper()
	for name, limits := range want {
		if f := r.Figure(name); f.Name != name || !(f.Value >= limits[0] && f.Value <= limits[1]) {
			t.Errorf("%s %s: %+v, want %v", r.Evaluation, name, f, limits)
		}
	}
	for name, n := range of {
		if f := r.Figure(name); f.Of != n {
			t.Errorf("%s %s is of %d, want %d", r.Evaluation, name, f.Of, n)
		}
	}
	if r.Pack.Name == "" || len(r.Pack.Models) == 0 || r.Pack.Models[0].ID == "" || len(r.Pack.Models[0].Thresholds) == 0 && r.Pack.Models[0].Role != models.RoleText {
		t.Errorf("%s does not say which networks and thresholds: %+v", r.Evaluation, r.Pack)
	}
}

func TestEvalLFW(t *testing.T) {
	data := fewData(t)
	r, _, err := runEval(t, "lfw", "--data", data, "--min-accuracy", "0.5", "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"accuracy": {0.75, 1}, "TAR at FAR 1e-2": {0.5, 1}},
		map[string]int{"accuracy": 16, "TAR at FAR 1e-3": 8})
	if r.Data.People != 8 || r.Data.Pairs != 16 || r.Data.Images != 16 {
		t.Errorf("data: %+v; want 16 pairs of 16 images of 8 people", r.Data)
	}

	_, table, err := runEval(t, "lfw", "--data", data, "--min-accuracy", "1.01")
	wantCode(t, err, exitOutcome)
	for _, part := range []string{"accuracy", "95 % INTERVAL", string(r.Pack.Models[0].ID), "of 16", "16 images"} {
		if !strings.Contains(table, part) {
			t.Errorf("the table has no %q:\n%s", part, table)
		}
	}

	if err := os.Remove(filepath.Join(data, "lfw", "pairs.txt")); err != nil {
		t.Fatal(err)
	}
	if _, _, err := runEval(t, "lfw", "--data", data); err == nil || !strings.Contains(err.Error(), eval.EnvData) {
		t.Errorf("without pairs.txt: %v; want an error that names %s", err, eval.EnvData)
	}
}

func TestEvalPairs(t *testing.T) {
	r, _, err := runEval(t, "pairs", "--data", fewData(t), "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"accuracy at med": {0.5, 0.75}, "failure to acquire, images": {0.2, 0.2}, "pairs not compared for it": {0.25, 0.25}},
		map[string]int{"accuracy at min": 4, "FMR at med": 1, "FNMR at max": 2})
	if len(r.Failures) != 1 || r.Failures[0].Item != "grey.png" || r.Failures[0].Why == "" {
		t.Errorf("failures: %+v; want grey.png with the reason", r.Failures)
	}
}

func TestEvalIdentify(t *testing.T) {
	r, _, err := runEval(t, "identify", "--data", fewData(t), "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"rank-1 rate, no threshold": {0.75, 1}},
		map[string]int{"FNIR at FPIR 0.01": 8, "FNIR at FPIR 0.003": 8, "FNIR at max, the default": 8, "FPIR at max, the default": 4})
}

func TestEvalThresholds(t *testing.T) {
	data := fewData(t)
	_, table, err := runEval(t, "thresholds", "--data", data, "--check")
	wantCode(t, err, exitOutcome) // 16 pairs do not give what 6000 gave
	_, block, found := strings.Cut(table, "under models.embedding:\n")
	var manifest struct {
		Thresholds map[string]struct {
			Value              float32
			Evaluation, Source string
		}
	}
	if err := yaml.Unmarshal([]byte(block), &manifest); err != nil || !found || len(manifest.Thresholds) != 3 {
		t.Fatalf("the thresholds for the manifest: %v\n%s", err, table)
	}
	for name, m := range manifest.Thresholds {
		if !(m.Value > -1 && m.Value < 1) || !strings.Contains(m.Evaluation, "TAR") || !strings.Contains(m.Source, "facestream eval") {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

// Thresholds that are recorded in a pack of one's own say on what they were tuned, and are then not tested on it.
func TestEvalWriteThresholds(t *testing.T) {
	data, pack := fewData(t), filepath.Join(t.TempDir(), "pack")
	if err := os.CopyFS(pack, os.DirFS(filepath.Join("..", "..", "packs", packs.Starter))); err != nil {
		t.Fatal(err)
	}
	before, _, err := runEval(t, "identify", "--data", data, "--models", pack, "--json")
	if err != nil {
		t.Fatal(err)
	}
	if len(before.LeftOut) != 0 || len(before.Notes) != 2 || before.Figure("FNIR at med").Of != 8 {
		t.Errorf("before: left out %v, notes %v; want two notes, of another list of files of the same name", before.LeftOut, before.Notes)
	}
	_, table, err := runEval(t, "thresholds", "--data", data, "--models", pack, "--write-thresholds")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := runEval(t, "thresholds", "--data", data, "--models", pack, "--check"); err != nil {
		t.Errorf("what was recorded is not what is measured: %v\n%s", err, table)
	}
	manifest, err := os.ReadFile(filepath.Join(pack, models.ManifestFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"# Cosine similarities, from the images", "LFW pairs, 8 mates and 8 non-mates", "data: lfw/data"} {
		if !strings.Contains(string(manifest), part) {
			t.Errorf("the manifest has no %q:\n%s", part, manifest)
		}
	}

	r, _, err := runEval(t, "identify", "--data", data, "--models", pack, "--json")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, l := range r.LeftOut {
		if !strings.Contains(l.Why, "tuned on these images, lfw/data") {
			t.Errorf("left out: %+v", l)
		}
		left = append(left, l.Figures...)
	}
	if want := []string{"FNIR at max, the default", "FPIR at max, the default", "FNIR at med", "FPIR at med"}; !slices.Equal(left, want) {
		t.Errorf("left out: %q, want %q", left, want)
	}
	for _, name := range left {
		if f := r.Figure(name); f.Name != "" {
			t.Errorf("%s is given all the same: %+v", name, f)
		}
	}
	wantFigures(t, r, map[string][2]float64{"rank-1 rate, no threshold": {0.5, 1}}, map[string]int{"FNIR at FPIR 0.01": 8})
	_, page, err := runEval(t, "identify", "--data", data, "--models", pack, "--markdown")
	if err != nil || !strings.Contains(page, "Left out: FNIR at med, FPIR at med: the threshold med was tuned on these images, lfw/data") {
		t.Errorf("the page does not say what was left out: %v\n%s", err, page)
	}
	if other, _, err := runEval(t, "pairs", "--data", data, "--models", pack, "--json"); err != nil || other.LeftOut != nil || other.Figure("accuracy at med").Of != 4 {
		t.Errorf("the test on other photographs: %v, left out %v", err, other.LeftOut)
	}
}

// A manifest that is part of the program is not written, and nothing is measured for it.
func TestEvalWriteThresholdsNeedsAFolder(t *testing.T) {
	for _, models := range []string{"", packs.Starter, "open"} {
		_, out, err := runEval(t, "thresholds", "--data", t.TempDir(), "--models", models, "--write-thresholds")
		wantCode(t, err, exitUsage)
		if out != "" || !strings.Contains(err.Error(), "Copy the pack's folder") {
			t.Errorf("--models %q: %v\n%s", models, err, out)
		}
	}
}

// Against itself a detector misses nothing.
func TestEvalDetect(t *testing.T) {
	pack := cmp.Or(os.Getenv("FACESTREAM_MODELS"), config.Default().Worker.Models[0])
	r, _, err := runEval(t, "detect", "--reference", pack, "--data", fewData(t), "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"recall": {1, 1}, "false faces": {0, 0}, "point error, mean": {0, 0}}, map[string]int{"false faces": 6})
	if r.Reference == nil || r.Reference.Name != r.Pack.Name || r.Figure("recall").Of < 6 || len(r.Failures) > 0 {
		t.Errorf("reference %+v, recall %+v, failures %v", r.Reference, r.Figure("recall"), r.Failures)
	}
}

// drawnData is a folder with photographs of n drawn people, and a grey one of nobody.
func drawnData(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	folder := filepath.Join(dir, "faces", "pairs")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	var grey bytes.Buffer
	if err := png.Encode(&grey, image.NewGray(image.Rect(0, 0, 200, 200))); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"grey.png": grey.Bytes()}
	for i, p := range drawn.Cast()[:n] {
		file, err := drawn.JPEG(p, 0, 400, 90)
		if err != nil {
			t.Fatal(err)
		}
		files[fmt.Sprintf("%d.jpg", i)] = file
	}
	for name, file := range files {
		if err := os.WriteFile(filepath.Join(folder, name), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Against itself a pack has the landmarks and the masks of itself.
func TestEvalAgainstItself(t *testing.T) {
	pack := packWith(t, models.RoleLandmarks, models.RoleSegmentation)
	data := drawnData(t, 3)
	r, _, err := runEval(t, "landmarks", "--reference", pack, "--data", data, "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"faces found": {1, 1}, "NME, mean": {0, 0}, "NME, median": {0, 0}, "NME above 10 %": {0, 0}},
		map[string]int{"faces found": 3, "NME above 10 %": 3})
	if r.Reference == nil || r.Reference.Name != r.Pack.Name || len(r.Failures) > 0 || r.Data.Images != 4 {
		t.Errorf("reference %+v, failures %v", r.Reference, r.Failures)
	}
	if r, _, err = runEval(t, "segmentation", "--reference", pack, "--data", data, "--json"); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"photographs compared": 0.75, "IoU, mean": 1, "IoU, least": 1} {
		if f := r.Figure(name); f.Name != name || f.Value != want {
			t.Errorf("%s: %+v, want %v", name, f, want)
		}
	}
	if len(r.Failures) != 1 || r.Failures[0] != (eval.Failure{Item: "pairs/grey.png", Why: "no face was found"}) || len(r.Reference.Models) != 3 {
		t.Errorf("reference %+v, failures %v", r.Reference, r.Failures)
	}
	_, page, err := runEval(t, "segmentation", "--reference", pack, "--data", data, "--markdown")
	if err != nil || !strings.Contains(page, "| IoU, least | 1.000 | - | - | - |") {
		t.Errorf("%v\n%s", err, page)
	}
	if _, _, err := runEval(t, "segmentation", "--reference", pack, "--data", t.TempDir()); err == nil || !strings.Contains(err.Error(), eval.EnvData) {
		t.Errorf("without data: %v", err)
	}
}

// The starter pack's landmarks and masks are near those of the open pack, and not the same.
func TestEvalStarterBesideOpen(t *testing.T) {
	data := fewData(t)
	mirrored(t)
	for evaluation, want := range map[string]map[string][2]float64{
		"landmarks":    {"faces found": {0.8, 1}, "NME, median": {0.005, 0.1}},
		"segmentation": {"photographs compared": {0.8, 0.8}, "IoU, mean": {0.8, 0.9999}},
	} {
		r, _, err := runEval(t, evaluation, "--models", packs.Starter, "--reference", "open", "--data", data, "--json")
		if err != nil {
			t.Fatal(err)
		}
		for name, limits := range want {
			if f := r.Figure(name); f.Name != name || f.Value < limits[0] || f.Value > limits[1] {
				t.Errorf("%s %s: %+v, want %v", evaluation, name, f, limits)
			}
		}
		if r.Pack.Name != packs.Starter || r.Reference == nil || r.Reference.Name != "open" {
			t.Errorf("%s: the pack is %s, the reference %+v", evaluation, r.Pack.Name, r.Reference)
		}
	}
}

// Against itself a pack is as fast.
func TestEvalSpeed(t *testing.T) {
	pack := cmp.Or(os.Getenv("FACESTREAM_MODELS"), config.Default().Worker.Models[0])
	r, _, err := runEval(t, "speed", "--reference", pack, "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"detector, median": {1e-3, math.Inf(1)}, "embedding, median": {1e-3, math.Inf(1)},
		"detector, times the reference's, median": {0.1, 10}, "embedding, times the reference's, median": {0.1, 10}}, nil)
}

func TestEvalDrawn(t *testing.T) {
	r, _, err := runEval(t, "drawn", "--people", "6", "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"rank-1 rate, no threshold": {0.5, 1}, "failure to acquire, images": {0, 0.25}},
		map[string]int{"rank-1 rate, no threshold": 6, "failure to acquire, images": 12})
}

// What is refused is named with its reason, at both operations, and the configuration of the requests counts.
func TestEvalDefaults(t *testing.T) {
	folder := filepath.Join(drawnData(t, 3), "faces", "pairs")
	r, _, err := runEval(t, "defaults", folder, "--operation-config", `{"anti_spoofing_mode": 0, "allowed_face_traits_flags": 4194303, "refuse_occlusion": "never"}`, "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"enroll: proceeds": {0.75, 0.75}, "predict: proceeds": {0.75, 0.75}, "enroll: no_face": {0.25, 0.25},
		"enroll: face_rejected": {0, 0}, "one face: FT_FACE_TOO_FAR": {0, 1}}, map[string]int{"enroll: proceeds": 4, "one face: FT_IMAGE_BLURR": 3})
	if len(r.Failures) != 1 || r.Failures[0].Item != "grey.png" || !strings.Contains(r.Failures[0].Why, "no_face") {
		t.Errorf("failures: %+v; want grey.png, which has no face", r.Failures)
	}
	r, _, err = runEval(t, "defaults", folder, "--operation-config", `{"anti_spoofing_mode": 0, "threshold_user_right": 0.9}`, "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"enroll: proceeds": {0, 0}, "predict: face_rejected": {0.75, 0.75}, "one face: FT_FACE_RIGHT": {1, 1}}, nil)
	if len(r.Failures) != 4 || !strings.Contains(r.Failures[0].Why, "FT_FACE_RIGHT") {
		t.Errorf("failures: %+v; want all, three for FT_FACE_RIGHT", r.Failures)
	}
	_, _, err = runEval(t, "defaults", folder, "--operation-config", `{"anti_spoofing_mod": 0}`)
	wantCode(t, err, exitUsage)
	if _, _, err := runEval(t, "defaults", filepath.Join(folder, "absent")); err == nil {
		t.Error("a folder that does not exist was measured")
	}
}

// A stricter limit raises a trait on no fewer portraits, and the default's share is a figure.
func TestEvalCurves(t *testing.T) {
	r, _, err := runEval(t, "curves", "--data", drawnData(t, 3), "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"FT_IMAGE_BLURR by blur_threshold_enroll_pred, faces/pairs": {0, 1}},
		map[string]int{"FT_IMAGE_BLURR by blur_threshold_enroll_pred, faces/pairs": 3})
	raised := map[string]int{}
	for _, c := range r.Curves {
		if len(c.Sets) != 1 || c.Sets[0].Of != 3 || !slices.IsSorted(c.Sets[0].Raised) {
			t.Errorf("%s by %s: %+v; want one set of 3, in ascending order", c.Trait, c.Key, c.Sets)
			continue
		}
		raised[c.Key] = c.Sets[0].Raised[len(c.Limits)-1]
	}
	if raised["min_face_padding"]+raised["threshold_user_too_far"]+raised["blur_threshold_enroll_pred"] == 0 {
		t.Errorf("no portrait raises a trait at the strictest limits: %v", raised)
	}
}

// One person enrolled under two names is found, and so is an image that belongs to somebody else.
func TestEvalGallery(t *testing.T) {
	data := fewData(t)
	people := t.TempDir()
	put := func(image, person, name string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Join(people, person), 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := os.ReadFile(image)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(people, person, name), file, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	first := func(name string) string { return filepath.Join(data, "lfw", "data", name, name+"_0001.jpg") }
	mates, strangers := fewPeople(t, filepath.Join(data, "lfw", "data"))
	for _, p := range mates {
		for _, n := range p.numbers[:2] {
			put(filepath.Join(data, "lfw", "data", p.name, fmt.Sprintf("%s_%04d.jpg", p.name, n)), p.name, fmt.Sprintf("%d.jpg", n))
		}
	}
	put(filepath.Join(data, "faces", "pairs", "grey.png"), mates[0].name, "grey.png")
	put(first(strangers[0].name), "one", "a.jpg")
	put(first(strangers[0].name), "same", "b.jpg")
	r, _, err := runEval(t, "gallery", people, "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"no face found": {1. / 19, 1. / 19}, "identified": {0.5, 1}, "a stranger is taken for somebody": {2. / 18, 0.3},
		"similarity of a stranger to the most similar person, highest": {0.999, 1.001}, "pairs of people who are too alike": {1. / 45, 0.2}},
		map[string]int{"identified": 16, "a stranger is taken for somebody": 18, "pairs of people who are too alike": 45})
	said := fmt.Sprint(r.Failures)
	for _, part := range []string{"grey.png no face was found", "one/a.jpg looks like same/b.jpg, 1.000: one and same may be one person"} {
		if !strings.Contains(said, part) {
			t.Errorf("the failures do not say %q: %s", part, said)
		}
	}
	if r.Data.People != 10 {
		t.Errorf("data: %+v", r.Data)
	}
	if _, _, err := runEval(t, "gallery", filepath.Join(people, "one")); err == nil {
		t.Error("a folder without people was measured")
	}
}

// A list of one's own puts people into groups.
func TestEvalGroups(t *testing.T) {
	folder := filepath.Join(drawnData(t, 3), "faces", "pairs")
	list := filepath.Join(folder, "groups.csv")
	if err := os.WriteFile(list, []byte("file,hat\n0.jpg,yes\n1.jpg,yes\n2.jpg,no\ngrey.png,no\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	r, _, err := runEval(t, "groups", "--list", list, "--json")
	if err != nil {
		t.Fatal(err)
	}
	wantFigures(t, r, map[string][2]float64{"no face found, hat yes": {0, 0}, "no face found, hat no": {0.5, 0.5}, "refused at predict, hat no": {0.5, 1}},
		map[string]int{"no face found, hat yes": 2, "refused at predict, hat no": 2})
}

// The page has the figures and the pictures of the failures. It goes into a folder of its own and replaces only its own.
func TestEvalPage(t *testing.T) {
	photographs := filepath.Join(drawnData(t, 2), "faces", "pairs")
	parent := t.TempDir()
	folder := filepath.Join(parent, "report")
	refusing := []string{"defaults", photographs, "--operation-config", `{"anti_spoofing_mode": 0, "threshold_user_right": 0.9}`, "--html", folder}
	if _, _, err := runEval(t, refusing...); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"<td>enroll: proceeds</td>", "<b>0.jpg</b>", "FT_FACE_RIGHT", "\ndetector ", `<img src="pictures/1-3.jpg"`} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the page has no %q:\n%s", part, text)
		}
	}
	list := func() (files []string) {
		if err := filepath.WalkDir(parent, func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				name, _ := filepath.Rel(parent, path)
				files = append(files, filepath.ToSlash(name))
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return files
	}
	if want := []string{"report/index.html", "report/pictures/1-1.jpg", "report/pictures/1-2.jpg", "report/pictures/1-3.jpg"}; !slices.Equal(list(), want) {
		t.Errorf("the folder has %q, want %q", list(), want)
	}
	small, err := os.Open(filepath.Join(folder, "pictures", "1-1.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	if c, _, err := image.DecodeConfig(small); err != nil || max(c.Width, c.Height) != 240 {
		t.Errorf("a picture of the page: %+v, %v; want a long side of 240", c, err)
	}

	// Again with fewer failures, and then into a folder that holds something else, or is none.
	if _, _, err := runEval(t, "defaults", photographs, "--operation-config", `{"anti_spoofing_mode": 0, "allowed_face_traits_flags": 4194303, "refuse_occlusion": "never"}`, "--html", folder); err != nil {
		t.Fatal(err)
	}
	if want := []string{"report/index.html", "report/pictures/1-1.jpg"}; !slices.Equal(list(), want) {
		t.Errorf("the folder has %q, want %q", list(), want)
	}
	for _, name := range []string{photographs, filepath.Join(folder, "index.html")} {
		refusing[len(refusing)-1] = name
		_, _, err = runEval(t, refusing...)
		wantCode(t, err, exitUsage)
	}

	// A link in the folder leads nothing outside it.
	outside := t.TempDir()
	if err := os.Remove(filepath.Join(folder, "pictures", "1-1.jpg")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(folder, "pictures")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(folder, "pictures")); err != nil {
		t.Fatal(err)
	}
	refusing[len(refusing)-1] = folder
	if _, _, err := runEval(t, refusing...); err != nil {
		t.Error(err)
	}
	if written, err := os.ReadDir(outside); err != nil || len(written) > 0 {
		t.Errorf("outside the folder: %v, %v", written, err)
	}
}

// labelledData is a folder with labels of its own for a few photographs of the open pack's roles, which is the pack that runs
// where that of the services lacks them.
func labelledData(t *testing.T) string {
	t.Helper()
	dir := fewData(t)
	packWith(t, models.RoleLiveness, models.RoleAge)
	data, err := filepath.EvalSymlinks(filepath.Join(dir, "faces", "couple.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	for name, from := range map[string]string{
		"attributes/mask.png": "attributes/bulk/mask.png", "attributes/left.jpeg": "attributes/pose/left_face.jpeg",
		"attributes/rotate/side.jpg": "attributes/rotate/rot_90.jpg", "attributes/shut.jpeg": "attributes/reaction/close_eyes.jpeg",
		"spoof/print.jpg": "spoof/spoof_1.jpg", "../labelled/ages/a.jpg": "pairs/img20.jpg", "../labelled/attacks/a.jpg": "spoof/spoof_2.jpg",
	} {
		to := filepath.Join(dir, "faces", filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(filepath.Join(filepath.Dir(data), filepath.FromSlash(from)), to); err != nil {
			t.Fatal(err)
		}
	}
	labels := "file,left_eye,right_eye,mask,yaw,presentation\nattributes/mask.png,open,open,yes,,\nattributes/left.jpeg,,open,no,left,\n" +
		"attributes/shut.jpeg,closed,closed,no,front,\nspoof/print.jpg,,,,,print\n"
	boxes := filepath.Join(dir, "labelled", "masks")
	if err := os.MkdirAll(boxes, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(filepath.Dir(data), "attributes", "bulk", "mask.png"), filepath.Join(boxes, "mask.png")); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{
		filepath.Join(dir, "faces", eval.LabelsFile):             labels,
		filepath.Join(dir, filepath.FromSlash(eval.PeopleFile)):  "file,age,sex\na.jpg,30,female\n",
		filepath.Join(dir, "labelled", "attacks", "attacks.csv"): "file,type\na.jpg,screen\n",
		filepath.Join(boxes, "boxes.csv"):                        "file,xmin,ymin,xmax,ymax,label\nmask.png,70,150,440,740,with_mask\nmask.png,0,0,25,25,without_mask\nmask.png,0,0,19,40,without_mask\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// packWith is the name of the services' pack where it has the roles, and else of the open pack, which then runs.
func packWith(t *testing.T, roles ...models.Role) string {
	t.Helper()
	pack := cmp.Or(os.Getenv("FACESTREAM_MODELS"), config.Default().Worker.Models[0])
	located, err := models.Locate(pack)
	if err != nil {
		t.Skipf("SKIPPED, nothing was evaluated: no model pack: %v", err)
	}
	for _, role := range roles {
		if _, ok := located.Model(role); !ok {
			mirrored(t)
			return "open"
		}
	}
	return pack
}

// pulled is the folder of the open pack on this machine, which serves as a mirror.
func pulled(t *testing.T) string {
	t.Helper()
	_, _, err := runModels(t, "", "verify", "open")
	dir, missing := models.PulledDir("open")
	if err := errors.Join(err, missing); err != nil {
		t.Skipf("SKIPPED, the open pack is not used: %v; run `make models FACESTREAM_MODELS=open`", err)
	}
	return dir
}

// mirrored makes a copy of the open pack the one that runs.
func mirrored(t *testing.T) {
	t.Helper()
	mirror := pulled(t)
	t.Setenv(models.EnvDir, t.TempDir())
	if _, _, err := runModels(t, "", "pull", "open", "--mirror", mirror, "--yes"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("FACESTREAM_MODELS", "open")
}

func TestEvalFaces(t *testing.T) {
	_, all, err := runEval(t, "all", "--json", "--data", labelledData(t))
	if err != nil {
		t.Fatal(err)
	}
	var outcomes []eval.Outcome
	if err := json.Unmarshal([]byte(all), &outcomes); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		evaluation string
		want       map[string][2]float64
		of         map[string]int
	}{
		{"traits", map[string][2]float64{"mask: hits": {1, 1}, "mask: false alarms": {0, 0}, "left eye closed: hits": {1, 1}, "right eye closed: false alarms": {0, 0}},
			map[string]int{"mask: hits": 1, "mask: false alarms": 2, "left eye closed: hits": 1, "right eye closed: false alarms": 2}},
		{"pose", map[string][2]float64{"yaw: sign": {1, 1}, "yaw: bin": {1, 1}}, map[string]int{"yaw: sign": 1, "yaw: bin": 2}},
		{"liveness", map[string][2]float64{"mode 1: regular: APCER, print": {0, 0}, "mode 3: regular: BPCER": {0, 0.5}, "mode 2: EER": {0, 0.5}},
			map[string]int{"mode 1: regular: APCER, print": 1, "mode 3: regular: BPCER": 4, "mode 2: not assessed": 6}}, // one of grey.png, which has no face
		{"attacks", map[string][2]float64{"hardened: APCER, print": {0, 0}, "hardened: APCER, screen": {0, 0}, "regular: BPCER": {0, 0.5}},
			map[string]int{"hardened: APCER, print": 1, "hardened: APCER, screen": 1, "not assessed": 7}},
		{"jitter", map[string][2]float64{"verdicts that change": {0, 0.5}}, map[string]int{"of attacks": 12, "10 % up": 6}},
		{"documents", map[string][2]float64{"hits, documents as photographed": {1, 1}, "hits, the same at half the width of a table": {1, 1}, "false alarms, people": {0, 0}},
			map[string]int{"hits, documents as photographed": 2, "false alarms, people": 10}},
		{"mrz", map[string][2]float64{"zones found": {1, 1}, "lines without a wrong character": {1, 1}, "turned by 270°: zones found": {1, 1}, "fields right": {1, 1}},
			map[string]int{"zones found": 2}},
		{"age", map[string][2]float64{"mean absolute error": {0, 60}, "mean absolute error of a constant answer": {0, 0}}, map[string]int{"off by more than 15 years": 1}},
		{"masks", map[string][2]float64{"found, masked": {1, 1}, "found, bare": {0, 0}, "mask seen, masked": {1, 1}}, map[string]int{"found, masked": 1, "found, bare": 1, "mask seen, masked": 1}},
		{"bonafide", map[string][2]float64{"as photographed: called a spoof": {0, 0.5}, "greyscale: not assessable": {0, 1}},
			map[string]int{"as photographed: called a spoof": 4, "greyscale: not assessable": 4, "cut to the face: called a spoof": 4}},
		{"closeups", map[string][2]float64{"found": {0.8, 0.8}}, map[string]int{"found": 10, "found, the face fills the frame": 5}},
		{"rotate", map[string][2]float64{"the same face found": {1, 1}, "embedding alike": {0.85, 1}, "upright ones left as they are": {1, 1}},
			map[string]int{"the same face found": 16, "upright ones left as they are": 3}},
		{"tilt", map[string][2]float64{"matches itself turned by 45°": {1, 1}, "matches itself turned by 180°": {1, 1}}, map[string]int{"matches itself turned by 45°": 4}},
		{"quality", map[string][2]float64{"blur: sharpness": {0.95, 1}, "darkening: image_under_exposure_prevention": {0.8, 1}, "JPEG: compression_artefacts": {0.8, 1},
			"noise: noise": {0.95, 1}, "turning: head_pose_roll": {0.8, 1}}, nil},
	} {
		k := slices.IndexFunc(outcomes, func(o eval.Outcome) bool { return o.Evaluation == test.evaluation })
		if k < 0 || outcomes[k].Report == nil {
			t.Errorf("%s was not measured", test.evaluation)
			continue
		}
		wantFigures(t, *outcomes[k].Report, test.want, test.of)
	}
}

// A bound holds for each of several packs.
func TestBoundsOfPacks(t *testing.T) {
	outcome := func(pack string, accuracy float64) eval.Outcome {
		return eval.Outcome{Pack: pack, Evaluation: "lfw", Report: &eval.Report{Figures: []eval.Figure{{Name: "accuracy", Value: accuracy}}}}
	}
	all, err := parseBounds([]string{"lfw/accuracy=0.97"}, []string{"age/error=9"})
	if err != nil {
		t.Fatal(err)
	}
	err = all.check([]eval.Outcome{outcome("one", 0.98), outcome("two", 0.95)})
	want := "one: age/error was not measured\ntwo: lfw/accuracy is 0.9500; --min requires 0.97\ntwo: age/error was not measured"
	if err == nil || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
}

// A page is put together from evaluations that ran apart; the last of one kind counts.
func TestEvalPageOfFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	outcome := func(pack, evaluation string, accuracy float64) string {
		return fmt.Sprintf(`{"pack": %q, "evaluation": %q, "report": {"evaluation": %[2]q, "pack": {"name": %[1]q}, "figures": [{"name": "accuracy", "value": %[3]v, "unit": "share"}]}}`, pack, evaluation, accuracy)
	}
	_, page, err := runEval(t, "page", file("a", "["+outcome("one", "lfw", 0.5)+`, {"pack": "one", "evaluation": "age", "skipped": "no data"}]`),
		file("b", "["+outcome("two", "lfw", 0.75)+","+outcome("one", "lfw", 0.25)+"]"))
	if err != nil || !strings.Contains(page, "| LFW, 10 folds: accuracy | 25.00 % | 75.00 % |") || !strings.Contains(page, "- age: no data") {
		t.Errorf("%v\n%s", err, page)
	}
	if _, _, err := runEval(t, "page", file("c", "{}")); err == nil {
		t.Error("a file without outcomes was read")
	}
	_, _, err = runEval(t, "all", "--only", "lfw,beauty")
	wantCode(t, err, exitUsage)
	_, out, err := runEval(t, "all", "--data", fewData(t), "--only", "pairs,age")
	if err != nil || strings.Contains(out, "lfw: ") || !strings.Contains(out, "pairs: verification") || !strings.Contains(out, ": age: ") {
		t.Errorf("--only: %v\n%s", err, out)
	}
}

// All of them in one go: what the data lack is skipped and named.
func TestEvalAll(t *testing.T) {
	data := labelledData(t)
	if err := os.RemoveAll(filepath.Join(data, "labelled", "ages")); err != nil {
		t.Fatal(err)
	}
	some := "lfw,pairs,traits,pose,liveness,masks,age,detect,landmarks,segmentation" // TestEvalFaces has all of them
	_, page, err := runEval(t, "all", "--data", data, "--only", some, "--markdown", "--min", "traits/mask: hits=1", "--max", "liveness/mode 2: regular: APCER, print=0",
		"--min", "age/mean absolute error=0", "--max", "pose/yaw: bin=0.5")
	var exit *exitError
	if !errors.As(err, &exit) || exit.code != exitOutcome {
		t.Fatalf("bounds that do not hold: %v", err)
	}
	if want := "age/mean absolute error was not measured\npose/yaw: bin is 1.0000; --max allows 0.5"; err.Error() != want {
		t.Errorf("the error is %q, want %q", err, want)
	}
	if _, _, err := runEval(t, "all", "--min", "lfw=0.9"); !errors.As(err, &exit) || exit.code != exitUsage {
		t.Errorf("no bound: %v", err)
	}
	for _, part := range []string{"# Accuracy", "## lfw", "## pairs", "## traits", "## liveness", "## masks", "| mask: hits |", "## Not measured\n\n- detect: no other pack whose answers can serve as the truth: name it with --reference\n- landmarks: no other pack", "\n- segmentation: ", "\n- age: "} {
		if !strings.Contains(page, part) {
			t.Errorf("the page has no %q:\n%s", part, page)
		}
	}
	if _, _, err := runEval(t, "all", "--data", t.TempDir()); err == nil || !strings.Contains(err.Error(), "nothing could be measured") {
		t.Errorf("without data: %v", err)
	}
	_, out, err := runEval(t, "all", "--data", t.TempDir(), "--models", "starter", "--reference", "", "--markdown")
	if err == nil || !strings.Contains(out, "- age: ") {
		t.Errorf("a pack without the role: %v\n%s", err, out)
	}
	_, out, err = runEval(t, "all", "--data", t.TempDir(), "--reference", packWith(t))
	if err == nil || !strings.Contains(out, ": detect: no other pack whose answers can serve as the truth: --reference names") {
		t.Errorf("a pack beside itself: %v\n%s", err, out)
	}
}
