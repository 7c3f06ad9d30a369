// Command licences lists the licences of the modules that programs link, and fails where one is unknown or is not known to be fit for
// a program under Apache-2.0 that is passed on as a whole.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// fit are licences that ask for no more than their text and a notice.
var fit = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "BSD-Source-Code", "ISC", "0BSD", "Unlicense", "CC0-1.0", "Zlib"}

// judged are modules whose licence a person looked at: module path -> licence and why that is fine.
var judged = map[string]string{
	"github.com/gen2brain/heic":                     "MIT, and LGPL-3.0 for the WebAssembly, which is used unchanged and apart from the program (docs/dependencies.md)",
	"github.com/milvus-io/milvus-proto/go-api/v2":   "Apache-2.0; the file is at the root of its repository, not in the module",
	"github.com/hashicorp/vault-client-go":          "MPL-2.0; unchanged",
	"github.com/hashicorp/go-cleanhttp":             "MPL-2.0; unchanged",
	"github.com/hashicorp/go-retryablehttp":         "MPL-2.0; unchanged",
	"github.com/hashicorp/go-rootcerts":             "MPL-2.0; unchanged",
	"github.com/hashicorp/go-secure-stdlib/strutil": "MPL-2.0; unchanged",
}

var licenceFile = regexp.MustCompile(`(?i)^((un)?licen[cs]e|copying)(-(mit|apache))?(\.(md|txt|rst))?$`)

type module struct{ Path, Version, Dir string }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(packages []string) error {
	linked, err := modules(packages)
	if err != nil {
		return err
	}
	var unfit []error
	for _, m := range linked {
		found, err := licences(m.Dir)
		if err != nil {
			return err
		}
		said := strings.Join(found, ", ")
		if why, ok := judged[m.Path]; ok {
			said = why
		} else if len(found) == 0 {
			said = "unknown"
			unfit = append(unfit, fmt.Errorf("%s: no licence was recognised", m.Path))
		} else if strange := slices.DeleteFunc(slices.Clone(found), func(l string) bool { return slices.Contains(fit, l) }); len(strange) > 0 {
			unfit = append(unfit, fmt.Errorf("%s: %s", m.Path, strings.Join(strange, ", ")))
		}
		fmt.Printf("%s\t%s\t%s\n", m.Path, m.Version, said)
	}
	if unfit != nil {
		return fmt.Errorf("look at these licences, and enter the modules into tools/licences or use others:\n%w", errors.Join(unfit...))
	}
	return nil
}

// modules returns the modules of others that the packages link, ordered by path.
func modules(packages []string) ([]module, error) {
	list := exec.Command("go", append([]string{"list", "-deps", "-json=Module"}, packages...)...)
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, err
	}
	found := map[string]module{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				module
				Main bool
			}
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && !p.Module.Main {
			found[p.Module.Path] = p.Module.module
		}
	}
	var all []module
	for _, path := range slices.Sorted(maps.Keys(found)) {
		all = append(all, found[path])
	}
	return all, nil
}

// licences are the SPDX identifiers of the licences in a folder, as far as they are recognised.
func licences(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		for _, match := range licensecheck.Scan(text).Match {
			found[match.ID] = true
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
