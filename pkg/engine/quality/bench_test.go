package quality

import (
	"testing"

	"facestream/pkg/engine/face"
)

// BenchmarkAssess measures one face of a picture, all groups, without networks.
func BenchmarkAssess(b *testing.B) {
	img, s := drawn()
	img = img.Resize(900, 1200)
	for _, p := range []*float32{&s.Box.TopLeft.X, &s.Box.TopLeft.Y, &s.Box.BottomRight.X, &s.Box.BottomRight.Y} {
		*p *= 3
	}
	for i := range s.Points {
		s.Points[i].X, s.Points[i].Y = 3*s.Points[i].X, 3*s.Points[i].Y
	}
	for b.Loop() {
		if err := Assess(img, []*face.Observation{s}, []face.Face{s.Face}, Groups(), nil); err != nil {
			b.Fatal(err)
		}
	}
}
