package layout_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// testsMayImport is what tests of pkg may import of internal: pictures of people who do not exist.
var testsMayImport = map[string]bool{"facestream/internal/drawn": true, "facestream/internal/symbols": true}

// TestPublicPackagesStandAlone holds pkg to what a program of somebody else can use: it imports nothing of internal, looks
// for nothing beside the repository, and writes no log of zerolog's. Helpers of tests may look for data of tests.
func TestPublicPackagesStandAlone(t *testing.T) {
	eachPublicFile(t, func(name string, file *ast.File, source string) {
		test := strings.HasSuffix(name, "_test.go")
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(p, "facestream/internal/") && !(test && testsMayImport[p]) {
				t.Errorf("%s imports %s", name, p)
			}
			if strings.HasPrefix(p, "github.com/rs/zerolog") {
				t.Errorf("%s imports %s; take a *slog.Logger", name, p)
			}
		}
		if strings.Contains(source, "../shared") && !test && !strings.HasSuffix(filepath.Dir(name), "test") {
			t.Errorf("%s looks for files beside the repository", name)
		}
	})
}

// TestPublicAPI: what pkg exports is made of the standard library and of pkg itself, so that nobody who uses it depends on
// the libraries behind it.
func TestPublicAPI(t *testing.T) {
	eachPublicFile(t, func(name string, file *ast.File, _ string) {
		if strings.HasSuffix(name, "_test.go") || file.Name.Name == "main" {
			return
		}
		foreign := map[string]string{} // by the name in this file
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Split(p, "/")[0], ".") {
				continue // the standard library or this module
			}
			base := strings.TrimSuffix(path.Base(p), "-go")
			if i.Name != nil {
				base = i.Name.Name
			}
			foreign[base] = p
		}
		ast.FileExports(file)
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok {
				if f.Body = nil; f.Recv != nil && !exportedReceiver(f) {
					continue
				}
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok {
					if x, ok := s.X.(*ast.Ident); ok && foreign[x.Name] != "" {
						t.Errorf("%s exports %s.%s of %s", name, x.Name, s.Sel.Name, foreign[x.Name])
					}
				}
				return true
			})
		}
	})
}

func exportedReceiver(f *ast.FuncDecl) bool {
	exported := false
	ast.Inspect(f.Recv.List[0].Type, func(n ast.Node) bool {
		if x, ok := n.(*ast.Ident); ok && !exported {
			exported = x.IsExported()
			return false
		}
		return true
	})
	return exported
}

// TestParsersNeedTheStandardLibraryOnly: whoever wants a parser of what a document says gets no other module with it.
func TestParsersNeedTheStandardLibraryOnly(t *testing.T) {
	files := map[string]int{"pkg/mrz": 0, "pkg/aamva": 0}
	eachPublicFile(t, func(name string, file *ast.File, _ string) {
		if _, ok := files[path.Dir(name)]; !ok || strings.HasSuffix(name, "_test.go") {
			return
		}
		files[path.Dir(name)]++
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(p, "/"); first == "facestream" || strings.Contains(first, ".") {
				t.Errorf("%s imports %s", name, p)
			}
		}
	})
	for folder, n := range files {
		if n == 0 {
			t.Errorf("%s has no files", folder)
		}
	}
}

// eachPublicFile calls f for every Go file of pkg.
func eachPublicFile(t *testing.T, f func(name string, file *ast.File, source string)) {
	t.Helper()
	n := 0
	err := filepath.WalkDir("../../pkg", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".go" {
			return err
		}
		if strings.Contains(name, "/internal/") {
			return nil // generators of this project
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		n++
		f(strings.TrimPrefix(name, "../../"), file, string(source))
		return nil
	})
	if err != nil || n < 50 {
		t.Fatalf("%d files: %v", n, err)
	}
}

// TestExampleModule: examples/go resolves against pkg as it is, with the versions that its go.mod names, and reaches
// nothing of internal.
func TestExampleModule(t *testing.T) {
	list := exec.Command("go", "list", "-mod=readonly", "-deps", "./...")
	list.Dir = "../../examples/go"
	var problems strings.Builder
	list.Stderr = &problems
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %s\n(cd examples/go && go mod tidy)", err, &problems)
	}
	packages := strings.Fields(string(out))
	if !slices.Contains(packages, "facestream/pkg/events") || !slices.Contains(packages, "facestream/pkg/engine") {
		t.Errorf("examples/go uses neither pkg/events nor pkg/engine: %d packages", len(packages))
	}
	for _, p := range packages {
		if strings.HasPrefix(p, "facestream/internal/") {
			t.Errorf("examples/go depends on %s", p)
		}
	}
}
