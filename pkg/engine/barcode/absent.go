//go:build !cgo || !zxing

package barcode

const linked = false

// Reader names what reads barcodes.
const Reader = "nothing: built without zxing-cpp (make toolchain)"
