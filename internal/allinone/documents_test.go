package allinone_test

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"facestream/internal/drawn"
	"facestream/internal/gallery"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// drawnCard is a card with a portrait of member i of the cast and lines that look like text, 85.6 × 54 mm at 8 pixels a millimetre.
func drawnCard(i int) *image.RGBA {
	card := image.NewRGBA(image.Rect(0, 0, 685, 432))
	fill(card, card.Bounds(), color.RGBA{222, 230, 240, 255})
	person := drawn.Cast()[i]
	draw.Draw(card, image.Rect(30, 90, 290, 350), drawn.Render(person, person.Shot(1), 260), image.Point{}, draw.Src)
	for row := range 9 {
		for column := range 26 {
			if (row*7+column*5+i)%6 != 0 {
				x, y := 320+13*column, 100+28*row
				fill(card, image.Rect(x, y, x+7, y+12), color.RGBA{40, 45, 60, 255})
			}
		}
	}
	fill(card, image.Rect(30, 20, 655, 60), color.RGBA{60, 90, 150, 255})
	return card
}

func fill(m draw.Image, r image.Rectangle, c color.RGBA) {
	draw.Draw(m, r, image.NewUniform(c), image.Point{}, draw.Src)
}

// onTable is a picture of that size of a table, on which card lies with its top left corner at that place.
func onTable(card image.Image, width, height, x, y int) *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for py := range height {
		for px := range width {
			shade := uint8((px*3 + py*7) % 5)
			m.SetRGBA(px, py, color.RGBA{62 + shade, 76 + shade, 84 + shade, 255})
		}
	}
	draw.Draw(m, card.Bounds().Add(image.Pt(x, y)), card, image.Point{}, draw.Src)
	return m
}

// soft is m out of focus: each pixel is the mean of a square of 2n+1 pixels.
func soft(m *image.RGBA, n int) *image.RGBA {
	out := image.NewRGBA(m.Bounds())
	b := m.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			var sum [3]int
			count := 0
			for dy := -n; dy <= n; dy++ {
				for dx := -n; dx <= n; dx++ {
					if p := image.Pt(x+dx, y+dy); p.In(b) {
						c := m.RGBAAt(p.X, p.Y)
						sum[0], sum[1], sum[2], count = sum[0]+int(c.R), sum[1]+int(c.G), sum[2]+int(c.B), count+1
					}
				}
			}
			out.SetRGBA(x, y, color.RGBA{uint8(sum[0] / count), uint8(sum[1] / count), uint8(sum[2] / count), 255})
		}
	}
	return out
}

// withFinger is m with a finger that reaches from the left to that place.
func withFinger(m *image.RGBA, x, y int) *image.RGBA {
	const radius = 34
	for py := y - radius; py <= y+radius; py++ {
		for px := range x + radius {
			dx, dy := max(px-x, 0), py-y
			if dx*dx+dy*dy <= radius*radius {
				shade := 1 - 0.25*float64(dy*dy)/(radius*radius)
				m.SetRGBA(px, py, color.RGBA{uint8(215 * shade), uint8(160 * shade), uint8(130 * shade), 255})
			}
		}
	}
	return m
}

// nearlyBlank is a card of 85.6 × 54 mm at 8 pixels a millimetre with nothing but a few strokes on it.
func nearlyBlank() *image.RGBA {
	card := image.NewRGBA(image.Rect(0, 0, 685, 432))
	fill(card, card.Bounds(), color.RGBA{222, 230, 240, 255})
	dice := rand.New(rand.NewPCG(14, 6))
	for range 120 {
		left, top := 240+dice.IntN(130), 150+dice.IntN(110)
		fill(card, image.Rect(left, top, left+4+dice.IntN(12), top+4+dice.IntN(12)), color.RGBA{40, 40, 60, 255})
	}
	return card
}

// TestDocumentTraits: the traits of a document have a picture that raises them, and one that does not.
func TestDocumentTraits(t *testing.T) {
	s := useStream(t)
	card := drawnCard(14)
	// A network takes a sheet with hardly anything on it for a document. Without one, a picture is taken for a document that fills it where its
	// shape and its print alone say so.
	hardlyOne := onTable(nearlyBlank(), 900, 650, 107, 109)
	if !s.has(t, models.RoleDocument) {
		hardlyOne = card
	}
	for _, c := range []struct {
		trait   string
		picture image.Image
		config  string
	}{
		{"", onTable(card, 900, 650, 107, 109), `{"check_fingers_over_document":true}`},
		{"DT_DOCUMENT_IS_FAR", onTable(card, 1500, 1000, 400, 280), ``},
		{"DT_DOCUMENT_IS_CLOSE", onTable(card, 800, 540, 57, 54), `{"threshold_doc_too_close":0.6}`},
		{"DT_DOCUMENT_IS_LEFT", onTable(card, 900, 650, 8, 109), ``},
		{"DT_DOCUMENT_IS_RIGHT", onTable(card, 900, 650, 207, 109), ``},
		{"DT_DOCUMENT_IS_UP", onTable(card, 900, 650, 107, 6), ``},
		{"DT_DOCUMENT_IS_DOWN", onTable(card, 900, 650, 107, 212), ``},
		{"DT_DOCUMENT_WITH_LOW_CONFIDENCE_SCORE", hardlyOne, `{"threshold_doc_too_close":1}`},
		{"DT_DOCUMENT_IS_BLURRY", soft(onTable(card, 900, 650, 107, 109), 6), ``},
		{"DT_FINGERS_DETECTED", withFinger(onTable(card, 900, 650, 107, 109), 160, 380), `{"check_fingers_over_document":true}`},
	} {
		r := s.ask(t, schema.OpDocScanFace, c.config, imagingtest.PNG(c.picture))
		if r.Document.Found == nil {
			t.Errorf("%q: %+v", c.trait, r.CallStatus)
			continue
		}
		d := r.Document.Found.Detected
		if got := strings.Join(d.TraitNames, " "); got != c.trait {
			t.Errorf("%q: traits %q, confidence %.2f, scores %+v", c.trait, got, d.Confidence, d.Scores)
		}
		if faces := len(r.Faces); (faces == 1) != (c.trait == "") {
			t.Errorf("%q: %d faces, %+v", c.trait, faces, r.CallStatus)
		}
	}
}

// TestDocScan: the straightened document and the face on it lie in the store, upright, however the card lay.
func TestDocScan(t *testing.T) {
	s := useStream(t)
	r := s.ask(t, schema.OpDocScanFace, `{"document_auto_rotation":true}`, imagingtest.PNG(upsideDown(onTable(drawnCard(14), 900, 650, 107, 109))))
	if r.CallStatus.Reason != "" || r.Document.Found == nil || r.Document.Found.Cropped == nil || len(r.Faces) != 1 || r.Faces[0].Crop == nil {
		t.Fatalf("%+v", r.CallStatus)
	}
	d := r.Document.Found
	if p := d.Detected.Box.TopLeft; d.Detected.Type != schema.DocumentID1 || abs(p.X-793) > 9 || abs(p.Y-541) > 9 {
		t.Errorf("type %s, the first corner is at %v", d.Detected.Type, p)
	}
	for _, made := range []*schema.OutputImage{d.Cropped, r.Faces[0].Crop} {
		file, _, err := s.objects.Get(t.Context(), made.Object, 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := image.Decode(bytes.NewReader(file))
		if err != nil || m.Bounds().Dx() != made.Info.Width || m.Bounds().Dy() != made.Info.Height {
			t.Errorf("%v, %+v", err, made.Info)
		}
	}
	if info := d.Cropped.Info; info.Width < 650 || info.Height > info.Width {
		t.Errorf("the picture of the document: %+v", info)
	}
}

// TestDocScanOfPassport: the specimen page of ICAO Doc 9303 is read through the stream, and its holder's age follows. Nothing that was read
// is in the log.
func TestDocScanOfPassport(t *testing.T) {
	s := useStream(t)
	if !s.has(t, models.RoleDocument) || !s.has(t, models.RoleText) {
		return // TestDocumentTraits
	}
	data, err := os.ReadFile(filepath.Join(photographs(s), "documents", "25_pass-uto.jpg"))
	if err != nil {
		t.Skipf("SKIPPED: no photograph of a document: %v", err)
	}
	r := s.ask(t, schema.OpDocScanFace, `{"detect_and_recognize_mrz_code":true,"calculate_age_from_ocr_text":true,"doc_validations_off":true,"face_validations_off":true}`, data)
	if r.Document.Found == nil || r.Document.Found.Detected.Zone == nil {
		t.Fatalf("%+v", r.CallStatus)
	}
	d := r.Document.Found.Detected
	if !d.Zone.Clean || d.Type != schema.DocumentID3 || len(d.MRZ) != 2 || !strings.HasPrefix(string(d.MRZ[1]), "L898902C") {
		t.Errorf("clean: %v, type %s, lines %q", d.Zone.Clean, d.Type, []string{string(d.MRZ[0]), string(d.MRZ[1])})
	}
	if d.Age.Age < 40 || !strings.HasSuffix(string(d.Age.DOB), "-08-12") {
		t.Errorf("born %q, %d years old", string(d.Age.DOB), d.Age.Age)
	}
	logs, checked := s.log.String(), 0
	for _, f := range d.Zone.Fields {
		if len(f.Value) < 6 {
			continue
		}
		checked++
		for _, private := range []schema.Personal{f.Value, f.Raw} {
			if strings.Contains(logs, string(private)) {
				t.Errorf("the log shows the field %s", f.Name)
			}
		}
	}
	if checked < 4 || logs == "" {
		t.Errorf("%d fields were looked for in a log of %d bytes", checked, len(logs))
	}
}

func abs(x float32) float32 { return max(x, -x) }

func upsideDown(m *image.RGBA) *image.RGBA {
	b := m.Bounds()
	out := image.NewRGBA(b)
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.SetRGBA(x, y, m.RGBAAt(b.Dx()-1-x, b.Dy()-1-y))
		}
	}
	return out
}

// TestCardToSelfie: a drawn person's card verifies against their enrolled selfie and compares with it, and another's does not.
func TestCardToSelfie(t *testing.T) {
	s := useStream(t)
	const config = `{"document_images":"first"}`
	collection := schema.Collection(unique("cards"))
	ask := func(op schema.Operation, config string, who int, pictures ...[]byte) schema.Result {
		t.Helper()
		r := schema.Request{Operation: op, Config: []byte(config), Collection: collection, ExternalID: schema.ExternalID(fmt.Sprint("person ", who))}
		for i, data := range pictures {
			r.Images = append(r.Images, s.put(t, fmt.Sprintf("%s/%d.png", unique("test"), i), data, nil))
		}
		return s.send(t, r)
	}
	cardOf := func(i int) []byte { return imagingtest.PNG(onTable(drawnCard(i), 900, 650, 107, 109)) }
	for _, who := range []int{14, 16} {
		if r := ask(schema.OpEnroll, `{"anti_spoofing_mode":0,"allowed_face_traits_flags":`+fmt.Sprint(uint32(schema.AllFaceTraits))+`}`, who, portrait(t, who, 0)); r.CallStatus.Reason != "" {
			t.Fatalf("%+v", r.CallStatus)
		}
	}
	for _, c := range []struct {
		card, person int
		match        bool
	}{{14, 14, true}, {16, 16, true}, {14, 16, false}, {16, 14, false}} {
		verified, compared := ask(schema.OpVerify, config, c.person, cardOf(c.card)), ask(schema.OpCompare, config, c.person, cardOf(c.card), portrait(t, c.person, 0))
		if v := verified.Verify; v == nil || v.IsMatch != c.match || verified.Faces[0].SpoofStatus != schema.SpoofNotPerformed {
			t.Errorf("the card of %d against person %d: %+v", c.card, c.person, verified.CallStatus)
		}
		if r := compared.Compare; r == nil || r.IsMatch != c.match {
			t.Errorf("the card of %d beside person %d: %+v", c.card, c.person, compared.CallStatus)
		}
	}
	if r := ask(schema.OpVerify, config, 14, portrait(t, 14, 0)); r.CallStatus.Reason != schema.ReasonNoDocument {
		t.Errorf("a person who is said to be a card: %+v", r.CallStatus)
	}
	// Who is enrolled by a photographed specimen is found by a selfie, as a row of a document, and erased with what was made of it.
	specimen := imagingtest.PNG(photographed(t, 14, drawn.Specimen{Title: "IDENTITY CARD"}))
	if !s.has(t, models.RoleDocument) { // contours alone find nine of ten
		specimen = cardOf(14)
	}
	enrolled := ask(schema.OpEnroll, `{"document_images":"first","crop_faces":true,"face_validations_off":true}`, 20, specimen)
	if enrolled.CallStatus.Reason != "" || enrolled.Faces[0].Crop == nil {
		t.Fatalf("a specimen: %+v", enrolled.CallStatus)
	}
	crop := enrolled.Faces[0].Crop.Object
	if _, _, err := s.objects.Get(t.Context(), crop, 1<<24); err != nil {
		t.Errorf("the portrait of the specimen: %v", err)
	}
	for who, match := range map[int]bool{14: true, 16: false} {
		if r := ask(schema.OpVerify, string(forDrawn("")), 20, portrait(t, who, 1)); r.Verify == nil || r.Verify.IsMatch != match {
			t.Errorf("a selfie of %d beside the card of 14: %+v", who, r.CallStatus)
		}
	}
	row := slices.IndexFunc(s.rows(t, collection), func(r gallery.Row) bool { return r.ExternalID == "person 20" })
	if row < 0 || !s.rows(t, collection)[row].Source.Document {
		t.Error("the row of the specimen does not say that it is of a document")
	}
	if r := ask(schema.OpUserDelete, ``, 20); r.UserDelete == nil || r.UserDelete.Count != 1 {
		t.Fatalf("%+v", r.CallStatus)
	}
	if _, _, err := s.objects.Get(t.Context(), crop, 1<<24); schema.ReasonOf(err) != schema.ReasonImageNotFound {
		t.Errorf("the portrait of a person who is deleted: %v", err)
	}
	if _, _, err := s.objects.Get(t.Context(), enrolled.Images[0], 1<<24); err != nil {
		t.Errorf("the uploader's image: %v", err)
	}
}
