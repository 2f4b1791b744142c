package cli

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/lmittmann/tint"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// newLogger returns a logger in the format of the settings. On a terminal, text has colours and short times.
func newLogger(screen *terminal.Screen, s Settings) *slog.Logger {
	switch {
	case s.LogFormat == settings.LogJSON:
		return newJSONLogger(screen, s)
	case screen.Kind() != terminal.Plain:
		return slog.New(tint.NewTextHandler(screen, &tint.Options{
			Level: s.LogLevel, TimeFormat: time.TimeOnly, NoColor: !screen.Colour(), ReplaceAttr: replaceEscapes,
		}))
	}
	return slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: s.LogLevel}))
}

func newJSONLogger(w io.Writer, s Settings) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: s.LogLevel}))
}

// replaceEscapes makes the escape character visible, because a value may come from the API and must not control the terminal.
// With colours, tint writes the character unchanged, and even converts its quoted form to the character.
func replaceEscapes(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindString {
		a.Value = slog.StringValue(strings.NewReplacer("\x1b", `\u001b`, `\x1b`, `\u001b`).Replace(a.Value.String()))
	}
	return a
}

// minLoggedWait is the shortest wait that is logged although the live line shows it. The log then explains where the time went.
const minLoggedWait = time.Minute

// A logObserver is an ingest.Observer that logs a run: what changes its course at level info, every page at level debug.
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
		o.log.Info("the stream is complete already; pawl did not look for new events (--new-pass reads it from the head again)",
			"stream", at.Stream.String(), "finished_at", at.UpdatedAt.Format(time.RFC3339))
	default:
		o.log.Info("resuming", "stream", at.Stream.String(), "pass", at.Pass, "seq", at.Seq, "position", at.Offset,
			"announced", at.AnnouncedLast.N)
	}
}

// Waiting implements ingest.Observer. It logs short waits at level debug, because they are normal.
func (o *logObserver) Waiting(w retry.Wait) {
	level := slog.LevelWarn
	switch {
	case w.ForRateLimit() && w.For < time.Second, o.live && w.For < minLoggedWait:
		level = slog.LevelDebug
	case w.ForRateLimit(), domain.KindOf(w.Err) == domain.Fenced:
		level = slog.LevelInfo
	}
	message := "trying again"
	if w.ForRateLimit() {
		message = "waiting for the API (rate limit)"
	}
	o.log.Log(context.Background(), level, message,
		"until", w.Until.Format("15:04:05.000"), "seconds", seconds(w.For), "why", w.Err.Error())
}

// PassStarted implements ingest.Observer.
func (o *logObserver) PassStarted(at domain.Position) {
	o.log.Warn("the API no longer takes the cursor: reading from the head again; stored events count as duplicates",
		"pass", at.Pass, "rereading", at.MaxOffset)
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

// observers is an ingest.Observer that calls several observers in order.
type observers []ingest.Observer

func (all observers) Claimed(at domain.Checkpoint) {
	for _, o := range all {
		o.Claimed(at)
	}
}

func (all observers) Fetching(at domain.Position) {
	for _, o := range all {
		o.Fetching(at)
	}
}

func (all observers) Storing(page domain.DecodedPage) {
	for _, o := range all {
		o.Storing(page)
	}
}

func (all observers) Waiting(w retry.Wait) {
	for _, o := range all {
		o.Waiting(w)
	}
}

func (all observers) PassStarted(at domain.Position) {
	for _, o := range all {
		o.PassStarted(at)
	}
}

func (all observers) Committed(page domain.DecodedPage, res domain.CommitResult) {
	for _, o := range all {
		o.Committed(page, res)
	}
}
