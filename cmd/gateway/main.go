// Command gateway runs the facestream gateway service as a process of its own.
package main

import (
	"os"

	"facestream/internal/program"
	"facestream/internal/services/gateway"
)

func main() { os.Exit(program.Service("gateway", gateway.Run)) }
