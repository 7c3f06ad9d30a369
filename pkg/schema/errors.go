package schema

import (
	"errors"
	"fmt"
)

// Class says what happens next to a record whose processing failed.
type Class int

const (
	// ClassUnknown is an error that nobody classified. It is tried again a few times; then the record is a dead letter.
	ClassUnknown Class = iota
	// ClassTransient may succeed when it is tried again: a dependency was slow, busy or unreachable. The tries are bounded.
	ClassTransient
	// ClassOutage says that a dependency takes no writes for now, whichever record they belong to: its disk or quota is full,
	// its file is locked or read-only, its server refuses everybody. The record waits until that is over, however long it
	// takes, and no try counts.
	ClassOutage
	// ClassPermanent can never succeed for this record; its Reason becomes the outcome of the request.
	ClassPermanent
	// ClassFatal stops the service, which commits nothing more, because going on would do harm.
	ClassFatal
)

// String returns the lower-case name used in metrics and dead-letter headers.
func (c Class) String() string {
	switch c {
	case ClassTransient:
		return "transient"
	case ClassOutage:
		return "outage"
	case ClassPermanent:
		return "permanent"
	case ClassFatal:
		return "fatal"
	}
	return "unknown"
}

// Error is an error with a class. Op names the step, for instance "objects.get". Reason is set on permanent errors.
// Error texts never contain object keys, external ids, puids or image bytes.
type Error struct {
	Class  Class
	Reason Reason
	Op     string
	Err    error
}

// Error implements error.
func (e *Error) Error() string {
	switch {
	case e.Reason != "" && e.Err != nil:
		return fmt.Sprintf("%s: %s: %v", e.Op, e.Reason, e.Err)
	case e.Reason != "":
		return fmt.Sprintf("%s: %s", e.Op, e.Reason)
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Transient returns err as a transient error of the step op: another try may succeed.
func Transient(op string, err error) error { return &Error{Class: ClassTransient, Op: op, Err: err} }

// Outage returns err as an outage of what the step op writes to: every write would fail, until somebody or something else
// changes that.
func Outage(op string, err error) error { return &Error{Class: ClassOutage, Op: op, Err: err} }

// Permanent returns err as a permanent error of the step op. The result of the request carries the reason. err may be nil.
func Permanent(op string, reason Reason, err error) error {
	return &Error{Class: ClassPermanent, Reason: reason, Op: op, Err: err}
}

// Fatal returns err as a fatal error of the step op: the service must stop without committing.
func Fatal(op string, err error) error { return &Error{Class: ClassFatal, Op: op, Err: err} }

// ClassOf returns the class of the outermost [Error] in err's chain, and ClassUnknown where there is none.
func ClassOf(err error) Class {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ClassUnknown
}

// MessageOf returns the text with which a result explains err to the author of the request. It is the cause of the
// outermost permanent error in err's chain, without the step that found it. Without a permanent error it is the text of
// err.
func MessageOf(err error) string {
	var e *Error
	if errors.As(err, &e) && e.Class == ClassPermanent && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// ReasonOf returns the reason of the outermost permanent error in err's chain, or "" when there is none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) && e.Class == ClassPermanent {
		return e.Reason
	}
	return ""
}
