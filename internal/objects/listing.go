package objects

import (
	"bytes"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// repairing makes listings readable that a single name spoils. A store lets almost any bytes into a key, XML does not let
// them into a listing, and not every store encodes them although the client asks for it (encoding-type=url). Without the
// repair the whole page is an error, and with it the listing, for ever.
type repairing struct{ next http.RoundTripper }

// lost stands in a listed key for what cannot be read. It is a character that no text has (a noncharacter of Unicode).
const lost = '\ufdd0'

// maxListing is more than a page of 1000 entries with the longest keys has.
const maxListing = 64 << 20

// RoundTrip implements http.RoundTripper.
func (r repairing) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := r.next.RoundTrip(request)
	query := request.URL.Query()
	if err != nil || response.StatusCode != http.StatusOK || request.Method != http.MethodGet || !query.Has("list-type") && !query.Has("versions") {
		return response, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxListing))
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	body = resumable(repair(body), query.Get("key-marker"))
	response.Body, response.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	response.Header.Del("Content-Length")
	return response, nil
}

var (
	reference   = regexp.MustCompile(`&#(x[0-9A-Fa-f]+|[0-9]+);`)
	urlEncoded  = regexp.MustCompile(`<EncodingType>\s*url\s*</EncodingType>`)
	encodedName = regexp.MustCompile(`<(Key|Prefix|NextMarker|NextKeyMarker)>[^<]*%[^<]*</`)
	strayEscape = regexp.MustCompile(`%([^0-9A-Fa-f]|[0-9A-Fa-f][^0-9A-Fa-f])`)
)

// repair returns the XML of a listing with lost in the place of every character that XML does not allow, and with the
// percent signs escaped that a store, which says that it encodes names, left as they are.
func repair(listing []byte) []byte {
	var out []byte
	for rest := listing; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		if r == utf8.RuneError && n == 1 || !allowed(r) {
			out = utf8.AppendRune(out, lost)
		} else {
			out = append(out, rest[:n]...)
		}
		rest = rest[n:]
	}
	out = reference.ReplaceAllFunc(out, func(ref []byte) []byte {
		digits, base := string(ref[2:len(ref)-1]), 10
		if hex, ok := strings.CutPrefix(digits, "x"); ok {
			digits, base = hex, 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n <= utf8.MaxRune && allowed(rune(n)) {
			return ref
		}
		return []byte(string(lost))
	})
	if !urlEncoded.Match(out) {
		return out
	}
	return encodedName.ReplaceAllFunc(out, func(name []byte) []byte {
		for strayEscape.Match(name) {
			name = strayEscape.ReplaceAll(name, []byte("%25$1"))
		}
		return name
	})
}

var (
	nextKey     = regexp.MustCompile(`<NextKeyMarker>([^<]*)</NextKeyMarker>`)
	nextVersion = regexp.MustCompile(`<NextVersionIdMarker>[^<]*</NextVersionIdMarker>`)
)

// resumable returns the listing of the page after the key marker with a marker of the next page that the store can
// resume at, where it ends with a key that cannot be read. What comes before the lost character is such a marker: some
// entries are listed twice then, and none is missed. Where that would list the same page again, the marker stays as it is,
// behind the key, so that every listing ends.
func resumable(listing []byte, marker string) []byte {
	found := nextKey.FindSubmatch(listing)
	if found == nil {
		return listing
	}
	readable, _, damaged := strings.Cut(html.UnescapeString(string(found[1])), string(lost))
	if !damaged || readable <= marker {
		return listing
	}
	listing = nextKey.ReplaceAllLiteral(listing, []byte("<NextKeyMarker>"+html.EscapeString(readable)+"</NextKeyMarker>"))
	return nextVersion.ReplaceAllLiteral(listing, []byte("<NextVersionIdMarker>null</NextVersionIdMarker>"))
}

// allowed reports whether XML 1.0 allows r.
func allowed(r rune) bool {
	return r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xd7ff || r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= 0x10ffff
}
