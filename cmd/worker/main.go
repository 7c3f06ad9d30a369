// Command worker runs the facestream worker service as a process of its own.
package main

import (
	"os"

	"facestream/internal/program"
	"facestream/internal/services/worker"
)

func main() {
	if worker.IsChild(os.Args) {
		os.Exit(worker.Child())
	}
	os.Exit(program.Service("worker", worker.Run))
}
