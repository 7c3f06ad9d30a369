// Package packs holds the manifests of the model packs that this project knows. The networks themselves are not part of
// the project: `facestream models pull` gets them.
package packs

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed */pack.yaml
var manifests embed.FS

// Names are the known packs, sorted.
func Names() []string {
	entries, err := manifests.ReadDir(".")
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
			return manifests.ReadFile(path.Join(name, "pack.yaml"))
		}
	}
	return nil, fmt.Errorf("no pack is named %q; the known ones: %s", name, strings.Join(Names(), ", "))
}
