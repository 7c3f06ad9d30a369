package eval

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	"facestream/pkg/engine"
	"facestream/pkg/engine/imaging"
	"facestream/pkg/schema"
)

// pageShots is how often each page is photographed again.
const pageShots = 3

// embedded is the face of a page, or why there is none.
type embedded struct {
	vector []float32
	why    string
}

// pageGallery measures how well the face of a document is found again: the pages are a gallery, and each is printed and photographed by
// simulation, and searched for in it. The pages whose face is not found are named.
func (o Options) pageGallery(ctx context.Context, r *Report, pages []string) error {
	read := func(i int) ([]byte, error) { return os.ReadFile(filepath.Join(o.Data, filepath.FromSlash(pages[i]))) }
	gallery, err := o.embedPages(ctx, "pages", len(pages), read)
	if err != nil {
		return err
	}
	again, err := o.embedPages(ctx, "pages, photographed again", pageShots*len(pages), func(i int) ([]byte, error) {
		file, err := read(i / pageShots)
		if err != nil || gallery[i/pageShots].vector == nil {
			return nil, err
		}
		page, err := o.Subject.engine.Decode(ctx, file)
		if err != nil {
			return nil, err
		}
		return photographedAgain(page, uint64(i)).Encode(imaging.PNG)
	})
	if err != nil {
		return err
	}
	threshold, ok := o.Subject.engine.Thresholds()["med"]
	if !ok {
		return fmt.Errorf("the manifest of the pack %q has no threshold %q", o.Subject.pack.Name, "med")
	}
	var shown, found, right, same, other Rate
	for i, page := range gallery {
		shown.Of++
		if page.vector == nil {
			r.fail(pages[i], "in the gallery: %s", page.why)
			continue
		}
		shown.Count++
		for n := range pageShots {
			shot := again[i*pageShots+n]
			found.Of++
			if shot.vector == nil {
				r.fail(pages[i], "photographed again: %s", shot.why)
				continue
			}
			found.Count++
			best, score := -1, float32(-1)
			for k, candidate := range gallery {
				if candidate.vector == nil {
					continue
				}
				s := schema.Cosine(shot.vector, candidate.vector)
				if s > score {
					best, score = k, s
				}
				if k == i {
					same.Of++
					if s >= threshold.Value {
						same.Count++
					}
				} else if other.Of++; s >= threshold.Value {
					other.Count++
				}
			}
			if right.Of++; best == i {
				right.Count++
			} else {
				r.fail(pages[i], "photographed again: taken for %s, %.3f", pages[best], score)
			}
		}
	}
	r.addRate("pages whose face is found", shown)
	r.addRate("photographed again: the face is found", found)
	r.addRate("photographed again: its own page is the first of the gallery", right)
	r.addRateAt("photographed again: matched with its own page", same, threshold.Value)
	r.addRateAt("photographed again: matched with another page", other, threshold.Value)
	return nil
}

// embedPages embeds the main portraits of documents, as an enrolment with document_images does. A file of no bytes stands for none.
func (o Options) embedPages(ctx context.Context, what string, n int, read func(i int) ([]byte, error)) ([]embedded, error) {
	params := engine.Params{
		Document: &engine.DocumentParams{Faces: true, Rotate: true}, Embed: true, Strategy: engine.BiggestFace,
		MinConfidence: max(o.Subject.minConfidence(), schema.DefaultConfig(schema.OpEnroll).MinConfidence(schema.OpEnroll)),
	}
	all := make([]embedded, n)
	err := o.forEach(ctx, what, n, func(ctx context.Context, i int) error {
		file, err := read(i)
		if err != nil {
			return dataError(err)
		}
		if file == nil {
			return nil
		}
		a, err := o.Subject.engine.Analyze(ctx, file, params)
		switch reason := schema.ReasonOf(err); {
		case reason == schema.ReasonRoleAbsent:
			return err
		case reason != "":
			all[i].why = string(reason)
		case err != nil:
			return err
		case len(a.Documents) == 0:
			all[i].why = "no document was found"
		case len(a.Faces) == 0:
			all[i].why = "no face was found on the document"
		default:
			all[i].vector = a.Faces[0].Embedding.Vector
		}
		return nil
	})
	return all, err
}

// photographedAgain is page as a camera sees a print of it: with less contrast, soft, on a table, aslant and in perspective, in light that
// falls from one side, noisy, and compressed.
func photographedAgain(page *imaging.Image, seed uint64) *imaging.Image {
	d := zoneDice{rand.New(rand.NewPCG(seed, 0x9A6E))}
	print := blurred(page, d.in(0.4, 0.9))
	black, white := d.in(15, 40), d.in(215, 245)
	for i, v := range print.Pix {
		print.Pix[i] = uint8(black + (white-black)*float64(v)/255)
	}
	across := d.in(700, 1100)
	down := across * float64(page.Height) / float64(page.Width)
	sin, cos := math.Sincos(d.in(-0.2, 0.2))
	side := math.Hypot(across, down)/2 + d.in(0.03, 0.15)*across
	var corners [4][2]float64
	for i, c := range [4][2]float64{{-1, -1}, {1, -1}, {1, 1}, {-1, 1}} {
		x, y := c[0]*across/2+d.in(-0.04, 0.04)*across, c[1]*down/2+d.in(-0.04, 0.04)*across
		corners[i] = [2]float64{side + x*cos - y*sin, side + x*sin + y*cos}
	}
	w, h := float64(page.Width), float64(page.Height)
	onto, _ := imaging.NewProjective(corners, [4][2]float64{{0, 0}, {w, 0}, {w, h}, {0, h}})
	m := print.WarpProjective(onto, int(2*side), int(2*side), imaging.RGB{uint8(30 + d.IntN(80)), uint8(30 + d.IntN(80)), uint8(30 + d.IntN(80))})
	dy, dx := math.Sincos(d.in(0, 2*math.Pi))
	for y := range m.Height {
		for x := range m.Width {
			light := 0.9 + 0.3*(dx*(float64(x)/float64(m.Width)-0.5)+dy*(float64(y)/float64(m.Height)-0.5))
			for k := range 3 {
				at := 3*(y*m.Width+x) + k
				m.Pix[at] = uint8(min(light*float64(m.Pix[at]), 255))
			}
		}
	}
	return compressed(noisy(m, d.in(1, 6)), d.in(50, 90))
}
