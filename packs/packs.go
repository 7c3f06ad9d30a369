// Package packs holds the manifests of the model packs that this project knows, the networks of the starter pack, and the
// skeletons of the other packs: networks without weights. What else those packs need is not part of the project:
// `facestream models pull` gets it.
package packs

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// Starter is the pack whose networks were trained by this project and are part of it.
const Starter = "starter"

// Recommended is the most accurate pack for everyday use. It has to be pulled.
const Recommended = "open"

// Best is the name that stands for Recommended where that was pulled, else for Starter.
const Best = "best"

//go:embed */pack.yaml */*.onnx
var content embed.FS

// Names are the known packs, sorted.
func Names() []string {
	entries, err := content.ReadDir(".")
	if err != nil {
		panic(err) // the folder is part of the binary
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// Manifest is the pack.yaml of the pack of that name, or an error that lists the known ones.
func Manifest(name string) ([]byte, error) {
	for _, known := range Names() {
		if name == known {
			return content.ReadFile(path.Join(name, "pack.yaml"))
		}
	}
	return nil, fmt.Errorf("no pack is named %q; the known ones: %s", name, strings.Join(Names(), ", "))
}

// Own is the content of a file of the pack of that name that is part of the program: a skeleton, or, under the folder
// Starter, a network of the starter pack that stands in for one of the pack. It is an error if there is no such file.
func Own(pack, file string) ([]byte, error) {
	name := path.Join(pack, file)
	if strings.HasPrefix(file, Starter+"/") {
		name = file
	}
	own, err := content.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("this program has no %s for the pack %s", file, pack)
	}
	return own, nil
}

// Files are the networks of the pack of that name where they are part of the program, else nil.
func Files(name string) fs.FS {
	if name != Starter {
		return nil
	}
	files, err := fs.Sub(content, name)
	if err != nil {
		panic(err) // only an invalid name is an error
	}
	return files
}
