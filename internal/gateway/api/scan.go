package api

import (
	"encoding/json"
	"iter"
)

// A body may be a megabyte of fields and many of images. The functions of this file find the parts of valid JSON without copying them.

// members yields the members of data, a valid JSON object, repeats included. The values are parts of data.
func members(data []byte) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		for at := space(data, 1); data[at] != '}'; {
			end := value(data, at)
			var name string
			_ = json.Unmarshal(data[at:end], &name) // a valid string
			at = space(data, space(data, end)+1)    // behind the colon
			end = value(data, at)
			if !yield(name, data[at:end]) {
				return
			}
			if at = space(data, end); data[at] == ',' {
				at = space(data, at+1)
			}
		}
	}
}

// elements yields the elements of data, a valid JSON array, as parts of data.
func elements(data []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for at := space(data, 1); data[at] != ']'; {
			end := value(data, at)
			if !yield(data[at:end]) {
				return
			}
			if at = space(data, end); data[at] == ',' {
				at = space(data, at+1)
			}
		}
	}
}

// space returns the next place at or after at that is no white space.
func space(data []byte, at int) int {
	for at < len(data) && (data[at] == ' ' || data[at] == '\t' || data[at] == '\n' || data[at] == '\r') {
		at++
	}
	return at
}

// value returns the end of the value that begins at at.
func value(data []byte, at int) int {
	depth := 0
	for ; at < len(data); at++ {
		switch c := data[at]; c {
		case '"':
			for at++; data[at] != '"'; at++ {
				if data[at] == '\\' {
					at++
				}
			}
			if depth == 0 {
				return at + 1
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return at + 1
			}
			if depth < 0 { // of a number or word, which ends with what holds it
				return at
			}
		case ',', ' ', '\t', '\n', '\r':
			if depth == 0 {
				return at
			}
		}
	}
	return at
}
