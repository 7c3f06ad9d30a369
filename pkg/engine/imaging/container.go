package imaging

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// maxScans bounds the scans of a JPEG. Each may visit every block of the picture for a handful of bytes, so a small file
// could buy hours of work; encoders write at most a dozen.
const maxScans = 100

// inspectJPEG walks the marker segments (ITU-T T.81, annex B).
func inspectJPEG(data []byte) (int, error) {
	orientation, scans := 0, 0
	for i := 2; ; {
		// Entropy-coded data and fill bytes stand between segments: a marker is FF and a byte that is neither 00 nor FF.
		j := bytes.IndexByte(data[i:], 0xff)
		if j < 0 || i+j+1 >= len(data) {
			break
		}
		i += j + 1
		marker := data[i]
		if marker == 0x00 || marker == 0xff || marker == 0x01 || 0xd0 <= marker && marker <= 0xd8 {
			continue // stuffed byte, fill byte, or a marker that stands alone: TEM, RST0-7, SOI
		}
		if marker == 0xd9 { // EOI
			break
		}
		i++
		if i+2 > len(data) {
			break
		}
		length := int(binary.BigEndian.Uint16(data[i:]))
		if length < 2 || i+length > len(data) {
			break // cut short: the decoder says so
		}
		segment := data[i+2 : i+length]
		i += length
		switch {
		case marker == 0xda: // SOS
			if scans++; scans > maxScans {
				return 0, fmt.Errorf("more than %d scans", maxScans)
			}
		case marker == 0xe1 && orientation == 0 && bytes.HasPrefix(segment, []byte("Exif\x00\x00")): // APP1
			orientation = exifOrientation(segment[6:])
		case isSOF(marker) && len(segment) > 0 && segment[0] != 8:
			return 0, fmt.Errorf("%d bits a sample; only 8 can be read: save it with 8", segment[0])
		}
	}
	return max(orientation, 1), nil
}

// isSOF tells the start-of-frame markers from DHT (C4), JPG (C8) and DAC (CC) among them.
func isSOF(marker byte) bool {
	return 0xc0 <= marker && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc
}

// inspectPNG walks the chunks to eXIf, which may stand before or after the pixels (PNG, third edition, 11.3.4.6).
func inspectPNG(data []byte) (int, error) {
	for rest := data[8:]; len(rest) >= 12; {
		length := binary.BigEndian.Uint32(rest)
		if uint64(length)+12 > uint64(len(rest)) {
			break // cut short: the decoder says so
		}
		if string(rest[4:8]) == "eXIf" {
			return exifOrientation(rest[8 : 8+length]), nil
		}
		rest = rest[12+length:]
	}
	return 1, nil
}

// inspectWebP walks the chunks (RFC 9649, section 2.7). It holds them to the file's real length, because the decoder
// allocates what a chunk's header claims.
func inspectWebP(data []byte) (int, error) {
	size := uint64(binary.LittleEndian.Uint32(data[4:])) + 8
	if size < 12 || size > uint64(len(data)) {
		return 0, fmt.Errorf("the file was cut short: %d bytes of %d", len(data), size)
	}
	orientation := 1
	for rest := data[12:size]; len(rest) >= 8; {
		length := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if length+8 > uint64(len(rest)) {
			return 0, errors.New("a chunk is longer than the file")
		}
		switch string(rest[:4]) {
		case "ANIM":
			return 0, errors.New("an animation; only still pictures can be read")
		case "EXIF":
			orientation = exifOrientation(bytes.TrimPrefix(rest[8:8+length], []byte("Exif\x00\x00")))
		}
		rest = rest[min(8+length+length&1, uint64(len(rest))):] // chunks are padded to even lengths
	}
	return orientation, nil
}

// inspectTIFF reads the orientation from the file's own first directory: EXIF is TIFF.
func inspectTIFF(data []byte) (int, error) { return exifOrientation(data), nil }

// exifOrientation reads tag 0x0112 (Orientation, SHORT, count 1) from the first directory of a TIFF structure (TIFF 6.0,
// section 2; CIPA DC-008, 4.6.4). Whatever is missing or malformed reads as 1, upright: cameras and editors write much that
// is, and a picture is not refused for its metadata.
func exifOrientation(b []byte) int {
	const (
		upright        = 1
		tagOrientation = 0x0112
		typeShort      = 3
	)
	if len(b) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	offset := uint64(order.Uint32(b[4:]))
	if offset+2 > uint64(len(b)) {
		return upright
	}
	directory := b[offset:]
	count := int(order.Uint16(directory))
	for entries := directory[2:]; count > 0 && len(entries) >= 12; count-- {
		if order.Uint16(entries) == tagOrientation {
			value := int(order.Uint16(entries[8:]))
			if order.Uint16(entries[2:]) != typeShort || order.Uint32(entries[4:]) != 1 || value < 1 || value > 8 {
				return upright
			}
			return value
		}
		entries = entries[12:]
	}
	return upright
}

// orient undoes an EXIF orientation (CIPA DC-008, 4.6.4, "Orientation"). The stored picture's step to the next upright
// pixel is constant along a row, so each orientation is a start and two strides.
func orient(m *Image, orientation int) *Image {
	if orientation == 1 {
		return m
	}
	w, h := m.Width, m.Height
	var start, dx, dy int // in stored pixels
	switch orientation {
	case 2: // mirrored left to right
		start, dx, dy = w-1, -1, w
	case 3: // turned by 180°
		start, dx, dy = w*h-1, -1, -w
	case 4: // mirrored top to bottom
		start, dx, dy = w*(h-1), 1, -w
	case 5: // transposed
		start, dx, dy = 0, w, 1
	case 6: // stored turned by 90° to the left
		start, dx, dy = w*(h-1), -w, 1
	case 7: // transposed across the other diagonal
		start, dx, dy = w*h-1, -w, -1
	case 8: // stored turned by 90° to the right
		start, dx, dy = w-1, w, -1
	}
	if orientation >= 5 {
		w, h = h, w
	}
	out := New(w, h)
	for y := range h {
		row := out.Pix[3*y*w : 3*(y+1)*w]
		from := 3 * (start + y*dy)
		for x := 0; x < len(row); x += 3 {
			row[x], row[x+1], row[x+2] = m.Pix[from], m.Pix[from+1], m.Pix[from+2]
			from += 3 * dx
		}
	}
	return out
}
