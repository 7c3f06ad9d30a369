package engine

import (
	"context"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
	"facestream/pkg/schema"
)

// TestStepsAreDocumented: the package's documentation lists the steps, in their order.
func TestStepsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var documented, names []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+) {2,}`).FindAllStringSubmatch(string(page), -1) {
		documented = append(documented, m[1])
	}
	for _, s := range steps() {
		names = append(names, s.name)
	}
	if diff := cmp.Diff(names, documented); diff != "" {
		t.Errorf("doc.go (-steps +documented):\n%s", diff)
	}
}

// TestStepsAboutThePictureComeFirst: the others look at the faces that those find.
func TestStepsAboutThePictureComeFirst(t *testing.T) {
	faces := false
	for _, s := range steps() {
		if s.picture && faces {
			t.Errorf("%s is about the whole picture and comes after a step about faces", s.name)
		}
		faces = faces || !s.picture
	}
}

// TestOneNetwork: a pack may fill some roles with several networks. It is refused if a step would ask only one of them, or if no step
// would ask one.
func TestOneNetwork(t *testing.T) {
	documents := openPack(t).Models[models.RoleDocument]
	for architecture, says := range map[string]string{face.DocumentGrid: "document_detector", "something_else": "something_else"} {
		pack := *openPack(t)
		another := documents[0]
		another.Name, another.Architecture = "another_detector", architecture
		pack.Models[models.RoleDocument] = append(slices.Clone(documents), another)
		_, err := Open(t.Context(), Options{Pack: &pack, Library: library(t)})
		if schema.ClassOf(err) != schema.ClassFatal || !strings.Contains(err.Error(), "another_detector") || !strings.Contains(err.Error(), says) {
			t.Errorf("another network of the architecture %s: %v; want a fatal error that names it and %s", architecture, err, says)
		}
	}
}

// TestModelsAreThoseThatRan: a network that was not asked is not named, although its step was.
func TestModelsAreThoseThatRan(t *testing.T) {
	e := starter(t, Options{})
	file := cast(t, 1)[0]
	roles := func(p Params) (names []string) {
		t.Helper()
		a, err := e.Analyze(t.Context(), file, p)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range a.Models {
			names = append(names, m.Role)
		}
		return names
	}
	if got := roles(Params{Liveness: 1}); !slices.Equal(got, []string{"detector", "pose", "liveness"}) {
		t.Errorf("of a face that can be judged: %v", got)
	}
	img, err := e.Decode(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	file = encoded(t, img.Resize(100, 100)) // a face of less than 64 pixels
	if got := roles(Params{Liveness: 1}); !slices.Equal(got, []string{"detector", "pose"}) {
		t.Errorf("of a face that is too small to be judged: %v", got)
	}
}

// silent is a network that answers nothing.
type silent struct{}

func (silent) Outputs() []string { return []string{"output"} }

func (silent) Run(_ context.Context, rows []onnx.Tensor) []onnx.RowResult {
	return make([]onnx.RowResult, len(rows))
}

// TestRecorded: a network is on the record of the picture for which it ran, and of no other.
func TestRecorded(t *testing.T) {
	m := models.Model{Role: models.RolePose, Name: "a"}
	net := recorded{silent{}, m}
	mine, other := record{}, record{}
	ctx := context.WithValue(t.Context(), recordKey{}, mine)
	net.Run(context.WithValue(t.Context(), recordKey{}, other), nil)
	net.Run(ctx, make([]onnx.Tensor, 2))
	net.Run(t.Context(), make([]onnx.Tensor, 1))
	if want := (record{modelKey{models.RolePose, "a"}: true}); !cmp.Equal(want, mine, cmp.AllowUnexported(modelKey{})) || len(other) != 0 {
		t.Errorf("%v, and without a row %v; want %v and none", mine, other, want)
	}
}

// TestStepsWithoutNetworks: every role whose step is refused without a network says so, with the pack's reason.
func TestStepsWithoutNetworks(t *testing.T) {
	all := Params{Embed: true, Attributes: true, Liveness: 1, Documents: true, Document: &DocumentParams{MRZ: true, Faces: true}, Age: true, Quality: []string{"default"}}
	for _, s := range steps() {
		if s.role == "" {
			continue
		}
		e := &Engine{pack: &models.Pack{Name: "bare", Absent: map[models.Role]string{s.role: "left out"}},
			steps: []loaded{{step: s, absent: true}}}
		err := e.able("test", all)
		if s.recording {
			err = e.hears("test")
		}
		if refused := schema.ReasonOf(err) == schema.ReasonRoleAbsent && strings.Contains(err.Error(), string(s.role)+": left out"); refused != (s.without == refuse) {
			t.Errorf("%s without a network: %v", s.name, err)
		}
	}
}

func encoded(t *testing.T, img *imaging.Image) []byte {
	t.Helper()
	file, err := img.Encode(imaging.PNG)
	if err != nil {
		t.Fatal(err)
	}
	return file
}
