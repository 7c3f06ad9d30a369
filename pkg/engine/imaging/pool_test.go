package imaging

import (
	"bytes"
	"runtime"
	"sync"
	"testing"

	"facestream/pkg/engine/imaging/imagingtest"
)

// Whoever has a buffer has it alone: what one user writes into it, no other one changes until it is given back.
func TestPoolIsExclusive(t *testing.T) {
	var p Pool[byte]
	var users sync.WaitGroup
	for user := range 8 {
		users.Go(func() {
			for round := range 300 {
				n := 1 + (user*7+round*13)%97
				b := p.Take(n)
				if len(*b) != n {
					t.Errorf("%d values, want %d", len(*b), n)
					return
				}
				for i := range *b {
					(*b)[i] = byte(user)
				}
				runtime.Gosched()
				if !bytes.Equal(*b, bytes.Repeat([]byte{byte(user)}, n)) {
					t.Errorf("another user wrote into a buffer of %d values that was not given back", n)
					return
				}
				p.Give(b)
			}
		})
	}
	users.Wait()
}

// A picture that was released has no pixels, and under the race detector neither has what is left of it.
func TestRelease(t *testing.T) {
	m := fromGo(imagingtest.Gradient(40, 30), 40, 30)
	scaled := m.Resize(20, 15)
	pixels := scaled.Pix
	scaled.Release()
	scaled.Release() // does nothing
	if scaled.Pix != nil {
		t.Error("a released picture has pixels")
	}
	if imagingtest.Race && !bytes.Equal(pixels, bytes.Repeat([]byte{0xa5}, len(pixels))) {
		t.Error("the pixels of a released picture were left as they were")
	}
	if m.Resize(40, 30) != m {
		t.Fatal("a picture of the right size was copied")
	}
	if part := m.ResizePart(0, 0, 40, 30, 40, 30); part == m || !bytes.Equal(part.Pix, m.Pix) {
		t.Error("ResizePart to the same size is not a copy")
	}
	made := &Image{Width: 1, Height: 1, Pix: []byte{1, 2, 3}}
	mine := made.Pix
	made.Release()
	if !bytes.Equal(mine, []byte{1, 2, 3}) {
		t.Error("the pool took pixels that it had not made")
	}
}

// Everything that makes pictures in memory of the pool writes all of it: it shows nothing of the picture before.
func TestPooledPicturesAreWhole(t *testing.T) {
	m := fromGo(imagingtest.Gradient(60, 40), 60, 40)
	for name, draw := range map[string]func() *Image{
		"Resize":         func() *Image { return m.Resize(33, 21) },
		"ResizePart":     func() *Image { return m.ResizePart(-10, -10, 70, 50, 33, 21) },
		"Crop, black":    func() *Image { return m.Crop(-5, -5, 28, 16, Black) },
		"Crop, mirrored": func() *Image { return m.Crop(-5, -5, 28, 16, Reflect) },
		"SampleLinear":   func() *Image { return m.SampleLinear(3, 3, 50, 30, 33, 21) },
		"Cut":            func() *Image { return m.Cut(Window{X: 0, Y: 0, Width: 70, Height: 50, Turn: 0.3}, 33, 21) },
		"Warp":           func() *Image { return m.WarpSimilarity(Similarity{A: 0.4, B: 0.1, Tx: 5, Ty: -4}, 33, 21) },
		"Turned":         func() *Image { return m.Resize(21, 33).Turned(1) },
		"fromGo":         func() *Image { return fromGo(imagingtest.Gradient(33, 21), 33, 21) },
	} {
		var got [2][]byte
		for i, before := range []byte{0, 0xff} {
			// The pool is filled with pictures of one colour, of which draw takes one.
			var filled []*Image
			for range 8 {
				f := unset(33, 21)
				f.Fill(RGB{before, before, before})
				filled = append(filled, f)
			}
			for _, f := range filled {
				pixels.Give(f.buffer)
			}
			for _, f := range filled { // after the poison
				f.Fill(RGB{before, before, before})
			}
			got[i] = bytes.Clone(draw().Pix)
		}
		if !bytes.Equal(got[0], got[1]) {
			t.Errorf("%s: the picture shows what was in its memory before", name)
		}
	}
}
