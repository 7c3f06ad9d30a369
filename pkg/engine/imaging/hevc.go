package imaging

import "encoding/binary"

// hevcColour reads from a decoder configuration (hvcC, ISO/IEC 14496-15, 8.3.3) which matrix the samples were made with and
// whether they span the full range. They stand near the end of the sequence parameter set (ITU-T H.265, 7.3.2.2 and E.2.1),
// behind much else that has to be passed. ok is false where the set cannot be read.
func hevcColour(config []byte) (matrix uint32, full, ok bool) {
	const sequenceParameterSet = 33
	if len(config) < 23 {
		return 0, false, false
	}
	arrays := config[23:]
	for range config[22] {
		if len(arrays) < 3 {
			break
		}
		kind, units := arrays[0]&63, int(binary.BigEndian.Uint16(arrays[1:]))
		arrays = arrays[3:]
		for range units {
			if len(arrays) < 2 || int(binary.BigEndian.Uint16(arrays))+2 > len(arrays) {
				return 0, false, false
			}
			n := int(binary.BigEndian.Uint16(arrays))
			if unit := arrays[2 : 2+n]; kind == sequenceParameterSet && n > 2 {
				return spsColour(unit[2:])
			}
			arrays = arrays[2+n:]
		}
	}
	return 0, false, false
}

// spsColour reads a sequence parameter set behind its header.
func spsColour(unit []byte) (matrix uint32, full, ok bool) {
	const unspecified = 2
	b := newSPSBits(unit)
	b.skip(4)
	layers := int(b.read(3))
	b.skip(1)
	b.skip(96) // profile, tier and level
	var profiles, levels int
	for range layers {
		profiles += int(b.read(1))
		levels += int(b.read(1))
	}
	if layers > 0 {
		b.skip(2 * (8 - layers))
	}
	b.skip(88*profiles + 8*levels)
	b.golomb()
	if b.golomb() == 3 { // 4:4:4
		b.skip(1)
	}
	b.golombs(2)        // size
	if b.read(1) == 1 { // conformance window
		b.golombs(4)
	}
	b.golombs(2) // depths
	order := int(b.golomb()) + 4
	if b.read(1) == 0 {
		layers = 0
	}
	b.golombs(3 * (layers + 1))
	b.golombs(6)
	if b.read(1) == 1 { // scaling lists, of its own or the usual ones
		if b.read(1) == 1 {
			b.scalingLists()
		}
	}
	b.skip(2)
	if b.read(1) == 1 { // PCM
		b.skip(8)
		b.golombs(2)
		b.skip(1)
	}
	if !b.referenceSets() {
		return 0, false, false
	}
	if b.read(1) == 1 { // long-term references
		for n := b.golomb(); n > 0 && !b.short; n-- {
			b.skip(order + 1)
		}
	}
	b.skip(2)
	matrix = unspecified
	if b.read(1) == 1 { // usability information
		if b.read(1) == 1 && b.read(8) == 255 { // aspect ratio
			b.skip(32)
		}
		if b.read(1) == 1 { // overscan
			b.skip(1)
		}
		if b.read(1) == 1 { // video signal
			b.skip(3)
			full = b.read(1) == 1
			if b.read(1) == 1 {
				b.skip(16)
				matrix = b.read(8)
			}
		}
	}
	return matrix, full, !b.short
}

// spsBits reads the fields of a parameter set. After the end it reads zeros, and short is set.
type spsBits struct {
	b     []byte
	at    int // in bits
	short bool
}

// newSPSBits takes out the bytes that keep start codes from appearing in the data (ITU-T H.265, 7.3.1.1).
func newSPSBits(unit []byte) *spsBits {
	out := make([]byte, 0, len(unit))
	for i, v := range unit {
		if v == 3 && i >= 2 && unit[i-1] == 0 && unit[i-2] == 0 {
			continue
		}
		out = append(out, v)
	}
	return &spsBits{b: out}
}

func (b *spsBits) read(n int) (v uint32) {
	for range n {
		if b.at >= 8*len(b.b) {
			b.short = true
			return 0
		}
		v = v<<1 | uint32(b.b[b.at/8]>>(7-b.at%8))&1
		b.at++
	}
	return v
}

func (b *spsBits) skip(n int) {
	b.at += n
	b.short = b.short || b.at > 8*len(b.b)
}

// golomb reads a number in Exp-Golomb code (ITU-T H.265, 9.2).
func (b *spsBits) golomb() uint32 {
	zeros := 0
	for b.read(1) == 0 {
		if zeros++; b.short || zeros > 31 {
			b.short = true
			return 0
		}
	}
	return 1<<zeros - 1 + b.read(zeros)
}

func (b *spsBits) golombs(n int) {
	for range n {
		b.golomb()
	}
}

// scalingLists passes scaling_list_data (ITU-T H.265, 7.3.4).
func (b *spsBits) scalingLists() {
	for size := range 4 {
		for matrix := 0; matrix < 6 && !b.short; matrix++ {
			if size == 3 && matrix%3 != 0 {
				continue
			}
			if b.read(1) == 0 {
				b.golomb()
				continue
			}
			if size > 1 {
				b.golomb()
			}
			b.golombs(min(64, 1<<(4+2*size)))
		}
	}
}

// referenceSets passes the short-term reference picture sets (ITU-T H.265, 7.3.7). Those of still pictures are few and do not
// refer to each other; where they do, it gives up.
func (b *spsBits) referenceSets() bool {
	for i, n := 0, int(b.golomb()); i < n && !b.short; i++ {
		if i > 0 && b.read(1) == 1 {
			return false
		}
		for pictures := b.golomb() + b.golomb(); pictures > 0 && !b.short; pictures-- {
			b.golomb()
			b.skip(1)
		}
	}
	return !b.short
}
