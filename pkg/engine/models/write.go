package models

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"facestream/pkg/schema"
)

// NamedThreshold is a threshold with its name in the manifest.
type NamedThreshold struct {
	Name string
	Threshold
}

// WriteThresholds writes thresholds of the only network of role to the manifest in the folder dir. The rest of the
// manifest does not change, including comments and order. The manifest is replaced atomically. An error is Fatal and
// leaves the manifest unchanged.
func WriteThresholds(dir string, role Role, thresholds []NamedThreshold) error {
	const op = "models.write"
	path := filepath.Join(dir, ManifestFile)
	fail := func(err error) error { return schema.Fatal(op, fmt.Errorf("%s: %w", path, err)) }
	was, err := os.ReadFile(path)
	if err != nil {
		return schema.Fatal(op, err)
	}
	text, err := withThresholds(was, role, thresholds)
	if err != nil {
		return fail(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return schema.Fatal(op, err)
	}
	file, err := os.CreateTemp(dir, ManifestFile+".*.part")
	if err != nil {
		return schema.Fatal(op, err)
	}
	defer os.Remove(file.Name()) // nothing is left to remove where it was renamed
	_, err = file.Write(text)
	if err := errors.Join(err, file.Chmod(info.Mode().Perm()), file.Sync(), file.Close()); err != nil {
		return fail(err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return schema.Fatal(op, err)
	}
	return nil
}

// emptyLine stands for an empty line while the manifest is a tree of nodes, which has none.
const emptyLine = "#\u00a0empty line"

// withThresholds is the manifest text with thresholds of the network that fills role. What it says besides is compared
// with what it said before.
func withThresholds(text []byte, role Role, thresholds []NamedThreshold) ([]byte, error) {
	before, err := parse(text)
	if err != nil {
		return nil, err
	}
	if n := len(before.Models[role]); n != 1 {
		return nil, fmt.Errorf("models.%s: %d networks; thresholds are recorded of one", role, n)
	}
	lines := strings.Split(string(text), "\n")
	for i, line := range lines[:len(lines)-1] {
		if strings.TrimSpace(line) == "" {
			lines[i] = emptyLine
		}
	}
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(strings.Join(lines, "\n")), &document); err != nil {
		return nil, err
	}
	network := under(under(document.Content[0], "models"), string(role))
	if network.Kind == yaml.SequenceNode {
		network = network.Content[0]
	}
	all := under(network, "thresholds")
	for _, t := range thresholds {
		record(under(all, t.Name), t.Threshold)
		before.Models[role][0].Thresholds[t.Name] = t.Threshold
	}
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&document), encoder.Close()); err != nil {
		return nil, err
	}
	lines = strings.Split(out.String(), "\n")
	for i, line := range lines {
		if strings.TrimSpace(line) == emptyLine {
			lines[i] = ""
		}
	}
	written := []byte(strings.Join(lines, "\n"))
	if after, err := parse(written); err != nil || !reflect.DeepEqual(before, after) {
		return nil, fmt.Errorf("the thresholds cannot be recorded in it without changing something else (%v); write them by hand", err)
	}
	return written, nil
}

// under is the value of key in a mapping; where there is none yet, an empty one is added.
func under(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	added, value := &yaml.Node{Kind: yaml.ScalarNode, Value: key}, &yaml.Node{Kind: yaml.MappingNode}
	// The empty line before the next section belongs to the last line of this one.
	for last := mapping; last.Kind == yaml.MappingNode && len(last.Content) > 0; last = last.Content[len(last.Content)-1] {
		if end := last.Content[len(last.Content)-2]; end.FootComment == emptyLine {
			end.FootComment, added.FootComment = "", emptyLine
		}
	}
	mapping.Content = append(mapping.Content, added, value)
	return value
}

// record makes a mapping say what t is.
func record(mapping *yaml.Node, t Threshold) {
	scalar(mapping, "value", strconv.FormatFloat(float64(t.Value), 'f', -1, 32), "!!float", 0)
	scalar(mapping, "evaluation", t.Evaluation, "!!str", yaml.DoubleQuotedStyle)
	scalar(mapping, "source", t.Source, "!!str", 0)
	data := under(mapping, "tuned_on")
	scalar(data, "data", t.TunedOn.Name, "!!str", 0)
	scalar(data, "files_sha256", t.TunedOn.FilesSHA256, "!!str", 0)
}

// scalar sets the value of key; its comment stays, and its quotes where it had some.
func scalar(mapping *yaml.Node, key, value, tag string, style yaml.Style) {
	n := under(mapping, key)
	if n.Kind == yaml.ScalarNode {
		style = n.Style
	}
	n.Kind, n.Content, n.Tag, n.Value, n.Style = yaml.ScalarNode, nil, tag, value, style
}
