package telemetry

import (
	"io"
	"os"
	"time"

	"github.com/rs/zerolog"

	"facestream/internal/config"
)

// NewLogger returns the logger of a service: one JSON object per line, or lines for people, as cfg says. Times are UTC
// with milliseconds in JSON, local in lines for people. A level that does not exist logs everything from info on.
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

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
