package schema

import (
	"fmt"
	"io"
)

// Secret is a password, key or token. It prints as *** in texts, errors, logs, JSON and YAML. An empty Secret prints as
// nothing, which shows that the setting is missing. Convert it to string only to pass it to the client that needs it.
type Secret string

// String hides the value.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "***"
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return s.String() }

// Format hides the value from every verb of fmt.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText hides the value from JSON, YAML and other text encodings.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }
