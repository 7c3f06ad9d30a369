// Command facestream runs everything in one process (`facestream up`) and is the operator's tool.
package main

import (
	"os"

	"facestream/internal/cli"
	"facestream/internal/services/worker"
)

func main() {
	if worker.IsChild(os.Args) {
		os.Exit(worker.Child())
	}
	os.Exit(cli.Main())
}
