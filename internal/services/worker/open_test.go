package worker

import (
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"facestream/internal/config"
)

// A pack that cannot be loaded is an error that names it.
func TestPackThatCannotBeLoaded(t *testing.T) {
	dir := t.TempDir()
	if _, _, err := open(t.Context(), config.Worker{Models: []string{dir}}, zerolog.Nop()); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("%v; want an error that names %s", err, dir)
	}
}
