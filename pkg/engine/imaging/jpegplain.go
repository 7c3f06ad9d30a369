//go:build !cgo || !jpegturbo

package imaging

// JPEGDecoder names the decoder of sound JPEG files.
const JPEGDecoder = "Go, at a third of the speed of libjpeg-turbo (make toolchain)"

// jpegDecoders are tried in this order.
var jpegDecoders = []jpegDecoder{decodeStrict, decodeLenient}
