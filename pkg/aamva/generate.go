package aamva

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// indicator is the compliance indicator, the data element separator, the record separator and the segment terminator.
const indicator = "@\n\x1e\r"

// Generate writes the payload of the barcode of a card: its fields as its version has them, and of its Elements those of the
// jurisdiction's own subfiles (Z…). What the version has no element for is left out.
func Generate(c Card) ([]byte, error) {
	if len(c.Issuer) != 6 || !number(c.Issuer) || c.Version < 0 || c.Version > latest || c.JurisdictionVersion < 0 || c.JurisdictionVersion > 99 {
		return nil, errors.New("a card needs an issuer of 6 digits and versions from 0 to 99")
	}
	if c.Kind != Licence && c.Kind != Identity && c.Kind != Enhanced {
		return nil, errors.New("a card is a driving licence, an identity card or an enhanced licence")
	}
	order, parts := []string{string(c.Kind)}, map[string][]string{}
	for _, f := range fields {
		if c.Version < f.from || c.Version > f.to {
			continue
		}
		if v := f.get(&c); v != "" {
			parts[order[0]] = append(parts[order[0]], f.id+v)
		}
	}
	for _, e := range c.Elements {
		if !strings.HasPrefix(e.Subfile, "Z") {
			continue
		}
		if len(e.Subfile) != 2 || !named([]byte(e.ID)) || len(e.ID) != 3 {
			return nil, errors.New("an element needs a subfile of two letters and a name of three")
		}
		if parts[e.Subfile] == nil {
			order = append(order, e.Subfile)
		}
		parts[e.Subfile] = append(parts[e.Subfile], e.ID+e.Value)
	}
	head := fmt.Sprintf("%sANSI %s%02d", indicator, c.Issuer, c.Version)
	if c.Version >= 2 {
		head += fmt.Sprintf("%02d", c.JurisdictionVersion)
	}
	head += fmt.Sprintf("%02d", len(order))
	var body bytes.Buffer
	offset := len(head) + 10*len(order)
	for _, kind := range order {
		for _, line := range parts[kind] {
			if strings.ContainsFunc(line, separator) {
				return nil, fmt.Errorf("element %s has a separator in its value", line[:3])
			}
		}
		text := kind + strings.Join(parts[kind], "\n") + "\n\r"
		head += fmt.Sprintf("%s%04d%04d", kind, offset+body.Len(), len(text)-1)
		body.WriteString(text)
	}
	if len(head)+body.Len() > MaxBytes {
		return nil, errors.New("the card says more than a payload holds")
	}
	return append([]byte(head), body.Bytes()...), nil
}
