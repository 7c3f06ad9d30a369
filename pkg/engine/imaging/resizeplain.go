//go:build !cgo

package imaging

// run writes the scaled part of m to out.
func (s *scaling) run(m, out *Image) { s.runPlain(m, out) }
