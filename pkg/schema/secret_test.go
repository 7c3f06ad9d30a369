package schema_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"facestream/pkg/schema"
)

// A secret prints as *** wherever it stands, and prints nothing where it is not set.
func TestSecret(t *testing.T) {
	const planted = "planted"
	settings := struct {
		Password schema.Secret
		Empty    schema.Secret
		List     []schema.Secret
		Map      map[string]schema.Secret
	}{planted, "", []schema.Secret{planted}, map[string]schema.Secret{"k": planted}}
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
		if strings.Contains(out, planted) || strings.Contains(out, fmt.Sprintf("%x", planted)) || !strings.Contains(out, "***") {
			t.Errorf("%s: %s", how, out)
		}
	}
	if got := fmt.Sprintf("%v%s%+v%#v", schema.Secret(""), schema.Secret(""), schema.Secret(""), schema.Secret("")); got != "" {
		t.Errorf("a secret that is not set prints %q", got)
	}
	if string(settings.Password) != planted {
		t.Error("a conversion to string must give the value")
	}
}
