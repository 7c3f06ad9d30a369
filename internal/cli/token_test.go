package cli

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"facestream/internal/config"
	"facestream/internal/gateway/auth"
	"facestream/internal/program"
	"facestream/internal/services/gateway"
)

// What the commands print lets its bearer in where the settings name it, to what it says and no further.
func TestTokens(t *testing.T) {
	data := t.TempDir()
	token, said, code := facestream(t, "token", "issue", "--data-dir", data, "--subject", "door", "--operations", "predict,verify", "--collections", "staff-*", "--ttl", "1d")
	if code != program.ExitOK {
		t.Fatalf("%d %s", code, said)
	}
	keys, said, code := facestream(t, "token", "keys", "--data-dir", data)
	if code != program.ExitOK || strings.Contains(keys, `"d"`) {
		t.Fatalf("%d %s %s", code, said, keys)
	}
	jwks := filepath.Join(data, "jwks.json")
	if err := os.WriteFile(jwks, []byte(keys), 0o644); err != nil {
		t.Fatal(err)
	}
	printed, said, code := facestream(t, "token", "key", "--data-dir", data, "--name", "kiosk", "--operations", "enroll", "--collections", "visitors")
	if code != program.ExitOK {
		t.Fatalf("%d %s", code, said)
	}
	key, entry, _ := strings.Cut(printed, "\n\n")
	file := filepath.Join(data, "f.yaml")
	if err := os.WriteFile(file, []byte(entry), 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, set := range map[string]func(*config.Auth){
		"the signing key": func(a *config.Auth) { a.SigningKey = filepath.Join(data, "gateway.key") },
		"the public key":  func(a *config.Auth) { a.JWKS = jwks },
	} {
		settings := cfg.Gateway.Auth
		set(&settings)
		guard, err := gateway.Guard(settings)
		if err != nil {
			t.Fatal(err)
		}
		who := caller(t, guard, "Authorization", "Bearer "+strings.TrimSpace(token))
		if !who.May("predict", "staff-1") || who.May("enroll", "staff-1") || who.May("predict", "guests") || who.Operator || who.Name != "facestream door" {
			t.Errorf("%s: %+v", name, who)
		}
		if who = caller(t, guard, "X-API-Key", key); !who.May("enroll", "visitors") || who.May("enroll", "staff") || who.Name != "key kiosk" {
			t.Errorf("%s: %+v", name, who)
		}
	}
	var document issued
	if token, said, code = facestream(t, "token", "issue", "--data-dir", data, "--subject", "ops", "--operator", "--ttl", "5m", "--json"); code != program.ExitOK || json.Unmarshal([]byte(token), &document) != nil || document.Subject != "ops" {
		t.Errorf("%d %s %s", code, said, token)
	}
	for _, wrong := range [][]string{{"--operations", "predict"}, {"--subject", "a"}, {"--subject", "a", "--operations", "juggle"}, {"--subject", "a", "--operations", "predict", "--ttl", "soon"},
		{"--subject", "a", "--operations", "predict", "--ttl", "0s"}} {
		if _, said, code := facestream(t, append([]string{"token", "issue", "--data-dir", data}, wrong...)...); code != program.ExitUsage {
			t.Errorf("%q: %d %s", wrong, code, said)
		}
	}
	if info, err := os.Stat(filepath.Join(data, "gateway.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key of the tokens: %v %v", info.Mode(), err)
	}
}

func caller(t *testing.T, guard *auth.Guard, header, value string) *auth.Caller {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(header, value)
	who, err := guard.Caller(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return who
}
