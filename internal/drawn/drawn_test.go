package drawn_test

import (
	"bytes"
	"image"
	"math"
	"testing"

	"facestream/internal/drawn"
)

// thumbnail is an 8x8 mean of a picture in grey levels 0..255: what remains
// where two processors round single pixels differently.
func thumbnail(m *image.RGBA) [64]float64 {
	var grey [64]float64
	cell := m.Rect.Dx() / 8
	for y := range 8 * cell {
		for x := range 8 * cell {
			c := m.RGBAAt(x, y)
			grey[y/cell*8+x/cell] += (float64(c.R) + float64(c.G) + float64(c.B)) / float64(3*cell*cell)
		}
	}
	return grey
}

// difference is the mean absolute difference of all channels in levels, 0..255.
func difference(a, b *image.RGBA) float64 {
	var sum float64
	for i := range a.Pix {
		sum += math.Abs(float64(a.Pix[i]) - float64(b.Pix[i]))
	}
	return sum / float64(len(a.Pix)*3/4)
}

func TestRenderRepeats(t *testing.T) {
	p := drawn.New(7)
	first := drawn.Render(p, p.Shot(1), 160)
	again := drawn.Render(drawn.New(7), drawn.New(7).Shot(1), 160)
	if !bytes.Equal(first.Pix, again.Pix) {
		t.Error("the same person and shot gave two pictures")
	}
}

// TestDrawingIsUnchanged fails when the drawing code changes what it draws. The
// cast was chosen by its looks, so a wanted change means: run castgen, then put
// the new thumbnail here.
func TestDrawingIsUnchanged(t *testing.T) {
	p := drawn.New(7)
	got := thumbnail(drawn.Render(p, p.Shot(0), 320))
	for i, want := range drawing {
		if math.Abs(got[i]-want) > 1 {
			var now [64]int
			for j, v := range got {
				now[j] = int(math.Round(v))
			}
			t.Fatalf("cell %d is %.1f, was %.0f; the thumbnail is now %v", i, got[i], want, now)
		}
	}
}

var drawing = [64]float64{
	179, 175, 158, 167, 180, 167, 158, 175,
	179, 176, 164, 191, 197, 178, 158, 175,
	179, 175, 158, 108, 108, 155, 159, 175,
	179, 175, 117, 78, 87, 106, 155, 176,
	179, 176, 122, 80, 95, 104, 153, 176,
	179, 175, 150, 84, 86, 128, 155, 175,
	179, 176, 157, 149, 130, 179, 156, 175,
	179, 169, 148, 173, 187, 187, 157, 166,
}

func TestRenderFillsThePicture(t *testing.T) {
	p := drawn.Cast()[0]
	for _, size := range []int{1, 33, 320} {
		m := drawn.Render(p, p.Shot(0), size)
		if m.Rect != image.Rect(0, 0, size, size) || !m.Opaque() {
			t.Errorf("size %d: bounds %v, opaque %v", size, m.Rect, m.Opaque())
		}
	}
}

func TestCastMembersDiffer(t *testing.T) {
	cast := drawn.Cast()
	if len(cast) != 36 {
		t.Fatalf("%d people, want 36", len(cast))
	}
	// In the same shot only the person makes a difference.
	shot := drawn.NewShot(1)
	pictures := make([]*image.RGBA, len(cast))
	for i, p := range cast {
		pictures[i] = drawn.Render(p, shot, 96)
	}
	for i := range cast {
		for j := range i {
			if d := difference(pictures[i], pictures[j]); d < 5 {
				t.Errorf("people %d and %d differ by %.1f levels only", j, i, d)
			}
		}
	}
}

func TestShotsDiffer(t *testing.T) {
	p := drawn.New(3)
	a, b := drawn.Render(p, p.Shot(0), 96), drawn.Render(p, p.Shot(1), 96)
	if d := difference(a, b); d < 5 {
		t.Errorf("two shots differ by %.1f levels only", d)
	}
	if drawn.New(4).Shot(0) == p.Shot(0) {
		t.Error("two people share a shot")
	}
}

func TestNewShotRanges(t *testing.T) {
	const degree = math.Pi / 180
	for seed := range uint64(500) {
		s := drawn.NewShot(seed)
		for _, c := range []struct {
			name       string
			value, max float64
		}{
			{"yaw", s.Yaw, 8 * degree}, {"pitch", s.Pitch, 5 * degree}, {"roll", s.Roll, 6 * degree},
			{"smile", s.Expression.Smile, 1}, {"noise", s.Noise, 0.05}, {"blur", s.Blur, 1},
		} {
			if math.Abs(c.value) > c.max {
				t.Errorf("seed %d: %s is %v, beyond %v", seed, c.name, c.value, c.max)
			}
		}
	}
}

// TestSibling holds that genes are independent: of all alleles of a gene exactly
// one is the person's own, and another one changes the picture.
func TestSibling(t *testing.T) {
	p := drawn.New(12345)
	shot := drawn.NewShot(1)
	own := drawn.Render(p, shot, 96)
	for gene := range drawn.Genes {
		same := 0
		var most float64
		for allele := range drawn.Alleles {
			s := p.Sibling(gene, allele)
			if s.Seed() == p.Seed() {
				same++
			} else if allele%8 == 0 {
				most = max(most, difference(own, drawn.Render(s, shot, 96)))
			}
		}
		if same != 1 {
			t.Errorf("gene %d: %d alleles are the person's own, want 1", gene, same)
		}
		if most < 0.2 {
			t.Errorf("gene %d changes nothing (%.2f levels)", gene, most)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	cast := drawn.Cast()
	for i := 0; b.Loop(); i++ {
		p := cast[i%len(cast)]
		drawn.Render(p, p.Shot(0), 320)
	}
}
