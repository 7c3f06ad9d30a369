package models

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"facestream/packs"
	"facestream/pkg/schema"
)

// State is the state of a network's file on this machine.
type State string

// The states of a file.
const (
	StateOK      State = "ok"
	StateMissing State = "missing"
	StateWrong   State = "wrong hash"
)

// FileStatus is one file of a network as Verify found it.
type FileStatus struct {
	Model Model
	File  File // one of Model.Files
	State State
}

// Verify compares every file of the pack with its sha256: the networks in the order of Roles, each followed by its weights.
// It returns an error only if an existing file cannot be read. A missing or wrong file is a status.
func Verify(ctx context.Context, pack *Pack) ([]FileStatus, error) {
	var all []FileStatus
	for _, m := range pack.All() {
		if err := ctx.Err(); err != nil {
			return nil, schema.Transient("models.verify", err)
		}
		for _, f := range m.Files() {
			state, err := check(pack.files(), f.Name, f)
			if err != nil {
				return nil, schema.Fatal("models.verify", err)
			}
			all = append(all, FileStatus{Model: m, File: f, State: state})
		}
	}
	return all, nil
}

// check compares the file of that name with f.
func check(files fs.FS, name string, f File) (State, error) {
	info, err := fs.Stat(files, name)
	if errors.Is(err, fs.ErrNotExist) {
		return StateMissing, nil
	}
	if err != nil {
		return "", err
	}
	if info.Size() != f.Bytes {
		return StateWrong, nil
	}
	file, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return "", err
	}
	if hex.EncodeToString(sum.Sum(nil)) != f.SHA256 {
		return StateWrong, nil
	}
	return StateOK, nil
}

// EnvDir names the environment variable for the folder of pulled packs. It has one sub-folder per pack.
const EnvDir = "FACESTREAM_MODELS_DIR"

// DefaultDir returns the folder of the pulled pack of that name: inside FACESTREAM_MODELS_DIR, else inside the user's
// cache folder.
func DefaultDir(name string) (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return filepath.Join(dir, name), nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "facestream", "models", name), nil
}

// Locate opens the pack called name. A name with a path separator is a folder. Any other name is a pack that is part of
// the program, or else a pulled one. Locate checks the sha256 of every file, because results name a model by its hash
// (invariant 5). An error is Fatal and says which command helps.
func Locate(name string) (*Pack, error) {
	const op = "models.locate"
	if packs.Files(name) != nil {
		manifest, err := packs.Manifest(name)
		if err != nil {
			return nil, schema.Fatal(op, err)
		}
		return Parse(manifest)
	}
	dir, help := name, "put the files into the folder, or correct its "+ManifestFile
	if !strings.ContainsRune(filepath.ToSlash(name), '/') {
		var err error
		if dir, err = DefaultDir(name); err != nil {
			return nil, schema.Fatal(op, err)
		}
		help = "run `facestream models pull " + name + "`"
	}
	pack, err := Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, schema.Fatal(op, fmt.Errorf("no model pack in %s: %s", dir, help))
	}
	if err != nil {
		return nil, err
	}
	files, err := Verify(context.Background(), pack)
	if err != nil {
		return nil, err
	}
	var bad []string
	for _, f := range files {
		if f.State != StateOK {
			bad = append(bad, fmt.Sprintf("%s (%s)", f.File.Name, f.State))
		}
	}
	if bad != nil {
		return nil, schema.Fatal(op, fmt.Errorf("model pack in %s: %s: %s", dir, strings.Join(bad, ", "), help))
	}
	return pack, nil
}
