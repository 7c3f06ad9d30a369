package verdict

import (
	"fmt"
	"strings"

	"facestream/pkg/aamva"
	"facestream/pkg/engine"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// barcodes returns which barcodes the case asks for; nil: none.
func (c *Case) barcodes() *engine.BarcodeParams {
	if d := c.config.Document; c.scans() && (d.BarcodeOnly || d.Barcode || d.BarcodePresence) {
		return &engine.BarcodeParams{Only: d.BarcodeOnly, Unread: true, MinConfidence: d.BarcodeConfidence, Margin: d.BarcodeMargin, Format: imaging.Format(c.config.Portrait.Format)}
	}
	return nil
}

// barcodesOnly reports whether nothing but barcodes is looked for.
func (c *Case) barcodesOnly() bool { return c.scans() && c.config.Document.BarcodeOnly }

// Barcodes returns the barcodes of an image as they stand in the result.
func (c *Case) Barcodes(found []barcode.Found, image int) (all []schema.BarcodeResult) {
	config := c.config.Document
	for _, f := range found {
		b := schema.BarcodeResult{Image: image, Kind: schema.BarcodeFormat(f.Format), Confidence: f.Confidence, Box: schema.NewTrapezeF(f.Quad)}
		b.Center = b.Box.Center()
		b.Cropped = schema.NewTrapezeF(f.Widened(config.BarcodeMargin))
		switch {
		case config.BarcodePresence:
		case f.Read:
			b.Data = content(f)
		default:
			b.Status = schema.BarcodeUnread
		}
		all = append(all, b)
	}
	return all
}

// content is what a code says, in fields where it is a licence's.
func content(f barcode.Found) *schema.BarcodeData {
	data := &schema.BarcodeData{Text: schema.Personal(f.Text), Type: "text"}
	card, err := aamva.Parse(f.Bytes)
	if err != nil || f.Format != barcode.PDF417 {
		return data
	}
	height := ""
	if card.Height != (aamva.Height{}) {
		height = fmt.Sprintf("%d %s", card.Height.Value, card.Height.Unit)
	}
	for _, s := range []struct {
		to   *schema.Personal
		from string
	}{
		{&data.Type, "aamva"}, {&data.DocumentType, string(card.Kind)},
		{&data.FirstName, card.Name.First}, {&data.LastName, card.Name.Family}, {&data.MiddleName, card.Name.Middle}, {&data.NameSuffix, card.Name.Suffix},
		{&data.FirstNameCut, string(card.Name.FirstCut)}, {&data.LastNameCut, string(card.Name.FamilyCut)}, {&data.MiddleNameCut, string(card.Name.MiddleCut)},
		{&data.FirstNameAlias, card.Alias.First}, {&data.LastNameAlias, card.Alias.Family}, {&data.SuffixAlias, card.Alias.Suffix},
		{&data.DateOfBirth, card.Birth.String()}, {&data.IssueDate, card.Issue.String()}, {&data.ExpirationDate, card.Expiry.String()},
		{&data.PlaceOfBirth, card.PlaceOfBirth}, {&data.Gender, string(card.Sex)}, {&data.EyeColor, card.Eyes}, {&data.HairColor, card.Hair}, {&data.Height, height},
		{&data.Street, card.Address.Street}, {&data.Street2, card.Address.Street2}, {&data.City, card.Address.City},
		{&data.State, card.Address.Jurisdiction}, {&data.PostalCode, card.Address.PostalCode},
		{&data.ResidenceStreet, card.Residence.Street}, {&data.ResidenceStreet2, card.Residence.Street2},
		{&data.CustomerID, card.Number}, {&data.DocumentID, card.Discriminator}, {&data.IssuingCountry, string(card.Country)},
		{&data.Audit, card.Audit}, {&data.InventoryControl, card.InventoryControl},
	} {
		*s.to = schema.Personal(s.from)
	}
	for _, p := range card.Problems {
		data.Problems = append(data.Problems, strings.TrimSpace(p.Element+" "+string(p.Kind)))
	}
	return data
}
