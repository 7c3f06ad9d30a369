package imaging

import (
	"bytes"
	"strings"
)

// signatures are the bytes at offset of files that people send but that are not supported. The text after the name says
// what to do.
var signatures = []struct {
	offset int
	magic  string
	name   string
}{
	{0, "%PDF-", "a PDF document; export its page as JPEG or PNG"},
	{0, "\xff\x0a", "a JPEG XL picture; save it as JPEG or PNG"},
	{0, "\x00\x00\x00\x0cJXL ", "a JPEG XL picture; save it as JPEG or PNG"},
	{0, "\x00\x00\x00\x0cjP  ", "a JPEG 2000 picture; save it as JPEG or PNG"},
	{0, "\xff\x4f\xff\x51", "a JPEG 2000 picture; save it as JPEG or PNG"},
	{0, "II\x2b\x00", "a BigTIFF; save it as PNG or as a TIFF of less than 4 GB"},
	{0, "MM\x00\x2b", "a BigTIFF; save it as PNG or as a TIFF of less than 4 GB"},
	{0, "II\xbc\x01", "a JPEG XR picture; save it as JPEG or PNG"},
	{0, "IIU\x00", "a camera's raw photograph (Panasonic RW2); export it as JPEG"},
	{0, "IIRO", "a camera's raw photograph (Olympus ORF); export it as JPEG"},
	{0, "MMOR", "a camera's raw photograph (Olympus ORF); export it as JPEG"},
	{0, "FUJIFILMCCD-RAW", "a camera's raw photograph (Fujifilm RAF); export it as JPEG"},
	{0, "FOVb", "a camera's raw photograph (Sigma X3F); export it as JPEG"},
	{4, "ftypcrx ", "a camera's raw photograph (Canon CR3); export it as JPEG"},
	{4, "ftyp", "a video (MP4 or QuickTime), not a picture; send one frame of it as JPEG or PNG"},
	{4, "moov", "a video (QuickTime), not a picture; send one frame of it as JPEG or PNG"},
	{0, "\x1a\x45\xdf\xa3", "a video (WebM or Matroska), not a picture; send one frame of it as JPEG or PNG"},
	{8, "AVI ", "a video (AVI), not a picture; send one frame of it as JPEG or PNG"},
	{0, "\x00\x00\x01\xba", "a video (MPEG), not a picture; send one frame of it as JPEG or PNG"},
	{0, "8BPS", "a Photoshop document; export it as JPEG or PNG"},
	{0, "\x00\x00\x01\x00", "an icon (ICO); save it as PNG"},
	{0, "gimp xcf", "a GIMP document; export it as JPEG or PNG"},
	{0, "\x76\x2f\x31\x01", "an OpenEXR picture; save it as JPEG or PNG"},
	{0, "#?RADIANCE", "a Radiance HDR picture; save it as JPEG or PNG"},
	{0, "qoif", "a QOI picture; save it as PNG"},
	{0, "DICM", "a DICOM file; export its picture as PNG"},
	{128, "DICM", "a DICOM file; export its picture as PNG"},
	{0, "%!PS", "a PostScript document; export its page as JPEG or PNG"},
	{0, "PK\x03\x04", "a ZIP archive or an office document; send the picture itself"},
	{0, "\x1f\x8b", "a file compressed with gzip; send the picture itself"},
	{0, "{\\rtf", "an RTF document; send the picture itself"},
	{0, "age-encryption.org/v1\n", encrypted},
	{0, "-----BEGIN AGE ENCRYPTED FILE-----", encrypted},
	{0, "-----BEGIN PGP MESSAGE-----", encrypted},
	{0, "Salted__", encrypted}, // openssl enc
}

const encrypted = "an encrypted file, and there is no key for it here; send the picture itself, over TLS"

// unsupported returns an error that names the kind of a file that no decoder reads, and says what to do.
func unsupported(data []byte) string {
	for _, s := range signatures {
		if len(data) >= s.offset && bytes.HasPrefix(data[s.offset:], []byte(s.magic)) {
			return "this is " + s.name
		}
	}
	head := bytes.TrimPrefix(data[:min(len(data), 1024)], []byte("\xef\xbb\xbf"))
	text := strings.ToLower(string(bytes.TrimSpace(head)))
	switch {
	case strings.HasPrefix(text, "<svg"), strings.HasPrefix(text, "<?xml") && strings.Contains(text, "<svg"):
		return "this is an SVG drawing; export it as PNG"
	case strings.HasPrefix(text, "<!doctype html"), strings.HasPrefix(text, "<html"):
		return "this is a web page, not a picture; send the picture that it shows"
	case strings.HasPrefix(text, "data:image/"):
		return "this is a data URL; decode its base64 part and send the bytes"
	case len(data) >= 3 && data[0] == 'P' && '1' <= data[1] && data[1] <= '7' && strings.ContainsRune(" \t\r\n#", rune(data[2])):
		return "this is a PNM picture (PBM, PGM, PPM or PAM); save it as PNG"
	}
	return "the content is not a picture in one of the formats that are read: " + formats
}

// formats lists what Decode reads, for people.
const formats = "JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF"
