package schema

// Outcome is the answer to one item of a batch: its value or its error.
type Outcome[T any] struct {
	Value T
	Err   error
}
