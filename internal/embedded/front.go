package embedded

import (
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// frontConnections bounds the connections to the store. The gateway behind takes more than that, so it never answers 503
	// for want of connections.
	frontConnections = 900
	// frontIdle is how long a connection may be silent in both directions.
	frontIdle = 2 * time.Minute
)

// front takes the connections to the store and hands them on to the gateway, which itself has no limit of time. When there
// are too many, the one that has been silent for longest makes room. So connections that were opened and say nothing, or
// that say their request byte by byte and stop, never keep out those that work.
type front struct {
	listener net.Listener
	dial     func() (net.Conn, error)
	most     int
	idle     time.Duration
	failed   chan<- error
	stopping atomic.Bool

	mu    sync.Mutex
	open  map[*crossing]bool
	tasks sync.WaitGroup
}

// crossing is a connection and its continuation to the gateway.
type crossing struct {
	client, gateway net.Conn
	heard           atomic.Int64 // when a byte passed last, in ns since 1970
}

func (c *crossing) close() {
	c.client.Close()
	c.gateway.Close()
}

// newFront begins to take connections on l.
func newFront(l net.Listener, dial func() (net.Conn, error), failed chan<- error) *front {
	f := &front{listener: l, dial: dial, most: frontConnections, idle: frontIdle, failed: failed, open: map[*crossing]bool{}}
	f.tasks.Go(f.accept)
	return f
}

func (f *front) accept() {
	for {
		client, err := f.listener.Accept()
		if err != nil {
			if !f.stopping.Load() {
				report(f.failed, fmt.Errorf("the embedded s3 store on %s ended: %w", f.listener.Addr(), err))
			}
			return
		}
		gateway, err := f.dial()
		if err != nil {
			client.Close()
			continue
		}
		c := &crossing{client: client, gateway: gateway}
		c.heard.Store(time.Now().UnixNano())
		if !f.admit(c) {
			c.close()
			continue
		}
		f.tasks.Go(func() { f.carry(c) })
	}
}

// admit enters c, and closes the connection that has been silent for longest where there are too many.
func (f *front) admit(c *crossing) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopping.Load() {
		return false
	}
	if len(f.open) >= f.most {
		var silent *crossing
		for other := range f.open {
			if silent == nil || other.heard.Load() < silent.heard.Load() {
				silent = other
			}
		}
		delete(f.open, silent)
		silent.close()
	}
	f.open[c] = true
	return true
}

// carry hands bytes on in both directions until both have ended.
func (f *front) carry(c *crossing) {
	defer func() {
		c.close()
		f.mu.Lock()
		delete(f.open, c)
		f.mu.Unlock()
	}()
	watch := time.NewTicker(f.idle / 4)
	defer watch.Stop()
	ended := make(chan struct{})
	var both sync.WaitGroup
	for _, way := range []struct{ from, to net.Conn }{{c.client, c.gateway}, {c.gateway, c.client}} {
		both.Go(func() {
			_, _ = io.Copy(&heard{way.to, c}, way.from) // an error ends the connection like the end does
			if half, ok := way.to.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
		})
	}
	go func() { both.Wait(); close(ended) }()
	for {
		select {
		case <-ended:
			return
		case now := <-watch.C:
			if now.Sub(time.Unix(0, c.heard.Load())) > f.idle {
				c.close()
			}
		}
	}
}

// heard writes and notes when.
type heard struct {
	to net.Conn
	c  *crossing
}

func (h *heard) Write(p []byte) (int, error) {
	h.c.heard.Store(time.Now().UnixNano())
	return h.to.Write(p)
}

// stopAccepting closes the address. Connections that are open stay.
func (f *front) stopAccepting() {
	f.mu.Lock()
	f.stopping.Store(true)
	f.mu.Unlock()
	f.listener.Close()
}

// close ends what is open and waits for it, after stopAccepting.
func (f *front) close() {
	f.mu.Lock()
	for c := range f.open {
		c.close()
	}
	f.mu.Unlock()
	f.tasks.Wait()
}
