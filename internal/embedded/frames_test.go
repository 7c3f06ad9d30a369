package embedded

import (
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Whatever bytes arrive at the broker's port, it closes that connection and goes on. The broker has a process of its own, because it
// may think about noise for minutes.
func TestInvariant8BrokerFrames(t *testing.T) {
	addr, _, _ := elsewhere(t, t.TempDir())
	random := rand.New(rand.NewPCG(1, 1))
	request := func(kind uint16, version uint16, body int) []byte {
		frame := binary.BigEndian.AppendUint32(nil, uint32(4+body))
		frame = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(frame, kind), version)
		for range body {
			frame = append(frame, byte(random.Uint32()))
		}
		return frame
	}
	frames := map[string][]byte{
		"2 GiB":             {0x7f, 0xff, 0xff, 0xff, 0, 0},
		"a negative length": {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0},
		"a length of 0":     {0, 0, 0, 0, 0, 0, 0, 0, 0, 0},
		"a length of 1":     {0, 0, 0, 1, 0, 0, 0, 0},
		"an unknown kind":   request(9999, 0, 20),
		"a negative kind":   request(0x8000, 0, 20),
		"HTTP":              []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
	}
	for name, frame := range frames {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.Write(frame)
			c.SetReadDeadline(time.Now().Add(10 * time.Second))
			if _, err := c.Read(make([]byte, 1)); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("the connection is not closed: %v", err)
			}
		})
	}
	// Requests of every kind whose body is noise. Some are answered with an error.
	var wait sync.WaitGroup
	for kind := range uint16(kmsg.MaxKey + 1) {
		for version := range uint16(4) {
			frame := request(kind, version*3, 8+int(random.Uint32N(100)))
			wait.Go(func() {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Errorf("a request of the kind %d: %v", kind, err)
					return
				}
				defer c.Close()
				c.Write(frame)
				c.SetReadDeadline(time.Now().Add(time.Second))
				io.Copy(io.Discard, c)
			})
		}
	}
	wait.Wait()
	client := kafka.Client{Addr: kafka.TCP(addr), Timeout: 10 * time.Second}
	if _, err := client.Metadata(t.Context(), &kafka.MetadataRequest{}); err != nil {
		t.Fatalf("the broker does not answer: %v", err)
	}
}
