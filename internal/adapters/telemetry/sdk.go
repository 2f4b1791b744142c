package telemetry

import (
	"errors"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// Heed makes warn hear what the SDK says about itself, mostly that it passes over a malformed OTEL_* variable; by itself
// the SDK writes to standard error in a form of its own. It holds for the whole process, as the SDK has no other way: it
// is for main.
func Heed(warn func(what string, why error)) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { warn("OpenTelemetry found something wrong", err) }))
	otel.SetLogger(logr.New(errorSink{warn}))
}

// An errorSink is a logr.LogSink for errors alone. Of these it tells the message only: cause and values repeat the
// variable, which may be a header with a key.
type errorSink struct {
	warn func(what string, why error)
}

func (s errorSink) Init(logr.RuntimeInfo)          {}
func (s errorSink) Enabled(int) bool               { return false }
func (s errorSink) Info(int, string, ...any)       {}
func (s errorSink) WithValues(...any) logr.LogSink { return s }
func (s errorSink) WithName(string) logr.LogSink   { return s }
func (s errorSink) Error(_ error, msg string, _ ...any) {
	s.warn("OpenTelemetry passes over a malformed OTEL_* variable", errors.New(msg))
}
