package objects

import (
	"encoding/xml"
	"net/url"
	"testing"
	"unicode/utf8"
)

// FuzzRepair holds that any key in a listing leaves it readable: as XML, and, where the store says that it encodes names,
// as an encoded name.
func FuzzRepair(f *testing.F) {
	for _, seed := range []string{"a.jpg", "100%", "%%%", "a%2Bb", "\xff", "\x01", "&#x1;", "&#99999999999;", "&amp;", "%4\xff1", "\ufffe"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, key string, encodes bool) {
		const open, end = "<R><Key>", "</Key></R>"
		head := ""
		if encodes {
			head = "<!-- --><EncodingType>url</EncodingType>"
		}
		var plain struct{ Key string }
		if xml.Unmarshal([]byte(open+key+end), &plain) == nil && !encodes && utf8.ValidString(key) {
			if got := string(repair([]byte(open + key + end))); got != open+key+end {
				t.Errorf("%q was changed to %q", key, got)
			}
		}
		repaired := repair([]byte(head + open + key + end))
		if !utf8.Valid(repaired) {
			t.Errorf("%q is not UTF-8", repaired)
		}
		var page struct{ Key string }
		if err := xml.Unmarshal(repaired[len(head):], &page); err != nil {
			return // the key broke the markup itself, which a store escapes
		}
		if _, err := url.QueryUnescape(page.Key); encodes && err != nil {
			t.Errorf("%q was repaired to %q: %v", key, page.Key, err)
		}
	})
}
