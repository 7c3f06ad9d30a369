package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/uuid"

	"facestream/internal/drawn"
	"facestream/packs"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const modelFile = "model file"

// modelFiles are the attacks of a model pack: of its manifest, of its folder, and of networks whose hash is right.
func modelFiles() []attack {
	return []attack{
		{name: "another-network", actor: modelFile, tried: "a network of a pack, exchanged after it was pulled", alone: anotherNetwork},
		{name: "manifest-that-leaves", actor: modelFile, tried: "files named ../, absolute, with backslashes, in a manifest", alone: manifestThatLeaves},
		{name: "manifest-bomb", actor: modelFile, tried: "a manifest of aliases of aliases", alone: manifestBomb},
		{name: "link-out-of-the-pack", actor: modelFile, tried: "folders of a pack that are links, when it is pulled", alone: linkOut},
		{name: "weights-of-another-folder", actor: modelFile, tried: "a network with external data at ../ and at an absolute path", alone: weightsElsewhere},
		{name: "huge-tensor", actor: modelFile, tried: "networks that claim a tensor of 4 TiB, in the file and while they run", alone: hugeTensor},
		{name: "outputs-of-no-number", actor: modelFile, tried: "an embedding network that answers NaN, infinity and zeros", alone: noNumbers},
		{name: "outputs-of-another-shape", actor: modelFile, tried: "networks with outputs of another rank, of length 0 and of another number", alone: otherShapes},
	}
}

// starterPack writes the starter pack into a folder of its own, with another embedding network where one is given, whose hash the
// manifest has.
func (l *lab) starterPack(embedding []byte) (string, error) {
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	files := packs.Files(packs.Starter)
	if err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, path), content, 0o600)
	}); err != nil {
		return "", err
	}
	manifest, err := packs.Manifest(packs.Starter)
	if err != nil {
		return "", err
	}
	if embedding != nil {
		sum := sha256.Sum256(embedding)
		entry := regexp.MustCompile(`(?s)(file: embedding\.onnx\s+sha256: )[0-9a-f]{64}(\s+bytes: )\d+`)
		manifest = entry.ReplaceAll(manifest, fmt.Appendf(nil, "${1}%s${2}%d", hex.EncodeToString(sum[:]), len(embedding)))
		if err := os.WriteFile(filepath.Join(dir, "embedding.onnx"), embedding, 0o600); err != nil {
			return "", err
		}
	}
	return dir, os.WriteFile(filepath.Join(dir, "pack.yaml"), manifest, 0o600)
}

// refusesPack fails unless facestream does not start with the pack of a folder.
func (l *lab) refusesPack(ctx context.Context, pack string, words ...string) (string, error) {
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	return l.refuses(ctx, []string{"FACESTREAM_DATA_DIR=" + dir, "FACESTREAM_WORKER_MODELS=" + pack, "FACESTREAM_EMBEDDED_KAFKA_ADDR=127.0.0.1:0", "FACESTREAM_EMBEDDED_S3_ADDR=127.0.0.1:0",
		"FACESTREAM_TELEMETRY_LISTEN=", "FACESTREAM_GATEWAY_LISTEN="}, []string{"facestream", "up"}, words...)
}

func anotherNetwork(ctx context.Context, l *lab) (string, error) {
	pack, err := l.starterPack(nil)
	if err != nil {
		return "", err
	}
	path := filepath.Join(pack, "embedding.onnx")
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	content[len(content)/2] ^= 1
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return "", err
	}
	return l.refusesPack(ctx, pack, "sha256", "wrong hash")
}

// changed is the folder of a starter pack whose manifest was changed.
func (l *lab) changed(old, replacement string) (string, error) {
	pack, err := l.starterPack(nil)
	if err != nil {
		return "", err
	}
	path := filepath.Join(pack, "pack.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if !strings.Contains(string(text), old) {
		return "", fmt.Errorf("the manifest has no %q", old)
	}
	return pack, os.WriteFile(path, []byte(strings.Replace(string(text), old, replacement, 1)), 0o600)
}

func manifestThatLeaves(ctx context.Context, l *lab) (string, error) {
	said := ""
	for _, name := range []string{"../embedding.onnx", "/etc/passwd", `..\embedding.onnx`, "a/../../embedding.onnx", "''"} {
		pack, err := l.changed("file: embedding.onnx", "file: "+name)
		if err != nil {
			return "", err
		}
		if said, err = l.refusesPack(ctx, pack, "not a path"); err != nil {
			return "", fmt.Errorf("%s: %w", name, err)
		}
	}
	return said, nil
}

func manifestBomb(ctx context.Context, l *lab) (string, error) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for i := 'b'; i < 'k'; i++ {
		p := string(i - 1)
		bomb += fmt.Sprintf("%c: &%c [%s]\n", i, i, strings.TrimSuffix(strings.Repeat("*"+p+",", 10), ","))
	}
	pack, err := l.changed("name: starter\n", bomb+"name: starter\n")
	if err != nil {
		return "", err
	}
	return l.refusesPack(ctx, pack)
}

func linkOut(ctx context.Context, l *lab) (string, error) {
	root, err := l.folder()
	if err != nil {
		return "", err
	}
	outside := filepath.Join(root, "outside")
	models := filepath.Join(root, "models")
	if err := os.Mkdir(outside, 0o700); err != nil {
		return "", err
	}
	env := []string{"FACESTREAM_MODELS_DIR=" + models, "FACESTREAM_MODELS_MIRROR=" + outside}
	// A pull from a mirror that has nothing; what is part of the program is installed first.
	said, _ := l.command(ctx, env, "facestream", "models", "pull", "open", "--yes")
	var folder string
	filepath.WalkDir(models, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && path != models {
			folder = path // the deepest
		}
		return nil
	})
	if folder == "" {
		return "", notTried{"no pack can be pulled here: " + said[max(0, len(said)-200):]}
	}
	// Every folder and file below the pack's own becomes a link to the outside.
	entries, err := os.ReadDir(folder)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		path := filepath.Join(folder, e.Name())
		if err := os.RemoveAll(path); err != nil {
			return "", err
		}
		if err := os.Symlink(filepath.Join(outside, e.Name()), path); err != nil {
			return "", err
		}
		if err := os.Symlink(filepath.Join(outside, e.Name()+".part"), path+".part"); err != nil {
			return "", err
		}
	}
	l.command(ctx, env, "facestream", "models", "pull", "open", "--yes")
	left, err := os.ReadDir(outside)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("the pull writes %s outside the pack's folder", left[0].Name())
	}
	return fmt.Sprintf("%d links; nothing is written through them", len(entries)), err
}

func weightsElsewhere(ctx context.Context, l *lab) (string, error) {
	dir, err := l.folder()
	if err != nil {
		return "", err
	}
	secret := filepath.Join(dir, "secret.bin")
	if err := os.WriteFile(secret, make([]byte, 3*128*4), 0o600); err != nil {
		return "", err
	}
	for _, location := range []string{"../" + filepath.Base(dir) + "/secret.bin", secret, "x/../../" + filepath.Base(dir) + "/secret.bin"} {
		pack, err := l.starterPack(embedding(elsewhere("w", location, 3, 128), 128))
		if err != nil {
			return "", err
		}
		if _, err := l.refusesPack(ctx, pack); err != nil {
			return "", fmt.Errorf("%s: %w", location, err)
		}
	}
	return "refused", nil
}

func hugeTensor(ctx context.Context, l *lab) (string, error) {
	const tera = 1 << 40
	claimed := message{}.number(1, 3).number(1, tera).number(2, floats).text(8, "w").bytes(9, []byte{0, 0, 0, 0})
	pack, err := l.starterPack(embedding(claimed, tera))
	if err != nil {
		return "", err
	}
	if _, err := l.refusesPack(ctx, pack); err != nil {
		return "", err
	}
	// One that grows while it runs: the mean is expanded to 2^40 columns. It may be refused, or fail for each request.
	shape := message{}.number(1, 3).number(2, 7).text(8, "shape")
	for _, d := range []uint64{1, 3, tera} {
		shape = shape.number(7, d)
	}
	axis := message{}.number(1, 1).number(2, 7).text(8, "axis").number(7, 2)
	grows := model(valueInfo("in", 3, 112, 112), valueInfo("out", 128), []message{shape, axis, tensor("w", 1, 3, 128)}, []message{
		node("ReduceMean", []string{"in"}, []string{"mean"}, integers("axes", 2, 3), integer("keepdims", 0)),
		node("Unsqueeze", []string{"mean", "axis"}, []string{"column"}),
		node("Expand", []string{"column", "shape"}, []string{"wide"}),
		node("ReduceMax", []string{"wide"}, []string{"narrow"}, integers("axes", 2), integer("keepdims", 0)),
		node("MatMul", []string{"narrow", "w"}, []string{"out"}),
	})
	return l.answersWithout(ctx, grows)
}

// answersWithout fails unless a facestream with this embedding network either does not start, or answers an enrolment and a search
// with a reason, enrols nobody, and goes on.
func (l *lab) answersWithout(ctx context.Context, network []byte) (string, error) {
	pack, err := l.starterPack(network)
	if err != nil {
		return "", err
	}
	f, err := l.start(ctx, setup{env: []string{"FACESTREAM_WORKER_MODELS=" + pack}})
	if err != nil {
		return "refused", nil
	}
	image, err := f.face(ctx, 0, 0)
	if err != nil {
		return "", err
	}
	ids := map[schema.RequestID]bool{}
	for _, operation := range []string{`"enroll","external_id":"alice"`, `"predict"`} {
		id := schema.RequestID(uuid.NewString())
		ids[id] = true
		if err := f.raw(ctx, events.Requests, string(id), fmt.Sprintf(`{"id":%q,"operation":%s,"images":[{"bucket":%q,"key":%q}],"config":%s}`, id, operation, image[0].Bucket, image[0].Key, drawn.Config)); err != nil {
			return "", err
		}
	}
	if err := errors.Join(f.eachEnds(ctx, ids), f.parts[0].ended()); err != nil {
		return "", err
	}
	contents, _, err := f.outcomes(ctx, ids)
	if err != nil {
		return "", err
	}
	for _, said := range contents {
		if said[""] {
			return "", errors.New("a request succeeds")
		}
	}
	return "no request succeeds, nobody is enrolled", nil
}

func noNumbers(ctx context.Context, l *lab) (string, error) {
	var said []string
	for _, v := range []float64{math.NaN(), math.Inf(1), 0} {
		s, err := l.answersWithout(ctx, embedding(tensor("w", float32(v), 3, 128), 128))
		l.stopAll()
		if err != nil {
			return "", fmt.Errorf("%v: %w", v, err)
		}
		said = append(said, fmt.Sprintf("%v: %s", v, s))
	}
	return strings.Join(said, "; "), nil
}

func otherShapes(ctx context.Context, l *lab) (string, error) {
	for what, network := range map[string][]byte{
		"another rank": model(valueInfo("in", 3, 112, 112), valueInfo("out", 3, 112, 112), nil, []message{node("Relu", []string{"in"}, []string{"out"})}),
		"no number":    embedding(tensor("w", 1, 3, 0), 0),
		"one row less": model(valueInfo("in", 3, 112, 112), valueInfo("out", 128), []message{tensor("w", 1, 3, 128)}, []message{
			node("ReduceMean", []string{"in"}, []string{"mean"}, integers("axes", 0, 2, 3), integer("keepdims", 0)), node("MatMul", []string{"mean", "w"}, []string{"out"})}),
		"another input": model(valueInfo("in", 1, 5, 5), valueInfo("out", 1, 5, 5), nil, []message{node("Relu", []string{"in"}, []string{"out"})}),
	} {
		_, err := l.answersWithout(ctx, network)
		l.stopAll()
		if err != nil {
			return "", fmt.Errorf("%s: %w", what, err)
		}
	}
	return "refused, or each request is", nil
}
