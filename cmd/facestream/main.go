// Command facestream runs everything in one process (`facestream up`) and is the operator's tool.
package main

import (
	"os"

	"facestream/internal/cli"
)

func main() { os.Exit(cli.Main()) }
