package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

type statusCommand struct {
	JSON      bool           `name:"json" xor:"json" help:"Print one JSON object for each stream. It has the fields of run --json, for all runs together, and more."`
	Watch     bool           `name:"watch" xor:"watch" help:"Print the status again every 2 s, until ^C."`
	Check     bool           `name:"check" xor:"json,watch" help:"Print one line that says whether all is well. Exit 0 if it is, else 4. A first run that failed counts for a day, or longer if --stream names its stream."`
	MaxAge    *time.Duration `name:"max-age" placeholder:"TIME" help:"With --check: the greatest time since the last page was stored, for example 2h."`
	MaxParked *int64         `name:"max-parked" placeholder:"N" help:"With --check: the greatest number of open dead letters."`
}

// Run executes `pawl status`. kong calls it.
func (c *statusCommand) Run(s *session) error {
	limits, err := c.limits()
	if err != nil {
		return err
	}
	if c.Watch {
		return c.watch(s)
	}
	var report statusReport
	err = withDatabase(s, s.wiring.Reader, func(ctx context.Context, reader Reader) (err error) {
		report, err = c.read(ctx, s, reader)
		return err
	})
	switch {
	case err != nil:
		return err
	case c.Check:
		return printHealth(s.Stdout, report, limits)
	}
	return outputError(c.print(s.Stdout, report))
}

// A statusReport is what the database knows about streams.
type statusReport struct {
	streams      []domain.StreamStatus
	failedStarts []domain.FailedStart // of streams that are not in streams, because the database has no more about them
}

// read returns the status of the stream that the user named, or of every stream in the database if the user named none. If the database
// has no stream, it returns the error of Reader.Status.
func (c *statusCommand) read(ctx context.Context, s *session, reader Reader) (report statusReport, err error) {
	if report.failedStarts, err = c.readFailedStarts(ctx, s, reader); err != nil {
		return statusReport{}, err
	}
	if !s.namesStream() {
		report.streams, err = readAllStatuses(ctx, reader)
		if err != nil || len(report.streams) > 0 {
			return report, err
		}
	}
	status, err := reader.Status(ctx, s.settings.Stream)
	isExplained := domain.KindOf(err) == domain.Invalid && len(report.failedStarts) > 0 // the failures say why there is no stream
	switch {
	case isExplained:
		return report, nil
	case err != nil:
		return statusReport{}, err
	}
	report.streams = []domain.StreamStatus{status}
	return report, nil
}

// maxFailedStartAge is how long a failed first run counts for --check. The name of its stream may be a mistake, and then no later run
// succeeds.
const maxFailedStartAge = 24 * time.Hour

// readFailedStarts returns the failed first runs: of the stream that the user named, or of all streams. For --check it leaves out old ones,
// except that of a stream that the user named.
func (c *statusCommand) readFailedStarts(ctx context.Context, s *session, reader Reader) ([]domain.FailedStart, error) {
	failedStarts, err := reader.FailedStarts(ctx)
	return slices.DeleteFunc(failedStarts, func(f domain.FailedStart) bool {
		if s.namesStream() {
			return f.Stream != s.settings.Stream
		}
		return c.Check && time.Since(f.At) > maxFailedStartAge
	}), err
}

// readAllStatuses returns the status of every stream in the database. It leaves out a stream that the database forgets meanwhile, because
// its first run fails.
func readAllStatuses(ctx context.Context, reader Reader) (all []domain.StreamStatus, err error) {
	streams, err := reader.Streams(ctx)
	if err != nil {
		return nil, err
	}
	for _, stream := range streams {
		status, err := reader.Status(ctx, stream)
		if domain.KindOf(err) == domain.Invalid {
			left, listErr := reader.Streams(ctx)
			if isForgotten := listErr == nil && !slices.Contains(left, stream); isForgotten {
				continue
			}
		}
		if err != nil {
			return nil, err
		}
		all = append(all, status)
	}
	return all, nil
}

// namesStream reports whether the user named a stream.
func (s *session) namesStream() bool { return s.origins[streamFlag] != settings.Origin{} }

// streamFlag is the flag of the setting that names the stream.
const streamFlag = "stream"

// print writes one stream in full, or several streams as a table, and then the failed first runs. With --json it writes each as JSON.
func (c *statusCommand) print(w io.Writer, report statusReport) error {
	if c.JSON {
		return writeReportsJSON(w, report)
	}
	if err := printStreams(w, report.streams); err != nil {
		return err
	}
	for _, f := range report.failedStarts {
		if _, err := fmt.Fprintln(w, "stream "+describeFailedStart(f)); err != nil {
			return err
		}
	}
	return nil
}

// printStreams writes one stream in full, or several streams as a table.
func printStreams(w io.Writer, streams []domain.StreamStatus) error {
	switch len(streams) {
	case 0:
		return nil
	case 1:
		return writeStatus(w, streams[0])
	}
	if err := statusTable(streams).write(w); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "For one of them: pawl status --stream NAME")
	return err
}
