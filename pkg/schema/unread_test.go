package schema

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestUnread: what is said of a record that cannot be read has none of what the record says.
func TestUnread(t *testing.T) {
	for text, want := range map[string]string{
		`{"accepted_at":"SECRET"}`:                                            "does not fit its field",
		`{"accepted_at":"2026-01-01T00:00:00Z" SECRET`:                        "no JSON",
		`{"faces":[{"image":77777777777777777777777777777777}]}`:              "number",
		`{"answer":{"document":{"detected_document":{"mrz_data":"SECRET"}}}}`: "string",
		`{"probes":[{"vector":"SECRET!"}]}`:                                   "does not fit",
	} {
		var a Analysis
		err := json.Unmarshal([]byte(text), &a)
		if err == nil {
			t.Errorf("%s can be read", text)
			continue
		}
		if said := Unread(err).Error(); !strings.Contains(said, want) || strings.Contains(said, "SECRET") || strings.Contains(said, "777") {
			t.Errorf("%s: %q", text, said)
		}
	}
	if Unread(nil) == nil {
		t.Error("a record without an id is sound")
	}
}
