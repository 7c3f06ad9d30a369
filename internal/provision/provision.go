// Package provision brings onto this machine what the program does not carry: the library of ONNX Runtime, and the folder
// from which model packs are copied instead of being fetched.
package provision

import (
	"os"
	"path/filepath"
)

// EnvMirror names the environment variable that says which folder has the files of model packs already.
const EnvMirror = "FACESTREAM_MODELS_MIRROR"

// DefaultMirror is the folder that FACESTREAM_MODELS_MIRROR names, else ../shared/models where it exists, else "".
func DefaultMirror() string {
	if dir := os.Getenv(EnvMirror); dir != "" {
		return dir
	}
	dir := filepath.Join("..", "shared", "models")
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return dir
	}
	return ""
}
