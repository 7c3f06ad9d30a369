package models

import (
	"bytes"
	"testing"

	"facestream/packs"
)

// A pack can have a network of the starter pack beside its own, from the program. Where its own are away it stays, and stands in for
// nobody.
func TestStarterNetworkBesideOthers(t *testing.T) {
	manifest, err := packs.Manifest(packs.Recommended)
	if err != nil {
		t.Fatal(err)
	}
	manifest = bytes.Replace(manifest, []byte("name: open\n"), []byte("name: mine\n"), 1)
	pack, err := Parse(manifest)
	if err != nil {
		t.Fatal(err)
	}
	find := func(p *Pack, name string) *Model {
		for _, m := range p.Models[RoleAttributes] {
			if m.Name == name {
				return &m
			}
		}
		t.Fatalf("no %s among %+v", name, p.Models[RoleAttributes])
		return nil
	}
	own := find(pack, "starter_glasses")
	if own.Source != "" || own.InsteadOf != nil {
		t.Errorf("%+v; want a network of the program", own)
	}
	if file, err := packs.Own(pack.Name, own.File); err != nil || int64(len(file)) != own.Bytes {
		t.Errorf("%s: %d bytes, %v; want %d", own.File, len(file), err, own.Bytes)
	}
	_, filled, err := withStandIns(manifest, map[Role]string{RoleAttributes: "away"})
	if err != nil {
		t.Fatal(err)
	}
	if kept := find(filled, "starter_glasses"); kept.InsteadOf != nil || kept.SHA256 != own.SHA256 || kept.File != own.File {
		t.Errorf("%+v; want what the pack had", kept)
	}
	instead := find(filled, "starter_attributes").InsteadOf
	if _, itself := instead["starter_glasses"]; itself || len(instead) != len(pack.Models[RoleAttributes])-1 {
		t.Errorf("starter_attributes stands in for %v", instead)
	}
}
