package auth

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"facestream/pkg/schema"
)

// signed is a token with these claims.
func signed(t *testing.T, algorithm jose.SignatureAlgorithm, key any, id string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", id))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// Only a token that a known key signed, in time, for this audience, by the issuer, with a subject and an end, lets somebody in.
func TestTokens(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	own, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: &rsaKey.PublicKey, KeyID: "r", Algorithm: "RS256"}, {Key: public, KeyID: "e"},
		{Key: &weak.PublicKey, KeyID: "w"}, {Key: []byte("a shared secret of 32 characters"), KeyID: "h"}, {Key: &rsaKey.PublicKey, KeyID: "enc", Use: "enc"}}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(file, set, 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(file)
	if err != nil {
		t.Fatal(err)
	}
	ours := own.Public()
	tokens := &Tokens{Keys: []*Keys{keys}, Own: &ours, Issuer: "https://issuer", Audience: "facestream"}
	der, err := x509.MarshalPKIXPublicKey(&rsaKey.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})

	now := time.Now().Unix()
	good := func(changes ...any) map[string]any {
		c := map[string]any{"iss": "https://issuer", "sub": "door", "aud": []string{"other", "facestream"}, "exp": now + 60, "operations": []string{"predict"}, "collections": []string{"staff-*"}}
		for i := 0; i+1 < len(changes); i += 2 {
			if c[changes[i].(string)] = changes[i+1]; changes[i+1] == nil {
				delete(c, changes[i].(string))
			}
		}
		return c
	}
	rs := func(c map[string]any) string { return signed(t, jose.RS256, rsaKey, "r", c) }
	minted, err := Mint(own, "facestream", Grant{Subject: "door", TTL: time.Minute, Caller: Caller{Operations: []string{"predict"}, Collections: []string{"staff-*"}}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	unsigned := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","kid":"r"}`)) + "."
	payload, err := json.Marshal(good())
	if err != nil {
		t.Fatal(err)
	}
	unsigned += base64.RawURLEncoding.EncodeToString(payload) + "."
	right := rs(good())
	parts := strings.Split(right, ".")
	for name, tt := range map[string]struct{ token, want string }{
		"RS256":                           {right, ""},
		"EdDSA":                           {signed(t, jose.EdDSA, private, "e", good()), ""},
		"our own":                         {minted, ""},
		"a clock that is behind":          {rs(good("exp", now-20)), ""},
		"no issuer's":                     {rs(good("iss", "https://other")), "another issuer"},
		"expired":                         {rs(good("exp", now-3600)), "expired"},
		"without an end":                  {rs(good("exp", nil)), "when it ends"},
		"not yet":                         {rs(good("nbf", now+3600)), "not come"},
		"another audience":                {rs(good("aud", "other")), "another audience"},
		"no audience":                     {rs(good("aud", nil)), "another audience"},
		"nobody":                          {rs(good("sub", nil)), "who it is for"},
		"alg none":                        {unsigned, "not a JSON Web Token"},
		"a stranger's key":                {signed(t, jose.EdDSA, stranger, "e", good()), "not signed by a key"},
		"an unknown key":                  {signed(t, jose.EdDSA, private, "z", good()), "not signed by a key"},
		"a key of the set that is shared": {signed(t, jose.HS256, []byte("a shared secret of 32 characters"), "h", good()), "not a JSON Web Token"},
		"the public key as a secret":      {signed(t, jose.HS256, publicPEM, "r", good()), "not a JSON Web Token"},
		"a weak key":                      {signed(t, jose.RS256, weak, "w", good()), "not signed by a key"},
		"a key for encryption":            {signed(t, jose.RS256, rsaKey, "enc", good()), "not signed by a key"},
		"another algorithm of the key":    {signed(t, jose.PS256, rsaKey, "r", good()), "not a JSON Web Token"},
		"our issuer by another's key":     {rs(good("iss", OwnIssuer)), "another issuer"},
		"another payload":                 {parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "predict", "enroll", 1))) + "." + parts[2], "not signed by a key"},
		"rubbish":                         {"a.b.c", "not a JSON Web Token"},
		"much":                            {strings.Repeat("a", 1<<20), "not a JSON Web Token"},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+tt.token)
		who, err := (&Guard{Tokens: tokens}).Caller(t.Context(), r)
		switch {
		case tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
			t.Errorf("%s: %+v, %v; want %q", name, who, err, tt.want)
		case tt.want == "" && (err != nil || !who.May("predict", "staff-1") || who.May("enroll", "staff-1") || who.May("predict", "guests")):
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
	shared, err := Mint(own, "facestream", Grant{Subject: "window", Account: "facestream door", TTL: time.Minute, Caller: Caller{Operations: []string{"predict"}}}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	for token, name := range map[string]string{shared: "facestream door", rs(good("account", "facestream door")): fmt.Sprint(good()["iss"], " ", good()["sub"])} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Authorization", "Bearer "+token)
		if who, err := (&Guard{Tokens: tokens}).Caller(t.Context(), r); err != nil || who.Name != name {
			t.Errorf("%+v, %v; want the account %q, which only our own tokens name", who, err, name)
		}
	}
}

// Keys at an address are fetched when they are needed, again when a token names a new one, and not as often as somebody likes.
func TestKeysAtAnAddress(t *testing.T) {
	var fetched atomic.Int32
	var answer atomic.Value
	answer.Store(`{"keys":[]}`)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched.Add(1)
		_, _ = w.Write([]byte(answer.Load().(string)))
	}))
	defer server.Close()
	keys, err := OpenKeys(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if k, err := keys.find(t.Context(), "a", "EdDSA"); k != nil || schema.ClassOf(err) != schema.ClassTransient {
		t.Errorf("%v, %v; want a transient error: no key is known", k, err)
	}
	key, err := NewSigningKey()
	if err != nil {
		t.Fatal(err)
	}
	set, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{key.Public()}})
	if err != nil {
		t.Fatal(err)
	}
	answer.Store(string(set))
	for range 100 {
		if _, err := keys.find(t.Context(), key.KeyID, "EdDSA"); err == nil {
			t.Error("the address is asked more often than every ten seconds")
		}
	}
	keys.read = keys.read.Add(-time.Hour)
	for range 100 {
		if k, err := keys.find(t.Context(), key.KeyID, "EdDSA"); k == nil || err != nil {
			t.Fatalf("%v, %v", k, err)
		}
		if k, err := keys.find(t.Context(), "unknown", "EdDSA"); k != nil || err != nil {
			t.Fatalf("%v, %v", k, err)
		}
	}
	if n := fetched.Load(); n != 2 {
		t.Errorf("fetched %d times, want 2", n)
	}
	// When the address fails, what is known stays.
	answer.Store("gone")
	keys.read = keys.read.Add(-time.Hour)
	if k, err := keys.find(t.Context(), key.KeyID, "EdDSA"); k == nil || err != nil {
		t.Errorf("%v, %v", k, err)
	}
	if _, err := OpenKeys("http://issuer.example.org/jwks"); err == nil {
		t.Error("keys are taken over an unencrypted connection")
	}
}

func TestPatterns(t *testing.T) {
	for _, tt := range []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "a/b", true}, {"staff", "staff", true}, {"staff", "staff2", false}, {"staff-*", "staff-", true}, {"staff-*", "staff", false},
		{"*-x", "a-x", true}, {"*-x", "-xa", false}, {"a*b*c", "abc", true}, {"a*b*c", "aXbYc", true}, {"a*b*c", "acb", false}, {"a*a", "a", false},
		{"", "", true}, {"", "a", false}, {"a*bc*c", "abc", false}, {"[a]", "a", false}, {"?", "a", false},
	} {
		if got := match(tt.pattern, tt.name); got != tt.want {
			t.Errorf("%q matches %q: %v", tt.pattern, tt.name, got)
		}
	}
}

func TestCallerIsOne(t *testing.T) {
	guard := &Guard{}
	for name, headers := range map[string][]string{
		"none": {}, "two tokens": {"Authorization", "Bearer a", "Authorization", "Bearer b"}, "two keys": {"X-API-Key", "a", "X-API-Key", "b"},
		"another scheme": {"Authorization", "Basic YTpi"}, "no token": {"Authorization", "Bearer "}, "an unknown key": {"X-API-Key", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Add(headers[i], headers[i+1])
		}
		if who, err := guard.Caller(t.Context(), r); err == nil || errors.Is(err, ErrNoToken) {
			t.Errorf("%s: %+v, %v", name, who, err)
		}
	}
}
