// Command ingest runs the facestream ingest service as a process of its own.
package main

import (
	"os"

	"facestream/internal/program"
	"facestream/internal/services/ingest"
)

func main() { os.Exit(program.Service("ingest", ingest.Run)) }
