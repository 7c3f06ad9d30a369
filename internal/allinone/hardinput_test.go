package allinone_test

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	xdraw "golang.org/x/image/draw"

	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// each returns a copy of m whose pixels are what f makes of them.
func each(m image.Image, f func(x, y int, c color.RGBA) color.RGBA) *image.RGBA {
	b := m.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, b.Dx(), b.Dy()))
	for y := range b.Dy() {
		for x := range b.Dx() {
			out.SetRGBA(x, y, f(x, y, color.RGBAModel.Convert(m.At(b.Min.X+x, b.Min.Y+y)).(color.RGBA)))
		}
	}
	return out
}

// lit returns c with its light multiplied by k.
func lit(c color.RGBA, k float64) color.RGBA {
	v := func(x uint8) uint8 { return uint8(min(max(float64(x)*k, 0), 255)) }
	return color.RGBA{v(c.R), v(c.G), v(c.B), 255}
}

func grey(c color.RGBA) float64 { return 0.299*float64(c.R) + 0.587*float64(c.G) + 0.114*float64(c.B) }

func jpegOf(m image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(err) // it writes to memory
	}
	return b.Bytes()
}

// on returns ground with m, side × side pixels, on it, whose upper left corner is at x, y.
func on(ground image.Image, m image.Image, side, x, y int) *image.RGBA {
	out := each(ground, func(_, _ int, c color.RGBA) color.RGBA { return c })
	draw.Draw(out, image.Rect(x, y, x+side, y+side), scaled(m, side), image.Point{}, draw.Src)
	return out
}

// box fills a rectangle of m.
func box(m *image.RGBA, r image.Rectangle, c color.RGBA) *image.RGBA {
	draw.Draw(m, r, image.NewUniform(c), image.Point{}, draw.Src)
	return m
}

// fisheye bends m as a lens of a very wide angle does.
func fisheye(m *image.RGBA) *image.RGBA {
	return each(m, func(x, y int, _ color.RGBA) color.RGBA {
		dx, dy := (float64(x)-200)/200, (float64(y)-200)/200
		r := math.Hypot(dx, dy)
		k := 0.55 + 0.45*r*r
		return m.RGBAAt(int(200+200*dx*k), int(200+200*dy*k))
	})
}

// infant gives m the proportions of a baby: a high forehead above low eyes, a short lower face and round cheeks.
func infant(m *image.RGBA) *image.RGBA {
	return each(m, func(x, y int, _ color.RGBA) color.RGBA {
		const eyes, low = 200, 250 // the line of the eyes, before and after
		from := float64(y) * eyes / low
		if y > low {
			from = eyes + float64(y-low)*(400-eyes)/(400-low)
		}
		round := 1 - 0.18*math.Exp(-math.Pow((float64(y)-290)/70, 2)) // the cheeks
		return m.RGBAAt(int(200+(float64(x)-200)*0.92*round), int(from))
	})
}

// scan turns m into a scan of the nineties: few pixels, few grey levels, grain, and hard compression.
func scan(m image.Image) []byte {
	r := rand.New(rand.NewPCG(90, 90))
	small := image.NewRGBA(image.Rect(0, 0, 180, 180))
	xdraw.ApproxBiLinear.Scale(small, small.Bounds(), m, m.Bounds(), draw.Src, nil)
	return jpegOf(each(small, func(_, _ int, c color.RGBA) color.RGBA {
		v := uint8(min(max(math.Round((grey(c)+6*r.NormFloat64())/16)*16, 0), 255))
		return color.RGBA{v, v, v, 255}
	}), 30)
}

// unusable are the reasons of a face that must not be enrolled. Which of them comes first depends on the model pack.
var unusable = []schema.Reason{schema.ReasonFaceRejected, schema.ReasonFaceOccluded, schema.ReasonImageUnderexposed, schema.ReasonSpoofDetected,
	schema.ReasonLivenessUnknown, schema.ReasonNoFace}

// unseen is the reason of a face whose liveness cannot be assessed.
var unseen = []schema.Reason{schema.ReasonLivenessUnknown}

// TestHardInput: pictures that mislead, or that are hard to judge, have a defined verdict. What hides a face or spoils its light is
// refused or named. What only liveness can tell from a person is judged by it, and the answer says by how much.
func TestHardInput(t *testing.T) {
	s := useStream(t)
	const asks = `"capture":"selfie","refuse_bad_exposure":true`
	person := drawnShot(bare, 0, nil)
	other := drawnPerson(5, 0, nil)
	plain := wall(400, 400, nil, 0, 0)
	covered := func(c color.RGBA, slit bool) *image.RGBA { // an eye slit, or everything below the eyes
		r := s.validate(t, imagingtest.PNG(person), `{"capture":"selfie"}`)
		if len(r.Faces) != 1 {
			t.Fatalf("%+v", r.CallStatus)
		}
		p, b := r.Faces[0].Geometry.Landmarks, r.Faces[0].Geometry.BoundingBox
		eyes := int(p[1].X - p[0].X)
		y := int(p[0].Y+p[1].Y) / 2
		out := each(person, func(_, _ int, c color.RGBA) color.RGBA { return c })
		box(out, image.Rect(int(b.TopLeft.X)-eyes/4, y+eyes*2/5, int(b.BottomRight.X)+eyes/4, 400), c)
		if slit {
			box(out, image.Rect(int(b.TopLeft.X)-eyes/4, 0, int(b.BottomRight.X)+eyes/4, y-eyes*2/5), c)
		}
		return out
	}
	bearded := covered(color.RGBA{120, 170, 205, 255}, false)
	for y := range 400 { // hair over the lower half of the mask
		for x := range 400 {
			if bearded.RGBAAt(x, y) == (color.RGBA{120, 170, 205, 255}) && y > 300 && (x*7+y*13)%5 < 3 {
				bearded.SetRGBA(x, y, color.RGBA{50, 35, 25, 255})
			}
		}
	}
	for _, c := range []struct {
		name  string
		data  []byte
		faces int // that strategy 0 finds; a face that something hides may be missed
		// enroll lists the reasons that an enrolment may end with; nil where liveness alone decides.
		enroll []schema.Reason
		traits schema.FaceTraits // one of them is set
		// unassessable is why liveness is not assessed; "" where a pack may judge it.
		unassessable schema.Unassessable
	}{
		{"a face on a bag", imagingtest.PNG(on(box(box(wall(600, 600, nil, 0, 0), image.Rect(140, 180, 460, 580), color.RGBA{205, 180, 140, 255}), image.Rect(220, 60, 235, 180), color.RGBA{170, 140, 100, 255}), each(other, func(_, _ int, c color.RGBA) color.RGBA { return lit(c, 0.85) }), 240, 180, 240)), 1, nil, 0, ""},
		{"a statue", imagingtest.PNG(statue(person)), 1, nil, 0, ""},
		{"a doll", imagingtest.PNG(each(person, func(_, _ int, c color.RGBA) color.RGBA {
			q := func(v uint8) uint8 { return v/48*48 + 24 }
			return color.RGBA{q(c.R), q(c.G), q(c.B), 255}
		})), 1, nil, 0, ""},
		{"a photograph on the wall", imagingtest.PNG(on(on(wall(800, 600, nil, 0, 0), person, 500, 50, 80), other, 150, 600, 60)), 2, []schema.Reason{schema.ReasonSeveralFaces}, 0, ""},
		{"a phone in a hand", imagingtest.PNG(on(box(box(plain, image.Rect(0, 0, 400, 400), color.RGBA{150, 152, 155, 255}), image.Rect(95, 30, 305, 390), color.RGBA{12, 12, 14, 255}), each(other, func(x, y int, c color.RGBA) color.RGBA {
			return lit(c, 0.9+0.1*math.Sin(float64(y)*1.7))
		}), 190, 105, 100)), 1, nil, 0, ""},
		{"sunglasses and mask", imagingtest.PNG(s.hidden(t, drawnPerson(24, 0, nil))), 1, unusable, schema.FTFaceWithMask | schema.FTEyeCovered, ""},
		{"a niqab", imagingtest.PNG(covered(color.RGBA{20, 20, 22, 255}, true)), 1, unusable, schema.FTFaceWithMask | schema.FTMouthCovered | schema.FTNoseCovered, ""},
		{"a beard over a mask", imagingtest.PNG(bearded), 1, unusable, schema.FTFaceWithMask | schema.FTMouthCovered | schema.FTNoseCovered, ""},
		{"hard side light", imagingtest.PNG(each(person, func(x, _ int, c color.RGBA) color.RGBA {
			return lit(c, 0.08+1.3/(1+math.Exp((200-float64(x))/12)))
		})), 1, unusable, schema.FTFaceTooDark, ""},
		{"backlight", imagingtest.PNG(each(drawnShot(bare, 0, nil), func(x, y int, c color.RGBA) color.RGBA {
			if math.Hypot(float64(x-200)/150, float64(y-230)/190) > 1 {
				return color.RGBA{255, 255, 255, 255}
			}
			return lit(c, 0.18)
		})), 1, unusable, schema.FTFaceTooDark, schema.UnassessableDark},
		{"a baby", imagingtest.PNG(infant(person)), 1, nil, 0, ""},
		{"fish-eye", imagingtest.PNG(fisheye(person)), 1, nil, 0, ""},
		{"a scan of the nineties", scan(person), 1, unseen, 0, schema.UnassessableGrey},
		{"infrared", imagingtest.PNG(each(person, func(_, _ int, c color.RGBA) color.RGBA {
			v := uint8(min(60+0.7*float64(c.R)+0.1*float64(c.G), 255))
			return color.RGBA{v, v, v, 255}
		})), 1, unseen, 0, schema.UnassessableGrey},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			// Every face, so that a picture of several people cannot enrol one of them unasked.
			r := s.ask(t, schema.OpEnroll, `{"face_detection_strategy":0,`+asks+`}`, c.data)
			judges := s.has(t, models.RoleLiveness)
			if c.enroll != nil && (judges || c.unassessable == "") && !slices.Contains(c.enroll, r.CallStatus.Reason) || r.Enroll == nil || r.Enroll.EnrollPerformed != (r.CallStatus.Reason == "") {
				t.Errorf("enroll: %+v, want one of %v", r.CallStatus, c.enroll)
			}
			all := s.validate(t, c.data, `{"face_detection_strategy":0,`+asks+`}`)
			hides := c.traits != 0 && len(all.Faces) == 0
			if len(all.Faces) != c.faces && !hides {
				t.Errorf("%d faces, want %d", len(all.Faces), c.faces)
			}
			for _, f := range all.Faces {
				if c.traits != 0 && f.Traits&c.traits == 0 {
					t.Errorf("traits %v, want one of %v", f.TraitNames, schema.TraitNames(c.traits))
				}
				if judges && c.unassessable != "" && (f.Liveness == nil || f.Liveness.Unassessable != c.unassessable) {
					t.Errorf("liveness %+v, want it not assessed for %s", f.Liveness, c.unassessable)
				}
				switch l := f.Liveness; f.SpoofStatus {
				case schema.SpoofNone, schema.SpoofDetected:
					if l == nil || l.Score == nil || l.Threshold == nil || (*l.Score >= *l.Threshold) != (f.SpoofStatus == schema.SpoofNone) {
						t.Errorf("spoof_status %d without what it follows from: %+v", f.SpoofStatus, l)
					}
				case schema.SpoofInvalidFace:
					if l == nil || l.Message == "" || l.Score != nil {
						t.Errorf("a liveness that was not assessed says not why: %+v", l)
					}
				case schema.SpoofNotPerformed:
					if judges {
						t.Error("liveness was not assessed")
					}
				}
			}
		})
	}
}

// TestTwins: pictures of one face that differ in size, compression and format are the same person to every operation.
func TestTwins(t *testing.T) {
	s := useStream(t)
	person := drawnShot(bare, 0, nil)
	twins := [][]byte{imagingtest.PNG(person), jpegOf(person, 95), jpegOf(person, 50), jpegOf(person, 25), jpegOf(scaled(person, 250), 80), jpegOf(scaled(person, 900), 80)}
	r := s.ask(t, schema.OpCompare, `{"capture":"selfie"}`, twins...)
	if r.Compare == nil || len(r.Compare.Pairs) != len(twins)*(len(twins)-1)/2 {
		t.Fatalf("%+v", r.CallStatus)
	}
	for _, p := range r.Compare.Pairs {
		if !p.IsMatch {
			t.Errorf("%+v", p)
		}
	}
	for i, data := range twins {
		if r := s.ask(t, schema.OpEnroll, `{"capture":"selfie","anti_spoofing_mode":0}`, data); r.CallStatus.Reason != "" {
			t.Errorf("twin %d: %+v", i, r.CallStatus)
		}
	}
}
