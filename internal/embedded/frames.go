package embedded

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequest bounds a request to the broker, in bytes. It is more than any topic's largest batch.
const maxRequest = 32 << 20

// minRequest is the smallest request: its kind and version, a number, and the length of the client's name.
const minRequest = 2 + 2 + 4 + 2

// framed is a client's connection whose requests are looked at before the broker reads them. The broker by itself takes the memory
// that a request claims before anything of it has come, and ends the process over a request of a kind that it does not know.
type framed struct {
	net.Conn
	request bytes.Buffer // what the broker has not read yet of a request that has come whole
	err     error        // why nothing more will come
}

func (f *framed) Read(p []byte) (int, error) {
	if f.request.Len() == 0 && f.err == nil {
		f.err = f.receive()
	}
	if f.err != nil {
		return 0, f.err
	}
	return f.request.Read(p)
}

// receive reads the next request.
func (f *framed) receive() error {
	var length [4]byte
	if _, err := io.ReadFull(f.Conn, length[:]); err != nil {
		return err
	}
	size := int64(int32(binary.BigEndian.Uint32(length[:])))
	if size < minRequest || size > maxRequest {
		return fmt.Errorf("a request of %d bytes; %d to %d are read", size, minRequest, maxRequest)
	}
	f.request = bytes.Buffer{} // the memory of a large request is not kept
	f.request.Write(length[:])
	if _, err := io.CopyN(&f.request, f.Conn, size); err != nil {
		return err
	}
	if kind := int16(binary.BigEndian.Uint16(f.request.Bytes()[len(length):])); kmsg.RequestForKey(kind) == nil {
		return fmt.Errorf("a request of the unknown kind %d", kind)
	}
	return nil
}
