// Package models reads model packs and gets their files onto the machine.
//
// A pack is a set of networks with a manifest, pack.yaml. The manifest says which [Role] each network fills, what it is
// fed, under which licence it may be used, and which thresholds belong to it, each with the evaluation that measured it.
// docs/model-packs.md describes it.
//
// [Locate] opens a pack by its name: "starter" is part of the program, others are pulled first ([Pull]). The result is what
// engine.Open needs. [Verify] checks a pack's files.
package models

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"facestream/packs"
	"facestream/pkg/schema"
)

// Role is what a network is for.
type Role string

// The roles that a pack may fill.
const (
	RoleDetector     Role = "detector"       // finds faces
	RoleEmbedding    Role = "embedding"      // makes the vector by which faces are compared
	RoleLandmarks    Role = "landmarks"      // finds the points of a face
	RolePose         Role = "pose"           // says how a head is turned
	RoleLiveness     Role = "liveness"       // tells a living face from a picture of one
	RoleAge          Role = "age"            // estimates the age
	RoleAttributes   Role = "attributes"     // says what a face wears and does: mask, glasses, open eyes
	RoleSegmentation Role = "segmentation"   // separates a person from the background
	RoleDocument     Role = "document"       // finds identity documents
	RoleText         Role = "text"           // finds text
	RoleVoice        Role = "voice"          // makes the vector by which voices are compared
	RoleActivity     Role = "voice_activity" // finds speech in a recording
)

// Several reports whether several networks may fill the role. They are run in the order of the manifest.
func (r Role) Several() bool {
	switch r {
	case RolePose, RoleLiveness, RoleAttributes, RoleDocument, RoleText:
		return true
	}
	return false
}

// Heard reports whether the role's networks are fed with sound. They have no Input.
func (r Role) Heard() bool { return r == RoleVoice || r == RoleActivity }

// Pack is a set of networks with their manifest, pack.yaml. Each role is either in Models, with at least one network, or in
// Absent, with the reason why the pack has none; only the roles of voices may be in neither.
type Pack struct {
	Name        string
	Version     string
	Description string
	Fallback    []Role // the roles that networks of the starter pack may fill where their own cannot be had
	Dir         string // the folder that Model.File is relative to; "" where the networks are part of the program
	Models      map[Role][]Model
	Absent      map[Role]string
}

// Model returns the first network of a role. ok is false if the role is absent.
func (p *Pack) Model(role Role) (m Model, ok bool) {
	if all := p.Models[role]; len(all) > 0 {
		return all[0], true
	}
	return Model{}, false
}

// All returns the pack's networks in the order of Roles. Those of one role are in the order of the manifest.
func (p *Pack) All() []Model {
	var all []Model
	for _, role := range Roles() {
		all = append(all, p.Models[role]...)
	}
	return all
}

// Model is one network of a pack.
type Model struct {
	Role    Role
	Name    string // "mobilefacenet"
	File    string // relative to the pack's folder, with slashes
	SHA256  string // of the file, hex
	Bytes   int64
	Source  Source // where File comes from; the zero Source where it is part of the program
	Weights []File // unchanged files of others that hold the weights of File, a skeleton; nil: File has its own
	// InsteadOf says for which networks of the pack this one, of the starter pack, stands in, and why: name -> reason. It is
	// nil for a network of the pack itself.
	InsteadOf    map[string]string
	Licence      string // SPDX identifier
	LicenceNote  string
	Architecture string // names what feeds the network and decodes its outputs: "yunet", "arcface", …
	Batch        int    // rows per call that the file allows; 0: any number
	OnCPU        bool   // it runs on the processor, whatever the device of the others is
	Modes        []int  // of anti_spoofing_mode, 1 to 3, in which a liveness network runs; nil: the architecture knows
	Offset       Offset
	Input        Input
	Thresholds   map[string]Threshold
}

// Offset is added to the angles that a network of the role pose answers, in degrees, so that a head that looks into the camera
// has 0.
type Offset struct{ Pitch float32 }

// File is one file of a pack.
type File struct {
	Name   string // path with slashes, relative to the pack's folder
	SHA256 string // hex
	Bytes  int64
	Source Source // the zero Source where the file is part of the program
}

// Files returns the files that m consists of: first that of the network, then its weights.
func (m Model) Files() []File {
	return append([]File{{Name: m.File, SHA256: m.SHA256, Bytes: m.Bytes, Source: m.Source}}, m.Weights...)
}

// ofStarter reports whether m is a network of the starter pack that another pack has, beside its own networks or instead of one. Its
// file is part of the program ([packs.Own]).
func (m Model) ofStarter() bool { return strings.HasPrefix(m.File, packs.Starter+"/") }

// ID returns the model's name in results and collections: Name @ the first 8 hex digits of SHA256. A skeleton contains the
// sha256 of its weights, so the id stands for them as well.
func (m Model) ID() schema.ModelID { return schema.ModelID(m.Name + "@" + m.SHA256[:8]) }

// Threshold returns the threshold of that name from the first network of the role that has it.
func (p *Pack) Threshold(role Role, name string) (Threshold, bool) {
	for _, m := range p.Models[role] {
		if t, ok := m.Thresholds[name]; ok {
			return t, true
		}
	}
	return Threshold{}, false
}

// Where tells people where the networks are.
func (p *Pack) Where() string {
	if p.Dir == "" {
		return "this program"
	}
	return p.Dir
}

// Read returns the content of m's file. If its sha256 is not that of the manifest, or if it is a skeleton that does not
// name the sha256 of its weights, the error is Fatal.
func (p *Pack) Read(m Model) ([]byte, error) {
	const op = "models.read"
	network, err := p.ReadFile(m.Files()[0])
	if err != nil {
		return nil, err
	}
	for _, w := range m.Weights {
		if !bytes.Contains(network, []byte(w.SHA256)) {
			return nil, schema.Fatal(op, fmt.Errorf("model pack in %s: the skeleton %s does not contain the sha256 of %s", p.Where(), m.File, w.Name))
		}
	}
	return network, nil
}

// ReadFile returns the content of one file of the pack. If its sha256 is not that of the manifest, the error is Fatal.
func (p *Pack) ReadFile(f File) ([]byte, error) {
	const op = "models.read"
	content, err := fs.ReadFile(p.files(), f.Name)
	if err != nil {
		return nil, schema.Fatal(op, fmt.Errorf("model pack in %s: %w", p.Where(), err))
	}
	if sum := sha256.Sum256(content); hex.EncodeToString(sum[:]) != f.SHA256 {
		return nil, schema.Fatal(op, fmt.Errorf("model pack in %s: the sha256 of %s is not that of the manifest", p.Where(), f.Name))
	}
	return content, nil
}

// files are what File.Name names.
func (p *Pack) files() fs.FS {
	if p.Dir == "" {
		return packs.Files(p.Name)
	}
	return os.DirFS(p.Dir)
}

// Input describes a network's input: channels in the order of Colour, each value (pixel·Scale − Mean) / Std with pixel
// 0..255.
type Input struct {
	Width, Height int    // 0: any multiple of Multiple
	Layout        Layout // of the channels
	// Crop is the size of the part of the picture that the network sees, in multiples of the size of the face's box. It
	// is 0 for a network that does not see a part around a face.
	Crop      float32
	Multiple  int
	LongSide  int    // default long side in pixels that an image is scaled to, 0: fixed Width × Height
	Colour    string // "rgb" or "bgr"
	Scale     float32
	Mean, Std [3]float32
}

// Layout is the order of a network's input values.
type Layout string

// The layouts.
const (
	NCHW Layout = "nchw" // one plane a channel
	NHWC Layout = "nhwc" // one triple a pixel
)

// Threshold is a number with the evaluation that measured it.
type Threshold struct {
	Value      float32
	Evaluation string // data, protocol and error rate, for instance "LFW 10-fold pairs: TAR 98.73 % at FAR 1e-3"
	Source     string // who measured it: a command of this project, or a document
	// TunedOn are the data on which Value was chosen. Evaluations do not test Value on them. It is zero if Value was
	// not chosen on data.
	TunedOn DataSet
}

// DataSet identifies data by their name and by a hash of the list of their files, wherever they are stored.
type DataSet struct {
	Name        string `json:"data"`                   // "lfw/data", "191 generated faces"
	FilesSHA256 string `json:"files_sha256,omitempty"` // of the paths of its files ([NewDataSet]); "" where no evaluation reads them
}

// NewDataSet returns the data set of that name. files are paths with slashes relative to its folder, in any order.
func NewDataSet(name string, files []string) DataSet {
	sum := sha256.New()
	for _, file := range slices.Sorted(slices.Values(files)) {
		fmt.Fprintln(sum, file)
	}
	return DataSet{Name: name, FilesSHA256: hex.EncodeToString(sum.Sum(nil))}
}
