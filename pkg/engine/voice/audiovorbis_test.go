package voice

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"facestream/pkg/schema"
)

// packetsOf are the packets of a sound Ogg file.
func packetsOf(t testing.TB, file string) (all [][]byte) {
	data, err := os.ReadFile(file)
	if err == nil {
		err = oggPackets(data, func(packet []byte) error {
			all = append(all, bytes.Clone(packet))
			return nil
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// oggOf is an Ogg file with each packet on a page of its own.
func oggOf(packets ...[]byte) (file []byte) {
	for i, packet := range packets {
		lacing := append(bytes.Repeat([]byte{255}, len(packet)/255), byte(len(packet)%255))
		page := append([]byte("OggS\x00\x00"), make([]byte, 20)...)
		page = append(append(append(page, byte(len(lacing))), lacing...), packet...)
		binary.LittleEndian.PutUint32(page[18:], uint32(i))
		file = append(file, page...)
	}
	file[5] = 2
	return summed(file)
}

// summed gives every page of an Ogg file that begins as one its number and the checksum that it should have.
func summed(file []byte) []byte {
	file = bytes.Clone(file)
	number := uint32(0)
	for page := file; len(page) > 27 && bytes.HasPrefix(page, []byte("OggS")); number++ {
		size := 27 + int(page[26])
		if size > len(page) {
			break
		}
		for _, n := range page[27:size] {
			size += int(n)
		}
		if size > len(page) {
			break
		}
		binary.LittleEndian.PutUint32(page[18:], number)
		binary.LittleEndian.PutUint32(page[22:], oggChecksum(page[:size]))
		page = page[size:]
	}
	return file
}

// bitsOf packs pairs of a width and a value as Vorbis does.
func bitsOf(pairs ...int) (out []byte) {
	at := 0
	for i := 0; i < len(pairs); i += 2 {
		for bit := range pairs[i] {
			if at%8 == 0 {
				out = append(out, 0)
			}
			out[at/8] |= byte(pairs[i+1]>>bit&1) << (at % 8)
			at++
		}
	}
	return out
}

// TestDecodeVorbisRefuses names files that the decoder would not end with, or not end well. Their checksums are right.
func TestDecodeVorbisRefuses(t *testing.T) {
	sound := packetsOf(t, "testdata/glide.ogg")
	whole := oggOf(sound...)
	if _, err := Decode(t.Context(), whole, Limits{}); err != nil {
		t.Fatalf("the sound file: %v", err)
	}
	with := func(i int, packet []byte) []byte {
		all := append([][]byte(nil), sound...)
		all[i] = packet
		return oggOf(all...)
	}
	setup := func(pairs ...int) []byte { return with(2, append([]byte("\x05vorbis"), bitsOf(pairs...)...)) }
	patched := func(i, at int, b ...byte) []byte {
		packet := bytes.Clone(sound[i])
		copy(packet[at:], b)
		return with(i, packet)
	}
	raw := func(at int, b byte) []byte {
		data := bytes.Clone(whole)
		data[at] ^= b
		return data
	}
	const book = 0x564342
	for _, c := range []struct {
		name, says string
		data       []byte
	}{
		{"a flipped bit", "checksum", raw(len(whole)-9, 4)},
		{"cut in a page", "cut off", whole[:len(whole)-9]},
		{"a page left out", "missing", append(bytes.Clone(whole[:len(oggOf(sound[:4]...))]), whole[len(oggOf(sound[:5]...)):]...)},
		{"two streams", "several streams", summed(raw(len(oggOf(sound[:4]...))+14, 1))},
		{"headers alone", "no sound", oggOf(sound[:3]...)},
		{"one header", "no sound", oggOf(sound[0])},
		{"the setup left out", "headers is missing", oggOf(append(sound[:2:2], sound[3:]...)...)},
		{"a header among the sound", "no sound among", with(4, sound[1])},
		{"a huge packet", "too large", func() []byte {
			file := oggOf(sound[:2]...)
			for i := range 5 {
				page := append([]byte("OggS\x00\x00"), make([]byte, 20)...)
				page[5] = byte(min(i, 1)) // goes on with the packet
				file = append(append(append(file, page...), 255), bytes.Repeat([]byte{255}, 255+255*255)...)
			}
			return summed(file)
		}()},
		{"blocks of one sample", "blocks", patched(0, 28, 0)},
		{"3 channels", "3 channels", patched(0, 11, 3)},
		{"4 kHz", "4000 samples", patched(0, 12, 0xa0, 0x0f)},
		{"two thousand million comments", "comments", patched(1, 11+int(binary.LittleEndian.Uint32(sound[1][7:])), 0, 0, 0, 0x7f)},
		{"a long vendor", "comments", patched(1, 7, 0xff, 0xff, 0xff, 0xff)},
		{"16 million entries", "a size", setup(8, 0, 24, book, 16, 1, 24, 1<<24-1)},
		{"no entry", "a size", setup(8, 0, 24, book, 16, 1, 24, 0)},
		{"no dimension", "a size", setup(8, 0, 24, book, 16, 0, 24, 8)},
		{"entries that never come", "other entries", setup(8, 0, 24, book, 16, 1, 24, 8, 1, 1, 5, 0)},
		{"no entry that is used", "no entry that is used", setup(8, 0, 24, book, 16, 1, 24, 8, 1, 0, 1, 1, 8, 0, 4, 0)},
		{"no codebook", "does not begin", setup(8, 0, 24, 0)},
		{"a codebook without its values", "ends too early", setup(8, 0, 24, book, 16, 8, 24, 8, 1, 1, 5, 2, 4, 8, 4, 2)},
		{"a floor of type 0", "type 0", setup(8, 0, 24, book, 16, 1, 24, 8, 1, 1, 5, 2, 4, 8, 4, 0, 6, 0, 16, 0, 6, 0, 16, 0)},
		{"nothing behind the codebooks", "", setup(8, 0, 24, book, 16, 1, 24, 8, 1, 1, 5, 2, 4, 8, 4, 0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			begun := time.Now()
			_, err := Decode(t.Context(), c.data, Limits{})
			if schema.ReasonOf(err) != schema.ReasonAudioUnreadable || !strings.Contains(fmt.Sprint(err), c.says) {
				t.Errorf("error %v, want one that says %q", err, c.says)
			}
			if took := time.Since(begun); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// FuzzVorbis reaches what checksums hide from [FuzzDecode].
func FuzzVorbis(f *testing.F) {
	for _, seed := range []string{"testdata/glide.ogg", "testdata/glide_stereo.ogg"} {
		f.Add(oggOf(packetsOf(f, seed)...))
	}
	f.Fuzz(func(t *testing.T, data []byte) { decodesWithinLimits(t, summed(data)) })
}
