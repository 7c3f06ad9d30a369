package schema

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

const (
	zoeNFC = "Zo\u00eb"
	zoeNFD = "Zoe\u0308"
)

// TestNewNames checks which new names an enrolment may use.
func TestNewNames(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"alice", ""},
		{"staff number 7", ""},
		{zoeNFC, ""},
		{zoeNFD, ""},
		{"山田太郎", ""},
		{"علی\u200cرضا", ""}, // Persian spells this name with a zero-width non-joiner
		{"👩\u200d🚀", ""},
		{"Zo\xeb", "UTF-8"},
		{"Zo\ufffd", "U+FFFD"},
		{"a\x00b", "U+0000"},
		{"a\tb", "U+0009"},
		{"a\u0085b", "U+0085"},
		{"a\u2028b", "U+2028"},
		{"al\u200bice", "U+200B"},
		{"al\u200dice", "U+200D"},
		{"\ufeffalice", "U+FEFF"},
		{"al\u00adice", "U+00AD"},
		{"alice\u202etxt", "U+202E"},
		{"\u2066alice", "U+2066"},
		{"alice\u3164", "U+3164"},
		{" alice", "space"},
		{"alice ", "space"},
		{"alice\u00a0", "space"},
		{"alice\u3000", "space"},
	} {
		r := Request{ID: "r", Operation: OpEnroll, ExternalID: ExternalID(tt.name), Images: []ObjectRef{{Bucket: "b", Key: "k"}}}
		got := r.Normalize().Error()
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%+q: %q, want %q", tt.name, got, tt.want)
		}
		if len(tt.name) > 3 && strings.Contains(got, tt.name) {
			t.Errorf("%q repeats the name", got)
		}
	}
}

// TestNamesGrowWhenTheyAreNormalised: what is stored must fit, also where its normal form is longer than what was sent.
func TestNamesGrowWhenTheyAreNormalised(t *testing.T) {
	r := Request{ID: "r", Operation: OpEnroll, ExternalID: ExternalID(strings.Repeat("\u0958", 80)), Images: []ObjectRef{{Bucket: "b", Key: "k"}}}
	if got, want := r.Normalize().Error(), "external_id: has 480 bytes; at most 256 are allowed"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestStoredNamesStayReachable: a person enrolled under a name that is no longer allowed can still be found and erased by it.
func TestStoredNamesStayReachable(t *testing.T) {
	for _, name := range []ExternalID{" alice", "Zo\ufffd", "a\tb", "al\u200bice"} {
		for _, r := range []Request{
			{ID: "r", Operation: OpUserDelete, ExternalID: name},
			{ID: "r", Operation: OpVerify, ExternalID: name, Images: []ObjectRef{{Bucket: "b", Key: "k"}}},
		} {
			if problems := r.Normalize(); problems != nil {
				t.Errorf("%s of %+q: %v", r.Operation, string(name), problems)
			}
			if r.Persons()[0] != derivePUID(r.Collection, name) {
				t.Errorf("%s of %+q names somebody else", r.Operation, string(name))
			}
		}
	}
}

func TestOtherNamesOfARequest(t *testing.T) {
	for _, tt := range []struct {
		name string
		r    Request
		want string
	}{
		{"id", Request{ID: " r", Operation: OpUserDelete, PUID: "p"}, "id: begins or ends with a space; remove it"},
		{"id", Request{ID: "r\n", Operation: OpUserDelete, PUID: "p"}, "id: contains the control character U+000A; remove it"},
		{"key", Request{ID: "r", Operation: OpValidate, Images: []ObjectRef{{Bucket: "b", Key: "\xff"}}}, "images[0].key: is not UTF-8"},
		{"tag", Request{ID: "r", Operation: OpUserDelete, PUID: "p", Tag: "\xff"}, "operation_tag: is not UTF-8"},
		{"puid", Request{ID: "r", Operation: OpUserDelete, PUID: "\xff"}, "puid: is not UTF-8"},
		{"external id", Request{ID: "r", Operation: OpUserDelete, ExternalID: "\xff"}, "external_id: is not UTF-8"},
		{"consent", Request{ID: "r", Operation: OpEnroll, Images: []ObjectRef{{Bucket: "b", Key: "k"}}, Consent: &Consent{Given: true, Reference: "a\x00"}},
			"consent.reference: contains the control character U+0000; remove it"},
		{"collection", Request{ID: "r", Operation: OpUserDelete, PUID: "p", Collection: zoeNFC},
			"collection: must be 1-64 letters, digits, '_', '.' or '-', and begin with a letter or digit"},
	} {
		if got := tt.r.Normalize().Error(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestCollectionNamesHaveOneRule: config.collection_name and the field collection allow the same names.
func TestCollectionNamesHaveOneRule(t *testing.T) {
	key := keyNamed("collection_name")
	for _, c := range []string{"a", "a.b-c_9", "-a", ".a", "a/b", "a b", "ä", strings.Repeat("a", 64), strings.Repeat("a", 65)} {
		_, problem := key.parse([]byte(`"` + c + `"`))
		if own := Collection(c).Validate(); (own == nil) != (problem == "") {
			t.Errorf("%q: %v as the field, %q as the key", c, own, problem)
		}
	}
}

// TestOnePersonForEverySpelling: composed and decomposed spellings are one person, and the puids of earlier versions
// are known.
func TestOnePersonForEverySpelling(t *testing.T) {
	person := func(external ExternalID) *Request { return &Request{ID: "r", Collection: "c", ExternalID: external} }
	if a, b := person(zoeNFC).Person(), person(zoeNFD).Person(); a != b {
		t.Errorf("two people: %s and %s", string(a), string(b))
	}
	composed, decomposed := derivePUID("c", zoeNFC), derivePUID("c", zoeNFD)
	for _, tt := range []struct {
		external ExternalID
		want     []PUID
	}{
		{zoeNFC, []PUID{composed, decomposed}},
		{zoeNFD, []PUID{decomposed, composed}},
		{"alice", []PUID{derivePUID("c", "alice")}},
		{"", []PUID{DerivePUID("c", "", "r")}},
	} {
		if got := person(tt.external).Persons(); !slices.Equal(got, tt.want) {
			t.Errorf("%+q: other puids than those that were stored", string(tt.external))
		}
	}
	named := Request{ID: "r", Collection: "c", ExternalID: zoeNFD, PUID: "p"}
	if got := named.Persons(); !slices.Equal(got, []PUID{"p"}) {
		t.Error("a puid names one person, as it is")
	}
}

// TestEventsKeepTheirCharacters: characters that JSON cannot carry are refused by field; no name is read as another
// one.
func TestEventsKeepTheirCharacters(t *testing.T) {
	for _, tt := range []struct{ data, want string }{
		{`{"id":"r","external_id":"Zo\u00eb"}`, ""},
		{`{"id":"r","external_id":"\ud83d\ude42"}`, ""},
		{`{"id":"r","external_id":"\\ud800"}`, ""},
		{`{"id":"r","external_id":"Zo\ud800"}`, "external_id: "},
		{`{"id":"r","external_id":"Zo\udc00\ud800"}`, "external_id: "},
		{`{"id":"r","external_id":"Zo\uD83Dx"}`, "external_id: "},
		{`{"id":"r","external_id":"Zo\ud83d\u0041"}`, "external_id: "},
		{`{"id":"\udfff"}`, "id: "},
		{`{"id":"r","images":[{"bucket":"b","key":"k\ud800"}]}`, "images[0].key: "},
	} {
		r, problems := DecodeRequest([]byte(tt.data))
		if tt.want != "" {
			tt.want += halfACharacter
		}
		if diff := cmp.Diff(tt.want, problems.Error()); diff != "" {
			t.Errorf("%s: %s", tt.data, diff)
		}
		if strings.Contains(string(r.ExternalID)+string(r.ID), "\ufffd") {
			t.Errorf("%s was read as %+q", tt.data, string(r.ExternalID))
		}
	}
	if _, problems := ResolveConfig(OpEnroll, []byte(`{"identifier":"\ud800"}`)); problems.Error() != "config.identifier: "+halfACharacter {
		t.Error(problems)
	}
}

func TestETagsLoseTheirQuotes(t *testing.T) {
	for given, want := range map[string]string{"": "", "d41d": "d41d", `"d41d"`: "d41d", `W/"d41d"`: "d41d", "d41d-2": "d41d-2"} {
		images := []ObjectRef{{Bucket: "b", Key: "k", ETag: given}}
		r := Request{ID: "r", Operation: OpValidate, Images: images}
		if problems := r.Normalize(); problems != nil || r.Images[0].ETag != want {
			t.Errorf("%s became %s (%v)", given, r.Images[0].ETag, problems)
		}
		if images[0].ETag != given {
			t.Errorf("%s: Normalize changed what its caller holds", given)
		}
	}
}

// FuzzHalfCharacter holds that a JSON string is refused exactly where encoding/json would put U+FFFD into it.
func FuzzHalfCharacter(f *testing.F) {
	for _, seed := range []string{`"a"`, `"\ud800"`, `"\ud83d\ude42"`, `"\\ud800"`, `"\udc00\ud800\udc00"`, `"\ud800\u00e9"`, `"\uD83D\n"`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var s string
		if !utf8.Valid(raw) || len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil || strings.Contains(string(raw), "\ufffd") || strings.Contains(strings.ToLower(string(raw)), `\ufffd`) {
			return
		}
		if got, want := HalfCharacter(raw), strings.Contains(s, "\ufffd"); got != want {
			t.Errorf("%s: %v, but encoding/json reads %+q", raw, got, s)
		}
	})
}
