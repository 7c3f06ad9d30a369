package main

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"time"
)

// proxy stands between the services and a server, so that their connections can be cut.
type proxy struct {
	listener net.Listener
	target   string
	// kafka has the answers of a broker name the proxy where they name the broker, or its clients would go round it.
	kafka bool

	mu    sync.Mutex
	conns map[net.Conn]bool
	until time.Time // no connection is let through before
}

func newProxy(target string, kafka bool) (*proxy, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &proxy{listener: l, target: target, kafka: kafka, conns: map[net.Conn]bool{}}
	go p.run()
	return p, nil
}

func (p *proxy) addr() string { return p.listener.Addr().String() }

func (p *proxy) run() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		go p.connect(client)
	}
}

func (p *proxy) connect(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	if !p.keep(client, server) {
		return
	}
	defer p.forget(client, server)
	go func() {
		io.Copy(server, client)
		server.Close()
	}()
	if p.kafka {
		p.copyAnswers(client, server)
	} else {
		io.Copy(client, server)
	}
}

// copyAnswers copies the frames of the Kafka protocol, each behind its length. An address in them is a host, which stays,
// and a port of four bytes.
func (p *proxy) copyAnswers(client io.Writer, server io.Reader) {
	theirs, ours := address(p.target), address(p.addr())
	for {
		var length [4]byte
		if _, err := io.ReadFull(server, length[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(server, frame); err != nil {
			return
		}
		if _, err := client.Write(append(length[:], bytes.ReplaceAll(frame, theirs, ours)...)); err != nil {
			return
		}
	}
}

func address(hostPort string) []byte {
	host, port, _ := net.SplitHostPort(hostPort)
	n, _ := strconv.Atoi(port)
	return binary.BigEndian.AppendUint32([]byte(host), uint32(n))
}

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

func (p *proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
	}
}

// cut breaks every connection and lets none through for a time.
func (p *proxy) cut(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.until = time.Now().Add(d)
	for c := range p.conns {
		c.Close()
	}
}
