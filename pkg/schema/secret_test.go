package schema

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// A secret prints as *** wherever it stands, and prints nothing where it is not set.
func TestSecret(t *testing.T) {
	settings := struct {
		Password Secret
		Empty    Secret
		List     []Secret
		Map      map[string]Secret
	}{planted, "", []Secret{planted}, map[string]Secret{"k": planted}}
	outputs := map[string]string{"Sprint": fmt.Sprint(settings, settings.Password), "error": fmt.Errorf("the password %w", fmt.Errorf("%v", settings.Password)).Error()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
		outputs[verb] = fmt.Sprintf(verb, settings)
	}
	data, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	outputs["JSON"] = string(data)
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("connecting", "password", settings.Password, "settings", settings)
	outputs["slog"] = log.String()
	for how, out := range outputs {
		if leaks(out) || !strings.Contains(out, "***") {
			t.Errorf("%s: %s", how, out)
		}
	}
	if got := fmt.Sprintf("%v%s%+v%#v", Secret(""), Secret(""), Secret(""), Secret("")); got != "" {
		t.Errorf("a secret that is not set prints %q", got)
	}
	if string(settings.Password) != planted {
		t.Error("a conversion to string must give the value")
	}
}
