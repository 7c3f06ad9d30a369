package imaging

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"image"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/pkg/schema"
)

// TestWASM finds the libraries where they are expected and runs one with less memory than it asks for.
func TestWASM(t *testing.T) {
	for name, l := range map[string]*wasmLibrary{"libheif": &libheif, "libavif": &libavif} {
		if !bytes.HasPrefix(*l.bytes, []byte{0x1f, 0x8b}) {
			t.Fatalf("%s: %d bytes that are no gzip: has its package moved them?", name, len(*l.bytes))
		}
		_, err := l.call(t.Context(), 16<<20, new(sync.WaitGroup), func(c *wasmCall) (image.Image, error) {
			if _, err := c.alloc(1 << 20); err != nil {
				t.Errorf("%s: one of 16 MiB: %v", name, err)
			}
			_, err := c.alloc(17 << 20)
			return nil, err
		})
		if err == nil {
			t.Errorf("%s: more memory than its limit", name)
		}
	}
}

// TestWASMAbandoned: a caller does not wait for an instance that is stuck, and after two of them code is used that can be
// stopped.
func TestWASMAbandoned(t *testing.T) {
	l := wasmLibrary{bytes: &heifWasm}
	release := make(chan bool)
	for i := range maxAbandoned {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := l.call(ctx, 16<<20, new(sync.WaitGroup), func(*wasmCall) (image.Image, error) {
			cancel()
			<-release
			return nil, nil
		})
		if !errors.Is(err, context.Canceled) || l.abandoned.Load() != int32(i+1) {
			t.Fatalf("%v, %d are abandoned", err, l.abandoned.Load())
		}
	}
	data, err := os.ReadFile("testdata/corpus/heic-420.heic")
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.call(t.Context(), 64<<20, new(sync.WaitGroup), func(c *wasmCall) (image.Image, error) {
		_, err := c.put(data)
		return nil, err
	})
	if err != nil || l.stoppable.module == nil {
		t.Errorf("the stoppable code: %v, compiled: %v", err, l.stoppable.module != nil)
	}
	close(release)
	for l.abandoned.Load() > 0 { // or the time limit of the tests
		runtime.Gosched()
	}
}

// TestHEIFLimits: what the header claims is checked before a pixel is paid for, and a file that holds more than it claims
// does not get the memory for it.
func TestHEIFLimits(t *testing.T) {
	for _, name := range []string{"heic-420.heic", "avif-420-limited.avif"} {
		data, err := os.ReadFile("testdata/corpus/" + name)
		if err != nil {
			t.Fatal(err)
		}
		at := bytes.Index(data, []byte("ispe")) + 8
		claim := func(w, h uint32) []byte {
			b := bytes.Clone(data)
			binary.BigEndian.PutUint32(b[at:], w)
			binary.BigEndian.PutUint32(b[at+4:], h)
			return b
		}
		for _, c := range []struct {
			w, h uint32
			want schema.Reason
		}{
			{100_000, 100_000, schema.ReasonImageTooLarge},
			{1 << 31, 1 << 31, schema.ReasonImageTooLarge},
			{16_000, 16_000, schema.ReasonImageTooLarge},
			{0, 10, schema.ReasonImageUnreadable},
		} {
			began := time.Now()
			if _, _, err := Decode(t.Context(), claim(c.w, c.h), Limits{}); schema.ReasonOf(err) != c.want || time.Since(began) > time.Second {
				t.Errorf("%s of %d × %d: %v after %v, want %s", name, c.w, c.h, err, time.Since(began), c.want)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, _, err := Decode(ctx, data, Limits{}); schema.ClassOf(err) != schema.ClassTransient {
			t.Errorf("%s, canceled: %v", name, err)
		}
	}
}

func TestHEIFWithoutPicture(t *testing.T) {
	for data, want := range map[string]string{
		"\x00\x00\x00\x14ftypheic\x00\x00\x00\x00mif1":                                     "directory",
		"\x00\x00\x00\x14ftypheic\x00\x00\x00\x00mif1\x00\x00\x00\x0cmeta\x00\x00\x00\x00": "size",
		"\x00\x00\x00\x14ftypmp42\x00\x00\x00\x00isom":                                     "video",
		"\x00\x00\x00\x10ftypcrx \x00\x00\x00\x00":                                         "CR3",
	} {
		if _, _, err := Decode(t.Context(), []byte(data), Limits{}); schema.ReasonOf(err) != schema.ReasonImageUnreadable || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want something on its %s", data, err, want)
		}
	}
}
