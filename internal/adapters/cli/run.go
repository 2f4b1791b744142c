package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

type runCommand struct {
	NewPass        bool          `name:"new-pass" help:"Read a complete stream from the head again. Stored events count as duplicates."`
	AcceptShortEnd bool          `name:"accept-short-end" help:"Accept an end below the announced total, if two answers in a row report it."`
	MaxPages       int           `name:"max-pages" placeholder:"N" help:"Stop after this many pages, with exit code 3 if the stream is not complete. 0 is no limit."`
	For            time.Duration `name:"for" placeholder:"TIME" help:"Stop after this time, like 10m, with exit code 3 if the stream is not complete. 0 is no limit."`
	DryRun         bool          `name:"dry-run" help:"Read and decode pages from the head, and say what a run would store. It uses no database."`
	JSON           bool          `name:"json" help:"Print the summary as one JSON object."`
}

// RunOptions are what one run needs besides the Settings.
type RunOptions struct {
	NewPass        bool         // --new-pass
	MaxPages       int          // --max-pages
	AcceptShortEnd bool         // --accept-short-end
	Retry          retry.Policy // for the API, made from the settings
	Outage         retry.Policy // for the database, made from the settings
	// Warn reports a problem that does not stop the run. It may be called from any goroutine.
	Warn func(problem string, cause error)
}

// A Runner reads the stream into the database. For Run, see [ingest.Runner.Run].
type Runner interface {
	Run(ctx context.Context) (domain.Summary, error)
}

// Run executes `pawl run`. kong calls it.
func (c *runCommand) Run(s *session) error {
	if err := s.requireForRun(!c.DryRun); err != nil {
		return err
	}
	if c.MaxPages < 0 {
		return settings.Invalid("--max-pages", fmt.Sprintf("%d should be 0 or more", c.MaxPages))
	}
	if c.For < 0 {
		return settings.Invalid("--for", fmt.Sprintf("%s should be 0 or more", c.For))
	}
	if c.DryRun && c.For > 0 {
		return settings.Invalid("--for", "it has no effect with --dry-run; use --max-pages")
	}
	if c.DryRun && c.NewPass {
		return settings.Invalid("--new-pass", "it has no effect with --dry-run, which always begins at the head")
	}
	if c.DryRun {
		return c.dryRun(s)
	}
	var cancel func()
	s.ctx, cancel = limitTime(s.ctx, c.For)
	defer cancel()
	err := c.readStream(s)
	if s.isTimeOver(err) && !errors.Is(err, errTimeIsOver) { // the run had not begun
		return timeLimitError(c.For, "before it had the stream: "+err.Error())
	}
	return err
}

// readStream reads the stream into the database, and prints the summary.
func (c *runCommand) readStream(s *session) error {
	s.stopHint = "run it again to continue after the last page stored"
	db, closeDatabase, err := s.openDatabase(mayCreate)
	if err != nil {
		return err
	}
	defer closeDatabase()
	if err := s.confirmNewStream(db); err != nil {
		return err
	}
	tracker := progress.NewTracker(c.NewPass)
	observer := observers{&logObserver{log: s.log, newPass: c.NewPass, live: s.showsLiveLine()}, tracker}
	warn := func(problem string, cause error) { s.log.Warn(problem, "why", cause.Error()) }
	options := RunOptions{
		NewPass: c.NewPass, MaxPages: c.MaxPages, AcceptShortEnd: c.AcceptShortEnd, Retry: s.policy(), Outage: s.outage(), Warn: warn,
	}
	runner, release, err := s.wiring.Runner(s.ctx, s.settingsFor(db), options, observer)
	if err != nil {
		return err
	}
	defer release()
	sum, err := s.ingest(db, runner, observer, tracker)
	position := domain.Position{Offset: sum.Offset, AnnouncedLast: sum.Announced}
	err = limitError(err, sum.Pages, position)
	if s.isTimeOver(err) && sum.Pass > 0 {
		err = timeLimitError(c.For, readText(position))
	}
	if sum.Pass == 0 { // the runner never claimed the stream
		return err
	}
	if err != nil && sum.Pages == 0 && !c.JSON { // the text would be lines of zeros before the reason
		return err
	}
	printErr := s.printSummary(db, sum, err, c.JSON)
	return cmp.Or(err, printErr)
}

// ingest prepares the schema of db and runs the runner. Meanwhile it shows the progress.
func (s *session) ingest(db Database, runner Runner, observer observers, tracker *progress.Tracker) (domain.Summary, error) {
	stopProgress := s.showProgress(tracker)
	defer stopProgress()
	if err := s.prepareSchema(db.URL, observer.WaitingToStore); err != nil {
		return domain.Summary{}, err
	}
	tracker.SetClaiming()
	sum, err := runner.Run(s.ctx)
	return sum, s.explain(err)
}

// limitError returns err. If err says that --max-pages has ended a run after so many pages, at this position, it returns an error that names
// the flag.
func limitError(err error, pages int64, read domain.Position) error {
	if !errors.Is(err, ingest.ErrMaxPages) {
		return err
	}
	return &domain.Error{
		Kind: domain.Stopped, Code: domain.CodePageLimitReached, Op: "stopped after " + quantity(pages, "page", "pages"),
		Err: reachedLimitError{text: "as --max-pages says, " + readText(read), cause: ingest.ErrMaxPages},
	}
}

// errTimeIsOver is the cause with which the context of a run with --for ends.
var errTimeIsOver = errors.New("the time of --for is over")

// limitTime returns a context that ends with the cause errTimeIsOver after the time limit, or never by itself if limit is 0. The caller must
// call cancel.
func limitTime(ctx context.Context, limit time.Duration) (limited context.Context, cancel func()) {
	limited, end := context.WithCancelCause(ctx)
	if limit == 0 {
		return limited, func() { end(nil) }
	}
	timer := time.AfterFunc(limit, func() { end(errTimeIsOver) })
	return limited, func() {
		timer.Stop()
		end(nil)
	}
}

// isTimeOver reports whether --for has ended the run that ended with err.
func (s *session) isTimeOver(err error) bool {
	return domain.KindOf(err) == domain.Stopped && errors.Is(context.Cause(s.ctx), errTimeIsOver)
}

// timeLimitError returns the error of a run that --for has ended. state says how far the run was.
func timeLimitError(limit time.Duration, state string) error {
	return &domain.Error{
		Kind: domain.Stopped, Code: domain.CodeTimeLimitReached, Op: fmt.Sprintf("stopped after %s", limit),
		Err: reachedLimitError{text: "as --for says, " + state, cause: errTimeIsOver},
	}
}

// A reachedLimitError is an error of a limit with another text.
type reachedLimitError struct {
	text  string
	cause error
}

func (l reachedLimitError) Error() string { return l.text }
func (l reachedLimitError) Unwrap() error { return l.cause }

// What can ask a run to stop.
const (
	stoppedByMaxPages = "max-pages"
	stoppedByMaxTime  = "for"
	stoppedBySignal   = "signal"
)

// stoppedBy returns what has asked the run that ended with err to stop, or an empty text if nothing did.
func stoppedBy(err error) string {
	switch {
	case errors.Is(err, ingest.ErrMaxPages):
		return stoppedByMaxPages
	case errors.Is(err, errTimeIsOver):
		return stoppedByMaxTime
	case domain.KindOf(err) == domain.Stopped:
		return stoppedBySignal
	}
	return ""
}
