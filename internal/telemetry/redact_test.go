package telemetry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"facestream/internal/config"
	"facestream/pkg/schema/schematest"
)

// TestPrivateValuesStayOutOfLogs upholds invariant 6: however a planted value is logged, no log line shows it.
func TestPrivateValuesStayOutOfLogs(t *testing.T) {
	for name, v := range schematest.Private() {
		t.Run(name, func(t *testing.T) {
			p := reflect.New(reflect.TypeOf(v))
			p.Elem().Set(reflect.ValueOf(v))
			pointer := p.Interface()
			wrapped := struct {
				Field any            `json:"field"`
				List  []any          `json:"list"`
				Map   map[string]any `json:"map"`
				Next  *struct{ Field any }
			}{v, []any{v, pointer}, map[string]any{"k": v}, &struct{ Field any }{pointer}}
			for _, format := range []string{"json", "console"} {
				var out bytes.Buffer
				log := NewLogger(config.Telemetry{LogLevel: "debug", LogFormat: format}, "test", &out)
				log.Info().Interface("i", v).Interface("p", pointer).Any("a", wrapped).Any("wp", &wrapped).Msgf("%v %+v", v, struct{ Field any }{v})
				child := log.With().Interface("i", v).Logger()
				child.Info().Fields(map[string]any{"f": v, "p": pointer}).Err(fmt.Errorf("op: %v", v)).Msg("")
				if s, ok := v.(fmt.Stringer); ok {
					log.Info().Stringer("s", s).Msg(s.String())
				}
				slogger := Slog(log).With("with", v).WithGroup("group")
				slogger.Info("message", "i", v, "p", pointer, "w", wrapped, slog.Group("g", "x", v))
				if schematest.Leaks(out.String()) || !strings.Contains(out.String(), "message") {
					t.Errorf("%s: %s", format, out.String())
				}
			}
		})
	}
}

// What hides nothing is logged as its JSON.
func TestOtherValuesAreLoggedAsJSON(t *testing.T) {
	type inner struct{ Model string }
	at := time.Date(2026, 11, 30, 1, 2, 3, 0, time.UTC)
	loop := map[string]any{}
	loop["self"] = loop
	for _, v := range []any{
		nil, 1, "x", 1.5, true, at, []byte("bytes"), []string{"a", "b"}, map[int]string{1: "one"}, json.RawMessage(`{"a":[1]}`), (*inner)(nil),
		struct {
			inner
			ID     string `json:"id"`
			Hidden string `json:"-"`
			Empty  string `json:"empty,omitempty"`
			At     time.Time
			List   []inner `json:"list"`
			own    int
		}{inner{"m"}, "1", "2", "", at, []inner{{"n"}}, 3},
	} {
		want, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		got, err := marshal(v)
		if err != nil || !sameJSON(t, want, got) {
			t.Errorf("%T: %s, %v, want %s", v, got, err, want)
		}
	}
	if got, err := marshal(struct{ Err error }{errors.New("cause")}); err != nil || string(got) != `{"Err":"cause"}` {
		t.Errorf("an error in a struct: %s, %v", got, err)
	}
	if _, err := marshal(loop); err != nil {
		t.Errorf("a value that contains itself: %v", err)
	}
}

func sameJSON(t *testing.T, a, b []byte) bool {
	t.Helper()
	var x, y any
	if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
		t.Fatal(err)
	}
	return reflect.DeepEqual(x, y)
}

// A line that comes through slog has one time, the service, and the fields under their names.
func TestSlog(t *testing.T) {
	var out bytes.Buffer
	log := Slog(NewLogger(config.Telemetry{LogLevel: "info", LogFormat: "json"}, "worker", &out)).With("topic", "t")
	log.Debug("not this one")
	log.Warn("writing fails", "partition", 3, "error", errors.New("cause"))
	if n := strings.Count(out.String(), `"time"`); n != 1 {
		t.Errorf("%d times: %s", n, out.String())
	}
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	delete(line, "time")
	want := map[string]any{"level": "warn", "service": "worker", "topic": "t", "partition": 3.0, "error": "cause", "message": "writing fails"}
	if !reflect.DeepEqual(line, want) {
		t.Errorf("%v, want %v", line, want)
	}
}
