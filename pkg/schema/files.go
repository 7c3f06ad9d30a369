package schema

import (
	"embed"
	"io/fs"
)

//go:embed *.schema.json
var schemaFiles embed.FS

// Schemas returns the JSON Schemas (draft 2020-12) of the values on the topics: request, job, analysis, result,
// operation-config and object-notification. Each is a file <name>.schema.json.
func Schemas() fs.FS { return schemaFiles }
