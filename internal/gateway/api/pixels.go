package api

import (
	"bytes"
	"encoding/binary"
	"image"
	_ "image/gif" // the headers of these formats are read, never the pixels
	_ "image/jpeg"
	_ "image/png"

	_ "golang.org/x/image/webp"
)

// announced returns how many pixels the header of an image announces. known is false for a format whose header is not read here: the
// worker, which decodes it, has limits of its own.
func announced(content []byte) (pixels int64, known bool) {
	if len(content) >= 12 && string(content[4:8]) == "ftyp" {
		return announcedHEIF(content)
	}
	if len(content) >= 26 && string(content[:2]) == "BM" && binary.LittleEndian.Uint32(content[14:]) >= 40 {
		width, height := int64(int32(binary.LittleEndian.Uint32(content[18:]))), int64(int32(binary.LittleEndian.Uint32(content[22:])))
		return max(width, -width) * max(height, -height), true
	}
	config, _, err := image.DecodeConfig(bytes.NewReader(content))
	if err != nil {
		return 0, false
	}
	return int64(config.Width) * int64(config.Height), true
}

// announcedHEIF returns the area of the largest picture in a HEIC or AVIF file: its properties ispe say width and height.
func announcedHEIF(content []byte) (pixels int64, known bool) {
	const header = 64 << 10 // of a file; the properties come first
	head := content[:min(len(content), header)]
	for {
		at := bytes.Index(head, []byte("ispe"))
		if at < 0 || at+16 > len(head) {
			return pixels, known
		}
		width, height := int64(binary.BigEndian.Uint32(head[at+8:])), int64(binary.BigEndian.Uint32(head[at+12:]))
		pixels, known = max(pixels, min(width, 1<<31)*min(height, 1<<31)), true
		head = head[at+16:]
	}
}
