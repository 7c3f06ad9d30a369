package events

import (
	"context"
	"fmt"

	"facestream/pkg/schema"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// Mechanism is a way to authenticate at a broker (RFC 4422).
type Mechanism string

// The mechanisms.
const (
	NoSASL      Mechanism = "" // the broker asks for no user
	Plain       Mechanism = "plain"
	ScramSHA256 Mechanism = "scram-sha-256"
	ScramSHA512 Mechanism = "scram-sha-512"
)

// SASL authenticates at the broker. The zero value does not.
type SASL struct {
	Mechanism Mechanism
	Username  string
	Password  schema.Secret
}

// Validate reports a mechanism that is not known, and a user name or password with characters that the mechanism does
// not allow.
func (s SASL) Validate() error {
	_, err := s.mechanism()
	return err
}

// mechanism is nil where the broker asks for no user.
func (s SASL) mechanism() (sasl.Mechanism, error) {
	var m sasl.Mechanism
	var err error
	switch s.Mechanism {
	case NoSASL:
	case Plain:
		m = plain.Mechanism{Username: s.Username, Password: string(s.Password)}
	case ScramSHA256:
		m, err = scram.Mechanism(scram.SHA256, s.Username, string(s.Password))
	case ScramSHA512:
		m, err = scram.Mechanism(scram.SHA512, s.Username, string(s.Password))
	default:
		err = fmt.Errorf("the SASL mechanism %q is not known; use %s, %s or %s", s.Mechanism, Plain, ScramSHA256, ScramSHA512)
	}
	return m, err
}

// client is mechanism for kafka-go. Settings that are not valid fail each connection with the reason.
func (s SASL) client() sasl.Mechanism {
	m, err := s.mechanism()
	if err != nil {
		return invalid{s, err}
	}
	return m
}

// invalid is a mechanism that cannot be used.
type invalid struct {
	SASL
	err error
}

// Name implements sasl.Mechanism.
func (i invalid) Name() string { return string(i.Mechanism) }

// Start implements sasl.Mechanism.
func (i invalid) Start(context.Context) (sasl.StateMachine, []byte, error) { return nil, nil, i.err }
