package schema

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Unread returns what may be said of an error of [json.Unmarshal] about a record: the error itself can quote what the record says of a
// person, for instance a number that is too large or a date that is none (invariant 6). Unread(nil) says that something is missing.
func Unread(err error) error {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return errors.New("it has no id")
	case errors.As(err, &syntax):
		return fmt.Errorf("it is no JSON from byte %d on", syntax.Offset)
	case errors.As(err, &kind):
		what, _, _ := strings.Cut(kind.Value, " ")
		return fmt.Errorf("at byte %d is a %s that does not fit", kind.Offset, what)
	}
	return errors.New("it has a value that does not fit its field")
}
