package document

import (
	"testing"

	"facestream/internal/drawn"
)

// TestFingers sees most hands that hold a drawn document, and none on documents that lie alone. Hands before a table of the colour of
// skin are missed.
func TestFingers(t *testing.T) {
	const scenes = 12
	seen, alarms := 0, 0
	for seed := range uint64(scenes) {
		for _, held := range []bool{true, false} {
			s := drawn.NewScene(9_100_000+seed, drawn.Spread{Documents: 1, Fingers: held})
			score := Fingers(fromDrawing(s.Picture), Outline{Corners: quadOfPairs(s.Documents[0]).corners()})
			switch {
			case score < 0 || score > 1:
				t.Errorf("scene %d: score %v", seed, score)
			case score >= 0.5 && held:
				seen++
			case score >= 0.5:
				alarms++
			}
		}
	}
	t.Logf("%d of %d hands seen, %d false alarms", seen, scenes, alarms)
	if seen < scenes/2 || alarms > 0 {
		t.Errorf("%d of %d hands seen, %d false alarms", seen, scenes, alarms)
	}
}
