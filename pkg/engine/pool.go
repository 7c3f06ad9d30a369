package engine

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"time"

	"facestream/pkg/engine/face"
	"facestream/pkg/engine/models"
	"facestream/pkg/engine/onnx"
)

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

// On a GPU, images share calls of a network. One call at once makes the fullest ones: meanwhile the GPU computes the other
// networks. Where worker.calls allows more, a call that is not full waits for this long while another one is running.
const (
	sharedCalls = 1
	sharedWait  = 5 * time.Millisecond
)

// networkKey says which networks are the same: the same file, called with as many rows, on the same device.
type networkKey struct {
	sha256 string
	batch  int
	onCPU  bool
}

func keyOf(m models.Model) networkKey { return networkKey{m.SHA256, m.Batch, m.OnCPU} }

// pooled is a network that users Engines have.
type pooled struct {
	net     onnx.Network
	session *onnx.Session
	users   int
	warm    bool
}

// joinPool returns the pool of o.Beside, or a new one.
func joinPool(ctx context.Context, o Options) (*pool, error) {
	if o.Beside != nil {
		return o.Beside.pool, o.Beside.pool.join()
	}
	runtime, err := onnx.OpenOn(ctx, o.Library, o.Device)
	if err != nil {
		return nil, err
	}
	concurrency := o.Concurrency
	if runtime.Device.SharesCalls() {
		concurrency = o.OnGPU
	}
	return &pool{runtime: runtime, calls: o.Calls, budget: newBudget(concurrency, o.Memory), users: 1, networks: map[networkKey]*pooled{}}, nil
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
func (p *pool) take(pack *models.Pack, m models.Model) (networkKey, *pooled, error) {
	key := keyOf(m)
	p.mu.Lock()
	defer p.mu.Unlock()
	shared := p.networks[key]
	if shared == nil {
		session, err := load(p.runtime, pack, m)
		if err != nil {
			return key, nil, err
		}
		shared = &pooled{net: session, session: session}
		if calls := p.atOnce(session.Device()); calls > 0 && m.Batch != 1 {
			shared.net = onnx.Share(session, onnx.Sharing{Most: onnx.MostRows, AtOnce: calls, Wait: sharedWait})
		}
		p.networks[key] = shared
	}
	shared.users++
	return key, shared, nil
}

// atOnce is the number of concurrent calls of a network on that device, 0 where each image makes its own.
func (p *pool) atOnce(d onnx.Device) int {
	if p.calls == 0 && d.SharesCalls() {
		return sharedCalls
	}
	return p.calls
}

// load loads the network of m. A file of it whose sha256 is not that of the manifest is a Fatal error.
func load(runtime *onnx.Runtime, pack *models.Pack, m models.Model) (*onnx.Session, error) {
	file, err := pack.Read(m)
	if err != nil {
		return nil, err
	}
	options := onnx.SessionOptions{Batch: m.Batch, OnCPU: m.OnCPU}
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

// warm runs the network of that key as often as it takes until calls with rows of these shapes cost what they will always cost.
func (p *pool) warm(ctx context.Context, key networkKey, shapes [][]int64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	shared := p.networks[key]
	if shared.warm {
		return nil
	}
	shared.warm = true
	return shared.session.Warm(ctx, shapes)
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

// network is the network of m, until the loan ends, and where it runs.
func (l *loan) network(pack *models.Pack, m models.Model) (face.Stage, Placement, error) {
	key, shared, err := l.pool.take(pack, m)
	if err != nil {
		return face.Stage{}, Placement{}, err
	}
	l.taken = append(l.taken, key)
	where := Placement{shared.session.Device(), shared.session.Shared()}
	return face.Stage{Net: recorded{lent{shared.net, l}, m}, Model: m, Metadata: shared.session.Metadata(), FewShapes: where.Device.SharesCalls()}, where, nil
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
