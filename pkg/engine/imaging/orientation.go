package imaging

import "encoding/binary"

// pngChunks calls visit with each chunk until it returns false. eXIf may stand before or after the pixels (PNG, third edition,
// 11.3.4.6).
func pngChunks(data []byte, visit func(kind string, body []byte) bool) {
	for rest := data[min(8, len(data)):]; len(rest) >= 12; {
		length := binary.BigEndian.Uint32(rest)
		if uint64(length)+12 > uint64(len(rest)) || !visit(string(rest[4:8]), rest[8:8+length]) {
			return // cut short: the decoder says so
		}
		rest = rest[12+length:]
	}
}

// exifOrientation reads the orientation from the first directory of a TIFF structure, which EXIF is (CIPA DC-008, 4.6.4).
// Whatever is missing or malformed reads as 1, upright: cameras and editors write much that is, and a picture is not refused
// for its metadata.
func exifOrientation(b []byte) int {
	if len(b) < 8 || string(b[:4]) != "II*\x00" && string(b[:4]) != "MM\x00*" {
		return 1
	}
	if v := readDirectory(b)[tagOrientation]; len(v) == 1 && 1 <= v[0] && v[0] <= 8 {
		return int(v[0])
	}
	return 1
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
	out := unset(w, h)
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
