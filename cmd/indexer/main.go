// Command indexer runs the facestream indexer service as a process of its own.
package main

import (
	"os"

	"facestream/internal/program"
	"facestream/internal/services/indexer"
)

func main() { os.Exit(program.Service("indexer", indexer.Run)) }
