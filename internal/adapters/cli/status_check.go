package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/domain"
)

// healthLimits are the limits of `pawl status --check`. A nil limit allows everything.
type healthLimits struct {
	maxAge    *time.Duration // the greatest time since the last page was stored
	maxParked *int64         // the greatest number of open dead letters
}

// limits returns the limits that the user has set, or an Invalid error if they make no sense.
func (c *statusCommand) limits() (healthLimits, error) {
	for _, flag := range []struct {
		name         string
		isSet, isBad bool
	}{
		{name: "--max-age", isSet: c.MaxAge != nil, isBad: c.MaxAge != nil && *c.MaxAge <= 0},
		{name: "--max-parked", isSet: c.MaxParked != nil, isBad: c.MaxParked != nil && *c.MaxParked < 0},
	} {
		switch {
		case flag.isSet && !c.Check:
			return healthLimits{}, settings.Invalid(flag.name, "it has an effect only with --check")
		case flag.isBad:
			return healthLimits{}, settings.Invalid(flag.name, "it is too small")
		}
	}
	return healthLimits{maxAge: c.MaxAge, maxParked: c.MaxParked}, nil
}

// printHealth writes one line that says whether all streams are well. If one is not, it returns an exitStatus with ExitData, because the
// line has said everything. A stream whose first run failed is not well.
func printHealth(w io.Writer, report statusReport, limits healthLimits) error {
	var well, problems []string
	for _, s := range report.streams {
		if found := limits.problems(s); len(found) > 0 {
			problems = append(problems, fmt.Sprintf("%s: %s", s.Checkpoint.Stream, strings.Join(found, "; ")))
		} else {
			well = append(well, fmt.Sprintf("%s: %s; runner %s; %s", s.Checkpoint.Stream, progressOf(s), runnerWord(s),
				quantity(s.OpenLetters(), "open dead letter", "open dead letters")))
		}
	}
	for _, f := range report.failedStarts {
		problems = append(problems, describeFailedStart(f))
	}
	if len(problems) > 0 {
		if _, err := fmt.Fprintln(w, "not well: "+strings.Join(problems, " | ")); err != nil {
			return outputError(err)
		}
		return exitStatus(ExitData)
	}
	_, err := fmt.Fprintln(w, "well: "+strings.Join(well, " | "))
	return outputError(err)
}

// problems returns what is not well with a stream, in words.
func (l healthLimits) problems(s domain.StreamStatus) (found []string) {
	switch r := s.Runner; {
	case r == nil || r.IsAlive(s.Now):
	case r.Activity == domain.ActivityFailed:
		found = append(found, fmt.Sprintf("the last run failed at %s: %s", timeAt(r.AliveAt, s.Now), escapeExceptEllipsis(r.LastError)))
	case !r.HasEnded():
		found = append(found, fmt.Sprintf("the runner (pid %d on %s) is gone or frozen: no report since %s",
			r.PID, escapeUnprintable(r.Host), timeAt(r.AliveAt, s.Now)))
	}
	if age := s.Now.Sub(s.Checkpoint.UpdatedAt); l.maxAge != nil && age > *l.maxAge {
		found = append(found, fmt.Sprintf("no page was stored since %s, more than --max-age %s",
			timeAt(s.Checkpoint.UpdatedAt, s.Now), *l.maxAge))
	}
	if open := s.OpenLetters(); l.maxParked != nil && open > *l.maxParked {
		found = append(found, fmt.Sprintf("%s, more than --max-parked %s",
			quantity(open, "open dead letter", "open dead letters"), humanize.Comma(*l.maxParked)))
	}
	return found
}
