package eval

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// EnvData names the environment variable with the folder of evaluation data.
const EnvData = "FACESTREAM_DATA"

// DefaultData is the folder that FACESTREAM_DATA names, else ../shared/data.
func DefaultData() string {
	if dir := os.Getenv(EnvData); dir != "" {
		return dir
	}
	return filepath.Join("..", "shared", "data")
}

// dataError wraps an error of reading the data, and says how to set the folder.
func dataError(err error) error {
	return fmt.Errorf("evaluation data: %w; set the folder with --data or %s, docs/evaluation.md describes its layout", err, EnvData)
}

// Lacking reports whether err says that data, a role of the pack or a reference pack is missing. Such an error says
// nothing about the measured pack.
func Lacking(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNoReference) || schema.ReasonOf(err) == schema.ReasonRoleAbsent
}

// pair is two images and whether they show one person.
type pair struct {
	first, second string // paths
	mates         bool
}

// images returns the distinct images of pairs, sorted.
func images(pairs []pair) []string {
	var all []string
	for _, p := range pairs {
		all = append(all, p.first, p.second)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// lfwImages returns the folder of LFW's images below root, with one sub-folder per person.
func lfwImages(root string) string { return filepath.Join(root, "lfw", "data") }

// readLFW reads root/lfw/pairs.txt. Its first line is "folds n". Then each fold has n lines of mates, "name i j", and n
// lines of non-mates, "name i other j". Image i of name is lfw/data/name/name_000i.jpg.
func readLFW(root string) (folds [][]pair, err error) {
	path := filepath.Join(root, "lfw", "pairs.txt")
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, dataError(err)
	}
	folds, err = parseLFW(string(text), lfwImages(root))
	if err != nil {
		return nil, dataError(fmt.Errorf("%s: %w", path, err))
	}
	return folds, nil
}

func parseLFW(text, folder string) ([][]pair, error) {
	lines := bufio.NewScanner(strings.NewReader(text))
	next := func() []string { lines.Scan(); return strings.Fields(lines.Text()) }
	header := next()
	if len(header) != 2 {
		return nil, fmt.Errorf("line 1 is %q; it must be the number of folds and the number of mates in each", lines.Text())
	}
	folds, err := strconv.Atoi(header[0])
	size, err2 := strconv.Atoi(header[1])
	if err := errors.Join(err, err2); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	if folds < 2 || size < 1 {
		return nil, fmt.Errorf("line 1: %d folds of %d mates; at least 2 folds of 1 are needed", folds, size)
	}
	image := func(name, number string) (string, error) {
		n, err := strconv.Atoi(number)
		if err != nil {
			return "", err
		}
		if !filepath.IsLocal(name) || filepath.Base(name) != name {
			return "", fmt.Errorf("%q is not the name of a folder", name)
		}
		return filepath.Join(folder, name, fmt.Sprintf("%s_%04d.jpg", name, n)), nil
	}
	var out [][]pair
	line := 1
	for range folds {
		var fold []pair
		for i := range 2 * size {
			f := next()
			line++
			p := pair{mates: i < size}
			switch {
			case p.mates && len(f) == 3:
				f = []string{f[0], f[1], f[0], f[2]}
			case !p.mates && len(f) == 4:
			case p.mates:
				return nil, fmt.Errorf("line %d is %q; it must be \"name i j\": two images of one person", line, lines.Text())
			default:
				return nil, fmt.Errorf("line %d is %q; it must be \"name i other j\": images of two people", line, lines.Text())
			}
			var err, err2 error
			p.first, err = image(f[0], f[1])
			p.second, err2 = image(f[2], f[3])
			if err := errors.Join(err, err2); err != nil {
				return nil, fmt.Errorf("line %d: %w", line, err)
			}
			fold = append(fold, p)
		}
		out = append(out, fold)
	}
	if rest := next(); len(rest) > 0 {
		return nil, fmt.Errorf("line %d is %q; by line 1 the file must end before it", line+1, lines.Text())
	}
	return out, lines.Err()
}

// readPairs reads root/faces/pairs/pairs.csv. After a line of titles it has "file,file,Yes" for mates and
// "file,file,No" for non-mates. The files lie beside it.
func readPairs(root string) ([]pair, error) {
	path := filepath.Join(root, "faces", "pairs", "pairs.csv")
	file, err := os.Open(path)
	if err != nil {
		return nil, dataError(err)
	}
	defer file.Close()
	reader := csv.NewReader(file)
	reader.FieldsPerRecord = 3
	rows, err := reader.ReadAll()
	if err != nil {
		return nil, dataError(fmt.Errorf("%s: %w", path, err))
	}
	var pairs []pair
	for i, row := range rows[min(1, len(rows)):] {
		p := pair{first: filepath.Join(filepath.Dir(path), row[0]), second: filepath.Join(filepath.Dir(path), row[1])}
		switch strings.ToLower(strings.TrimSpace(row[2])) {
		case "yes":
			p.mates = true
		case "no":
		default:
			return nil, dataError(fmt.Errorf("%s: pair %d is labelled %q; the label must be Yes or No", path, i+1, row[2]))
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// person is a folder of images, sorted by name.
type person struct {
	name   string
	images []string // paths
}

// readPeople returns the people of root/lfw/data.
func readPeople(root string) ([]person, error) { return readPeopleOf(lfwImages(root)) }

// readPeopleOf returns the people of a folder, one per sub-folder with images, sorted by name.
func readPeopleOf(dir string) ([]person, error) {
	folders, err := os.ReadDir(dir)
	if err != nil {
		return nil, dataError(err)
	}
	var people []person
	for _, f := range folders {
		p := person{name: f.Name()}
		files, err := os.ReadDir(filepath.Join(dir, f.Name()))
		if err != nil {
			continue // a file beside the folders
		}
		for _, file := range files {
			if isImage(file.Name()) {
				p.images = append(p.images, filepath.Join(dir, p.name, file.Name()))
			}
		}
		if len(p.images) > 0 {
			people = append(people, p)
		}
	}
	return people, nil
}

// lfwSet returns the data set of all images of root/lfw/data in the form of a manifest, and pairsSet that of the images
// that root/faces/pairs/pairs.csv names.
func lfwSet(root string) (models.DataSet, error) {
	people, err := readPeople(root)
	var files []string
	for _, p := range people {
		for _, image := range p.images {
			files = append(files, p.name+"/"+filepath.Base(image))
		}
	}
	return models.NewDataSet("lfw/data", files), err
}

func pairsSet(images []string) models.DataSet {
	files := make([]string, len(images))
	for i, image := range images {
		files[i] = filepath.Base(image)
	}
	return models.NewDataSet("faces/pairs", files)
}

// readImages returns the images of root/faces and its sub-folders, sorted, as paths relative to root/faces with slashes.
func readImages(root string) (folder string, files []string, err error) {
	folder = filepath.Join(root, "faces")
	files, err = imagesBelow(folder)
	return folder, files, err
}

// imagesBelow returns the images of a folder and its sub-folders, sorted, as paths relative to it with slashes.
func imagesBelow(folder string) (files []string, err error) {
	// WalkDir does not follow a folder that is a symbolic link.
	if folder, err = filepath.EvalSymlinks(folder); err != nil {
		return nil, dataError(err)
	}
	err = filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !isImage(path) {
			return err
		}
		name, err := filepath.Rel(folder, path)
		files = append(files, filepath.ToSlash(name))
		return err
	})
	if err != nil {
		return nil, dataError(err)
	}
	if len(files) == 0 {
		return nil, dataError(fmt.Errorf("%s has no image", folder))
	}
	slices.Sort(files)
	return files, nil
}

// readFolder returns the images in a folder, sorted by name.
func readFolder(folder string) (files []string, err error) {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil, dataError(err)
	}
	for _, e := range entries {
		if isImage(e.Name()) {
			files = append(files, e.Name())
		}
	}
	if len(files) == 0 {
		return nil, dataError(fmt.Errorf("%s has no image", folder))
	}
	return files, nil
}

// isImage decides by the name, so notes and lists beside the images do not count as failures.
func isImage(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".jpg", ".jpeg", ".png", ".webp", ".heic", ".avif", ".gif", ".bmp", ".tif", ".tiff":
		return true
	}
	return false
}

// dataName is the name of the data in folder for a manifest: its path below o.Data, or else its own name.
func (o Options) dataName(folder string) string {
	if name, err := filepath.Rel(o.Data, folder); err == nil && filepath.IsLocal(name) {
		return filepath.ToSlash(name)
	}
	return filepath.Base(folder)
}
