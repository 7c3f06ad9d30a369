//go:build linux && cgo && zxing

package barcode

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"facestream/pkg/engine/imaging"
)

// TestConfined looks at a process that waits for its pixels: it may make few calls of the kernel, gains no privilege, and has no file
// open but its pipes.
func TestConfined(t *testing.T) {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = []string{"FACESTREAM_READ_BARCODES=1"}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	secret, err := os.Open("/dev/null")
	if err != nil {
		t.Fatal(err)
	}
	defer secret.Close()
	cmd.ExtraFiles = []*os.File{secret}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if err := binary.Write(in, binary.NativeEndian, request{Width: 100, Height: 100, Formats: 1, Most: 1, Seconds: 5, Memory: 64 << 20}); err != nil {
		t.Fatal(err)
	}
	var status []byte
	for range 100 {
		if status, err = os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(status), "Seccomp:\t2") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	for _, want := range []string{"Seccomp:\t2\n", "NoNewPrivs:\t1\n", "Threads:\t1\n"} {
		if !strings.Contains(string(status), want) {
			t.Errorf("its status lacks %q:\n%s", want, status)
		}
	}
	if open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", cmd.Process.Pid)); err == nil && len(open) > 3 {
		t.Errorf("it has %v open", open)
	}
}

// TestMemoryLimit: a process that wants more than it may have ends, and that is said.
func TestMemoryLimit(t *testing.T) {
	ask := request{Width: 1000, Height: 1000, Formats: 1, Most: 1, Seconds: 5, Memory: 1}
	_, err := run(t.Context(), ask, make([]byte, 1_000_000))
	var died *exec.ExitError
	if !errors.As(err, &died) {
		t.Errorf("error %v", err)
	}
}

// TestMessages: whatever a process that was taken over says, its parent reads it within limits.
func TestMessages(t *testing.T) {
	whole := func(a answer, rest string) []byte {
		out, err := binary.Append(nil, binary.NativeEndian, a)
		if err != nil {
			t.Fatal(err)
		}
		return append(out, rest...)
	}
	end := whole(answer{Format: ended}, "")
	for name, c := range map[string]struct {
		said  []byte
		found int
		whole bool
	}{
		"nothing":          {nil, 0, false},
		"an end":           {end, 0, true},
		"a code":           {append(whole(answer{Read: 1, Text: 2, Bytes: 1}, "abc"), end...), 1, true},
		"no end":           {whole(answer{Read: 1, Text: 2, Bytes: 1}, "abc"), 1, false},
		"cut off":          {whole(answer{Read: 1, Text: 2, Bytes: 2}, "abc"), 0, false},
		"unknown format":   {append(whole(answer{Format: 5}, ""), end...), 0, false},
		"too much":         {whole(answer{Text: 1 << 31, Bytes: 1 << 31}, ""), 0, false},
		"half of a header": {end[:10], 0, false},
	} {
		found, ok := parse(c.said)
		if len(found) != c.found || ok != c.whole {
			t.Errorf("%s: %v, whole %t", name, found, ok)
		}
	}
}

// TestReaderMemory: the largest picture of noise is searched within the memory that is counted for it.
func TestReaderMemory(t *testing.T) {
	m := imaging.New(3000, MaxPixels/3000)
	for i := range m.Pix {
		m.Pix[i] = byte(i * i >> 8)
	}
	if _, err := Read(t.Context(), m, Options{Time: time.Minute}); err != nil {
		t.Error(err)
	}
}
