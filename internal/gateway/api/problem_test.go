package api

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"facestream/pkg/schema"
)

// docs/http-api.md has every cause with its status, and no reason of a result has the name of a cause.
func TestCausesAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../../docs/http-api.md")
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range Causes() {
		if row := fmt.Sprintf("| `%s` | %d | %s |\n", c.Cause, c.Status, c.Meaning); !strings.Contains(string(page), row) {
			t.Errorf("docs/http-api.md lacks %s", row)
		}
		names[string(c.Cause)] = true
	}
	for _, r := range schema.Reasons() {
		status := StatusOf(Cause(r.Reason))
		if names[string(r.Reason)] || (r.Code == schema.CodeNoError) != (status == 200) {
			t.Errorf("%s is %d", r.Reason, status)
		}
	}
}
