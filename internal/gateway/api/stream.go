package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"facestream/internal/gateway/auth"
	"facestream/pkg/events"
	"facestream/pkg/schema"
)

const (
	heartbeat  = 15 * time.Second // between signs of life on a quiet stream
	streamWait = 10 * time.Second // for a reader to take what is sent; then it is cut off
)

// filter selects results.
type filter struct {
	operations  []string
	collections []string
	reasons     []string // none for success
	status      string   // done, refused, or "" for both
}

// filterParameters are the parameters of a stream.
var filterParameters = []string{"operation", "collection", "reason", "status"}

func parseFilter(query url.Values) (f filter, refused *Problem) {
	for name := range query {
		if !slices.Contains(filterParameters, name) {
			return f, problem(CauseInvalidParameter, "the stream has the parameters %s", strings.Join(filterParameters, ", "))
		}
	}
	f = filter{operations: query["operation"], collections: query["collection"], reasons: query["reason"], status: query.Get("status")}
	for _, op := range f.operations {
		if !schema.Operation(op).Known() {
			return f, problem(CauseInvalidParameter, "operation: is not an operation")
		}
	}
	for _, c := range f.collections {
		if schema.Collection(c).Validate() != nil {
			return f, problem(CauseInvalidParameter, "collection: is not the name of a collection")
		}
	}
	for _, reason := range f.reasons {
		if reason != "none" && !slices.ContainsFunc(schema.Reasons(), func(i schema.ReasonInfo) bool { return string(i.Reason) == reason }) {
			return f, problem(CauseInvalidParameter, "reason: is not a reason of results, or none")
		}
	}
	if len(query["status"]) > 1 || f.status != "" && f.status != "done" && f.status != "refused" {
		return f, problem(CauseInvalidParameter, "status: must be done or refused")
	}
	return f, nil
}

func (f filter) takes(about subject) bool {
	reason := string(about.CallStatus.Reason)
	if reason == "" {
		reason = "none"
	}
	done := about.CallStatus.ReturnCode == schema.CodeNoError
	return (len(f.operations) == 0 || slices.Contains(f.operations, string(about.Operation))) &&
		(len(f.collections) == 0 || slices.Contains(f.collections, string(about.Collection))) &&
		(len(f.reasons) == 0 || slices.Contains(f.reasons, reason)) &&
		(f.status == "" || (f.status == "done") == done)
}

// positions are the offsets from which partitions are to be read. As the id of an event they let a reader go on at any replica.
type positions map[int]int64

func (p positions) String() string {
	var b strings.Builder
	for _, partition := range slices.Sorted(maps.Keys(p)) {
		if p[partition] < 0 { // from its beginning, as one that is not named
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%d:%d", partition, p[partition])
	}
	return b.String()
}

func parsePositions(text string) (positions, error) {
	p := positions{}
	for part := range strings.SplitSeq(text, ",") {
		left, right, ok := strings.Cut(part, ":")
		partition, err1 := strconv.ParseUint(left, 10, 15)
		offset, err2 := strconv.ParseUint(right, 10, offsetBits-1)
		if _, twice := p[int(partition)]; !ok || err1 != nil || err2 != nil || twice {
			return nil, errors.New("Last-Event-ID is not the id of an event of this stream")
		}
		p[int(partition)] = int64(offset)
	}
	return p, nil
}

// serveResults sends the results that the caller may see as server-sent events, from now on or from the event that Last-Event-ID names.
// Each stream reads the topic by itself and no further than its reader, so that nothing is kept for a reader that is slow.
func (s *Service) serveResults(w http.ResponseWriter, r *http.Request, caller *auth.Caller) *Problem {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem(CauseInvalidParameter, "the parameters are not in their form")
	}
	f, refused := parseFilter(query)
	if refused != nil {
		return refused
	}
	end, refused := s.ledger.stream(caller.Name, s.Streams)
	if refused != nil {
		return refused
	}
	defer end()
	next, refused := s.begin(r)
	if refused != nil {
		return refused
	}
	ctx, stop := s.staying(r.Context())
	defer stop()
	if !caller.Until.IsZero() {
		var release context.CancelFunc
		ctx, release = context.WithDeadline(ctx, caller.Until)
		defer release()
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // of proxies
	out := &stream{w: w, control: http.NewResponseController(w)}
	w.WriteHeader(http.StatusOK)
	if out.send([]byte("retry: 2000\n\n")) != nil {
		return nil
	}
	beats := make(chan struct{})
	go func() {
		defer close(beats)
		ticker := time.NewTicker(heartbeat)
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				if out.send([]byte(": still here\n\n")) != nil {
					stop()
					return
				}
			}
		}
	}()
	_ = s.Client.ReadAll(ctx, events.Results, maps.Clone(next), func(record events.Record) error {
		next[record.Partition] = record.Offset + 1
		var about subject
		if json.Unmarshal(record.Event.Data, &about) != nil || !caller.May(about.Operation, about.Collection) || !f.takes(about) {
			return nil
		}
		return out.send(event(next, record.Event.Data))
	}, nil)
	stop()
	<-beats
	return nil
}

// begin returns where a stream begins.
func (s *Service) begin(r *http.Request) (positions, *Problem) {
	ends, err := s.Client.Ends(r.Context(), events.Results)
	if err != nil {
		return nil, s.unavailable(err, "the end of the results cannot be looked up")
	}
	next := positions{}
	for partition, end := range ends[events.Results] {
		next[partition] = end
	}
	last := r.Header.Values("Last-Event-Id")
	if len(last) == 0 {
		return next, nil
	}
	from, err := parsePositions(last[0])
	if err != nil || len(last) > 1 {
		return nil, problem(CauseInvalidParameter, "Last-Event-ID is not the id of an event of this stream")
	}
	for partition, end := range next {
		if at, ok := from[partition]; ok {
			next[partition] = min(at, end)
		} else {
			next[partition] = events.FirstOffset // added since
		}
	}
	return next, nil
}

// event is a result as a server-sent event. The data of a published result is one line.
func event(id positions, data []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %s\nevent: result\n", id)
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		b.WriteString("data: ")
		b.Write(bytes.TrimSuffix(line, []byte("\r")))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes()
}

// stream is the reader's end. It is safe for concurrent use.
type stream struct {
	mu      sync.Mutex
	w       http.ResponseWriter
	control *http.ResponseController
}

// send writes to the reader, who must take it in time.
func (x *stream) send(data []byte) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if err := x.control.SetWriteDeadline(time.Now().Add(streamWait)); err != nil {
		return err
	}
	if _, err := x.w.Write(data); err != nil {
		return err
	}
	return x.control.Flush()
}
