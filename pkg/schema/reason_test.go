package schema

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestReasonsAreComplete: Reasons lists every constant of type Reason in the repository exactly once, and
// docs/reasons.md describes it.
func TestReasonsAreComplete(t *testing.T) {
	listed := map[Reason]int{}
	for _, r := range Reasons() {
		listed[r.Reason]++
	}
	doc, err := os.ReadFile("../../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	constants := reasonConstants(t)
	if len(constants) < 20 {
		t.Errorf("only %d constants were found; the search is broken", len(constants))
	}
	for name, value := range constants {
		if listed[value] != 1 {
			t.Errorf("%s (%q) is listed %d times by Reasons()", name, value, listed[value])
		}
		if !strings.Contains(string(doc), "| `"+string(value)+"` |") {
			t.Errorf("docs/reasons.md does not describe %q; run go generate ./pkg/schema", value)
		}
		delete(listed, value)
	}
	for value := range listed {
		t.Errorf("Reasons() lists %q, which is no constant", value)
	}
}

// reasonConstants finds every constant of type Reason or schema.Reason below the repository's cmd, internal and pkg.
func reasonConstants(t *testing.T) map[string]Reason {
	out := map[string]Reason{}
	for _, root := range []string{"../../cmd", "../../internal", "../../pkg"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				spec, ok := n.(*ast.ValueSpec)
				if !ok || !isReason(f.Name.Name, spec.Type) {
					return true
				}
				for i, value := range spec.Values {
					if lit, ok := value.(*ast.BasicLit); ok && lit.Kind == token.STRING {
						s, err := strconv.Unquote(lit.Value)
						if err != nil {
							t.Fatal(err)
						}
						out[spec.Names[i].Name] = Reason(s)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func isReason(pkg string, e ast.Expr) bool {
	switch x := e.(type) {
	case *ast.Ident:
		return pkg == "schema" && x.Name == "Reason"
	case *ast.SelectorExpr:
		return x.Sel.Name == "Reason"
	}
	return false
}
