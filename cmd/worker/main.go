// Command worker runs the facestream worker service as a process of its own.
package main

import (
	"os"

	"facestream/internal/program"
	"facestream/internal/services/worker"
)

func main() { os.Exit(program.Service("worker", worker.Run)) }
