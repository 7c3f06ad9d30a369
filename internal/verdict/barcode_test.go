package verdict

import (
	"reflect"
	"testing"

	"facestream/pkg/aamva"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/schema"
)

// TestBarcodeContent: what a licence says stands in the fields of the result, and what another code says in its text alone.
func TestBarcodeContent(t *testing.T) {
	payload, err := aamva.Generate(aamva.Card{
		Issuer: "636000", Version: 10, Kind: aamva.Licence, Number: "T1", Discriminator: "D2", Country: aamva.USA, Sex: aamva.Female,
		Name: aamva.Name{Family: "SAMPLE", First: "ANNA", FamilyCut: aamva.NotTruncated}, Birth: aamva.Date{Year: 1990, Month: 2, Day: 3},
		Height: aamva.Height{Value: 68, Unit: aamva.Inches}, Address: aamva.Address{City: "RICHMOND", Jurisdiction: "VA"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := newCase(t, schema.OpDocScanFace, `{"document_scan_barcode_only":true}`)
	all := c.Barcodes([]barcode.Found{
		{Format: barcode.PDF417, Read: true, Text: string(payload), Bytes: payload, Confidence: 1},
		{Format: barcode.QR, Read: true, Text: "text", Bytes: []byte("text"), Confidence: 1},
		{Format: barcode.PDF417, Confidence: 0.5},
	}, 0)
	if len(all) != 3 || all[0].Data == nil || all[1].Data == nil || all[2].Data != nil || all[2].Status != schema.BarcodeUnread {
		t.Fatalf("%d codes", len(all))
	}
	want := schema.BarcodeData{
		Text: schema.Personal(payload), Type: "aamva", DocumentType: "DL", FirstName: "ANNA", LastName: "SAMPLE", LastNameCut: "N", DateOfBirth: "1990-02-03",
		Gender: "F", Height: "68 in", City: "RICHMOND", State: "VA", CustomerID: "T1", DocumentID: "D2", IssuingCountry: "USA",
	}
	if got := *all[0].Data; got.Problems != nil || !sameData(got, want) {
		t.Error("the licence is another one")
	}
	if got := *all[1].Data; !sameData(got, schema.BarcodeData{Text: "text", Type: "text"}) {
		t.Error("the QR code says something else")
	}
	if r := c.scanned(Found{Barcodes: all}); len(r.Barcodes) != 3 || r.Document.Asked || r.CallStatus.Reason != "" {
		t.Errorf("%d barcodes, %+v", len(r.Barcodes), r.CallStatus)
	}
	if r := newCase(t, schema.OpDocScanFace, `{}`).scanned(Found{}); r.Barcodes != nil {
		t.Error("barcodes that nobody asked for")
	}
}

func sameData(a, b schema.BarcodeData) bool {
	a.Problems, b.Problems = nil, nil
	return reflect.DeepEqual(a, b)
}
