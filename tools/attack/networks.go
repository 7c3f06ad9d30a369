package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"facestream/pkg/schema"
)

const network = "network"

// networks are the attacks of somebody who reaches the ports, or sits between the services and their servers.
func networks() []attack {
	return []attack{
		{name: "half-open-store", actor: network, tried: "1,200 connections to the store that send half a request", running: halfOpenStore},
		{name: "half-open-broker", actor: network, tried: "1,200 connections to the broker that send half a request", running: halfOpenBroker},
		{name: "broker-frames", actor: network, tried: "frames of 2 GiB, of a negative length and of noise to the broker", running: brokerFrames},
		{name: "anonymous-store", actor: network, tried: "reading, writing and listing without a signature, with a wrong one, and with an old one", running: anonymousStore},
		{name: "slow-health", actor: network, tried: "400 connections to the health port that send a header a second", running: slowHealth},
		{name: "debug-port", actor: network, tried: "the profiler, files and other methods on the health port", running: debugPort},
		{name: "man-in-the-middle", actor: network, tried: "a broker and a store with a certificate of nobody, waiting for a password", alone: manInTheMiddle},
	}
}

// half opens n connections that send the text and then nothing, until the function is called.
func half(addr, text string, n int) (func(), int) {
	var conns []net.Conn
	for range n {
		c, err := net.DialTimeout("tcp", addr, 2*time.Second)
		if err != nil {
			break
		}
		c.Write([]byte(text))
		conns = append(conns, c)
	}
	return func() {
		for _, c := range conns {
			c.Close()
		}
	}, len(conns)
}

func halfOpenStore(ctx context.Context, f *facestream) (string, error) {
	for _, text := range []string{"PUT /images/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nx", "GET / HTTP/1.1\r\nHost:"} {
		release, n := half(f.cfg.S3.Endpoint, text, 1200)
		time.Sleep(time.Second)
		_, err := f.put(ctx, "loose/"+uuid.NewString(), []byte("x"), nil)
		release()
		if err != nil {
			return "", fmt.Errorf("beside %d of them an upload fails: %w", n, err)
		}
	}
	return "an upload beside them succeeds", nil
}

func halfOpenBroker(ctx context.Context, f *facestream) (string, error) {
	release, n := half(f.cfg.Kafka.Brokers[0], "\x00\x00\x01\x00\x00", 1200)
	defer release()
	r, err := f.call(ctx, schema.Request{Operation: schema.OpValidate})
	if err != nil {
		return "", fmt.Errorf("beside %d of them a request fails: %w", n, err)
	}
	return fmt.Sprintf("a request beside %d of them is answered %q", n, r.CallStatus.Reason), nil
}

func brokerFrames(ctx context.Context, f *facestream) (string, error) {
	before := f.part("facestream servers").peak()
	noise := make([]byte, 1<<16)
	rand.Read(noise)
	binary.BigEndian.PutUint32(noise, uint32(len(noise)-4))
	frames := [][]byte{{0x7f, 0xff, 0xff, 0xff, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 0, 0, 0}, {0, 0, 0, 1, 0}, noise, []byte("GET / HTTP/1.1\r\n\r\n")}
	for range 5 {
		for _, frame := range frames {
			c, err := net.DialTimeout("tcp", f.cfg.Kafka.Brokers[0], 2*time.Second)
			if err != nil {
				return "", err
			}
			c.Write(frame)
			c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
			io.Copy(io.Discard, c)
			defer c.Close()
		}
	}
	if _, err := f.call(ctx, schema.Request{Operation: schema.OpValidate}); err != nil {
		return "", err
	}
	grown := f.part("facestream servers").peak() - before
	if grown > 512 {
		return "", fmt.Errorf("they take %d MiB of memory", grown)
	}
	return fmt.Sprintf("the broker goes on; they take %d MiB", grown), nil
}

func anonymousStore(ctx context.Context, f *facestream) (string, error) {
	ref, err := f.put(ctx, "loose/"+uuid.NewString(), []byte("secret"), nil)
	if err != nil {
		return "", err
	}
	base, object := "http://"+f.cfg.S3.Endpoint, "/"+ref.Bucket+"/"+ref.Key
	for _, path := range []string{object, "/", "/" + ref.Bucket, "/" + ref.Bucket + "?versions", object + "?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=facestream%2F20200101%2Fus-east-1%2Fs3%2Faws4_request&X-Amz-Date=20200101T000000Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&X-Amz-Signature=00"} {
		if status, said, err := get(ctx, base+path); err != nil || status < 400 || strings.Contains(said, "secret") {
			return "", fmt.Errorf("GET %s: %d %.100s (%v)", path, status, said, err)
		}
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost} {
		request, err := http.NewRequestWithContext(ctx, method, base+object, strings.NewReader("x"))
		if err != nil {
			return "", err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return "", err
		}
		answer.Body.Close()
		if answer.StatusCode < 400 {
			return "", fmt.Errorf("%s without a signature: %d", method, answer.StatusCode)
		}
	}
	if status, _, err := f.signed(ctx, http.MethodGet, object, "another secret", nil); err != nil || status != http.StatusForbidden {
		return "", fmt.Errorf("a signature with another secret: %d (%v)", status, err)
	}
	return "each is refused", nil
}

func slowHealth(ctx context.Context, f *facestream) (string, error) {
	addr := f.part("ingest").live
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range 400 {
		c, err := net.DialTimeout("tcp", addr, 2*time.Second)
		if err != nil {
			return "", err
		}
		fmt.Fprint(c, "GET /readyz HTTP/1.1\r\nHost: x\r\n")
		conns = append(conns, c)
	}
	closed := 0
	for end := time.Now().Add(12 * time.Second); time.Now().Before(end) && closed == 0; time.Sleep(time.Second) {
		if status, _, err := get(ctx, "http://"+addr+"/readyz"); err != nil || status != http.StatusOK {
			return "", fmt.Errorf("beside them /readyz answers %d (%v)", status, err)
		}
		for _, c := range conns {
			if _, err := fmt.Fprint(c, "X: y\r\n"); err != nil {
				closed++
			}
		}
	}
	if closed == 0 {
		return "", errors.New("they are kept open for ever")
	}
	return "/readyz answers beside them, and they are closed", nil
}

func debugPort(ctx context.Context, f *facestream) (string, error) {
	for _, p := range []string{"ingest", "worker", "indexer"} {
		for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/../../etc/passwd", "/gallery", "/"} {
			status, said, err := get(ctx, "http://"+f.part(p).live+path)
			if err != nil || status == http.StatusOK && path != "/" || strings.Contains(said, "root:") {
				return "", fmt.Errorf("%s%s: %d %.80s (%v)", p, path, status, said, err)
			}
		}
	}
	return "none is there", nil
}

// manInTheMiddle listens with a certificate that nobody signed and counts the bytes that arrive after a handshake.
func manInTheMiddle(ctx context.Context, l *lab) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "127.0.0.1"}, NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return "", err
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}})
	if err != nil {
		return "", err
	}
	defer listener.Close()
	var tries, heard atomic.Int64
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				tries.Add(1)
				c.SetReadDeadline(time.Now().Add(5 * time.Second))
				n, _ := io.Copy(io.Discard, io.LimitReader(c, 100))
				heard.Add(n)
			}()
		}
	}()
	addr := listener.Addr().String()
	said, _ := l.command(ctx, []string{"FACESTREAM_KAFKA=" + addr, "FACESTREAM_KAFKA_TLS_ENABLED=true", "FACESTREAM_KAFKA_SASL_MECHANISM=plain", "FACESTREAM_KAFKA_SASL_USERNAME=u",
		"FACESTREAM_KAFKA_SASL_PASSWORD=the-secret-of-the-broker", "FACESTREAM_S3_ENDPOINT=" + addr, "FACESTREAM_S3_TLS_ENABLED=true"}, "facestream", "doctor")
	switch {
	case tries.Load() < 2:
		return "", fmt.Errorf("the program did not connect: %.300s", said)
	case heard.Load() > 0:
		return "", fmt.Errorf("%d bytes came behind the handshake", heard.Load())
	case strings.Contains(said, "the-secret-of-the-broker"):
		return "", errors.New("the program prints the password")
	}
	return fmt.Sprintf("%d handshakes fail before anything is said", tries.Load()), nil
}
