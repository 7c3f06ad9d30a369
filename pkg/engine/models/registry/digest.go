package registry

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"strings"
)

// digest is what a registry says about the bytes of an archive. The zero digest says nothing and holds for everything: the
// file that is taken from the archive has a sha256 of its own.
type digest struct {
	algorithm string // "sha256", …
	sum       []byte
}

var algorithms = map[string]func() hash.Hash{"sha512": sha512.New, "sha384": sha512.New384, "sha256": sha256.New, "sha1": sha1.New}

// hexDigest is the digest of that algorithm, or the zero digest.
func hexDigest(algorithm, text string) digest {
	sum, err := hex.DecodeString(text)
	if err != nil || len(sum) == 0 || algorithms[algorithm] == nil {
		return digest{}
	}
	return digest{algorithm, sum}
}

// integrity is the strongest digest of a subresource integrity string, "sha512-BASE64 sha1-BASE64", or the zero digest.
func integrity(text string) digest {
	for _, algorithm := range []string{"sha512", "sha384", "sha256", "sha1"} {
		for one := range strings.FieldsSeq(text) {
			encoded, ok := strings.CutPrefix(one, algorithm+"-")
			encoded, _, _ = strings.Cut(encoded, "?")
			if sum, err := base64.StdEncoding.DecodeString(encoded); ok && err == nil {
				return digest{algorithm, sum}
			}
		}
	}
	return digest{}
}

// checker compares what is written to it with a digest.
type checker struct {
	hash hash.Hash // nil where nothing is promised
	want []byte
}

func (d digest) check() *checker {
	c := &checker{want: d.sum}
	if d.sum != nil {
		c.hash = algorithms[d.algorithm]()
	}
	return c
}

func (c *checker) Write(p []byte) (int, error) {
	if c.hash != nil {
		c.hash.Write(p)
	}
	return len(p), nil
}

func (c *checker) right() bool { return c.hash == nil || bytes.Equal(c.hash.Sum(nil), c.want) }
