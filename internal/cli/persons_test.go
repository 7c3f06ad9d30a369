package cli

import (
	"encoding/json"
	"strings"
	"testing"

	"facestream/packs"
	"facestream/pkg/schema"
)

// TestPersonsAndGroups edits people and groups by requests, reads them beside the indexer, and erases them.
func TestPersonsAndGroups(t *testing.T) {
	f := startFlow(t)
	f.start("ingest")
	f.start("worker", packs.Starter)
	f.start("indexer")
	run := func(code int, args ...string) string {
		t.Helper()
		out, said, got := f.facestream(append(args, "--indexer-directory-driver", "sqlite", "--indexer-directory-dir", f.cfg.Indexer.Directory.Dir)...)
		if got != code {
			t.Fatalf("%v: exit %d, want %d: %s%s", args, got, code, out, said)
		}
		return out + said
	}
	contains := func(text string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(text, p) {
				t.Errorf("%q is missing in:\n%s", p, text)
			}
		}
	}
	run(0, "groups", "edit", "-c", "staff", "--id", "night-shift", "--create", "--name", "Night shift", "--metadata", `{"floor":3}`)
	contains(run(0, "groups", "list", "-c", "staff"), "night-shift", "Night shift", `{"floor":3}`)

	run(0, "persons", "edit", "-c", "staff", "--external-id", "alice", "--create", "--name", "Alice Ny", "--metadata", `{"desk":7}`, "--groups", "night-shift", "--ttl", "30d")
	run(0, "persons", "edit", "-c", "staff", "--external-id", "bob", "--create")
	contains(run(0, "persons", "list", "-c", "staff"), "alice", "Alice Ny", "night-shift", "bob", "never")
	for _, filter := range [][]string{{"--group", "night-shift"}, {"--metadata", `{"desk":7}`}} {
		if out := run(0, append([]string{"persons", "list", "-c", "staff"}, filter...)...); !strings.Contains(out, "alice") || strings.Contains(out, "bob") {
			t.Errorf("%v leaves:\n%s", filter, out)
		}
	}
	first := run(0, "persons", "list", "-c", "staff", "--limit", "1", "--json")
	var page schema.PersonList
	if err := json.Unmarshal([]byte(first), &page); err != nil || len(page.Persons) != 1 || page.Next == "" {
		t.Fatalf("%v: %s", err, first)
	}
	contains(run(0, "persons", "list", "-c", "staff", "--after", page.Next), map[schema.ExternalID]string{"alice": "bob", "bob": "alice"}[page.Persons[0].ExternalID])

	run(0, "persons", "edit", "-c", "staff", "--external-id", "alice", "--name", "Alice", "--groups", "", "--ttl", "0")
	var shown shownPerson
	if err := json.Unmarshal([]byte(run(0, "persons", "show", "-c", "staff", "--external-id", "alice", "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.Name != "Alice" || len(shown.Groups) != 0 || shown.Expires != nil || string(shown.Metadata.Compact()) != `{"desk":7}` || shown.Enrolled == nil {
		t.Errorf("after the edit: %+v", shown)
	}
	contains(run(0, "persons", "show", "-c", "staff", "--puid", string(shown.PUID)), "alice", "none declared", "ENROLLED")

	contains(run(exitUsage, "persons", "erase", "-c", "staff", "--external-id", "alice"), "--yes")
	run(0, "persons", "erase", "-c", "staff", "--external-id", "alice", "--yes")
	contains(run(exitNo, "persons", "show", "-c", "staff", "--external-id", "alice"), "nobody")
	contains(run(exitUsage, "groups", "erase", "-c", "staff", "--id", "night-shift"), "--yes")
	run(0, "groups", "erase", "-c", "staff", "--id", "night-shift", "--yes")
	if out := run(0, "groups", "list", "-c", "staff"); strings.Contains(out, "night-shift") {
		t.Errorf("the group is left:\n%s", out)
	}

	// What is wrong is said before anything is sent.
	contains(run(exitUsage, "persons", "list", "-c", "staff", "--limit", "101"), "--limit")
	contains(run(exitUsage, "persons", "edit", "-c", "staff", "--external-id", "bob", "--metadata", "[]"), "--metadata")
	contains(run(exitUsage, "persons", "edit", "-c", "staff", "--external-id", "bob", "--name", "\x1b[2J"), "--name")
	contains(run(exitUsage, "persons", "edit", "-c", "staff", "--external-id", "bob", "--ttl", "soon"), "--ttl")
	contains(run(exitOutcome, "persons", "edit", "-c", "staff", "--external-id", "nobody", "--name", "x"), string(schema.ReasonUnknownPUID))
	out, said, code := f.facestream("persons", "list", "--indexer-directory-driver", "off")
	if code == 0 || !strings.Contains(said, "no directory") {
		t.Errorf("without a directory: exit %d, %s%s", code, out, said)
	}
}
