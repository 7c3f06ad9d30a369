package engine

import (
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine/document"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// photographedZones are the zones of some of the photographed documents, as they are printed.
var photographedZones = map[string]string{
	"100_id-che.jpg":    "IDCHES0002068<8<<<<<<<<<<<<<<<\n8102287F1301014CHE<<<<<<<<<<<4\nVADIS<<QUO<<<<<<<<<<<<<<<<<<<<",
	"100_pass2-uto.jpg": "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6",
	"62_pass-aus.png":   "P<AUSCITIZEN<<JANE<<<<<<<<<<<<<<<<<<<<<<<<<<\nPA09404097AUS8406077F1903212<17331334P<<<<08",
	"79_pass-hun.png":   "P<HUNHANDRA<<ROZALIA<IRMA<<<<<<<<<<<<<<<<<<<\nBD00020282HUN7802225F2203012<<<<<<<<<<<<<<06",
}

var onThisDay = document.MRZOptions{Reference: time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)}

// TestZonesInAnyDirection reads the zones of photographed documents, upright, on their sides and upside down.
func TestZonesInAnyDirection(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	for name, want := range photographedZones {
		img, err := e.Decode(t.Context(), read(t, data, "documents", name))
		if err != nil {
			t.Fatal(err)
		}
		upright := float32(0)
		for quarters := range 4 {
			zones, err := e.MRZ(t.Context(), img.Turned(quarters), onThisDay)
			if err != nil || len(zones) != 1 {
				t.Errorf("%s turned by %d quarters: %d zones, %v", name, quarters, len(zones), err)
				continue
			}
			z := zones[0]
			if got := strings.Join(z.Reading.Lines, "\n"); got != want || !z.Reading.Clean() {
				t.Errorf("%s turned by %d quarters:\n%s, want\n%s", name, quarters, got, want)
			}
			if quarters == 0 {
				upright = z.Direction
			}
			if off := math.Remainder(float64(z.Direction-upright)-90*float64(quarters), 360); math.Abs(off) > 4 {
				t.Errorf("%s turned by %d quarters: the text runs at %.0f°", name, quarters, z.Direction)
			}
		}
	}
}

// TestTwoZones reads both of two documents in one picture, and a zone that is all that a picture shows.
func TestTwoZones(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	both := imaging.New(1240, 440)
	both.Fill(imaging.RGB{120, 110, 100})
	var want []string
	for i, name := range []string{"79_pass-hun.png", "100_pass-hrv.jpg"} {
		img, err := e.Decode(t.Context(), read(t, data, "documents", name))
		if err != nil {
			t.Fatal(err)
		}
		zones, err := e.MRZ(t.Context(), img, onThisDay)
		if err != nil || len(zones) != 1 {
			t.Fatalf("%s: %d zones, %v", name, len(zones), err)
		}
		want = append(want, zones[0].Reading.Lines[1])
		paste(both, img, 10+620*i, 10)

		q := zones[0].Quad
		strip := img.Crop(int(q[0].X), int(q[0].Y), int(q[2].X), int(q[2].Y), imaging.Black)
		segmented := onThisDay
		segmented.Segmented = true
		alone, err := e.MRZ(t.Context(), strip, segmented)
		if err != nil || len(alone) != 1 || alone[0].Reading.Lines[1] != want[i] {
			t.Errorf("the zone of %s alone: %v, %v", name, len(alone), err)
		}
	}
	zones, err := e.MRZ(t.Context(), both, onThisDay)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, z := range zones {
		got = append(got, z.Reading.Lines[1])
	}
	slices.Sort(want)
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
}

// TestStarterZones: the starter pack reads the zones of photographed pages, and that of a picture which shows nothing else; it finds no
// documents and reads no printed text.
func TestStarterZones(t *testing.T) {
	data, e := dataDir(t), starter(t, Options{})
	for name, want := range photographedZones {
		img, err := e.Decode(t.Context(), read(t, data, "documents", name))
		if err != nil {
			t.Fatal(err)
		}
		zones, err := e.MRZ(t.Context(), img, onThisDay)
		if err != nil || len(zones) != 1 || strings.Join(zones[0].Reading.Lines, "\n") != want || !zones[0].Reading.Clean() {
			t.Errorf("%s: %d zones, %v", name, len(zones), err)
			continue
		}
		if math.Abs(float64(zones[0].Direction)) > 5 { // one that lies aslant is not alone in an upright part of the picture
			continue
		}
		q := zones[0].Quad
		strip := img.Crop(int(min(q[0].X, q[3].X)), int(min(q[0].Y, q[1].Y)), int(max(q[1].X, q[2].X)), int(max(q[2].Y, q[3].Y)), imaging.Black)
		a, err := e.Analyze(t.Context(), encoded(t, strip), Params{Document: &DocumentParams{MRZ: true, Segmented: true, Today: onThisDay.Reference}})
		if err != nil || len(a.Documents) != 1 || a.Documents[0].MRZ == nil || strings.Join(a.Documents[0].MRZ.Reading.Lines, "\n") != want {
			t.Errorf("the zone of %s alone: %+v, %v", name, a, err)
		}
		if _, err := e.Analyze(t.Context(), encoded(t, strip), Params{Document: &DocumentParams{Text: always, Segmented: true}}); schema.ReasonOf(err) != schema.ReasonRoleAbsent {
			t.Errorf("printed text: %v", err)
		}
	}
	plain := imaging.New(400, 300)
	plain.Fill(imaging.RGB{200, 200, 200})
	if zones, err := e.MRZ(t.Context(), plain, onThisDay); err != nil || len(zones) != 0 {
		t.Errorf("a plain picture: %d zones, %v", len(zones), err)
	}
	if _, err := e.Lines(t.Context(), plain); schema.ReasonOf(err) != schema.ReasonRoleAbsent {
		t.Errorf("lines: %v", err)
	}
}

// TestLinesOfPhotograph reads the lines of a page in their order, and none of a picture without any.
func TestLinesOfPhotograph(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	img, err := e.Decode(t.Context(), read(t, filepath.Join(data, "documents", "100_pass-chn.jpg")))
	if err != nil {
		t.Fatal(err)
	}
	for quarters := range 4 {
		lines, err := e.Lines(t.Context(), img.Turned(quarters))
		if err != nil {
			t.Fatal(err)
		}
		last := -1
		for _, want := range []string{"PASSPORT", "REPUBLIC OF CHINA", "林美華", "MAY LIN", "A234567893", "01 JAN 1976", "01 APR 2014", "0000000000TWN7601015F1404018A234567893"} {
			at := slices.IndexFunc(lines, func(l document.Line) bool { return strings.HasPrefix(l.Text, want) })
			if at <= last {
				t.Errorf("turned by %d quarters: %q is line %d, after line %d", quarters, want, at, last)
				continue
			}
			last = at
			if l := lines[at]; len(l.Characters) != len([]rune(l.Text)) || l.Confidence < 0.9 {
				t.Errorf("%q: %d confidences, %.2f", l.Text, len(l.Characters), l.Confidence)
			}
		}
	}
	plain := imaging.New(400, 300)
	plain.Fill(imaging.RGB{200, 200, 200})
	if lines, err := e.Lines(t.Context(), plain); err != nil || len(lines) != 0 {
		t.Errorf("a plain picture: %d lines, %v", len(lines), err)
	}
	if zones, err := e.MRZ(t.Context(), plain, onThisDay); err != nil || len(zones) != 0 {
		t.Errorf("a plain picture: %d zones, %v", len(zones), err)
	}
}
