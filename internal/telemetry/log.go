package telemetry

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/config"
)

// NewLogger returns the logger of a service: one JSON object per line, or lines for people, as cfg says. Times are UTC
// with milliseconds in JSON, local in lines for people. An unknown level logs info and above.
func NewLogger(cfg config.Telemetry, service string, w io.Writer) zerolog.Logger {
	level, err := zerolog.ParseLevel(cfg.LogLevel)
	if err != nil || cfg.LogLevel == "" {
		level = zerolog.InfoLevel
	}
	if cfg.LogFormat != "json" {
		w = zerolog.ConsoleWriter{Out: w, NoColor: !isTerminal(w), TimeFormat: "15:04:05.000"}
	}
	stamp := zerolog.HookFunc(func(e *zerolog.Event, _ zerolog.Level, _ string) {
		e.Str(zerolog.TimestampFieldName, time.Now().UTC().Format("2006-01-02T15:04:05.000Z"))
	})
	return zerolog.New(w).Level(level).With().Str("service", service).Logger().Hook(stamp)
}

// Slog returns a log/slog.Logger that writes to log. The public packages use it.
func Slog(log zerolog.Logger) *slog.Logger { return slog.New(unstamped{zerolog.NewSlogHandler(log)}) }

// unstamped drops the time of a record, because the logger of NewLogger writes its own.
type unstamped struct{ slog.Handler }

// Handle implements slog.Handler.
func (h unstamped) Handle(ctx context.Context, r slog.Record) error {
	r.Time = time.Time{}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h unstamped) WithAttrs(a []slog.Attr) slog.Handler { return unstamped{h.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (h unstamped) WithGroup(name string) slog.Handler { return unstamped{h.Handler.WithGroup(name)} }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
