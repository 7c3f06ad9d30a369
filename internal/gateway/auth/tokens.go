package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"facestream/pkg/schema"
)

// algorithms are the signatures that are taken. Above all, none is not among them.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.EdDSA}

// leeway is by how much clocks may differ.
const leeway = 30 * time.Second

// maxToken is the longest token that is looked at, in bytes.
const maxToken = 8 << 10

// Tokens checks JSON Web Tokens (RFC 7519).
type Tokens struct {
	Keys     []*Keys          // of those who may sign
	Own      *jose.JSONWebKey // that of `facestream token`; nil: none
	Issuer   string           // that of tokens by Keys; "": any
	Audience string
}

// OwnIssuer is the issuer of tokens that facestream mints.
const OwnIssuer = "facestream"

// grants are the private claims of a token.
type grants struct {
	Operations  []string `json:"operations,omitempty"`
	Collections []string `json:"collections,omitempty"`
	Objects     []string `json:"objects,omitempty"`
	Operator    bool     `json:"operator,omitempty"`
	Account     string   `json:"account,omitempty"` // only of facestream's own tokens
}

// The reasons for which a token is not taken.
var (
	errForm      = errors.New("the token is not a JSON Web Token that is signed with RS256 or EdDSA")
	errSignature = errors.New("the token is not signed by a key that is known here")
	errSubject   = errors.New("the token does not say who it is for (sub)")
	errExpiry    = errors.New("the token does not say when it ends (exp)")
)

// Caller returns who the token is for. An error says why it is not taken; it is transient where the keys cannot be fetched now.
func (t *Tokens) Caller(ctx context.Context, token string) (*Caller, error) {
	if len(token) > maxToken {
		return nil, errForm
	}
	parsed, err := jwt.ParseSigned(token, algorithms)
	if err != nil || len(parsed.Headers) != 1 {
		return nil, errForm
	}
	key, own, err := t.key(ctx, parsed.Headers[0])
	if err != nil {
		return nil, err
	}
	var claims jwt.Claims
	var g grants
	if err := parsed.Claims(key, &claims, &g); err != nil {
		return nil, errSignature
	}
	expected := jwt.Expected{AnyAudience: jwt.Audience{t.Audience}, Time: time.Now()}
	if own {
		expected.Issuer = OwnIssuer
	} else {
		expected.Issuer = t.Issuer
	}
	switch err := claims.ValidateWithLeeway(expected, leeway); {
	case err != nil:
		return nil, fmt.Errorf("the token is not valid: %w", problemOf(err))
	case claims.Subject == "":
		return nil, errSubject
	case claims.Expiry == nil:
		return nil, errExpiry
	}
	name := claims.Issuer + " " + claims.Subject
	if own && g.Account != "" {
		name = g.Account
	}
	return &Caller{Name: name, Operations: g.Operations, Collections: g.Collections, Objects: g.Objects, Operator: g.Operator,
		Until: claims.Expiry.Time()}, nil
}

// problemOf says a problem of claims without the names of the library.
func problemOf(err error) error {
	for known, text := range map[error]string{
		jwt.ErrExpired:           "it has expired (exp)",
		jwt.ErrNotValidYet:       "its time has not come (nbf)",
		jwt.ErrIssuedInTheFuture: "it was issued in the future (iat)",
		jwt.ErrInvalidAudience:   "it is for another audience (aud)",
		jwt.ErrInvalidIssuer:     "it has another issuer (iss)",
	} {
		if errors.Is(err, known) {
			return errors.New(text)
		}
	}
	return errors.New("a claim is not as expected")
}

// key returns the key that a token says it is signed with. An algorithm that is not of the key's kind is refused: else a public RSA
// key could serve as the key of another scheme.
func (t *Tokens) key(ctx context.Context, h jose.Header) (key *jose.JSONWebKey, own bool, err error) {
	if t.Own != nil && (h.KeyID == t.Own.KeyID || h.KeyID == "") && fits(t.Own, h.Algorithm) {
		return t.Own, true, nil
	}
	for _, keys := range t.Keys {
		k, err := keys.find(ctx, h.KeyID, h.Algorithm)
		if err != nil || k != nil {
			return k, false, err
		}
	}
	return nil, false, errSignature
}

// Grant is what a minted token allows.
type Grant struct {
	Subject string // who it is for
	Account string // the name of the caller whose limits it shares; "": it has its own
	Caller         // Name and Until are not used
	TTL     time.Duration
}

// Mint signs a token for audience with a private key. Operations and patterns are checked.
func Mint(key *jose.JSONWebKey, audience string, g Grant, now time.Time) (string, error) {
	switch {
	case g.Subject == "":
		return "", errors.New("the token needs a subject: who it is for")
	case g.TTL <= 0:
		return "", errors.New("the token needs a time to live")
	case len(g.Operations) == 0 && !g.Operator:
		return "", errors.New("the token allows no operation")
	}
	for _, p := range g.Operations {
		if !slices.ContainsFunc(schema.Operations(), func(o schema.Operation) bool { return matches([]string{p}, string(o)) }) {
			return "", fmt.Errorf("%q is no operation", p)
		}
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: key}, (&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", err
	}
	claims := jwt.Claims{Issuer: OwnIssuer, Subject: g.Subject, Audience: jwt.Audience{audience},
		IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), Expiry: jwt.NewNumericDate(now.Add(g.TTL))}
	return jwt.Signed(signer).Claims(claims).Claims(grants{g.Operations, g.Collections, g.Objects, g.Operator, g.Account}).Serialize()
}
