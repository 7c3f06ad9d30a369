package models

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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

// EnvDir names the environment variable for the folder of pulled packs. It has one sub-folder per pack, with one sub-folder
// per version.
const EnvDir = "FACESTREAM_MODELS_DIR"

// root is the folder of all pulled packs.
func root() (string, error) {
	if dir := os.Getenv(EnvDir); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	return filepath.Join(cache, "facestream", "models"), err
}

// IsFolder tells the folder of a pack, which has a path separator, from the name of one.
func IsFolder(name string) bool { return strings.ContainsRune(filepath.ToSlash(name), '/') }

// Ref is the name under which Locate finds exactly this pack again, also after an upgrade of the program: NAME@VERSION.
func (p *Pack) Ref() string { return p.Name + "@" + p.Version }

// DefaultDir returns the folder into which the pack of that name, in the version that this program knows, is pulled.
func DefaultDir(name string) (string, error) {
	all, err := root()
	if err != nil {
		return "", err
	}
	manifest, err := packs.Manifest(name)
	if err != nil {
		return "", err
	}
	pack, err := Parse(manifest)
	if err != nil {
		return "", err
	}
	return filepath.Join(all, name, pack.Version), nil
}

// PulledDir returns the folder of the pulled pack of that name, NAME@VERSION or NAME. The latter is the version that this
// program knows, else the newest one that is there. A pack may also lie in the folder of the name, without one of the
// version. The error is fs.ErrNotExist if there is none.
func PulledDir(name string) (string, error) {
	name, version, _ := strings.Cut(name, "@")
	all, err := root()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(all, name)
	candidates := []string{folder}
	if version != "" {
		candidates = append([]string{filepath.Join(folder, version)}, candidates...)
	} else {
		if current, err := DefaultDir(name); err == nil {
			candidates = append([]string{current}, candidates...)
		}
		manifests, err := filepath.Glob(filepath.Join(folder, "*", ManifestFile))
		if err != nil {
			return "", err
		}
		slices.SortFunc(manifests, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(b, a)) })
		for _, m := range manifests {
			candidates = append(candidates, filepath.Dir(m))
		}
	}
	for _, dir := range candidates {
		pack, err := Open(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && version != "" && pack.Version != version {
			continue
		}
		return dir, nil
	}
	return "", fmt.Errorf("no model pack in %s: %w", candidates[0], fs.ErrNotExist)
}

// Pulled are the packs beside the program in all their versions, as NAME@VERSION, and the program's own.
func Pulled() []string {
	var all []string
	for _, name := range packs.Names() {
		if packs.Files(name) != nil {
			all = append(all, name)
		}
	}
	folder, err := root()
	if err != nil {
		return all
	}
	for _, pattern := range []string{"*", "*/*"} {
		manifests, _ := filepath.Glob(filepath.Join(folder, pattern, ManifestFile)) // the pattern is right
		for _, m := range manifests {
			if pack, err := Open(filepath.Dir(m)); err == nil {
				all = append(all, pack.Ref())
			}
		}
	}
	return all
}

// Locate opens the pack called name. A name with a path separator is a folder. Any other name is that of a pack that is
// part of the program, or else of a pulled one: in the version that the program knows, else the newest that was pulled, or,
// as NAME@VERSION, in exactly that one. packs.Best is the recommended pack if it was pulled, else the starter pack. Locate
// checks the sha256 of every file, because results name a model by its hash (invariant 5). An error is Fatal and says which
// command helps; it is fs.ErrNotExist if there is no such pack.
func Locate(name string) (*Pack, error) {
	const op = "models.locate"
	if name == packs.Best {
		pack, err := Locate(packs.Recommended)
		if errors.Is(err, fs.ErrNotExist) {
			return Locate(packs.Starter)
		}
		return pack, err
	}
	dir, help := name, "put the files into the folder, or correct its "+ManifestFile
	if !IsFolder(name) {
		base, version, _ := strings.Cut(name, "@")
		if packs.Files(base) != nil {
			manifest, err := packs.Manifest(base)
			if err != nil {
				return nil, schema.Fatal(op, err)
			}
			if pack, err := Parse(manifest); err != nil || version == "" || version == pack.Version {
				return pack, err
			}
		}
		help = "run `facestream models pull " + base + "`"
		var err error
		if dir, err = PulledDir(name); err != nil {
			return nil, schema.Fatal(op, fmt.Errorf("%w: %s", err, help))
		}
	}
	pack, err := Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, schema.Fatal(op, fmt.Errorf("no model pack in %s: %w: %s", dir, fs.ErrNotExist, help))
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

// Keep puts a copy of a pack that is part of the program beside the pulled ones, where Locate finds it by its Ref after an
// upgrade of the program. It does nothing for other packs, and for a copy that is there.
func Keep(ctx context.Context, pack *Pack) error {
	const op = "models.keep"
	if pack.Dir != "" {
		return nil
	}
	manifest, err := packs.Manifest(pack.Name)
	if err != nil {
		return schema.Fatal(op, err)
	}
	copied := *pack
	if copied.Dir, err = DefaultDir(pack.Name); err != nil {
		return schema.Fatal(op, err)
	}
	missing, err := missingFiles(ctx, &copied)
	if err != nil {
		return err
	}
	for _, f := range missing {
		if err := new(puller).pullFile(ctx, &copied, f.File); err != nil {
			return err
		}
	}
	return install(&copied, manifest)
}
