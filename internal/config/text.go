package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// Secret is a value that prints as ***. Convert it to string only to hand it to the client that needs it.
type Secret string

const hidden = "***"

// String hides the value.
func (Secret) String() string { return hidden }

// GoString hides the value from %#v.
func (Secret) GoString() string { return hidden }

// Format hides the value from every verb of fmt.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// MarshalText hides the value from JSON, YAML and whatever else asks for text.
func (Secret) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// Bytes is a number of bytes, written like 20MB (10⁶) or 20MiB (2²⁰).
type Bytes int64

// String writes b with a decimal unit, for instance "20 MB".
func (b Bytes) String() string { return humanize.Bytes(uint64(max(b, 0))) }

func parseBytes(s string) (Bytes, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n > 1<<62 {
		return 0, fmt.Errorf("%q is not a size; write it like 20MB or 512KiB", s)
	}
	return Bytes(n), nil
}

var days = regexp.MustCompile(`^(\d+)d`)

// parseDuration is time.ParseDuration with days in front: "7d", "1d12h". A day is 24 hours.
func parseDuration(s string) (time.Duration, error) {
	fail := fmt.Errorf("%q is not a duration; write it like 500ms, 10s, 6h or 7d", s)
	var sum time.Duration
	rest := s
	if m := days.FindStringSubmatch(s); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil || n > 36500 {
			return 0, fail
		}
		sum, rest = time.Duration(n)*24*time.Hour, s[len(m[0]):]
		if rest == "" {
			return sum, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil {
		return 0, fail
	}
	return sum + d, nil
}

func parseInt(s string) (int64, error) {
	n, err := strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number", s)
	}
	return n, nil
}

func parseBool(s string) (bool, error) {
	switch strings.ToLower(s) {
	case "true", "1", "yes", "on":
		return true, nil
	case "false", "0", "no", "off":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither true nor false", s)
}
