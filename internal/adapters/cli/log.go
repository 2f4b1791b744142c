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

// newLogger returns a logger in the format of the settings. On a terminal, text has short times, and colours if the screen has them.
func newLogger(screen *terminal.Screen, s Settings) *slog.Logger {
	switch {
	case s.LogFormat == settings.LogJSON:
		return newJSONLogger(screen, s)
	case screen.Kind() != terminal.Plain:
		return slog.New(tint.NewTextHandler(screen, &tint.Options{
			Level: s.LogLevel, TimeFormat: time.TimeOnly, NoColor: !screen.Colour(), ReplaceAttr: replaceEscapeCharacter,
		}))
	}
	return slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: s.LogLevel}))
}

// newJSONLogger returns a logger that writes each line to w as a JSON object, in ASCII.
func newJSONLogger(w io.Writer, s Settings) *slog.Logger {
	return slog.New(slog.NewJSONHandler(asciiJSON{w}, &slog.HandlerOptions{Level: s.LogLevel}))
}

// replaceEscapeCharacter makes the escape character visible in an attribute's text. The text may come from the API and must not
// control the terminal. When the package tint writes colours, it does not quote the escape character. tint even changes the quoted
// form \x1b back to the character. So replaceEscapeCharacter replaces both by \u001b, which tint does not change.
func replaceEscapeCharacter(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindString {
		replacer := strings.NewReplacer("\x1b", `\u001b`, `\x1b`, `\u001b`)
		a.Value = slog.StringValue(replacer.Replace(a.Value.String()))
	}
	return a
}

// minLoggedWait is the shortest wait that a run with a live line logs above level debug. Shorter waits are only in the live line. The
// log must still explain long waits when the live line has gone.
const minLoggedWait = time.Minute

// A logObserver is an ingest.Observer that logs a run. It logs each page at level debug, and what changes the course of the run at
// level info or warn.
type logObserver struct {
	log     *slog.Logger
	newPass bool // if the stream is complete, the run reads it from the head again
	live    bool // a live line shows the waits
}

// Claimed implements ingest.StoreObserver. It logs where the run begins, or that the stream is complete.
func (o *logObserver) Claimed(checkpoint domain.Checkpoint) {
	switch {
	case checkpoint.Seq == 0: // no page is stored
		o.log.Info("starting at the head", "stream", checkpoint.Stream.String(), "source", checkpoint.SourceURL)
	case checkpoint.Done && o.newPass:
		o.log.Info("starting a new pass from the head", "stream", checkpoint.Stream.String(), "pass", checkpoint.Pass+1,
			"stored", checkpoint.Inserted)
	case checkpoint.Done:
		o.log.Info("the stream is complete already; pawl did not look for new events (--new-pass reads it from the head again)",
			"stream", checkpoint.Stream.String(), "finished_at", checkpoint.UpdatedAt.Format(time.RFC3339))
	default:
		o.log.Info("resuming", "stream", checkpoint.Stream.String(), "pass", checkpoint.Pass, "seq", checkpoint.Seq,
			"position", checkpoint.Offset, "announced", checkpoint.AnnouncedLast.N)
	}
}

// Waiting implements ingest.FetchObserver. It logs a wait after a failure at level warn. It logs a wait for the rate limit, or for
// another runner to release the stream, at level info. A short wait for the rate limit is normal, so it is logged at level debug. So is
// a wait that the live line shows, and one that the database causes after several others.
func (o *logObserver) Waiting(w retry.Wait) {
	isShort := w.ForRateLimit() && w.For < time.Second
	isShown := o.live && w.For < minLoggedWait
	const loggedAttempts = 4 // further ones of an outage would fill the log, and the progress says that it lasts
	isRepeated := w.ByTimeAlone() && w.Try > loggedAttempts
	isForRunner := domain.KindOf(w.Err) == domain.Fenced
	isExpected := w.ForRateLimit() || isForRunner
	level := slog.LevelWarn
	switch {
	case isShort || isShown || isRepeated:
		level = slog.LevelDebug
	case isExpected:
		level = slog.LevelInfo
	}
	message := "trying again"
	if w.ForRateLimit() {
		message = "waiting for the API (rate limit)"
	}
	attributes := []any{
		"until", w.Until.Format("15:04:05.000Z07:00"), "seconds", seconds(w.For), "why", w.Err.Error(), "code", domain.CodeOf(w.Err),
	}
	if w.ByTimeAlone() {
		message = "trying again, the database is away"
		attributes = append(attributes, "trying_until", w.GivesUpAt.Format("15:04:05Z07:00"))
	}
	o.log.Log(context.Background(), level, message, attributes...)
}

// WaitingToStore implements ingest.StoreObserver. It logs a wait as Waiting does.
func (o *logObserver) WaitingToStore(w retry.Wait) { o.Waiting(w) }

// CursorLost implements ingest.FetchObserver.
func (o *logObserver) CursorLost(start domain.Position) {
	if start.Cursor != "" {
		o.log.Warn("the API does not know the cursor, or it leads in a circle: reading again from an earlier page; stored events count as duplicates",
			"pass", start.Pass, "position", start.Offset)
		return
	}
	o.log.Warn("the API no longer accepts the cursor: reading from the first page again; stored events count as duplicates",
		"pass", start.Pass, "rereading", start.MaxOffset)
}

// Committed implements ingest.StoreObserver. It logs each page and the batch at level debug, and each new kind of drift at level info.
func (o *logObserver) Committed(batch domain.Batch, res domain.CommitResult) {
	for i, page := range batch.Pages {
		o.log.Debug("page stored", "seq", batch.Start.Seq+int64(i)+1, "position", page.To.Offset, "received", page.Received,
			"request_id", page.Receipt.RequestID)
	}
	o.log.Debug("batch committed", "pages", len(batch.Pages), "inserted", res.Counts.Inserted, "duplicate", res.Counts.Duplicate,
		"parked", res.Counts.Parked)
	for _, d := range res.NewDrift {
		o.log.Info("the API sends something unexpected; nothing of it is lost", "path", d.Path, "kind", d.Kind, "sample", d.Sample)
	}
}

// Fetching implements ingest.FetchObserver. It logs nothing.
func (o *logObserver) Fetching(domain.Position) {}

// Storing implements ingest.StoreObserver. It logs nothing.
func (o *logObserver) Storing(domain.Batch) {}

// observers is an ingest.Observer that calls several observers in order.
type observers []ingest.Observer

func (all observers) Claimed(checkpoint domain.Checkpoint) {
	for _, o := range all {
		o.Claimed(checkpoint)
	}
}

func (all observers) Fetching(from domain.Position) {
	for _, o := range all {
		o.Fetching(from)
	}
}

func (all observers) Storing(batch domain.Batch) {
	for _, o := range all {
		o.Storing(batch)
	}
}

func (all observers) Waiting(w retry.Wait) {
	for _, o := range all {
		o.Waiting(w)
	}
}

func (all observers) WaitingToStore(w retry.Wait) {
	for _, o := range all {
		o.WaitingToStore(w)
	}
}

func (all observers) CursorLost(start domain.Position) {
	for _, o := range all {
		o.CursorLost(start)
	}
}

func (all observers) Committed(batch domain.Batch, res domain.CommitResult) {
	for _, o := range all {
		o.Committed(batch, res)
	}
}
