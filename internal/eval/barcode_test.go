package eval

import (
	"math/rand/v2"
	"testing"

	"facestream/internal/symbols"
	"facestream/pkg/engine/barcode"
	"facestream/pkg/engine/imaging"
)

// TestBarcodes reads some barcodes of each kind, of other seeds than the evaluation's.
func TestBarcodes(t *testing.T) {
	if err := barcode.Available(); err != nil {
		t.Skip("SKIPPED: barcodes are not read here:", err)
	}
	const n = 8
	for name, show := range map[string]func(*rand.Rand, *symbols.Symbol) (*imaging.Image, error){
		"drawn": drawnBarcode, "printed": printedBarcode, "photographed": photographedBarcode,
	} {
		counts := map[string]int{}
		for seed := range n {
			what, err := readBarcode(t.Context(), uint64(seed), show)
			if err != nil {
				t.Fatal(err)
			}
			counts[what]++
		}
		if counts[barcodeRead] < n-1 || counts[barcodeMisread] > 0 {
			t.Errorf("%s: %v of %d", name, counts, n)
		}
	}
}
