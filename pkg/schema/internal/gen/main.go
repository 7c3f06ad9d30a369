// Command gen generates the JSON Schemas of pkg/schema from its Go types, and the reference pages
// docs/operation-config.md, docs/reasons.md and docs/operations-reference.md, and what clients/python has of the keys and reasons.
// `go generate ./pkg/schema` runs it in pkg/schema.
package main

import (
	"fmt"
	"os"
)

func main() {
	files, err := generate()
	for _, f := range files {
		if err == nil {
			err = os.WriteFile(f.path, f.content, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

// file is one generated file; path is relative to pkg/schema.
type file struct {
	path    string
	content []byte
}

func generate() ([]file, error) {
	files, err := schemas()
	if err != nil {
		return nil, err
	}
	operations, err := operationsPage()
	if err != nil {
		return nil, err
	}
	return append(files,
		file{"../../docs/operation-config.md", configPage()},
		file{"../../docs/reasons.md", reasonsPage()},
		file{"../../docs/operations-reference.md", operations},
		file{"../../clients/python/src/facestream/config.py", pythonConfig()},
		file{"../../clients/python/src/facestream/reasons.py", pythonReasons()},
	), nil
}
