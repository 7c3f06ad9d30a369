package auth

import (
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"facestream/pkg/schema"
)

const (
	refreshAfter = 10 * time.Minute // a set that came from an address is read again
	refreshLeast = 10 * time.Second // and not more often, whatever tokens say
	maxKeySet    = 1 << 20          // bytes
)

// Keys is a JSON Web Key Set in a file, which is read once, or at an https address, which is read again from time to time. It is
// safe for concurrent use.
type Keys struct {
	source string
	client *http.Client

	mu   sync.Mutex // held while the set is fetched: others wait for it
	set  jose.JSONWebKeySet
	read time.Time // when it was tried last
	err  error     // of that
}

// OpenKeys reads a set from a file. One at an address is read when a token needs it.
func OpenKeys(source string) (*Keys, error) {
	k := &Keys{source: source, client: &http.Client{Timeout: 5 * time.Second}}
	if k.remote() {
		if !strings.HasPrefix(source, "https://") && !strings.HasPrefix(source, "http://127.0.0.1:") && !strings.HasPrefix(source, "http://localhost:") {
			return nil, errors.New("the keys would come unencrypted from another machine: whoever is on the way could let anybody in; use https")
		}
		return k, nil
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return nil, err
	}
	k.set, err = parseSet(data)
	return k, err
}

func (k *Keys) remote() bool { return strings.Contains(k.source, "://") }

// parseSet keeps the public keys that can check a signature that is taken here. A set without one is an error.
func parseSet(data []byte) (set jose.JSONWebKeySet, err error) {
	var raw struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(data, &raw); err != nil {
		return set, errors.New("it is not a JSON Web Key Set")
	}
	for _, one := range raw.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(one) != nil || !key.Valid() || key.Use != "" && key.Use != "sig" {
			continue // others may have kinds of keys that are not known here
		}
		if key = key.Public(); fits(&key, string(jose.RS256)) || fits(&key, string(jose.EdDSA)) {
			set.Keys = append(set.Keys, key)
		}
	}
	if len(set.Keys) == 0 {
		return set, errors.New("it has no key for RS256 or EdDSA")
	}
	return set, nil
}

// leastRSA is the least size of an RSA key, in bits.
const leastRSA = 2048

// fits reports whether key can check a signature by algorithm.
func fits(key *jose.JSONWebKey, algorithm string) bool {
	if key.Algorithm != "" && key.Algorithm != algorithm {
		return false
	}
	switch k := key.Key.(type) {
	case *rsa.PublicKey:
		return algorithm == string(jose.RS256) && k.N.BitLen() >= leastRSA
	case ed25519.PublicKey:
		return algorithm == string(jose.EdDSA)
	}
	return false
}

// find returns the key of that id, or without an id the only one for algorithm; nil if there is none.
func (k *Keys) find(ctx context.Context, id, algorithm string) (*jose.JSONWebKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.remote() && time.Since(k.read) > refreshAfter {
		k.fetch(ctx)
	}
	found := k.look(id, algorithm)
	if found == nil && k.remote() && time.Since(k.read) > refreshLeast {
		k.fetch(ctx)
		found = k.look(id, algorithm)
	}
	if found == nil && len(k.set.Keys) == 0 && k.err != nil {
		return nil, schema.Transient("auth.keys", k.err)
	}
	return found, nil
}

func (k *Keys) look(id, algorithm string) *jose.JSONWebKey {
	var found *jose.JSONWebKey
	for i := range k.set.Keys {
		key := &k.set.Keys[i]
		switch {
		case !fits(key, algorithm) || id != "" && key.KeyID != id:
		case id == "" && found != nil:
			return nil // it is not said which
		default:
			found = key
		}
	}
	return found
}

// fetch reads the set anew. With an error, the one before stays.
func (k *Keys) fetch(ctx context.Context) {
	k.read = time.Now()
	k.err = func() error {
		req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, k.source, nil)
		if err != nil {
			return err
		}
		res, err := k.client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		data, err := io.ReadAll(io.LimitReader(res.Body, maxKeySet))
		if err != nil {
			return err
		}
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("the address of the keys answers %s", res.Status)
		}
		set, err := parseSet(data)
		if err == nil {
			k.set = set
		}
		return err
	}()
}

// NewSigningKey returns a new private key that signs tokens.
func NewSigningKey() (*jose.JSONWebKey, error) {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key := &jose.JSONWebKey{Key: private, Algorithm: string(jose.EdDSA), Use: "sig"}
	thumb, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, err
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return key, nil
}

// ReadSigningKey reads the private key in a file.
func ReadSigningKey(file string) (*jose.JSONWebKey, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(data, &key); err != nil {
		return nil, fmt.Errorf("%s is not a JSON Web Key", file)
	}
	if _, ok := key.Key.(ed25519.PrivateKey); !ok {
		return nil, fmt.Errorf("%s is not a private Ed25519 key", file)
	}
	return &key, nil
}

// EnsureSigningKey reads the private key in a file, which it makes, for its owner alone, where there is none.
func EnsureSigningKey(file string) (*jose.JSONWebKey, error) {
	key, err := ReadSigningKey(file)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = NewSigningKey(); err != nil {
		return nil, err
	}
	data, err := json.Marshal(key)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".key-*") // for its owner alone
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(data, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), file); errors.Is(err, fs.ErrExist) { // somebody was faster
		return ReadSigningKey(file)
	} else if err != nil {
		return nil, err
	}
	return key, nil
}
