package onnx

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"

	"facestream/pkg/schema"
)

// SessionOptions configure a [Session].
type SessionOptions struct {
	// Batch is the number of rows that one call of the network may take: 0 any number, 1 one by one. A file that
	// declares a batch of 1 is run row by row whatever this says.
	Batch int
	// OnCPU runs the network on the processor, whatever the Runtime's device is.
	OnCPU bool
}

// Session is a network that is loaded. It implements Network.
type Session struct {
	owner   *Runtime
	batch   int
	input   []int64 // dimensions of a row as the file declares them, -1 where any size is allowed
	outputs []string
	// metadata are the entries of the file's metadata_props.
	metadata map[string]string
	device   Device
	shared   bool  // see Shared
	padded   []int // the only numbers of rows of a call, ascending; nil: any

	mu      sync.RWMutex // held for reading by each call, so that destroy waits for them
	session *ort.DynamicAdvancedSession
}

var _ Network = (*Session)(nil)

var errClosed = errors.New("the network is closed")

// Load makes file, an ONNX file's content, ready to run; name is what errors call it. The network must have one input, and
// float32 tensors whose first dimension is the batch for its input and outputs; anything else is a Fatal error. The caller
// may let go of file afterwards.
func (r *Runtime) Load(name string, file []byte, options SessionOptions) (*Session, error) {
	// ONNX Runtime makes a session to find inputs and outputs, which takes four times as long as the real one unless
	// optimisation is off, and the Go binding can switch that off only for a file on disk.
	temporary, err := copied(file)
	if err != nil {
		return nil, schema.Fatal("onnx.load", err)
	}
	defer os.Remove(temporary)
	return r.load(name, temporary, options, func(inputs, outputs []string, settings *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
		return ort.NewDynamicAdvancedSessionWithONNXData(file, inputs, outputs, settings)
	})
}

// LoadFile is Load for the file at path. Its initialisers may lie in other files of its folder (external_data); no file
// outside the folder is read.
func (r *Runtime) LoadFile(path string, options SessionOptions) (*Session, error) {
	return r.load(path, path, options, func(inputs, outputs []string, settings *ort.SessionOptions) (*ort.DynamicAdvancedSession, error) {
		return ort.NewDynamicAdvancedSession(path, inputs, outputs, settings)
	})
}

// load makes the session that create creates of the ONNX file at path.
func (r *Runtime) load(name, path string, options SessionOptions, create func(inputs, outputs []string, settings *ort.SessionOptions) (*ort.DynamicAdvancedSession, error)) (*Session, error) {
	const op = "onnx.load"
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, schema.Fatal(op, errors.New("the runtime is closed"))
	}
	inputs, outputs, err := ends(path)
	if err != nil {
		return nil, schema.Fatal(op, fmt.Errorf("%s: %w", name, err))
	}
	if err := supported(inputs, outputs); err != nil {
		return nil, schema.Fatal(op, fmt.Errorf("%s: %w", name, err))
	}
	s := &Session{owner: r, batch: options.Batch, input: inputs[0].Dimensions[1:]}
	if inputs[0].Dimensions[0] == 1 {
		s.batch = 1
	}
	for _, o := range outputs {
		s.outputs = append(s.outputs, o.Name)
	}
	s.device = r.Device
	if options.OnCPU {
		s.device = processor
	}
	if s.device.SharesCalls() && (s.batch == 0 || s.batch > MostRows) {
		s.batch = MostRows
	}
	if s.device.fixed() {
		s.padded = s.device.calls()
	}
	start := func(alone bool) (err error) {
		settings, err := s.settings(path, alone)
		if err != nil {
			return err
		}
		defer settings.Destroy()
		if s.session, err = create([]string{inputs[0].Name}, s.outputs, settings); err != nil {
			return err
		}
		s.metadata, err = metadataOf(s.session)
		return err
	}
	keepHandlers(func() {
		err = start(s.device != processor)
		if err != nil && strings.Contains(err.Error(), cpuFallback) {
			s.shared = true
			err = start(false)
		}
	})
	if err != nil {
		return nil, schema.Fatal(op, fmt.Errorf("%s on %s: %w", name, s.device, err))
	}
	r.sessions[s] = struct{}{}
	return s, nil
}

// cpuFallback is in the error of a session that the device does not run alone, although only that is allowed.
const cpuFallback = "fallback to CPU EP has been explicitly disabled"

// settings are those of the session for the file at path; alone forbids the device to leave operators to the processor.
func (s *Session) settings(path string, alone bool) (*ort.SessionOptions, error) {
	o, err := settings()
	if err != nil {
		return nil, err
	}
	if slices.Contains(s.input, -1) {
		// The runtime keeps a memory plan for each input shape that it has ever seen, and images of all shapes would fill
		// the memory (the detector, 200 shapes of up to 1280 pixels, 8 calls at once: 690 MB instead of 460 MB at most).
		err = o.SetMemPattern(false)
	}
	if alone {
		err = errors.Join(err, o.AddSessionConfigEntry("session.disable_cpu_ep_fallback", "1"))
	}
	if s.device == s.owner.Device {
		err = errors.Join(err, s.owner.provide(o, path))
	}
	if err != nil {
		return nil, errors.Join(err, o.Destroy())
	}
	return o, nil
}

// copied writes file to a temporary file and returns its path.
func copied(file []byte) (path string, err error) {
	temporary, err := os.CreateTemp("", "facestream-*.onnx")
	if err != nil {
		return "", err
	}
	_, err = temporary.Write(file)
	if err := errors.Join(err, temporary.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temporary.Name()))
	}
	return temporary.Name(), nil
}

// ends returns the inputs and outputs of the network in the file at path.
func ends(path string) (inputs, outputs []ort.InputOutputInfo, err error) {
	o, err := settings()
	if err != nil {
		return nil, nil, err
	}
	defer o.Destroy()
	if err := o.SetGraphOptimizationLevel(ort.GraphOptimizationLevelDisableAll); err != nil {
		return nil, nil, err
	}
	return ort.GetInputOutputInfoWithOptions(path, o)
}

// settings are those of every session: one thread a call that sleeps when it has nothing to do. The memory arena stays
// on: without it the C allocator keeps twice as much for concurrent calls with inputs of many shapes.
func settings() (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		o.SetIntraOpNumThreads(1),
		o.SetInterOpNumThreads(1),
		o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"),
		o.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
	)
	if err != nil {
		return nil, errors.Join(err, o.Destroy())
	}
	return o, nil
}

// supported says why a network with these inputs and outputs cannot be run row by row, or nil.
func supported(inputs, outputs []ort.InputOutputInfo) error {
	if len(inputs) != 1 {
		return fmt.Errorf("the network has %d inputs; only one is supported", len(inputs))
	}
	for _, info := range slices.Concat(inputs, outputs) {
		if info.OrtValueType != ort.ONNXTypeTensor || info.DataType != ort.TensorElementDataTypeFloat ||
			len(info.Dimensions) == 0 {
			return fmt.Errorf("%s is not a batch of float32 tensors", &info)
		}
	}
	if n := inputs[0].Dimensions[0]; n > 1 {
		return fmt.Errorf("the network takes exactly %d rows per call; only 1 or any number is supported", n)
	}
	return nil
}

// metadataOf reads what the file of a session says of itself.
func metadataOf(session *ort.DynamicAdvancedSession) (map[string]string, error) {
	m, err := session.GetModelMetadata()
	if err != nil {
		return nil, err
	}
	defer m.Destroy()
	keys, err := m.GetCustomMetadataMapKeys()
	if err != nil {
		return nil, err
	}
	entries := map[string]string{}
	for _, key := range keys {
		if entries[key], _, err = m.LookupCustomMetadataMap(key); err != nil {
			return nil, err
		}
	}
	return entries, nil
}

// Metadata are the entries of the file's metadata_props.
func (s *Session) Metadata() map[string]string { return maps.Clone(s.metadata) }

// Device returns the device that runs s.
func (s *Session) Device() Device { return s.device }

// Shared reports whether the device leaves some operators of s to the processor, because it has no kernels for them. Each
// change of the device copies values, which can cost more than the device wins.
func (s *Session) Shared() bool { return s.shared }

// Outputs implements Network.
func (s *Session) Outputs() []string { return slices.Clone(s.outputs) }

// Run implements Network. Rows of equal shape share a call where the options' Batch allows it. When such a call fails, its
// rows are run again one by one, so that one bad row does not fail the others. When ctx ends, the rows that are not running
// yet get a Transient error. Other errors have no class, because a caller's mistake and a lack of memory look the same
// here.
func (s *Session) Run(ctx context.Context, rows []Tensor) []RowResult {
	results := make([]RowResult, len(rows))
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, group := range s.groups(rows, results) {
		if s.run(ctx, rows, group, results) || len(group) == 1 {
			continue
		}
		for _, i := range group {
			s.run(ctx, rows, []int{i}, results)
		}
	}
	return results
}

// groups splits the indices of rows into calls, first come first served. Rows that the network cannot take are answered
// in results and are in no group.
func (s *Session) groups(rows []Tensor, results []RowResult) [][]int {
	var groups [][]int
	for i, row := range rows {
		if err := s.check(row); err != nil {
			results[i].Err = fmt.Errorf("onnx.run: %w", err)
			continue
		}
		at := slices.IndexFunc(groups, func(g []int) bool {
			return (s.batch == 0 || len(g) < s.batch) && slices.Equal(rows[g[0]].Shape, row.Shape)
		})
		if at < 0 {
			groups = append(groups, []int{i})
		} else {
			groups[at] = append(groups[at], i)
		}
	}
	return groups
}

// check says why the network cannot take row, or nil.
func (s *Session) check(row Tensor) error {
	fits := len(row.Shape) == len(s.input)
	size := int64(1)
	for i, n := range row.Shape {
		fits = fits && n > 0 && (s.input[i] <= 0 || s.input[i] == n)
		size *= n
	}
	if !fits {
		return fmt.Errorf("a row of shape %v; the network takes %v (-1: any)", row.Shape, s.input)
	}
	if size != int64(len(row.Data)) {
		return fmt.Errorf("a row of shape %v with %d values", row.Shape, len(row.Data))
	}
	return nil
}

// run answers the rows of one group in one call and reports whether it succeeded. The caller holds s.mu.
func (s *Session) run(ctx context.Context, rows []Tensor, group []int, results []RowResult) bool {
	outputs, err := s.call(ctx, rows, group)
	for n, i := range group {
		results[i] = RowResult{Err: err}
		if err != nil {
			continue
		}
		results[i].Value = make([]Tensor, 0, len(outputs))
		for _, o := range outputs {
			if len(group) == 1 {
				results[i].Value = append(results[i].Value, Tensor{Shape: o.Shape[1:], Data: o.Data})
				continue
			}
			// Each row gets memory of its own: one that is kept must not keep its neighbours alive.
			size := len(o.Data) / len(group)
			results[i].Value = append(results[i].Value, Tensor{
				Shape: slices.Clone(o.Shape[1:]),
				Data:  slices.Clone(o.Data[n*size : (n+1)*size]),
			})
		}
	}
	return err == nil
}

// call runs the group as one batch and returns the outputs with their batch dimension. The caller holds s.mu.
func (s *Session) call(ctx context.Context, rows []Tensor, group []int) ([]Tensor, error) {
	const op = "onnx.run"
	if err := ctx.Err(); err != nil {
		return nil, schema.Transient(op, err)
	}
	if s.session == nil {
		return nil, fmt.Errorf("%s: %w", op, errClosed)
	}
	first := rows[group[0]]
	data, n := first.Data, s.rows(len(group))
	if n > 1 {
		data = make([]float32, 0, len(first.Data)*n)
		for _, i := range group {
			data = append(data, rows[i].Data...)
		}
		for range n - len(group) {
			data = append(data, first.Data...)
		}
	}
	// The C side keeps the address of data between the creation of the tensor and its destruction.
	var pinner runtime.Pinner
	pinner.Pin(&data[0])
	defer pinner.Unpin()
	shape := append(ort.Shape{int64(n)}, first.Shape...)
	input, err := ort.NewTensor(shape, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	defer input.Destroy()

	values := make([]ort.Value, len(s.outputs))
	defer func() {
		for _, v := range values {
			if v != nil {
				v.Destroy()
			}
		}
	}()
	if err := s.session.Run([]ort.Value{input}, values); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	outputs := make([]Tensor, len(values))
	for i, v := range values {
		t, ok := v.(*ort.Tensor[float32])
		if !ok || len(t.GetShape()) == 0 || t.GetShape()[0] != int64(n) {
			return nil, fmt.Errorf("%s: output %q answers %d rows with the shape %v; does pack.yaml say batch: 1?",
				op, s.outputs[i], n, v.GetShape())
		}
		// The binding has copied the output to Go memory that nobody else refers to once the tensor is destroyed.
		outputs[i] = Tensor{Shape: t.GetShape(), Data: t.GetData()[:len(t.GetData())/n*len(group)]}
	}
	return outputs, nil
}

// rows is the number of rows of a call for n of them. Those that are added are copies, whose answers nobody gets.
func (s *Session) rows(n int) int {
	if i := slices.IndexFunc(s.padded, func(m int) bool { return m >= n }); i >= 0 && s.batch != 1 {
		return s.padded[i]
	}
	return n
}

// Warm makes calls of s with rows of these shapes until nothing is left to be built, measured or loaded for them, once for each number
// of rows that calls have on the device. Where the file declares the shape, it is taken instead. On a processor nothing needs it.
func (s *Session) Warm(ctx context.Context, shapes [][]int64) error {
	if s.device == processor {
		return nil
	}
	if !slices.ContainsFunc(s.input, func(n int64) bool { return n <= 0 }) {
		shapes = [][]int64{s.input}
	}
	calls := slices.DeleteFunc(s.device.calls(), func(n int) bool { return s.batch > 0 && n > s.batch })
	slices.Reverse(calls) // an engine for many rows serves few, and memory is asked for once
	for _, shape := range shapes {
		size := int64(1)
		for _, n := range shape {
			size *= n
		}
		row := Tensor{Shape: shape, Data: make([]float32, size)}
		for _, n := range calls {
			var err error
			keepHandlers(func() {
				for _, r := range s.Run(ctx, slices.Repeat([]Tensor{row}, n)) {
					if err == nil {
						err = r.Err
					}
				}
			})
			if err != nil {
				return fmt.Errorf("warming up with %d rows of shape %v: %w", n, shape, err)
			}
		}
	}
	return nil
}

// Close waits for the calls in the session and frees it. Later rows are answered with an error. A second Close does
// nothing.
func (s *Session) Close() error {
	s.owner.mu.Lock()
	defer s.owner.mu.Unlock()
	delete(s.owner.sessions, s)
	return s.destroy()
}

// destroy frees the network. The caller holds owner.mu.
func (s *Session) destroy() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	err := s.session.Destroy()
	s.session = nil
	return err
}
