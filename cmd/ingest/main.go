// Command ingest runs the facestream ingest service as a process of its own.
package main

import (
	"os"

	"facestream/internal/app"
	"facestream/internal/cli"
)

func main() { os.Exit(cli.Service("ingest", app.Ingest)) }
