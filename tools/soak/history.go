package main

import (
	"bufio"
	"encoding/json"
	"os"
	"sync"
	"time"

	"facestream/pkg/schema"
)

// history writes what was sent, read and injected, one JSON object a line. Command check reads it. Package check, in its file
// history.go, describes the lines.
type history struct {
	began time.Time

	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
	err  error // the first one
}

func newHistory(path string) (*history, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &history{began: time.Now(), file: f, out: bufio.NewWriterSize(f, 1<<20)}, nil
}

// note writes one line. body is what happened; its time is that of the call.
func (h *history) note(kind string, body any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	data, err := json.Marshal(struct {
		Kind string `json:"kind"`
		T    int64  `json:"t"`
		Body any    `json:"body,omitempty"`
	}{kind, h.since(time.Now()), body})
	if err == nil {
		_, err = h.out.Write(append(data, '\n'))
	}
	if h.err == nil {
		h.err = err
	}
}

// since is a time as the history has it.
func (h *history) since(t time.Time) int64 { return t.Sub(h.began).Nanoseconds() }

func (h *history) close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, err := range []error{h.out.Flush(), h.file.Close()} {
		if h.err == nil {
			h.err = err
		}
	}
	return h.err
}

// The bodies of the lines.
type (
	noteRun struct {
		Began    time.Time     `json:"began"`
		Deadline time.Duration `json:"deadline"`
		Listed   time.Duration `json:"listed"` // from this age on, a listing can find an upload before its notification is handled
	}
	// notePicture is an uploaded picture. Vectors has what the simulated engine finds in it.
	notePicture struct {
		Ref     schema.ObjectRef `json:"ref"`
		Vectors [][]float32      `json:"vectors"`
	}
	noteSend struct {
		N       int64           `json:"n"` // names this sending; a repeat is another one
		Via     string          `json:"via"`
		Request *schema.Request `json:"request,omitempty"`
		Value   string          `json:"value,omitempty"` // of a record that must become a dead letter
		Expect  expect          `json:"expect"`
		Object  string          `json:"object,omitempty"` // the key of the result object
	}
	// noteUpload is a request by upload. It may have begun before it was noted: at Begun.
	noteUpload struct {
		noteSend
		Begun int64 `json:"begun"`
	}
	noteAck struct {
		N int64 `json:"n"`
	}
	noteResult struct {
		Event string          `json:"event"`
		Data  json.RawMessage `json:"data"`
	}
	noteAnalysis struct {
		Data json.RawMessage `json:"data"`
	}
	noteDead struct {
		Origin string `json:"origin"`
		Reason string `json:"reason"`
		Value  string `json:"value"`
	}
	noteFault struct {
		Name  string `json:"name"`
		From  int64  `json:"from"`
		Whole bool   `json:"whole"` // it was not cut short by the end
	}
	// noteRebalance is a change in who handles which partition, as a service logged it.
	noteRebalance struct {
		At int64 `json:"at"`
	}
	noteObject struct {
		Request schema.RequestID `json:"request"`
		Data    json.RawMessage  `json:"data,omitempty"`
		Error   string           `json:"error,omitempty"`
	}
	noteCommit struct {
		Group     string `json:"group"`
		Topic     string `json:"topic"`
		Partition int    `json:"partition"`
		Offset    int64  `json:"offset"`
	}
	noteRow struct {
		Collection string          `json:"collection"`
		Model      string          `json:"model"`
		ID         string          `json:"id"`
		PUID       string          `json:"puid"`
		ExternalID string          `json:"external_id"`
		Consent    json.RawMessage `json:"consent,omitempty"`
		Created    time.Time       `json:"created"`
		Vector     []float32       `json:"vector,omitempty"`
		Source     json.RawMessage `json:"source,omitempty"`
	}
	noteMemory struct {
		Process string `json:"process"`
		Peak    int64  `json:"peak"` // bytes that were resident
		Most    int64  `json:"most"` // 0: no limit
	}
	noteCounts struct {
		Survived map[string]int `json:"survived"`
		Looked   int            `json:"looked"` // at the committed offsets
	}
)

// expect is what the load knows about an outcome when it sends the request. The outcomes about persons depend on what else happens
// to the person at the same time, and follow from the whole history.
type expect struct {
	Reasons  []schema.Reason `json:"reasons,omitempty"`  // one of these; "" is success
	Dead     string          `json:"dead,omitempty"`     // the record becomes a dead letter with this reason
	Repeat   bool            `json:"repeat,omitempty"`   // the record repeats one that was sent before: nothing comes of it
	Stranger bool            `json:"stranger,omitempty"` // nobody may be recognised
}
