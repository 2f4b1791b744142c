package cli

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// newLogger logs as the settings say, and text on a terminal the way people read it.
func newLogger(screen *terminal.Screen, s Settings) *slog.Logger {
	switch {
	case s.logFormat == "json":
		return jsonLogger(screen, s)
	case screen.Kind() != terminal.Plain:
		return slog.New(tint.NewTextHandler(screen, &tint.Options{
			Level: s.logLevel, TimeFormat: time.TimeOnly, NoColor: !screen.Colour(), ReplaceAttr: withoutEscapes,
		}))
	}
	return slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: s.logLevel}))
}

func jsonLogger(w io.Writer, s Settings) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: s.logLevel}))
}

// withoutEscapes keeps a value, which may come from the API, from controlling the terminal: where there are colours, tint
// lets the escape character pass, and even makes one of its quoted form.
func withoutEscapes(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(strings.NewReplacer("\x1b", `\u001b`, `\x1b`, `\u001b`).Replace(a.Value.String()))
	}
	return a
}

// longWait is how long a wait must be to be logged although the live line shows it: whoever reads the terminal afterwards
// should find out where the time went.
const longWait = time.Minute

// A logObserver writes a run's course to the log: its turns at info, every page at debug.
type logObserver struct {
	log     *slog.Logger
	newPass bool
	live    bool // a live line shows the waits
}

func newLogObserver(log *slog.Logger, newPass, live bool) *logObserver {
	return &logObserver{log: log, newPass: newPass, live: live}
}

// Claimed implements ingest.Observer.
func (o *logObserver) Claimed(at domain.Checkpoint) {
	switch {
	case at.Seq == 0:
		o.log.Info("starting at the head", "stream", at.Stream.String(), "source", at.SourceURL)
	case at.Done && o.newPass:
		o.log.Info("starting a new pass from the head", "stream", at.Stream.String(), "pass", at.Pass+1, "stored", at.Inserted)
	case at.Done:
		o.log.Info("the stream is complete already; no new events were looked for (--new-pass reads it from the head again)",
			"stream", at.Stream.String(), "finished_at", at.UpdatedAt.Format(time.RFC3339))
	default:
		o.log.Info("resuming", "stream", at.Stream.String(), "pass", at.Pass, "seq", at.Seq, "position", at.Offset,
			"announced", at.AnnouncedLast.N)
	}
}

// Waiting implements ingest.Observer. Short waits are the normal course of things.
func (o *logObserver) Waiting(w retry.Wait) {
	level := slog.LevelWarn
	switch {
	case w.ForRateLimit() && w.For < time.Second, o.live && w.For < longWait:
		level = slog.LevelDebug
	case w.ForRateLimit(), domain.KindOf(w.Err) == domain.Fenced:
		level = slog.LevelInfo
	}
	what := "trying again"
	if w.ForRateLimit() {
		what = "waiting for the API (rate limit)"
	}
	o.log.Log(context.Background(), level, what, "until", w.Until.Format("15:04:05.000"), "seconds", seconds(w.For), "why", w.Err.Error())
}

// PassStarted implements ingest.Observer.
func (o *logObserver) PassStarted(at domain.Position) {
	o.log.Warn("the API no longer takes the cursor: reading from the head again, what is stored will count as duplicate",
		"pass", at.Pass, "replaying", at.MaxOffset)
}

// Committed implements ingest.Observer.
func (o *logObserver) Committed(page domain.DecodedPage, res domain.CommitResult) {
	o.log.Debug("page stored", "seq", res.Checkpoint.Seq, "position", page.To.Offset,
		"received", res.Counts.Received, "inserted", res.Counts.Inserted, "duplicate", res.Counts.Duplicate, "parked", res.Counts.Parked,
		"request_id", page.Receipt.RequestID)
	for _, d := range res.NewDrift {
		o.log.Info("the API sends something unexpected; nothing of it is lost", "path", d.Path, "kind", d.Kind, "sample", d.Sample)
	}
}

// Fetching implements ingest.Observer.
func (o *logObserver) Fetching(domain.Position) {}

// Storing implements ingest.Observer.
func (o *logObserver) Storing(domain.DecodedPage) {}
