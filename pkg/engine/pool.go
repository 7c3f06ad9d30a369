package engine

import (
	"context"
	"errors"
	"path/filepath"
	"sync"

	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

// sharedRows are the most rows that images share a call with.
const sharedRows = 64

// pool is what Engines share that were opened beside each other: the runtime, the networks, and what images in work may
// take.
type pool struct {
	runtime *onnx.Runtime
	calls   int // Options.Calls
	budget  *budget

	mu       sync.Mutex
	users    int // Engines that are not closed
	networks map[networkKey]*pooled
}

// networkKey says which networks are the same: the same file, called with as many rows.
type networkKey struct {
	sha256 string
	batch  int
}

// pooled is a network that users Engines have.
type pooled struct {
	net     onnx.Network
	session *onnx.Session
	users   int
}

// joinPool returns the pool of o.Beside, or a new one.
func joinPool(ctx context.Context, o Options) (*pool, error) {
	if o.Beside != nil {
		return o.Beside.pool, o.Beside.pool.join()
	}
	library := o.Library
	if library == "" {
		var err error
		if library, _, err = onnx.FindLibrary(ctx); err != nil {
			return nil, err
		}
	}
	runtime, err := onnx.Open(ctx, library)
	if err != nil {
		return nil, err
	}
	return &pool{runtime: runtime, calls: o.Calls, budget: newBudget(o.Concurrency, o.Memory), users: 1, networks: map[networkKey]*pooled{}}, nil
}

func (p *pool) join() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.users == 0 {
		return errClosed
	}
	p.users++
	return nil
}

// take returns the network of m, which it loads unless an Engine of the pool has it.
func (p *pool) take(pack *models.Pack, m models.Model) (networkKey, onnx.Network, error) {
	key := networkKey{m.SHA256, m.Batch}
	p.mu.Lock()
	defer p.mu.Unlock()
	shared := p.networks[key]
	if shared == nil {
		session, err := load(p.runtime, pack, m)
		if err != nil {
			return key, nil, err
		}
		shared = &pooled{net: session, session: session}
		if p.calls > 0 && m.Batch != 1 {
			shared.net = onnx.Share(session, sharedRows, p.calls)
		}
		p.networks[key] = shared
	}
	shared.users++
	return key, shared.net, nil
}

// load loads the network of m. A file of it whose sha256 is not that of the manifest is a Fatal error.
func load(runtime *onnx.Runtime, pack *models.Pack, m models.Model) (*onnx.Session, error) {
	file, err := pack.Read(m)
	if err != nil {
		return nil, err
	}
	options := onnx.SessionOptions{Batch: m.Batch}
	if m.Weights == nil {
		return runtime.Load(m.File, file, options)
	}
	for _, w := range m.Weights {
		if _, err := pack.ReadFile(w); err != nil {
			return nil, err
		}
	}
	return runtime.LoadFile(filepath.Join(pack.Dir, filepath.FromSlash(m.File)), options)
}

// leave gives back what an Engine took. The last Engine closes the runtime.
func (p *pool) leave(taken []networkKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, key := range taken {
		shared := p.networks[key]
		if shared.users--; shared.users == 0 {
			delete(p.networks, key)
			errs = append(errs, shared.session.Close())
		}
	}
	if p.users--; p.users == 0 {
		errs = append(errs, p.runtime.Close())
	}
	return errors.Join(errs...)
}

var errClosed = errors.New("the engine is closed")

// loan is the networks that one Engine has from its pool.
type loan struct {
	pool  *pool
	taken []networkKey

	mu     sync.RWMutex // held for reading by each call, so that close waits for them
	closed bool
}

func (l *loan) network(pack *models.Pack, m models.Model) (onnx.Network, error) {
	key, net, err := l.pool.take(pack, m)
	if err != nil {
		return nil, err
	}
	l.taken = append(l.taken, key)
	return lent{net, l}, nil
}

func (l *loan) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	return l.pool.leave(l.taken)
}

// lent is a network until the loan ends.
type lent struct {
	onnx.Network
	loan *loan
}

// Run implements onnx.Network.
func (n lent) Run(ctx context.Context, rows []onnx.Tensor) []onnx.RowResult {
	n.loan.mu.RLock()
	defer n.loan.mu.RUnlock()
	if !n.loan.closed {
		return n.Network.Run(ctx, rows)
	}
	results := make([]onnx.RowResult, len(rows))
	for i := range results {
		results[i].Err = errClosed
	}
	return results
}
