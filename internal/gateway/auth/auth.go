// Package auth tells who calls the gateway and what they may do. A caller shows a signed token or a fixed key. Both carry grants:
// operations and collections as patterns. Nobody is let in without.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"time"

	"facestream/pkg/schema"
)

// Caller is who calls, and what they may do. In a pattern, * stands for any characters.
type Caller struct {
	// Name tells callers apart: the issuer and subject of a token, or the name of a key. Limits and repeats are counted by it.
	Name        string
	Operations  []string  // patterns
	Collections []string  // patterns
	Objects     []string  // patterns of bucket/key; * stands for any characters but a slash
	Operator    bool      // may see and replay dead letters
	Until       time.Time // when the token ends; zero: never
}

// May reports whether the caller may ask for op about collection c, "" for none.
func (c *Caller) May(op schema.Operation, collection schema.Collection) bool {
	return matches(c.Operations, string(op)) && (collection == "" || matches(c.Collections, string(collection)))
}

// MaySome reports whether there is any collection about which the caller may ask for op.
func (c *Caller) MaySome(op schema.Operation) bool { return matches(c.Operations, string(op)) }

// MayRead reports whether the caller may name the object as an image.
func (c *Caller) MayRead(ref schema.ObjectRef) bool {
	return matches(c.Objects, ref.Bucket+"/"+ref.Key)
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if match(p, name) {
			return true
		}
	}
	return false
}

// match reports whether name is as pattern says, in which * stands for any characters, slashes among them.
func match(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == name
	}
	last := len(parts) - 1
	rest, ok := strings.CutPrefix(name, parts[0])
	if !ok {
		return false
	}
	for _, part := range parts[1:last] {
		if _, rest, ok = strings.Cut(rest, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(rest, parts[last])
}

// Key is a caller with a fixed key.
type Key struct {
	SHA256 [sha256.Size]byte // of the key
	Caller
}

// Guard tells who sends a request. It is safe for concurrent use.
type Guard struct {
	Tokens *Tokens // nil: none are taken
	Keys   []Key
	// Mint signs a token for a caller who is let in already; nil where no key of facestream's own signs.
	Mint func(Grant) (string, error)
}

// The reasons for which nobody is let in. They say nothing that helps to guess.
var (
	ErrNone    = errors.New("say who you are: Authorization: Bearer with a token, or X-API-Key with a key")
	ErrTwice   = errors.New("show one token, or one key")
	ErrBadKey  = errors.New("this key is not known")
	ErrNoToken = errors.New("tokens are not taken here; use X-API-Key")
)

// Caller returns who sends r, or why that cannot be told. Beside a token a key does not count. A transient error says that the keys of the tokens cannot be fetched now.
func (g *Guard) Caller(ctx context.Context, r *http.Request) (*Caller, error) {
	bearer, keys := r.Header.Values("Authorization"), r.Header.Values("X-Api-Key")
	switch {
	case len(bearer)+len(keys) == 0:
		return nil, ErrNone
	case len(bearer) > 1 || len(keys) > 1:
		return nil, ErrTwice
	case len(bearer) == 0:
		return g.byKey(keys[0])
	}
	scheme, token, _ := strings.Cut(bearer[0], " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return nil, ErrNone
	}
	if g.Tokens == nil {
		return nil, ErrNoToken
	}
	return g.Tokens.Caller(ctx, strings.TrimSpace(token))
}

// byKey compares with every key, so that the time does not tell which is close.
func (g *Guard) byKey(key string) (*Caller, error) {
	sum := sha256.Sum256([]byte(key))
	var found *Caller
	for i := range g.Keys {
		if subtle.ConstantTimeCompare(sum[:], g.Keys[i].SHA256[:]) == 1 {
			found = &g.Keys[i].Caller
		}
	}
	if found == nil {
		return nil, ErrBadKey
	}
	return found, nil
}

// ParseSHA256 reads a sha256 in hex.
func ParseSHA256(text string) (sum [sha256.Size]byte, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(sum) {
		return sum, errors.New("is not 64 hexadecimal digits")
	}
	return [sha256.Size]byte(raw), nil
}
