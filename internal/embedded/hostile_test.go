package embedded

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"facestream/pkg/schema"
)

// TestInvariant6StandardErrorNamesNoObject: whatever is asked of the store, and however badly, nothing that it prints has the
// key of an object.
func TestInvariant6StandardErrorNamesNoObject(t *testing.T) {
	const secret = "alice-the-first"
	s := open(t, options(t, t.TempDir()))
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr := os.Stderr
	os.Stderr = w
	for _, request := range []string{
		"BREW /images/KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"PATCH /images/KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"TRACE /images/KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"CONNECT /images/KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"OPTIONS /images/KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /images/KEY%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /images/KEY%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /images/../KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET http://images/KEY?x=%zz HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /images/KEY?X-Amz-Algorithm=KEY&X-Amz-Credential=KEY HTTP/1.1\r\nHost: x\r\n\r\n",
		"GET /images/KEY HTTP/1.1\r\nHost: x\r\nAuthorization: AWS4-HMAC-SHA256 Credential=access/KEY\r\n\r\n",
		"GET /images/KEY HTTP/9.9\r\nHost: x\r\n\r\n",
		"GET /images/KEY\r\n\r\n",
		"/images/KEY\r\n\r\n",
		"PUT /images/KEY HTTP/1.1\r\nHost: x\r\nContent-Length: KEY\r\n\r\n",
		"PUT /images/KEY HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: KEY\r\n\r\n",
		"PUT /images/KEY HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n",
		"PUT /images/KEY HTTP/1.1\r\nHost: x\r\nExpect: KEY\r\nContent-Length: 3\r\n\r\n",
		"POST /images/KEY HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=KEY\r\nContent-Length: 5\r\n\r\n--KEY",
		"GET /images/KEY HTTP/1.1\r\nHost: x\r\nBad Header KEY\r\n\r\n",
		"GET /images/KEY HTTP/1.1\r\nHost: x\r\nRange: bytes=KEY\r\nX: " + strings.Repeat("KEY", 4000) + "\r\n\r\n",
		"\x16\x03\x01KEY\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", s.S3Addr())
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
		fmt.Fprint(conn, strings.ReplaceAll(request, "KEY", secret))
		conn.(*net.TCPConn).CloseWrite()
		io.Copy(io.Discard, conn) // until the store closes or the deadline passes
		conn.Close()
	}
	os.Stderr = stderr
	w.Close()
	printed, err := io.ReadAll(r)
	if err != nil || strings.Contains(string(printed), secret) {
		t.Errorf("printed: %v\n%s", err, printed)
	}
}

// TestRefusedUploadIsReadToItsEnd: what an upload sends after its header is never taken for the next request of its connection,
// even if the answer does not depend on it.
func TestRefusedUploadIsReadToItsEnd(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	for _, size := range []int{40, 1000, 100_000, 3_000_000} {
		conn, err := net.Dial("tcp", s.S3Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(time.Minute))
		const hidden = "BREW /images/pot HTTP/1.1\r\nHost: x\r\n\r\n"
		go fmt.Fprint(conn, "PUT /images/a.jpg HTTP/1.1\r\nHost: x\r\nContent-Length: ", size, "\r\n\r\n", hidden, strings.Repeat("\n", size-len(hidden)),
			"HEAD /images/a.jpg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
		from := bufio.NewReader(conn)
		for _, method := range []string{http.MethodPut, http.MethodHead} {
			response, err := http.ReadResponse(from, &http.Request{Method: method})
			if err != nil {
				t.Fatalf("%d bytes: %s: %v", size, method, err)
			}
			io.Copy(io.Discard, response.Body)
			if response.StatusCode != http.StatusForbidden {
				t.Errorf("%d bytes: %s: %s", size, method, response.Status)
			}
			if response.Close && method == http.MethodPut && size > 1<<20 {
				break // so much is not worth a connection
			}
		}
		if rest, _ := io.ReadAll(from); len(rest) > 0 {
			t.Errorf("%d bytes: the store also says %.100q", size, rest)
		}
	}
}

// TestUnreadUploads: an upload of nothing, and one whose key is refused, do not spoil the connection for the next request.
func TestUnreadUploads(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	said := &recording{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", s.S3Addr())
			if err != nil {
				client.Close()
				return
			}
			go io.Copy(server, client)
			go io.Copy(client, io.TeeReader(server, said))
		}
	}()
	store := storeOf(t, l.Addr().String())
	for i := range 20 {
		wantContent(t, store, put(t, store, fmt.Sprintf("empty-%d.jpg", i), ""), "")
		wantContent(t, store, put(t, store, fmt.Sprintf("full-%d.jpg", i), "content"), "content")
		long := schema.ObjectRef{Bucket: "images", Key: strings.Repeat("x", maxPart+1)}
		if _, err := store.Put(t.Context(), long, make([]byte, 1000*i), "image/jpeg", nil); schema.ReasonOf(err) != schema.ReasonInvalidRequest {
			t.Fatalf("a key that is too long: %v", err)
		}
	}
	if said.contains("<Code>BadRequest</Code>") {
		t.Error("the store answers what nobody asked")
	}
}

// recording is what was written to it.
type recording struct {
	mu   sync.Mutex
	text []byte
}

func (r *recording) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text = append(r.text, p...)
	return len(p), nil
}

func (r *recording) contains(part string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return bytes.Contains(r.text, []byte(part))
}

// TestHalfOpenConnectionsKeepNobodyOut: 1,200 connections that begin a request and say no more do not keep the store from
// answering those who work with it.
func TestHalfOpenConnectionsKeepNobodyOut(t *testing.T) {
	s := open(t, options(t, t.TempDir()))
	store := storeOf(t, s.S3Addr())
	ref := put(t, store, "a.jpg", "before")
	for i := range 1200 {
		conn, err := net.Dial("tcp", s.S3Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if i%2 == 0 {
			fmt.Fprint(conn, "GET /images/a.jpg HTTP/1.1\r\nHost: x\r\n")
		}
		if i%100 == 0 {
			wantContent(t, store, ref, "before")
		}
	}
	for i := range 20 {
		wantContent(t, storeOf(t, s.S3Addr()), put(t, store, fmt.Sprint("b", i), "after"), "after")
	}
}

// TestSilentConnectionEnds: a connection that says nothing is closed, and one that is in use is not.
func TestSilentConnectionEnds(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &front{listener: listener, most: 10, idle: 400 * time.Millisecond, failed: make(chan error, 1), open: map[*crossing]bool{}}
	f.dial = func() (net.Conn, error) { // a gateway that says what it hears
		here, there := net.Pipe()
		go func() { io.Copy(there, there); there.Close() }()
		return here, nil
	}
	f.tasks.Go(f.accept)
	defer f.close()
	defer f.stopAccepting()
	silent, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	busy, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	closed := make(chan error, 1)
	go func() { _, err := silent.Read(make([]byte, 1)); closed <- err }()
	for end, ended := time.Now().Add(10*time.Second), false; !ended; {
		if _, err := fmt.Fprint(busy, "x"); err != nil {
			t.Fatalf("the connection in use: %v", err)
		}
		if _, err := busy.Read(make([]byte, 1)); err != nil {
			t.Fatalf("the connection in use: %v", err)
		}
		select {
		case <-closed:
			ended = true
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(end) {
			t.Fatal("the silent connection is open after 10 s")
		}
	}
}
