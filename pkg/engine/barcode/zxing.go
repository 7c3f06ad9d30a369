//go:build cgo && zxing

package barcode

// #cgo CXXFLAGS: -std=c++17 -O2
// #cgo LDFLAGS: -lZXing
import "C"

const linked = true

// Reader names what reads barcodes.
const Reader = "zxing-cpp"
