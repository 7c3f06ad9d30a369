package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Bytes is a number of bytes, written like 20MB (10⁶) or 20MiB (2²⁰).
type Bytes int64

// String writes b with a decimal unit and at most one decimal, for instance "20 MB".
func (b Bytes) String() string {
	size, unit := Bytes(1), "B"
	for _, u := range []string{"KB", "MB", "GB", "TB"} {
		if b < 1000*size {
			break
		}
		size, unit = 1000*size, u
	}
	return strconv.FormatFloat(math.Round(10*float64(b)/float64(size))/10, 'f', -1, 64) + " " + unit
}

var size = regexp.MustCompile(`(?i)^([0-9_]+(?:\.[0-9]+)?) ?(|[KMGT]i?)B?$`)

func parseBytes(s string) (Bytes, error) {
	m := size.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a size; write it like 20MB or 512KiB", s)
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(m[1], "_", ""), 64)
	step := 1000.0
	if len(m[2]) == 2 {
		step = 1024
	}
	if m[2] != "" {
		n *= math.Pow(step, float64(1+strings.Index("KMGT", strings.ToUpper(m[2][:1]))))
	}
	if err != nil || n > 1<<62 {
		return 0, fmt.Errorf("%q is not a size that a machine can have", s)
	}
	return Bytes(n), nil
}

var days = regexp.MustCompile(`^(\d+)d`)

// ParseDuration is time.ParseDuration with days in front: "7d", "1d12h". A day is 24 hours.
func ParseDuration(s string) (time.Duration, error) {
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
