package embedded

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
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
