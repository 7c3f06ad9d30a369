package imaging

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"facestream/pkg/engine/imaging/imagingtest"
)

func TestResizeAveragesAreas(t *testing.T) {
	// A picture whose value is linear in x and y keeps its values at the centres of the scaled pixels.
	m := New(90, 60)
	for y := range 60 {
		for x := range 90 {
			copy(m.Pix[3*(y*90+x):], []byte{byte(2 * x), byte(4 * y), 77})
		}
	}
	for _, size := range [][2]int{{30, 20}, {45, 30}, {37, 23}, {90, 7}, {1, 1}, {180, 120}, {127, 61}} {
		got := m.Resize(size[0], size[1])
		if got.Width != size[0] || got.Height != size[1] {
			t.Fatalf("%v, want %v", got, size)
		}
		sx, sy := 90/float64(size[0]), 60/float64(size[1])
		for y := range got.Height {
			for x := range got.Width {
				cx, cy := (float64(x)+0.5)*sx-0.5, (float64(y)+0.5)*sy-0.5
				cx, cy = min(max(cx, 0), 89), min(max(cy, 0), 59)
				p := got.Pix[3*(y*got.Width+x):]
				if math.Abs(float64(p[0])-2*cx) > 1 || math.Abs(float64(p[1])-4*cy) > 1 || p[2] != 77 {
					t.Fatalf("%v: (%d,%d) is %v, want about (%.1f, %.1f, 77)", size, x, y, p[:3], 2*cx, 4*cy)
				}
			}
		}
	}
}

// byPixel is [Image.ResizePart] written down pixel by pixel: what its kernels must return to the last bit.
func byPixel(m *Image, x0, y0, x1, y1, width, height int) *Image {
	var vertical, horizontal axis
	vertical.set(y1-y0, height)
	horizontal.set(x1-x0, width)
	part, out := m.Crop(x0, y0, x1, y1, Reflect), New(width, height)
	for y := range height {
		for x := range width {
			for c := range 3 {
				sum := uint32(1 << (weightBits + sumBits - 1))
				for k, w := range horizontal.weights[horizontal.at[x]:horizontal.at[x+1]] {
					column := uint32(1 << (weightBits - sumBits - 1))
					for l, v := range vertical.weights[vertical.at[y]:vertical.at[y+1]] {
						column += v * uint32(part.Pix[3*((int(vertical.first[y])+l)*part.Width+int(horizontal.first[x])+k)+c])
					}
					sum += w * (column >> (weightBits - sumBits))
				}
				out.Pix[3*(y*width+x)+c] = byte(sum >> (weightBits + sumBits))
			}
		}
	}
	return out
}

// Every kernel scales every part of a picture to every size as its definition says, to the last bit, also where the part reaches
// beyond the picture.
func TestResizePart(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	sizes := [][4]int{{1, 1, 1, 1}, {1, 1, 5, 3}, {640, 3, 7, 1}, {3, 640, 1, 7}, {97, 61, 97, 61}, {97, 61, 96, 60}, {97, 61, 194, 122}, {200, 150, 64, 48}}
	for range 400 {
		sizes = append(sizes, [4]int{1 + r.IntN(90), 1 + r.IntN(90), 1 + r.IntN(60), 1 + r.IntN(60)})
	}
	for _, s := range sizes {
		m := New(s[0], s[1])
		for i := range m.Pix {
			m.Pix[i] = byte(r.Uint32())
			if r.IntN(3) == 0 {
				m.Pix[i] = 0xff // sums as large as they can be
			}
		}
		x0, y0, x1, y1 := 0, 0, s[0], s[1]
		switch r.IntN(3) {
		case 1:
			x0, y0 = r.IntN(s[0]), r.IntN(s[1])
			x1, y1 = x0+1+r.IntN(s[0]-x0), y0+1+r.IntN(s[1]-y0)
		case 2:
			x0, y0 = r.IntN(3*s[0])-s[0], r.IntN(3*s[1])-s[1]
			x1, y1 = x0+1+r.IntN(2*s[0]), y0+1+r.IntN(2*s[1])
		}
		want := byPixel(m, x0, y0, x1, y1, s[2], s[3])
		plain := New(s[2], s[3])
		var by scaling
		by.set(m, x0, y0, x1, y1, s[2], s[3])
		by.runPlain(m, plain)
		made := map[string]*Image{"runPlain": plain, "ResizePart": m.ResizePart(x0, y0, x1, y1, s[2], s[3])}
		for kernel := range kernels {
			out := New(s[2], s[3])
			by.runBy(kernel, m, out)
			made[fmt.Sprint("kernel ", kernel)] = out
		}
		for name, got := range made {
			if !bytes.Equal(got.Pix, want.Pix) {
				t.Fatalf("%s: (%d,%d) to (%d,%d) of %v to %v: not the weighted sums", name, x0, y0, x1, y1, m, got)
			}
		}
	}
}

func TestResizeKeepsNoFalsePattern(t *testing.T) {
	m := New(100, 100)
	for i := range 100 * 100 {
		if (i+i/100)%2 == 0 { // a chequerboard averages to grey
			copy(m.Pix[3*i:], []byte{255, 255, 255})
		}
	}
	for i, v := range m.Resize(25, 10).Pix {
		if v != 127 && v != 128 {
			t.Fatalf("value %d is %d, want 127 or 128", i, v)
		}
	}
}

func TestWarpSimilarity(t *testing.T) {
	m := New(40, 30)
	for y := range 30 {
		for x := range 40 {
			copy(m.Pix[3*(y*40+x):], []byte{byte(5 * x), byte(7 * y), 200})
		}
	}
	identity := m.WarpSimilarity(Similarity{A: 1}, 40, 30)
	if string(identity.Pix) != string(m.Pix) {
		t.Error("the identity changed pixels")
	}
	s := Similarity{A: 1.3, B: 0.4, Tx: -5, Ty: 3}
	x, y := s.Inverse().Apply(s.Apply(3, 4))
	if math.Abs(x-3) > 1e-9 || math.Abs(y-4) > 1e-9 {
		t.Errorf("there and back: (%g, %g), want (3, 4)", x, y)
	}
	out := m.WarpSimilarity(s, 50, 50)
	inside := 0
	for y := range 50 {
		for x := range 50 {
			p := out.Pix[3*(50*y+x):]
			sx, sy := s.Inverse().Apply(float64(x), float64(y))
			switch {
			case sx >= 0 && sx <= 39 && sy >= 0 && sy <= 29:
				inside++
				if math.Abs(float64(p[0])-5*sx) > 0.51 || math.Abs(float64(p[1])-7*sy) > 0.51 || p[2] != 200 {
					t.Fatalf("(%d,%d) is %v, want about (%.1f, %.1f, 200)", x, y, p[:3], 5*sx, 7*sy)
				}
			case sx <= -1 || sx >= 40 || sy <= -1 || sy >= 30:
				if p[0] != 0 || p[1] != 0 || p[2] != 0 {
					t.Fatalf("(%d,%d) lies outside and is %v", x, y, p[:3])
				}
			}
		}
	}
	if inside < 500 {
		t.Fatalf("only %d pixels compared", inside)
	}
}

func TestPlanes(t *testing.T) {
	m := &Image{Width: 1, Height: 1, Pix: []byte{10, 20, 30}}
	dst := make([]float32, 3*2*2)
	m.Planes(dst, 2, 2, Normalisation{BGR: true, Scale: 0.5, Mean: [3]float32{1, 2, 3}, Std: [3]float32{1, 2, 4}})
	want := []float32{14, -1, -1, -1, 4, -1, -1, -1, 0.5, -0.75, -0.75, -0.75}
	if fmt.Sprint(dst) != fmt.Sprint(want) {
		t.Errorf("planes %v, want %v", dst, want)
	}
}

func BenchmarkResize(b *testing.B) {
	m := fromGo(imagingtest.Gradient(4000, 3000), 4000, 3000)
	for b.Loop() {
		m.Resize(640, 480)
	}
}
