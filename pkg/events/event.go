package events

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/segmentio/kafka-go"
)

// The CloudEvents types of the values on the topics.
const (
	TypeRequest  = "facestream.request.v1"
	TypeJob      = "facestream.job.v1"
	TypeAnalysis = "facestream.analysis.v1"
	TypeResult   = "facestream.result.v1"
)

// Event is a CloudEvent (specification 1.0.2) as facestream uses it. There is no subject: headers carry nothing about a
// person (invariant 6).
type Event struct {
	ID          string    // equal ids mean the same event (invariant 3); see schema.EventID
	Source      string    // who wrote it, for instance "facestream/ingest"
	Type        string    // one of the Type constants; "" for a bare value without CloudEvents attributes
	Time        time.Time // when it came to be; zero where the writer did not say
	TraceParent string    // W3C Trace Context header; "" when absent or malformed
	Digest      string    // the extension requestdigest: schema.Job.Digest of the request that it follows from; "" when unknown
	Key         string    // the Kafka record key; "" spreads records over the partitions
	Data        []byte    // the value, JSON
}

// Header names of the CloudEvents Kafka protocol binding 1.0.2, binary mode, and of W3C Trace Context.
const (
	headerContentType = "content-type"
	headerSpecVersion = "ce_specversion"
	headerID          = "ce_id"
	headerSource      = "ce_source"
	headerType        = "ce_type"
	headerTime        = "ce_time"
	headerDigest      = "ce_requestdigest"
	headerTrace       = "traceparent"
	headerTraceCE     = "ce_traceparent" // the CloudEvents distributed tracing extension; read, not written

	contentJSON       = "application/json"
	contentCloudEvent = "application/cloudevents"
)

// message renders the event in binary mode.
func (e Event) message(topic Topic) kafka.Message {
	m := kafka.Message{Topic: string(topic), Value: e.Data, Headers: []kafka.Header{
		{Key: headerSpecVersion, Value: []byte("1.0")},
		{Key: headerID, Value: []byte(e.ID)},
		{Key: headerSource, Value: []byte(e.Source)},
		{Key: headerType, Value: []byte(e.Type)},
		{Key: headerTime, Value: []byte(e.Time.UTC().Format(time.RFC3339Nano))},
		{Key: headerContentType, Value: []byte(contentJSON)},
	}}
	if e.Key != "" {
		m.Key = []byte(e.Key) // a nil key is spread at random, an empty one would hash to one partition
	}
	if e.Digest != "" {
		m.Headers = append(m.Headers, kafka.Header{Key: headerDigest, Value: []byte(e.Digest)})
	}
	if validTraceParent(e.TraceParent) {
		m.Headers = append(m.Headers, kafka.Header{Key: headerTrace, Value: []byte(e.TraceParent)})
	}
	return m
}

// DecodeEvent reads a record in binary mode (ce_* headers), in structured mode (content type
// application/cloudevents+json), or bare: without CloudEvents attributes, as object stores and simple producers write.
// Of a bare record only Key and Data are set. Data is not inspected, except as far as the structured envelope requires.
// With an error, the event has Key and the whole value as Data.
func DecodeEvent(key, value []byte, headers []Header) (Event, error) {
	h := map[string]string{}
	for _, x := range headers {
		h[strings.ToLower(x.Key)] = string(x.Value)
	}
	bare := Event{Key: string(key), Data: value}
	var e Event
	var err error
	switch content := strings.ToLower(h[headerContentType]); {
	case strings.HasPrefix(content, contentCloudEvent):
		e, err = decodeStructured(content, value)
	case h[headerSpecVersion] != "":
		e, err = decodeBinary(h, value)
	default:
		return bare, nil
	}
	if err != nil {
		return bare, err
	}
	if e.TraceParent == "" {
		e.TraceParent = h[headerTrace]
	}
	if !validTraceParent(e.TraceParent) {
		e.TraceParent = ""
	}
	e.Key = bare.Key
	return e, nil
}

func decodeBinary(h map[string]string, value []byte) (Event, error) {
	e := Event{ID: h[headerID], Source: h[headerSource], Type: h[headerType], TraceParent: h[headerTraceCE], Digest: h[headerDigest], Data: value}
	return e, e.checkAttributes(h[headerSpecVersion], h[headerTime])
}

func decodeStructured(content string, value []byte) (Event, error) {
	var w struct {
		SpecVersion     string          `json:"specversion"`
		ID              string          `json:"id"`
		Source          string          `json:"source"`
		Type            string          `json:"type"`
		Time            string          `json:"time"`
		TraceParent     string          `json:"traceparent"`
		Digest          string          `json:"requestdigest"`
		DataContentType string          `json:"datacontenttype"`
		Data            json.RawMessage `json:"data"`
		DataBase64      []byte          `json:"data_base64"`
	}
	if media, _, _ := strings.Cut(content, ";"); strings.TrimSpace(media) != contentCloudEvent+"+json" {
		return Event{}, errors.New("only application/cloudevents+json is read: one event a record, in JSON")
	}
	if err := json.Unmarshal(value, &w); err != nil {
		return Event{}, fmt.Errorf("the value is not a CloudEvent in JSON: %s", describeJSONError(err))
	}
	e := Event{ID: w.ID, Source: w.Source, Type: w.Type, TraceParent: w.TraceParent, Digest: w.Digest, Data: w.Data}
	switch {
	case w.DataBase64 != nil:
		e.Data = w.DataBase64
	case w.DataContentType != "" && !strings.Contains(w.DataContentType, "json"):
		return Event{}, errors.New("datacontenttype must be JSON")
	}
	return e, e.checkAttributes(w.SpecVersion, w.Time)
}

// checkAttributes checks the required attributes and sets Time.
func (e *Event) checkAttributes(version, at string) error {
	switch {
	case version != "1.0":
		return errors.New("the CloudEvents specversion must be 1.0")
	case e.ID == "" || e.Source == "" || e.Type == "":
		return errors.New("a CloudEvent needs id, source and type")
	case at == "":
		return nil
	}
	t, err := time.Parse(time.RFC3339Nano, at)
	if err != nil {
		return errors.New("the CloudEvents time is not an RFC 3339 timestamp")
	}
	e.Time = t
	return nil
}

// describeJSONError tells what is wrong without quoting the value (invariant 6): type errors of encoding/json do.
func describeJSONError(err error) string {
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Sprintf("syntax error at byte %d", syntax.Offset)
	case errors.As(err, &kind):
		return fmt.Sprintf("wrong type at byte %d", kind.Offset)
	}
	return "malformed"
}

// traceParentPattern is the version 00 form of https://www.w3.org/TR/trace-context/#traceparent-header.
var traceParentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// validTraceParent keeps anything but a trace id out of headers and logs.
func validTraceParent(s string) bool { return len(s) == 55 && traceParentPattern.MatchString(s) }
