package eval

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// LabelsFile is the name of the labels in the folder faces.
const LabelsFile = "labels.csv"

// publicLabels are the labels of the public images that docs/evaluation.md names. They were judged by eye; there is no
// label where the eye cannot tell.
//
//go:embed labels.csv
var publicLabels []byte

// labelValues are the columns of the labels besides "file" with their allowed values. Where there are none, every value
// is allowed.
var labelValues = map[string][]string{
	"left_eye": {"open", "closed"}, "right_eye": {"open", "closed"}, "mouth": {"open", "closed"},
	"smile": {"yes", "no"}, "mask": {"yes", "no"}, "glasses": {"yes", "no"}, "blurred": {"yes", "no"}, "dark": {"yes", "no"},
	"yaw": {"left", "front", "right"}, "pitch": {"down", "level", "up"}, "roll": {"left", "upright", "right"},
	"presentation": nil,
}

// labelled is a photograph with its labels by column. Columns without a label are missing.
type labelled struct {
	file   string // relative to root/faces, with slashes
	labels map[string]string
}

// readLabels reads root/faces/labels.csv, or publicLabels if that file is absent.
func readLabels(root string) ([]labelled, error) {
	path := filepath.Join(root, "faces", LabelsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		text, path, err = publicLabels, LabelsFile, nil
	}
	if err != nil {
		return nil, dataError(err)
	}
	all, err := parseLabels(text)
	if err != nil {
		return nil, dataError(fmt.Errorf("%s: %w", path, err))
	}
	return all, nil
}

func parseLabels(text []byte) ([]labelled, error) {
	rows, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || rows[0][0] != "file" {
		return nil, errors.New(`the first column must be "file"`)
	}
	for _, column := range rows[0][1:] {
		if _, ok := labelValues[column]; !ok {
			return nil, fmt.Errorf("the column %q is unknown; the columns are %q", column, slices.Sorted(maps.Keys(labelValues)))
		}
	}
	var all []labelled
	for i, row := range rows[1:] {
		l := labelled{file: row[0], labels: map[string]string{}}
		if !filepath.IsLocal(filepath.FromSlash(l.file)) {
			return nil, fmt.Errorf("line %d: %q is not a path inside the folder", i+2, l.file)
		}
		for c, value := range row[1:] {
			column := rows[0][c+1]
			allowed := labelValues[column]
			switch {
			case value == "":
			case allowed != nil && !slices.Contains(allowed, value):
				return nil, fmt.Errorf("line %d: %s is %q; it must be one of %q or empty", i+2, column, value, allowed)
			default:
				l.labels[column] = value
			}
		}
		all = append(all, l)
	}
	return all, nil
}

// with returns the photographs that have a label in one of the columns.
func with(all []labelled, columns ...string) (some []labelled) {
	for _, l := range all {
		if slices.ContainsFunc(columns, func(c string) bool { return l.labels[c] != "" }) {
			some = append(some, l)
		}
	}
	return some
}
