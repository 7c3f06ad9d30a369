package models

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"facestream/packs"
	"facestream/pkg/schema"
)

// ManifestFile is the manifest's name in a pack's folder.
const ManifestFile = "pack.yaml"

// Roles returns all roles, in the order in which they are listed to people.
func Roles() []Role {
	return []Role{RoleDetector, RoleEmbedding, RoleLandmarks, RolePose, RoleLiveness, RoleAge, RoleAttributes,
		RoleSegmentation, RoleDocument, RoleText, RoleVoice, RoleActivity}
}

// Open reads the manifest in the folder dir. It neither reads networks nor checks hashes; Verify does. A manifest with
// problems is a Fatal error that names each of them.
func Open(dir string) (*Pack, error) {
	path := filepath.Join(dir, ManifestFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, schema.Fatal("models.open", err)
	}
	pack, err := parse(text)
	if err != nil {
		return nil, schema.Fatal("models.open", fmt.Errorf("%s: %w", path, err))
	}
	pack.Dir = dir
	return pack, nil
}

// Parse reads a manifest that is not in a folder yet; the pack's Dir is empty. Its errors are those of Open.
func Parse(manifest []byte) (*Pack, error) {
	pack, err := parse(manifest)
	if err != nil {
		return nil, schema.Fatal("models.parse", err)
	}
	return pack, nil
}

// The manifest as it is written; docs/model-packs.md describes it.
type (
	packYAML struct {
		Name        string              `yaml:"name"`
		Version     string              `yaml:"version"`
		Description string              `yaml:"description"`
		Models      map[Role]filledYAML `yaml:"models"`
		Fallback    []Role              `yaml:"fallback"`
		Absent      map[Role]string     `yaml:"absent"`
	}
	filledYAML []modelYAML
	modelYAML  struct {
		Name         string                   `yaml:"name"`
		File         string                   `yaml:"file"`
		SHA256       string                   `yaml:"sha256"`
		Bytes        int64                    `yaml:"bytes"`
		Source       Source                   `yaml:"source"`
		Weights      []fileYAML               `yaml:"weights"`
		InsteadOf    map[string]string        `yaml:"instead_of"`
		Licence      string                   `yaml:"licence"`
		LicenceNote  string                   `yaml:"licence_note"`
		Architecture string                   `yaml:"architecture"`
		Batch        int                      `yaml:"batch"`
		Device       string                   `yaml:"device"`
		Modes        []int                    `yaml:"modes"`
		Offset       *offsetYAML              `yaml:"offset"`
		Input        *inputYAML               `yaml:"input"`
		Thresholds   map[string]thresholdYAML `yaml:"thresholds"`
	}
	fileYAML struct {
		File   string `yaml:"file"`
		SHA256 string `yaml:"sha256"`
		Bytes  int64  `yaml:"bytes"`
		Source Source `yaml:"source"`
	}
	offsetYAML struct {
		Pitch float32 `yaml:"pitch"`
	}
	inputYAML struct {
		Width    int       `yaml:"width"`
		Height   int       `yaml:"height"`
		Multiple int       `yaml:"multiple"`
		LongSide int       `yaml:"long_side"`
		Layout   Layout    `yaml:"layout"`
		Crop     float32   `yaml:"crop"`
		Colour   string    `yaml:"colour"`
		Scale    float32   `yaml:"scale"`
		Mean     []float32 `yaml:"mean"`
		Std      []float32 `yaml:"std"`
	}
	thresholdYAML struct {
		Value      *float32     `yaml:"value"`
		Evaluation string       `yaml:"evaluation"`
		Source     string       `yaml:"source"`
		TunedOn    *dataSetYAML `yaml:"tuned_on"`
	}
	dataSetYAML struct {
		Data        string `yaml:"data"`
		FilesSHA256 string `yaml:"files_sha256"`
	}
)

// UnmarshalYAML takes one mapping or a list of them. It is the interface of yaml.v2, because only its function goes on refusing
// unknown keys.
func (f *filledYAML) UnmarshalYAML(unmarshal func(any) error) error {
	var written any
	if err := unmarshal(&written); err != nil {
		return err
	}
	if _, list := written.([]any); list {
		var several []modelYAML
		err := unmarshal(&several)
		*f = several
		return err
	}
	var one modelYAML
	err := unmarshal(&one)
	*f = filledYAML{one}
	return err
}

// problems collects what is wrong with a manifest, each with the place where it is.
type problems []error

func (p *problems) add(format string, args ...any) { *p = append(*p, fmt.Errorf(format, args...)) }

func parse(text []byte) (*Pack, error) {
	var written packYAML
	var found problems
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	err := decoder.Decode(&written)
	var types *yaml.TypeError
	switch {
	case errors.As(err, &types):
		// What could be decoded is checked as well, so that one reading shows every problem.
		for _, problem := range types.Errors {
			found.add("%s", problem)
		}
	case errors.Is(err, io.EOF):
		return nil, errors.New("the manifest is empty")
	case err != nil:
		return nil, err
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		found.add("more than one YAML document")
	}
	if !packName.MatchString(written.Name) {
		found.add("name: %q is not %s", written.Name, packName)
	}
	if written.Version == "" {
		found.add("version: missing")
	}
	pack := &Pack{Name: written.Name, Version: written.Version, Description: written.Description, Fallback: written.Fallback,
		Models: map[Role][]Model{}, Absent: map[Role]string{}}
	for _, role := range slices.Sorted(maps.Keys(written.Models)) {
		pack.Models[role] = written.Models[role].models(role, &found)
	}
	for _, role := range slices.Sorted(maps.Keys(written.Absent)) {
		reason := written.Absent[role]
		if reason == "" {
			found.add("absent.%s: the reason is missing", role)
		}
		pack.Absent[role] = reason
	}
	found.addRoles(pack)
	found.addFiles(pack)
	return pack, errors.Join(found...)
}

// addRoles finds the roles that are unknown, or are not exactly one of filled and declared absent.
func (p *problems) addRoles(pack *Pack) {
	known := Roles()
	for _, role := range slices.Sorted(maps.Keys(pack.Models)) {
		if !slices.Contains(known, role) {
			p.add("models.%s: unknown role, not one of %v", role, known)
		}
	}
	for _, role := range slices.Sorted(maps.Keys(pack.Absent)) {
		if !slices.Contains(known, role) {
			p.add("absent.%s: unknown role, not one of %v", role, known)
		}
	}
	for _, role := range pack.Fallback {
		if !slices.Contains(known, role) || role == RoleEmbedding {
			p.add("fallback: %q is not a role that may fall back to the starter pack", role)
		}
	}
	for _, role := range known {
		_, filled := pack.Models[role]
		_, absent := pack.Absent[role]
		switch {
		case filled && absent:
			p.add("absent.%s: the role is also under models", role)
		case !filled && !absent && !role.Heard(): // manifests that are older than voices need not name them
			p.add("%s: the role is missing; put it under models, or under absent with the reason", role)
		}
	}
}

// addFiles finds files that come from nowhere, and two roles that claim one file with different contents.
func (p *problems) addFiles(pack *Pack) {
	shipped := packs.Files(pack.Name) != nil
	hashes := map[string]string{}
	for _, m := range pack.All() {
		if m.Source == "" && m.Weights == nil && !m.ofStarter() && !shipped {
			p.add("models.%s.source: missing: where the file comes from", m.Role)
		}
		for _, f := range m.Files() {
			if h, ok := hashes[f.Name]; ok && h != f.SHA256 {
				p.add("models.%s.file: %q has another sha256 elsewhere in the manifest", m.Role, f.Name)
			}
			hashes[f.Name] = f.SHA256
		}
	}
}

// onCPU is the device of a network that others cannot run.
const onCPU = "cpu"

var (
	packName  = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,63}$`)
	modelName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,63}$`)
)

// models are the networks of one role; problems name the place in a list where there is one: models.pose[1].
func (f filledYAML) models(role Role, found *problems) []Model {
	if len(f) == 0 {
		found.add("models.%s: no network", role)
	}
	if len(f) > 1 && !role.Several() {
		found.add("models.%s: %d networks; this role takes only one", role, len(f))
	}
	var all []Model
	for i, w := range f {
		place := fmt.Sprintf("models.%s", role)
		if len(f) > 1 {
			place += fmt.Sprintf("[%d]", i)
		}
		m := w.model(role, place, found)
		if slices.ContainsFunc(all, func(o Model) bool { return o.Name == m.Name }) {
			found.add("%s.name: %q is already the name of another network of the role", place, m.Name)
		}
		all = append(all, m)
	}
	return all
}

func (w modelYAML) model(role Role, place string, found *problems) Model {
	at := func(field, format string, args ...any) {
		found.add("%s.%s: %s", place, field, fmt.Sprintf(format, args...))
	}
	if !modelName.MatchString(w.Name) {
		at("name", "%q is not %s", w.Name, modelName)
	}
	file := fileYAML{w.File, w.SHA256, w.Bytes, w.Source}.file(at)
	var weights []File
	for i, v := range w.Weights {
		within := fmt.Sprintf("weights[%d].", i)
		f := v.file(func(field, format string, args ...any) { at(within+field, format, args...) })
		if f.Source == "" {
			at(within+"source", "missing: where the file comes from")
		}
		if folder := path.Dir(w.File); folder != "." && !strings.HasPrefix(f.Name, folder+"/") {
			at(within+"file", "%q is not in the folder of %s, from where the skeleton names it", f.Name, w.File)
		}
		weights = append(weights, f)
	}
	switch {
	case w.Weights != nil && weights == nil:
		at("weights", "the list is empty")
	case weights != nil && w.Source != "":
		at("source", "a network with weights is a skeleton, which is part of the program")
	}
	if w.Licence == "" {
		at("licence", "missing")
	}
	if w.Architecture == "" {
		at("architecture", "missing")
	}
	if w.Batch < 0 {
		at("batch", "%d; it must be 0 (any number of rows per call) or more", w.Batch)
	}
	if w.Device != "" && w.Device != onCPU {
		at("device", "%q; the only device that a network can ask for is %s", w.Device, onCPU)
	}
	switch {
	case w.Modes == nil:
	case role != RoleLiveness:
		at("modes", "only networks of the role %s have modes", RoleLiveness)
	case len(w.Modes) == 0 || slices.Min(w.Modes) < 1 || slices.Max(w.Modes) > 3 || len(slices.Compact(slices.Sorted(slices.Values(w.Modes)))) < len(w.Modes):
		at("modes", "%v; it must list some of 1, 2 and 3, each once", w.Modes)
	}
	var offset Offset
	if w.Offset != nil {
		offset = Offset(*w.Offset)
		if role != RolePose {
			at("offset", "only networks of the role %s have an offset", RolePose)
		}
		if !(offset.Pitch >= -90 && offset.Pitch <= 90) {
			at("offset.pitch", "%v; it must be -90 to 90 degrees", offset.Pitch)
		}
	}
	m := Model{Role: role, Name: w.Name, File: file.Name, SHA256: file.SHA256, Bytes: file.Bytes, Source: file.Source, Weights: weights, InsteadOf: w.InsteadOf,
		Licence: w.Licence, LicenceNote: w.LicenceNote, Architecture: w.Architecture, Batch: w.Batch, OnCPU: w.Device == onCPU, Modes: w.Modes, Offset: offset,
		Thresholds: map[string]Threshold{}}
	switch {
	case !role.Heard():
		m.Input = cmp.Or(w.Input, new(inputYAML)).input(at)
	case w.Input != nil:
		at("input", "networks of the role %s see no picture", role)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Thresholds)) {
		t := w.Thresholds[name]
		if t.Value == nil {
			at("thresholds."+name, "value is missing")
			continue
		}
		if t.Evaluation == "" {
			at("thresholds."+name, "evaluation is missing: a number without its measurement is not a threshold")
		}
		if t.Source == "" {
			at("thresholds."+name, "source is missing: who measured it")
		}
		threshold := Threshold{Value: *t.Value, Evaluation: t.Evaluation, Source: t.Source}
		if t.TunedOn != nil {
			if t.TunedOn.Data == "" {
				at("thresholds."+name, "tuned_on.data is missing: the name of the data")
			}
			if sum := t.TunedOn.FilesSHA256; sum != "" && !isSHA256(sum) {
				at("thresholds."+name, "tuned_on.files_sha256: %q is not 64 lower-case hex digits", sum)
			}
			threshold.TunedOn = DataSet{Name: t.TunedOn.Data, FilesSHA256: t.TunedOn.FilesSHA256}
		}
		m.Thresholds[name] = threshold
	}
	return m
}

func (w fileYAML) file(at func(field, format string, args ...any)) File {
	if !filepath.IsLocal(filepath.FromSlash(w.File)) || strings.Contains(w.File, `\`) {
		at("file", "%q is not a path with slashes inside the pack's folder", w.File)
	}
	if !isSHA256(w.SHA256) {
		at("sha256", "%q is not 64 lower-case hex digits", w.SHA256)
	}
	if w.Bytes <= 0 {
		at("bytes", "%d; it must be the size of the file", w.Bytes)
	}
	if w.Source != "" {
		if err := w.Source.check(); err != nil {
			at("source", "%v", err)
		}
	}
	return File{Name: w.File, SHA256: w.SHA256, Bytes: w.Bytes, Source: w.Source}
}

func isSHA256(text string) bool {
	sum, err := hex.DecodeString(text)
	return err == nil && len(sum) == 32 && strings.ToLower(text) == text
}

func (w inputYAML) input(at func(field, format string, args ...any)) Input {
	in := Input{Width: w.Width, Height: w.Height, Multiple: w.Multiple, LongSide: w.LongSide, Colour: w.Colour,
		Layout: cmp.Or(w.Layout, NCHW), Crop: w.Crop, Scale: w.Scale}
	if in.Layout != NCHW && in.Layout != NHWC {
		at("input.layout", "%q is neither nchw nor nhwc", w.Layout)
	}
	if !(w.Crop >= 0) {
		at("input.crop", "%v; it must be 0 (no part around a face) or more", w.Crop)
	}
	fixed := w.Width > 0 && w.Height > 0 && w.Multiple == 0 && w.LongSide == 0
	free := w.Width == 0 && w.Height == 0 && w.Multiple > 0 && w.LongSide > 0
	if !fixed && !free {
		at("input", "needs either width and height, or multiple and long_side, all above 0")
	}
	if w.Colour != "rgb" && w.Colour != "bgr" {
		at("input.colour", "%q is neither rgb nor bgr", w.Colour)
	}
	if w.Scale <= 0 {
		at("input.scale", "%v; it must be above 0", w.Scale)
	}
	if len(w.Mean) != 3 {
		at("input.mean", "needs 3 numbers")
	}
	if len(w.Std) != 3 || slices.Contains(w.Std, 0) {
		at("input.std", "needs 3 numbers, none of them 0")
	}
	copy(in.Mean[:], w.Mean)
	copy(in.Std[:], w.Std)
	return in
}
