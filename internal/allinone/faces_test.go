package allinone_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	xdraw "golang.org/x/image/draw"

	"facestream/internal/drawn"
	"facestream/pkg/engine/imaging/imagingtest"
	"facestream/pkg/engine/models"
	"facestream/pkg/schema"
)

// has reports whether the model pack under test has a network for role.
func (s *stream) has(t testing.TB, role models.Role) bool {
	t.Helper()
	pack, err := models.Locate(s.cfg.Worker.Models[0])
	if err != nil {
		t.Fatal(err)
	}
	_, ok := pack.Models[role]
	return ok
}

// bare is a drawn person who wears nothing on the face, and stays the same when another cast is chosen.
var bare = drawn.New(0x353cb0a47ccd382b)

// drawnPerson draws member i of the cast, 400 × 400 pixels.
func drawnPerson(i, shot int, change func(*drawn.Shot)) *image.RGBA {
	return drawnShot(drawn.Cast()[i], shot, change)
}

func drawnShot(p drawn.Person, shot int, change func(*drawn.Shot)) *image.RGBA {
	s := p.Shot(shot)
	if change != nil {
		change(&s)
	}
	return drawn.Render(p, s, 400)
}

// wall returns a grey picture with m on it, whose upper left corner is at x, y.
func wall(width, height int, m image.Image, x, y int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.RGBA{150, 152, 155, 255}), image.Point{}, draw.Src)
	if m != nil {
		draw.Draw(out, m.Bounds().Sub(m.Bounds().Min).Add(image.Pt(x, y)), m, m.Bounds().Min, draw.Src)
	}
	return out
}

// scaled returns m at side × side pixels.
func scaled(m image.Image, side int) *image.RGBA {
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	xdraw.CatmullRom.Scale(out, out.Bounds(), m, m.Bounds(), draw.Src, nil)
	return out
}

// crowd draws n people side by side.
func crowd(n int) *image.RGBA {
	const side = 250
	out := wall(side*n, side, nil, 0, 0)
	for i := range n {
		p := drawn.Cast()[10+i]
		draw.Draw(out, image.Rect(side*i, 0, side*(i+1), side), drawn.Render(p, p.Shot(0), side), image.Point{}, draw.Src)
	}
	return out
}

// validate sends m through the stream.
func (s *stream) validate(t *testing.T, data []byte, config string) schema.Result {
	t.Helper()
	return s.ask(t, schema.OpValidate, config, data)
}

// ask uploads pictures and sends a request that names them.
func (s *stream) ask(t *testing.T, op schema.Operation, config string, pictures ...[]byte) schema.Result {
	t.Helper()
	r := schema.Request{Operation: op, Config: json.RawMessage(config), Collection: "faces", ExternalID: "somebody"}
	for i, data := range pictures {
		r.Images = append(r.Images, s.put(t, fmt.Sprintf("%s/%d.png", unique("test"), i), data, nil))
	}
	return s.send(t, r)
}

// TestTraitsOfAPicture: the traits that follow from where a face is are known with every pack. They refuse an enrolment by name
// and say what to do.
func TestTraitsOfAPicture(t *testing.T) {
	s := useStream(t)
	portrait := drawnShot(bare, 0, nil)
	for _, c := range []struct {
		name    string
		picture image.Image
		want    schema.FaceTraits
		advice  string
	}{
		{"far away", wall(1600, 1600, scaled(portrait, 400), 600, 600), schema.FTFaceTooFar, "Come closer"},
		{"filling the picture", portrait.SubImage(image.Rect(104, 101, 274, 327)), schema.FTFaceTooClose, "Move away"},
		{"cut off at the picture's left", portrait.SubImage(image.Rect(135, 0, 400, 400)), schema.FTFaceRight, "to your left"},
		{"cut off at the picture's right", portrait.SubImage(image.Rect(0, 0, 240, 400)), schema.FTFaceLeft, "to your right"},
		{"leaning to the picture's right", drawnShot(bare, 0, func(s *drawn.Shot) { s.Roll = 30 * math.Pi / 180 }), schema.FTFaceRotatedLeft, "Tilt your head to your right"},
		{"leaning to the picture's left", drawnShot(bare, 0, func(s *drawn.Shot) { s.Roll = -30 * math.Pi / 180 }), schema.FTFaceRotatedRight, "Tilt your head to your left"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			data := imagingtest.PNG(c.picture)
			const limits = `"angle_rotation_left_threshold":12,"angle_rotation_right_threshold":12`
			r := s.validate(t, data, "{"+limits+"}")
			if r.CallStatus.Reason != "" || len(r.Faces) != 1 || r.Faces[0].Traits&c.want == 0 {
				t.Fatalf("validate: %+v, %d faces: %v", r.CallStatus, len(r.Faces), names(r))
			}
			name := schema.TraitNames(c.want)[0]
			if !slices.Contains(r.Faces[0].TraitNames, name) || !strings.Contains(r.Feedback, c.advice) {
				t.Errorf("%v, feedback %q", r.Faces[0].TraitNames, r.Feedback)
			}
			enrolled := s.ask(t, schema.OpEnroll, `{"anti_spoofing_mode":0,`+limits+"}", data)
			if enrolled.CallStatus.Reason != schema.ReasonFaceRejected || !strings.Contains(enrolled.CallStatus.ReturnMessage, name) || enrolled.Enroll.EnrollPerformed {
				t.Errorf("enroll: %+v", enrolled.CallStatus)
			}
			if r := s.validate(t, data, `{"face_validations_off":true}`); r.Faces[0].Traits != 0 {
				t.Errorf("with face_validations_off: %v", names(r))
			}
		})
	}
}

func names(r schema.Result) (all []string) {
	for _, f := range r.Faces {
		all = append(all, strings.Join(f.TraitNames, " "))
	}
	return all
}

func TestCompareSeveralImages(t *testing.T) {
	s := useStream(t)
	anna, again, both := imagingtest.PNG(drawnPerson(10, 1, nil)), imagingtest.PNG(drawnPerson(10, 2, nil)), imagingtest.PNG(crowd(2))
	r := s.ask(t, schema.OpCompare, `{"face_detection_strategy":0}`, anna, both, again)
	if r.CallStatus.Reason != "" || len(r.Faces) != 4 || len(r.Compare.Pairs) != 5 {
		t.Fatalf("%+v, %d faces: %+v", r.CallStatus, len(r.Faces), r.Compare)
	}
	for _, p := range r.Compare.Pairs {
		same := true // except the second person of the picture with two
		for _, i := range []int{p.FaceA, p.FaceB} {
			if f := r.Faces[i]; f.Image == 1 && f.Geometry.EyeLeft.X > 250 {
				same = false
			}
		}
		if p.IsMatch != same {
			t.Errorf("%+v: expected %v", p, same)
		}
	}
	if !r.Compare.IsMatch {
		t.Errorf("the first two images show one person: %+v", r.Compare)
	}
}

func TestVerify(t *testing.T) {
	s := useStream(t)
	c := schema.Collection(unique("verify"))
	send := func(op schema.Operation, external schema.ExternalID, person, shot int) schema.Result {
		ref := s.put(t, unique("test")+"/a.jpg", portrait(t, person, shot), nil)
		return s.send(t, schema.Request{Operation: op, Collection: c, ExternalID: external, Images: []schema.ObjectRef{ref}})
	}
	anna := send(schema.OpEnroll, "anna", 12, 0).Enroll
	send(schema.OpEnroll, "bert", 13, 0)
	r := send(schema.OpVerify, "anna", 12, 1)
	if v := r.Verify; r.CallStatus.Reason != "" || v == nil || !v.IsMatch || v.PUID != anna.Response.PUID || v.GUID != anna.Response.GUID || v.Similarity <= v.FaceThresholds[1] {
		t.Errorf("the person herself: %+v %v", r.CallStatus, v != nil && v.IsMatch)
	}
	if r := send(schema.OpVerify, "bert", 12, 1); r.CallStatus.Reason != schema.ReasonNoMatch || r.Verify.IsMatch {
		t.Errorf("as somebody else: %+v", r.CallStatus)
	}
	if r := send(schema.OpVerify, "carl", 12, 1); r.CallStatus.Reason != schema.ReasonUnknownPUID {
		t.Errorf("as nobody: %+v", r.CallStatus)
	}
	upload := s.put(t, fmt.Sprintf("verify/%s/anna/a.jpg", c), portrait(t, 12, 2), nil)
	if r := s.outcome(t, schema.ObjectRequestID(upload)); r.Verify == nil || !r.Verify.IsMatch {
		t.Errorf("by upload: %+v", r.CallStatus)
	}
}

// TestAntiSpoofing and TestEstimateAge work with a pack that has the role and with one that lacks it.
func TestAntiSpoofing(t *testing.T) {
	s := useStream(t)
	r := s.ask(t, schema.OpAntiSpoofing, ``, portrait(t, 14, 0))
	if !s.has(t, models.RoleLiveness) {
		if r.CallStatus.Reason != schema.ReasonRoleAbsent || !strings.Contains(r.CallStatus.ReturnMessage, "liveness") {
			t.Errorf("without the role: %+v", r.CallStatus)
		}
		if r := s.validate(t, portrait(t, 14, 0), ``); r.CallStatus.Reason != "" || r.Faces[0].SpoofStatus != schema.SpoofNotPerformed {
			t.Errorf("validate without the role: %+v", r.CallStatus)
		}
		return
	}
	if r.CallStatus.Reason != "" || len(r.Faces) != 1 || r.Faces[0].SpoofStatus == schema.SpoofNotPerformed || r.Faces[0].Liveness == nil {
		t.Errorf("with the role: %+v", r.CallStatus)
	}
	if r := s.ask(t, schema.OpAntiSpoofing, `{"anti_spoofing_mode":0}`, portrait(t, 14, 0)); r.Faces[0].SpoofStatus != schema.SpoofNotPerformed {
		t.Errorf("switched off: spoof_status %d", r.Faces[0].SpoofStatus)
	}
	several := s.ask(t, schema.OpAntiSpoofing, `{"face_detection_strategy":0}`, imagingtest.PNG(crowd(3))).Faces
	for i, f := range several {
		if f.SpoofStatus != schema.SpoofNone && f.SpoofStatus != schema.SpoofDetected || f.Liveness == nil || f.Liveness.Score == nil {
			t.Errorf("face %d of %d: spoof_status %d, liveness %+v", i, len(several), f.SpoofStatus, f.Liveness)
		}
	}
	// No network's score reaches a threshold of 1, so that enroll refuses the face whatever the network says.
	r = s.ask(t, schema.OpEnroll, `{"face_validations_off":true,"anti_spoofing_threshold":1}`, portrait(t, 14, 0))
	if r.Enroll == nil || r.Enroll.EnrollPerformed || r.CallStatus.Reason != schema.ReasonSpoofDetected && r.CallStatus.Reason != schema.ReasonLivenessUnknown {
		t.Errorf("enroll of what is not live: %+v", r.CallStatus)
	}
}

// TestDocument: a drawn person is not taken for a document. The real documents beside the repository are, where they are there.
func TestDocument(t *testing.T) {
	s := useStream(t)
	const config = `{"anti_spoofing_detect_document":true,"anti_spoofing_threshold":0}`
	r := s.ask(t, schema.OpAntiSpoofing, config, portrait(t, 14, 0))
	if !s.has(t, models.RoleDocument) {
		if r.CallStatus.Reason != schema.ReasonRoleAbsent {
			t.Errorf("without the role: %+v", r.CallStatus)
		}
		if r := s.validate(t, portrait(t, 14, 0), config); r.CallStatus.Reason != schema.ReasonRoleAbsent || !strings.Contains(r.CallStatus.ReturnMessage, "document") {
			t.Errorf("validate without the role: %+v", r.CallStatus)
		}
		return
	}
	if r.CallStatus.Reason != "" || len(r.Faces) != 1 || r.Faces[0].SpoofStatus == schema.SpoofDetected {
		t.Errorf("a person: %+v", r.CallStatus)
	}
	for _, name := range []string{"25_pass-uto.jpg", "100_pass-hrv.jpg", "100_visa-usa.jpg"} {
		data, err := os.ReadFile(filepath.Join(photographs(s), "documents", name))
		if err != nil {
			t.Skipf("SKIPPED: no photograph of a document: %v", err)
		}
		if r := s.ask(t, schema.OpAntiSpoofing, config, data); len(r.Faces) != 1 || r.Faces[0].SpoofStatus != schema.SpoofDetected {
			t.Errorf("%s: %+v, %+v", name, r.CallStatus, r.Faces)
		}
		if r := s.ask(t, schema.OpEnroll, config, data); r.CallStatus.Reason != schema.ReasonSpoofDetected || r.Enroll.EnrollPerformed {
			t.Errorf("%s: enroll: %+v", name, r.CallStatus)
		}
	}
}

// photographs returns the folder of real pictures, by default beside the repository (docs/evaluation.md).
func photographs(s *stream) string {
	if dir := os.Getenv("FACESTREAM_DATA"); dir != "" {
		return dir
	}
	return filepath.Join(s.root, "..", "shared", "data")
}

func TestEstimateAge(t *testing.T) {
	s := useStream(t)
	r := s.ask(t, schema.OpEstimateAge, ``, portrait(t, 15, 0))
	if !s.has(t, models.RoleAge) {
		if r.CallStatus.Reason != schema.ReasonRoleAbsent || !strings.Contains(r.CallStatus.ReturnMessage, "age") {
			t.Errorf("without the role: %+v", r.CallStatus)
		}
		return
	}
	if r.CallStatus.Reason != "" || len(r.Faces) != 1 || r.Faces[0].Age == nil {
		t.Fatalf("with the role: %+v", r.CallStatus)
	}
	age := r.Faces[0].Age
	if age.Estimated < 1 || age.Estimated > 100 || age.Confidence < 0 || age.Confidence > 1 {
		t.Errorf("%+v", age)
	}
	if low := s.ask(t, schema.OpEstimateAge, `{"use_age_stddev":true}`, portrait(t, 15, 0)).Faces[0].Age; low.Estimated > age.Estimated {
		t.Errorf("use_age_stddev made the person older: %+v, %+v", low, age)
	}
}

// TestBadPictures: whatever a picture shows, the request has one defined outcome, and nobody is enrolled who is not in it.
func TestBadPictures(t *testing.T) {
	s := useStream(t)
	half := drawnPerson(20, 0, nil)
	noise := func(seed uint64, cell int) image.Image {
		r := rand.New(rand.NewPCG(seed, 7))
		m := image.NewRGBA(image.Rect(0, 0, 480/cell, 480/cell))
		for i := range m.Pix {
			m.Pix[i] = uint8(r.Uint32())
			if i%4 == 3 {
				m.Pix[i] = 255
			}
		}
		out := image.NewRGBA(image.Rect(0, 0, 480, 480))
		xdraw.NearestNeighbor.Scale(out, out.Bounds(), m, m.Bounds(), draw.Src, nil)
		return out
	}
	flat := func(c color.Color) image.Image {
		m := image.NewRGBA(image.Rect(0, 0, 400, 300))
		draw.Draw(m, m.Bounds(), image.NewUniform(c), image.Point{}, draw.Src)
		return m
	}
	see := func(m image.Image) []byte { return imagingtest.PNG(m) }
	type expectation struct {
		name    string
		data    []byte
		least   int               // the fewest faces that strategy 0 may find
		most    int               // and the most
		traits  schema.FaceTraits // one of them is on every face
		enrolls bool              // whether enroll may be performed
	}
	cases := []expectation{
		{name: "black", data: see(flat(color.Black))},
		{name: "white", data: see(flat(color.White))},
		{name: "wide", data: see(imagingtest.Gradient(4000, 8))},
		{name: "high", data: see(imagingtest.Gradient(8, 4000))},
		{name: "cube", data: see(cube())},
		{name: "cartoon", data: see(cartoon()), most: 1, enrolls: true},                      // some detectors take it for a face
		{name: "statue", data: see(statue(drawnShot(bare, 0, nil))), most: 1, enrolls: true}, // it shows a person; only liveness can tell
		{name: "animal", data: see(cat())},
		{name: "sunglasses and mask", data: see(s.hidden(t, drawnPerson(24, 0, nil))), most: 1, traits: schema.FTFaceWithMask},
		{name: "transparent", data: see(image.NewNRGBA(image.Rect(0, 0, 400, 400)))},
		{name: "person with a transparent background", data: see(vignette(drawnPerson(21, 0, nil))), least: 1, most: 1, enrolls: true},
		{name: "animated GIF of a person", data: animated(drawnPerson(22, 0, nil)), least: 1, most: 1, enrolls: true},
		{name: "half outside, left", data: see(half.SubImage(image.Rect(200, 0, 400, 400))), most: 1, traits: schema.FTFaceRight},
		{name: "half outside, top", data: see(half.SubImage(image.Rect(0, 200, 400, 400))), most: 1, traits: schema.FTFaceUp | schema.FTFaceTooClose},
		{name: "12 pixels", data: see(wall(800, 800, scaled(half, 30), 380, 380)), most: 1, traits: schema.FTFaceTooFar},
		{name: "group", data: see(crowd(4)), least: 4, most: 4, enrolls: false},
		{name: "person in a very wide picture", data: see(wall(3000, 400, half, 1300, 0)), least: 1, most: 1, enrolls: true},
	}
	for i := range 6 {
		cases = append(cases, expectation{name: fmt.Sprintf("noise %d", i), data: see(noise(uint64(i), []int{1, 1, 2, 4, 16, 40}[i]))})
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := s.validate(t, c.data, `{"face_detection_strategy":0}`)
			n := len(r.Faces)
			if n < c.least || n > c.most {
				t.Errorf("%d faces, want %d to %d: %+v", n, c.least, c.most, r.Faces)
			}
			want := schema.Reason("")
			if n == 0 {
				want = schema.ReasonNoFace
			}
			if r.CallStatus.Reason != want || want != "" && r.Feedback == "" {
				t.Errorf("%d faces, reason %q, feedback %q", n, r.CallStatus.Reason, r.Feedback)
			}
			for _, f := range r.Faces {
				if c.traits != 0 && f.Traits&c.traits == 0 {
					t.Errorf("traits %v, want one of %v", f.TraitNames, schema.TraitNames(c.traits))
				}
			}
			for _, op := range []schema.Operation{schema.OpEnroll, schema.OpCompare} {
				pictures := [][]byte{c.data}
				if op == schema.OpCompare {
					pictures = append(pictures, c.data)
				}
				r := s.ask(t, op, `{"face_detection_strategy":0}`, pictures...)
				if r.Enroll != nil && r.Enroll.EnrollPerformed && !c.enrolls {
					t.Error("somebody was enrolled")
				}
				if r.CallStatus.ReturnCode != 0 {
					t.Errorf("%s: %+v", op, r.CallStatus)
				}
			}
		})
	}
}

// cube draws an object.
func cube() image.Image {
	m := wall(400, 400, nil, 0, 0)
	for y := range 400 {
		for x := range 400 {
			switch {
			case x > 100 && x < 250 && y > 150 && y < 300:
				m.Set(x, y, color.RGBA{180, 40, 40, 255})
			case y > 90 && y <= 150 && x-100 > 150-y && x-250 < 150-y:
				m.Set(x, y, color.RGBA{230, 90, 80, 255})
			case x >= 250 && x < 310 && y > 150-(x-250) && y < 300-(x-250):
				m.Set(x, y, color.RGBA{110, 20, 25, 255})
			}
		}
	}
	return m
}

// cartoon draws a yellow disc with two dots and an arc.
func cartoon() image.Image {
	m := wall(400, 400, nil, 0, 0)
	for y := range 400 {
		for x := range 400 {
			dx, dy := float64(x-200), float64(y-200)
			r := math.Hypot(dx, dy)
			eye := min(math.Hypot(dx+45, dy+40), math.Hypot(dx-45, dy+40))
			switch {
			case eye < 14, math.Abs(r-80) < 6 && dy > 30:
				m.Set(x, y, color.Black)
			case r < 130:
				m.Set(x, y, color.RGBA{250, 210, 60, 255})
			}
		}
	}
	return m
}

// statue turns m to stone: without colour, and with grain of several sizes.
func statue(m *image.RGBA) image.Image {
	r := rand.New(rand.NewPCG(9, 9))
	out := image.NewRGBA(m.Bounds())
	grain := map[int][]float64{}
	for _, cell := range []int{1, 3, 9, 27} {
		grain[cell] = make([]float64, (400/cell+1)*(400/cell+1))
		for i := range grain[cell] {
			grain[cell][i] = r.NormFloat64()
		}
	}
	for y := range 400 {
		for x := range 400 {
			p := m.Pix[m.PixOffset(x, y):]
			grey := 60 + 0.65*(0.299*float64(p[0])+0.587*float64(p[1])+0.114*float64(p[2]))
			for cell, g := range grain {
				grey += 3 * g[y/cell*(400/cell+1)+x/cell]
			}
			v := uint8(min(max(grey, 0), 255))
			out.Set(x, y, color.RGBA{v, v, uint8(float64(v) * 0.96), 255})
		}
	}
	return out
}

// cat draws the head of a cat: ears, fur, a snout and slit pupils.
func cat() image.Image {
	m := wall(400, 400, nil, 0, 0)
	in := func(x, y, cx, cy, a, b float64) bool { return (x-cx)*(x-cx)/(a*a)+(y-cy)*(y-cy)/(b*b) < 1 }
	for py := range 400 {
		for px := range 400 {
			x, y := math.Abs(float64(px-200)), float64(py)
			fur := 0.75 + 0.25*math.Sin(float64(px)*0.7+9*math.Sin(y*0.05))*math.Sin(y*0.31)
			c := color.RGBA{uint8(200 * fur), uint8(140 * fur), uint8(80 * fur), 255}
			switch {
			case in(x, y, 48, 190, 4, 18), in(x, y, 0, 248, 10, 7), math.Abs(y-262-x*x/80) < 1.5 && x < 30: // pupils, nose, mouth
				m.Set(px, py, color.Black)
			case in(x, y, 48, 190, 24, 20): // eyes
				m.Set(px, py, color.RGBA{150, 200, 60, 255})
			case x > 30 && x < 110 && math.Abs(math.Mod(y-244, 10)) < 1 && y > 243 && y < 270: // whiskers
				m.Set(px, py, color.White)
			case in(x, y, 18, 262, 26, 20): // snout
				m.Set(px, py, color.RGBA{240, 225, 200, 255})
			case in(x, y, 0, 215, 120, 105), x > 40 && x < 112 && y > 60+(x-40)*0.4 && y < 180 && x < 70+(y-60)*0.5: // head, ears
				m.Set(px, py, c)
			}
		}
	}
	return m
}

// hidden puts dark glasses and a mask on m, a picture of one person.
func (s *stream) hidden(t *testing.T, m *image.RGBA) image.Image {
	t.Helper()
	r := s.validate(t, imagingtest.PNG(m), ``)
	if len(r.Faces) != 1 {
		t.Fatalf("%+v", r.CallStatus)
	}
	p := r.Faces[0].Geometry.Landmarks
	left, right, nose := p[0], p[1], p[2]
	eyes := float64(right.X - left.X)
	chin := float64(r.Faces[0].Geometry.BoundingBox.BottomRight.Y)
	for py := range 400 {
		for px := range 400 {
			x, y := float64(px), float64(py)
			lens := min(math.Hypot(x-float64(left.X), (y-float64(left.Y))*1.2), math.Hypot(x-float64(right.X), (y-float64(right.Y))*1.2))
			switch from := math.Abs(x - float64(nose.X)); {
			case lens < 0.42*eyes, math.Abs(y-float64(left.Y)) < 4 && from < eyes:
				m.Set(px, py, color.RGBA{15, 15, 18, 255})
			case y > float64(nose.Y)-0.25*eyes && y < chin+0.05*eyes && from < eyes*(0.95-0.35*max(y-float64(nose.Y), 0)/(chin-float64(nose.Y))):
				fold := uint8(10 * (py / 12 % 2))
				m.Set(px, py, color.RGBA{120 + fold, 170 + fold, 205 + fold, 255})
			}
		}
	}
	return m
}

// vignette makes everything outside a disc of m transparent.
func vignette(m *image.RGBA) image.Image {
	out := image.NewNRGBA(m.Bounds())
	for y := range 400 {
		for x := range 400 {
			if math.Hypot(float64(x-200), float64(y-200)) < 170 {
				out.Set(x, y, m.At(x, y))
			}
		}
	}
	return out
}

// animated returns a GIF whose first frame is m and whose other frames are black.
func animated(m image.Image) []byte {
	grey := make(color.Palette, 256)
	for i := range grey {
		grey[i] = color.Gray{uint8(i)}
	}
	var g gif.GIF
	for i := range 3 {
		frame := image.NewPaletted(m.Bounds(), grey)
		if i == 0 {
			draw.Draw(frame, frame.Bounds(), m, image.Point{}, draw.Src)
		}
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 10)
	}
	var b bytes.Buffer
	if err := gif.EncodeAll(&b, &g); err != nil {
		panic(err) // it writes to memory
	}
	return b.Bytes()
}

// TestPhotographs uses the real photographs beside the repository, where they are there (docs/evaluation.md).
func TestPhotographs(t *testing.T) {
	s := useStream(t)
	dir := photographs(s)
	read := func(t *testing.T, name string) []byte {
		data, err := os.ReadFile(filepath.Join(dir, "faces", name))
		if err != nil {
			t.Skipf("SKIPPED: no photograph: %v", err)
		}
		return data
	}
	for _, c := range []struct {
		name        string
		least, most int               // faces that strategy 0 finds
		has         schema.FaceTraits // on the one face of strategy 1
		hasNot      schema.FaceTraits
	}{
		{"group_t1.jpg", 6, 6, schema.FTFaceTooFar, 0},
		{"couple.jpg", 2, 2, 0, schema.FTFaceTooFar},
		{"attributes/bulk/view.jpg", 0, 0, 0, 0},
		{"attributes/crop/no_face.png", 0, 0, 0, 0},
		{"attributes/crop/crop.png", 1, 1, schema.FTFaceTooClose, schema.FTFaceTooFar},
		{"attributes/reaction/open_eyes.png", 1, 1, 0, schema.FTFaceTooFar | schema.FTFaceTooClose | schema.FTFaceRotatedLeft | schema.FTFaceRotatedRight | schema.FTFaceUp | schema.FTFaceDown},
		{"pairs/img19.jpg", 1, 1, 0, schema.FTFaceTooFar | schema.FTFaceTooClose | schema.FTFaceRotatedLeft | schema.FTFaceRotatedRight | schema.FTFaceUp | schema.FTFaceDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			data := read(t, c.name)
			if n := len(s.validate(t, data, `{"face_detection_strategy":0}`).Faces); n < c.least || n > c.most {
				t.Errorf("%d faces, want %d to %d", n, c.least, c.most)
			}
			if c.least == 0 {
				return
			}
			r := s.validate(t, data, ``)
			if len(r.Faces) != 1 {
				t.Fatalf("%+v", r.CallStatus)
			}
			if got := r.Faces[0].Traits; c.has != 0 && got&c.has == 0 || got&c.hasNot != 0 {
				t.Errorf("traits %v, scores %v", r.Faces[0].TraitNames, r.Faces[0].Scores)
			}
		})
	}
	// Heads that lean by more than 45 degrees are closer to upright in a turned picture.
	const tilted = `{"angle_rotation_left_threshold":10,"angle_rotation_right_threshold":10,"automatic_turning":false}`
	left, right := s.validate(t, read(t, "attributes/pose/left_wryneck.png"), tilted), s.validate(t, read(t, "attributes/pose/right_wryneck.png"), tilted)
	const both = schema.FTFaceRotatedLeft | schema.FTFaceRotatedRight
	if l, r := left.Faces[0].Traits&both, right.Faces[0].Traits&both; l == r || l == 0 || r == 0 {
		t.Errorf("two heads that lean to two sides: %v, %v", schema.TraitNames(l), schema.TraitNames(r))
	}
}

// TestQuality: a face is checked against the groups that a request names. A check without a network in the pack is not passed.
func TestQuality(t *testing.T) {
	s := useStream(t)
	r := s.validate(t, portrait(t, 17, 0), `{"quality_groups":"default,visa-usa"}`)
	if len(r.Faces) != 1 || r.Faces[0].Quality == nil || r.Timings["quality"] <= 0 {
		t.Fatalf("%+v, %v", r.CallStatus, r.Timings)
	}
	q := r.Faces[0].Quality
	measured := map[string]schema.QualityMeasure{}
	for _, m := range q.Measures {
		if measured[m.Check] = m; (m.Native == nil) != (m.Message != "") || (m.Native == nil) != (m.Scalar == nil) {
			t.Errorf("%+v", m)
		}
	}
	if m := measured["image_width"]; m.Native == nil || *m.Native != 400 {
		t.Errorf("%+v", m)
	}
	if len(q.Groups) != 2 || q.Groups[0].Group != "default" || q.Groups[1].Group != "visa-usa" || len(q.Groups[1].Requirements) < 10 {
		t.Fatalf("%+v", q.Groups)
	}
	for _, g := range q.Groups {
		for _, requirement := range g.Requirements {
			m := measured[requirement.Check]
			inside := m.Native != nil && (requirement.Min == nil || *m.Native >= *requirement.Min) && (requirement.Max == nil || *m.Native <= *requirement.Max)
			if want := map[bool]schema.QualityStatus{true: "pass", false: "fail"}[inside]; m.Native != nil && requirement.Status != want || m.Native == nil && requirement.Status != "not_assessed" {
				t.Errorf("%s: %+v of %+v", g.Group, requirement, m)
			}
		}
	}
	if !s.has(t, models.RoleAttributes) && measured["eyes_open"].Native != nil {
		t.Error("eyes_open without a network for it")
	}
	if r := s.validate(t, portrait(t, 17, 0), `{"quality_groups":"passport"}`); r.CallStatus.Reason != schema.ReasonInvalidConfiguration {
		t.Errorf("an unknown group: %+v", r.CallStatus)
	}
}

// TestExposure: the light of a picture decides whether it is enrolled, where the request asks for that.
func TestExposure(t *testing.T) {
	s := useStream(t) // a pack may see glasses or a mask on a drawn person in such light
	lit := func(gain, most float64) []byte {
		m := drawnPerson(16, 0, nil)
		for i := range m.Pix {
			if i%4 != 3 {
				m.Pix[i] = uint8(min(float64(m.Pix[i])*gain+most, 255))
			}
		}
		return imagingtest.PNG(m)
	}
	for name, c := range map[string]struct {
		picture []byte
		want    schema.Reason
		advice  string
	}{
		"dark":   {lit(0.3, 0), schema.ReasonImageUnderexposed, "too dark"},
		"bright": {lit(0.3, 180), schema.ReasonImageOverexposed, "too bright"},
		"plain":  {lit(1, 0), "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			enroll := func(refuse bool) schema.Result {
				return s.ask(t, schema.OpEnroll, fmt.Sprintf(`{"anti_spoofing_mode":0,"allowed_face_traits_flags":%d,"refuse_bad_exposure":%t,"face_too_dark":0.3,"face_too_bright":0.75,"blur_threshold_enroll_pred":0}`,
					schema.FTFaceWithGlass|schema.FTFaceWithMask, refuse), c.picture)
			}
			if r := enroll(true); r.CallStatus.Reason != c.want || r.Enroll.EnrollPerformed != (c.want == "") || !strings.Contains(r.Feedback, c.advice) {
				t.Errorf("%+v, feedback %q, scores %+v", r.CallStatus, r.Feedback, r.Faces)
			}
			// Somebody who is enrolled anyway is told what would make the picture better.
			if r := enroll(false); !r.Enroll.EnrollPerformed || !strings.Contains(r.Feedback, c.advice) {
				t.Errorf("allowed: %+v, feedback %q", r.CallStatus, r.Feedback)
			}
		})
	}
}

// TestCropFaces: each compared face gets a portrait in the store, in the requested shape.
func TestCropFaces(t *testing.T) {
	s := useStream(t)
	r := s.ask(t, schema.OpCompare, `{"crop_faces":true,"face_detection_strategy":0,"portrait_preset":"crop_1x1","portrait_width":200}`,
		imagingtest.PNG(crowd(3)), portrait(t, 16, 0))
	if r.CallStatus.Reason != "" || len(r.Faces) != 4 {
		t.Fatalf("%+v, %d faces", r.CallStatus, len(r.Faces))
	}
	for i, f := range r.Faces {
		if f.Crop == nil {
			t.Fatalf("face %d has no crop", i)
		}
		file, _, err := s.objects.Get(t.Context(), f.Crop.Object, 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(file))
		if err != nil || m.Bounds().Dx() != 200 || m.Bounds().Dy() != 200 || f.Crop.Info.Width != 200 {
			t.Errorf("face %d: %v, %+v", i, err, f.Crop)
		}
		// The face is in the middle of its crop.
		middle := (f.Crop.Corners[0].X + f.Crop.Corners[2].X) / 2
		if box := f.Geometry.BoundingBox; middle < box.TopLeft.X || middle > box.BottomRight.X {
			t.Errorf("face %d: the crop is about %v, and the face from %v to %v", i, middle, box.TopLeft.X, box.BottomRight.X)
		}
	}
	if r := s.validate(t, portrait(t, 16, 0), ``); r.Faces[0].Crop != nil {
		t.Errorf("a crop that nobody asked for: %+v", r.Faces[0].Crop)
	}
}

// TestFaceISO works with a pack that has the role segmentation and with one that lacks it.
func TestFaceISO(t *testing.T) {
	s := useStream(t)
	made := func(config string) (schema.Result, image.Image) {
		t.Helper()
		r := s.ask(t, schema.OpFaceISO, config, portrait(t, 16, 0))
		if r.CallStatus.Reason != "" || r.ISOImage == nil || r.ISOImage.Image == nil {
			return r, nil
		}
		file, _, err := s.objects.Get(t.Context(), r.ISOImage.Image.Object, 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		m, _, err := image.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatal(err)
		}
		return r, m
	}
	r, m := made(`{"portrait_background":"keep","portrait_format":"jpeg","portrait_preset":"crop_1x1","portrait_width":300}`)
	if m == nil || m.Bounds().Dx() != 300 || m.Bounds().Dy() != 300 || r.ISOImage.Image.Info.Width != 300 {
		t.Fatalf("%+v, %+v", r.CallStatus, r.ISOImage)
	}
	r, m = made(`{"background_color_rgb":65280}`)
	if !s.has(t, models.RoleSegmentation) {
		if r.CallStatus.Reason != schema.ReasonRoleAbsent || !strings.Contains(r.CallStatus.ReturnMessage, "segmentation") {
			t.Errorf("without the role: %+v", r.CallStatus)
		}
		return
	}
	if m == nil || m.Bounds().Dx() != 480 || m.Bounds().Dy() != 640 {
		t.Fatalf("with the role: %+v", r.CallStatus)
	}
	if c := color.RGBAModel.Convert(m.At(0, 0)); c != (color.RGBA{G: 255, A: 255}) {
		t.Errorf("the background is %v", c)
	}
}
