package quality

import (
	"testing"

	"facestream/pkg/engine/face"
)

// BenchmarkAssess measures one face of a picture, all groups, without networks.
func BenchmarkAssess(b *testing.B) {
	img, s := drawn()
	img = img.Resize(900, 1200)
	for _, p := range []*float32{&s.Face.Box.TopLeft.X, &s.Face.Box.TopLeft.Y, &s.Face.Box.BottomRight.X, &s.Face.Box.BottomRight.Y} {
		*p *= 3
	}
	for i := range s.Face.Points {
		s.Face.Points[i].X, s.Face.Points[i].Y = 3*s.Face.Points[i].X, 3*s.Face.Points[i].Y
	}
	for b.Loop() {
		if _, err := Assess(img, []Subject{s}, []face.Face{s.Face}, Groups(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
