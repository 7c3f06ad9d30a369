package models

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"facestream/packs"
	"facestream/pkg/schema"
)

// withStandIns returns the manifest in which the starter pack's networks, with their own operating points, fill the roles of
// reasons. Each says under instead_of whom it stands in for. A role that the starter pack does not fill becomes absent.
// Their files are those of packs.Own, under the folder of the starter pack.
func withStandIns(manifest []byte, reasons map[Role]string) ([]byte, *Pack, error) {
	const op = "models.standins"
	pack, err := Parse(manifest)
	if err != nil || len(reasons) == 0 {
		return manifest, pack, err
	}
	starterManifest, err := packs.Manifest(packs.Starter)
	if err != nil {
		return nil, nil, schema.Fatal(op, err)
	}
	var written, starter yaml.Node
	if err := errors.Join(yaml.Unmarshal(manifest, &written), yaml.Unmarshal(starterManifest, &starter)); err != nil {
		return nil, nil, schema.Fatal(op, err)
	}
	root := written.Content[0]
	for _, role := range slices.Sorted(maps.Keys(reasons)) {
		var names []string
		var already []string // networks of the starter pack that the pack has beside its own
		for _, m := range pack.Models[role] {
			if m.ofStarter() {
				already = append(already, m.Name)
			} else {
				names = append(names, m.Name)
			}
		}
		standIn := without(under(starter.Content[0], "models"), string(role))
		own := under(root, "models")
		without(own, string(role))
		if standIn == nil {
			reason := fmt.Sprintf("%s: %s, and the %s pack has no network for the role", strings.Join(names, ", "), reasons[role], packs.Starter)
			scalar(under(root, "absent"), string(role), reason, "!!str", yaml.DoubleQuotedStyle)
			continue
		}
		all := []*yaml.Node{standIn}
		if standIn.Kind == yaml.SequenceNode {
			all = standIn.Content
		}
		for _, network := range all {
			file := under(network, "file")
			file.Value = packs.Starter + "/" + file.Value
			if slices.Contains(already, under(network, "name").Value) {
				continue
			}
			for _, name := range names {
				scalar(under(network, "instead_of"), name, reasons[role], "!!str", yaml.DoubleQuotedStyle)
			}
		}
		own.Content = append(own.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: string(role)}, standIn)
	}
	root.HeadComment = "Written by `facestream models pull`: some networks stand in for those that could not be had (instead_of).\n\n" + root.HeadComment
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := errors.Join(encoder.Encode(&written), encoder.Close()); err != nil {
		return nil, nil, schema.Fatal(op, err)
	}
	effective, err := Parse(out.Bytes())
	return out.Bytes(), effective, err
}

// without removes key from a mapping and returns its value, or nil if there is none.
func without(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			value := mapping.Content[i+1]
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return value
		}
	}
	return nil
}
