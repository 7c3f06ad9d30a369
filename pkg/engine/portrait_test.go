package engine

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/quality"
	"facestream/pkg/schema"
)

// sheetPhotos are five photographs of different hair, light and background.
var sheetPhotos = []string{"img2.jpg", "img5.jpg", "img8.jpg", "img13.jpg", "img21.jpg"}

// TestPortraits makes ISO portraits of five photographs, and checks what can be checked without eyes. Where FACESTREAM_SHEET names
// a file, it lays them into a contact sheet for people to look at (make sheet): as cut, on light grey, on green. FACESTREAM_SHEET_PHOTOS
// takes other photographs of faces/pairs, as a list like PATH.
func TestPortraits(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	light, green := imaging.RGB{0xf0, 0xf0, 0xf0}, imaging.RGB{0, 0x96, 0x40}
	options := []face.PortraitOptions{{}, {Background: &light}, {Background: &green}}
	photos := sheetPhotos
	if more := os.Getenv("FACESTREAM_SHEET_PHOTOS"); more != "" {
		photos = filepath.SplitList(more)
	}
	sheet := imaging.New(480*len(photos), 640*len(options))
	for column, name := range photos {
		a, err := e.Analyze(t.Context(), read(t, data, "faces", "pairs", name), Params{Strategy: BestConfidence, Portraits: options})
		if err != nil || len(a.Faces) != 1 {
			t.Fatalf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, a.Timings["portraits"])
		for row, p := range a.Faces[0].Portraits {
			for y := range 640 {
				copy(sheet.Pix[3*((640*row+y)*sheet.Width+480*column):], p.Image.Pix[3*480*y:3*480*(y+1)])
			}
			found, err := e.Detect(t.Context(), p.Image, 0.5)
			if err != nil || len(found) == 0 {
				t.Errorf("%s: no face in portrait %d: %v", name, row, err)
				continue
			}
			if row == 0 {
				checkGeometry(t, e, name, p, quality.ICAO)
			}
			if roll := found[0].Roll(); math.Abs(float64(roll)) > 4 {
				t.Errorf("%s: the eyes of portrait %d lean by %.1f degrees", name, row, roll)
			}
			if o := options[row]; o.Background != nil {
				checkBorder(t, name, p.Image, *o.Background)
			}
		}
	}
	if path := os.Getenv("FACESTREAM_SHEET"); path != "" {
		saveSheet(t, sheet, path)
	}
}

// TestVisaPortraits makes the crops for visas, which pass the geometry of their groups.
func TestVisaPortraits(t *testing.T) {
	data, e := dataDir(t), openEngine(t)
	groups := map[face.Preset]string{face.Crop7x9: quality.VisaSchengen, face.Crop1x1: quality.VisaUSA}
	for preset, group := range groups {
		for _, name := range sheetPhotos {
			options := []face.PortraitOptions{{Preset: preset}}
			a, err := e.Analyze(t.Context(), read(t, data, "faces", "pairs", name), Params{Strategy: BestConfidence, Portraits: options})
			if err != nil || len(a.Faces) != 1 {
				t.Fatalf("%s: %v", name, err)
			}
			checkGeometry(t, e, name, a.Faces[0].Portraits[0], group)
		}
	}
}

// checkGeometry wants the head where the group does. Heads differ: a crop by the eyes alone does not have all of them of the
// size that is allowed, and a tenth more or less is let pass.
func checkGeometry(t *testing.T, e *Engine, name string, p *face.Portrait, group string) {
	t.Helper()
	a, err := e.Analyze(t.Context(), p.File, Params{Strategy: BestConfidence, Quality: []string{group}})
	if err != nil || len(a.Faces) != 1 {
		t.Fatalf("%s: the portrait has no face: %v", name, err)
	}
	for _, r := range a.Faces[0].Quality.Groups[0].Requirements {
		slack := float32(0)
		switch quality.Check(r.Check) {
		case quality.HeadSize:
			slack = 0.1
		case quality.HeadX, quality.HeadY, quality.HeadWidth, quality.ImageAspect, quality.ImageWidth, quality.ImageHeight, quality.Roll:
		default:
			continue
		}
		native, _, ok := quality.Measured(a.Faces[0].Quality, quality.Check(r.Check))
		if !ok || native < *r.Min*(1-slack) || r.Max != nil && native > *r.Max*(1+slack) {
			t.Errorf("%s: %s is %.3f in the portrait, and %s allows %v to %v", name, r.Check, native, group, *r.Min, r.Max)
		}
	}
}

// checkBorder wants the exact colour at the upper half of the portrait's border: above the shoulders.
func checkBorder(t *testing.T, name string, m *imaging.Image, want imaging.RGB) {
	t.Helper()
	other := 0
	at := func(x, y int) {
		if imaging.RGB(m.Pix[3*(y*m.Width+x):][:3]) != want {
			other++
		}
	}
	for x := range m.Width {
		at(x, 0)
	}
	for y := range m.Height / 2 {
		at(0, y)
		at(m.Width-1, y)
	}
	if other > 0 {
		t.Errorf("%s: %d of %d pixels of the upper border have not exactly the background's colour", name, other, m.Width+m.Height)
	}
}

// TestQuality asks for the quality of a good photograph and of one with several people.
func TestQuality(t *testing.T) {
	data, pack := dataDir(t), openPack(t)
	segmented := func(e *Engine) bool {
		a, err := e.Analyze(t.Context(), read(t, data, "faces", "pairs", "img13.jpg"), Params{Strategy: BestConfidence, Quality: quality.Groups()})
		if err != nil || len(a.Faces) != 1 {
			t.Fatalf("%d faces, %v", len(a.Faces), err)
		}
		if _, ok := a.Timings["quality"]; !ok {
			t.Errorf("no timing: %v", a.Timings)
		}
		r := a.Faces[0].Quality
		if len(r.Groups) != 4 || a.Faces[0].Sharpness == nil {
			t.Fatalf("%d groups", len(r.Groups))
		}
		for _, g := range r.Groups {
			if g.Group == quality.Default && g.Status != quality.Pass {
				t.Errorf("%+v", g)
			}
		}
		_, _, background := quality.Measured(r, quality.BackgroundUniformity)
		ran := slices.ContainsFunc(a.Models, func(m schema.ModelRun) bool { return m.Role == string(models.RoleSegmentation) })
		if ran != background {
			t.Errorf("segmentation ran: %v; the background is assessed: %v", ran, background)
		}
		return background
	}
	e := openEngine(t)
	if !segmented(e) {
		t.Error("the background was not assessed")
	}
	a, err := e.Analyze(t.Context(), read(t, data, "faces", "couple.jpg"), Params{Quality: []string{quality.Default}})
	if err != nil || len(a.Faces) < 2 {
		t.Fatalf("%v", err)
	}
	for i, f := range a.Faces {
		for _, row := range f.Quality.Groups[0].Requirements {
			if row.Check == string(quality.SingleFace) && row.Status != quality.Fail {
				t.Errorf("face %d of %d is alone: %+v", i, len(a.Faces), row)
			}
		}
	}

	// A pack without segmentation says so.
	delete(pack.Models, models.RoleSegmentation)
	pack.Absent[models.RoleSegmentation] = "left out"
	without, err := Open(t.Context(), Options{Pack: pack, Library: library(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer without.Close()
	if segmented(without) {
		t.Error("the background was assessed without a network")
	}
	grey := imaging.RGB{128, 128, 128}
	_, err = without.Analyze(t.Context(), nil, Params{Portraits: []face.PortraitOptions{{Background: &grey}}})
	if schema.ReasonOf(err) != schema.ReasonRoleAbsent {
		t.Errorf("another background without segmentation: %v", err)
	}
	for _, p := range []Params{{Quality: []string{"passport"}}, {Portraits: []face.PortraitOptions{{Preset: "oval"}}}} {
		if _, err := without.Analyze(t.Context(), nil, p); schema.ReasonOf(err) != schema.ReasonInvalidConfiguration {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
