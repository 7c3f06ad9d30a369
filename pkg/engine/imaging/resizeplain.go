//go:build !cgo

package imaging

// kernels is the number of kernels beside runPlain.
const kernels = 0

// run writes the scaled part of m to out.
func (s *scaling) run(m, out *Image) { s.runPlain(m, out) }

func (s *scaling) runBy(_ int, m, out *Image) { s.runPlain(m, out) }
