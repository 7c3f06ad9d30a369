package events

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

func headers(pairs ...string) (out []Header) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, Header{Key: pairs[i], Value: []byte(pairs[i+1])})
	}
	return out
}

func TestEventRoundTrip(t *testing.T) {
	e := Event{ID: "1", Source: "test", Type: TypeJob, Time: time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC), TraceParent: trace, Key: "k", Data: []byte(`{"a":1}`)}
	m := e.message(Jobs)
	want := Record{Topic: Jobs, Key: []byte("k"), Value: []byte(`{"a":1}`), Event: e, Headers: headers(
		"ce_specversion", "1.0", "ce_id", "1", "ce_source", "test", "ce_type", "facestream.job.v1",
		"ce_time", "2026-02-03T04:05:06.000000789Z", "content-type", "application/json", "traceparent", trace)}
	got, err := record(m)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("written in binary mode and read back (-want +got):\n%s", diff)
	}
}

func TestDecodeEvent(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	structured := headers("Content-Type", "application/cloudevents+json; charset=UTF-8")
	tests := []struct {
		name    string
		headers []Header
		value   string
		want    Event
		err     string
	}{
		{name: "bare", value: `{"a":1}`, want: Event{Data: []byte(`{"a":1}`)}},
		{name: "bare with a content type", headers: headers("content-type", "application/json"), value: `x`, want: Event{Data: []byte("x")}},
		{name: "binary", headers: headers("ce_specversion", "1.0", "CE_ID", "1", "ce_source", "s", "ce_type", "t"), value: "x",
			want: Event{ID: "1", Source: "s", Type: "t", Data: []byte("x")}},
		{name: "binary with the tracing extension", headers: headers("ce_specversion", "1.0", "ce_id", "1", "ce_source", "s", "ce_type", "t", "ce_traceparent", trace), value: "x",
			want: Event{ID: "1", Source: "s", Type: "t", TraceParent: trace, Data: []byte("x")}},
		{name: "a traceparent that is none", headers: headers("ce_specversion", "1.0", "ce_id", "1", "ce_source", "s", "ce_type", "t", "traceparent", "Jane Doe"), value: "x",
			want: Event{ID: "1", Source: "s", Type: "t", Data: []byte("x")}},
		{name: "structured", headers: structured,
			value: `{"specversion":"1.0","id":"1","source":"s","type":"t","time":"2026-01-02T03:04:05Z","traceparent":"` + trace + `","data":{"a":1}}`,
			want:  Event{ID: "1", Source: "s", Type: "t", Time: at, TraceParent: trace, Data: []byte(`{"a":1}`)}},
		{name: "structured, base64", headers: structured,
			value: `{"specversion":"1.0","id":"1","source":"s","type":"t","data_base64":"eyJhIjoxfQ=="}`,
			want:  Event{ID: "1", Source: "s", Type: "t", Data: []byte(`{"a":1}`)}},
		{name: "binary without an id", headers: headers("ce_specversion", "1.0", "ce_source", "s", "ce_type", "t"), err: "id, source and type"},
		{name: "binary of another version", headers: headers("ce_specversion", "0.3", "ce_id", "1", "ce_source", "s", "ce_type", "t"), err: "specversion"},
		{name: "binary with a bad time", headers: headers("ce_specversion", "1.0", "ce_id", "1", "ce_source", "s", "ce_type", "t", "ce_time", "noon"), err: "RFC 3339"},
		{name: "structured, no JSON", headers: structured, value: `{"id": planted-secret`, err: "syntax error at byte 8"},
		{name: "structured, wrong type", headers: structured, value: `{"id": 7}`, err: "wrong type"},
		{name: "structured, no attributes", headers: structured, value: `{}`, err: "specversion"},
		{name: "structured, other data", headers: structured, value: `{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"text/xml","data":"<a/>"}`, err: "datacontenttype"},
		{name: "batch", headers: headers("content-type", "application/cloudevents-batch+json"), value: `[]`, err: "one event a record"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := DecodeEvent([]byte("key"), []byte(tt.value), tt.headers)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want one about %q", err, tt.err)
				}
				if err != nil && strings.Contains(err.Error(), "planted-secret") {
					t.Errorf("the error quotes the value: %v", err)
				}
				if string(got.Data) != tt.value || got.Type != "" {
					t.Error("with an error the event must hold the bare value")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			tt.want.Key = "key"
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// FuzzDecodeEvent wants no panic, the key kept, and that what was read is written and read again as the same.
func FuzzDecodeEvent(f *testing.F) {
	f.Add("application/cloudevents+json", "", "", "", []byte(`{"specversion":"1.0","id":"1","source":"s","type":"t","data":1}`))
	f.Add("application/json", "1.0", "id", "2026-01-02T03:04:05Z", []byte(`{}`))
	f.Add("", "", "", "", []byte(nil))
	f.Fuzz(func(t *testing.T, content, version, id, at string, value []byte) {
		e, err := DecodeEvent([]byte("k"), value, headers(
			"content-type", content, "ce_specversion", version, "ce_id", id, "ce_source", "s", "ce_type", "t", "ce_time", at))
		if e.Key != "k" {
			t.Fatal("the key is lost")
		}
		if err != nil || e.Type == "" || e.Time.IsZero() {
			return
		}
		m := e.message(Jobs)
		again, err := DecodeEvent(m.Key, m.Value, headersOf(m))
		if err != nil {
			t.Fatal(err)
		}
		e.Time, again.Time = e.Time.UTC(), again.Time.UTC()
		if diff := cmp.Diff(e, again); diff != "" {
			t.Fatal(diff)
		}
	})
}
