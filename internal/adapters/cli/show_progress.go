package cli

import (
	"io"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/adapters/cli/settings"
	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
)

// showProgress starts to show the progress of the tracker's run, as a live line, as log lines or as JSON. If the setting --progress is never,
// it shows nothing. The caller must call stop before it writes a result to standard output.
func (s *session) showProgress(tracker *progress.Tracker) (stop func()) {
	switch {
	case s.showsLiveLine():
		return tracker.Show(s.screen)
	case s.settings.Progress == settings.ProgressNever:
		return func() {}
	case s.settings.Progress == settings.ProgressJSON:
		return tracker.Watch(func(snapshot progress.Snapshot, now time.Time) { writeProgressJSON(s.screen, snapshot, now) })
	}
	return tracker.Report(s.log)
}

// showsLiveLine reports whether to show a live line: always, never, or (auto) only on a terminal that can show it.
func (s *session) showsLiveLine() bool {
	switch s.settings.Progress {
	case settings.ProgressAlways:
		return true
	case settings.ProgressAuto:
		return s.screen.Kind() == terminal.Interactive
	}
	return false
}

// progressJSON is one line of `pawl run --progress json`.
type progressJSON struct {
	Time         string  `json:"time"`                    // when the line was written
	State        string  `json:"state"`                   // preparing, claiming, fetching, storing, waiting or, if there was nothing to read, complete
	Done         bool    `json:"done"`                    // the stream is complete; the last line is written at the end of the run
	Events       int64   `json:"events"`                  // records from the head that this pass has read and stored
	Of           *int64  `json:"of,omitempty"`            // records that the API announced
	PerSecond    float64 `json:"per_second,omitempty"`    // records per second in the last minutes, with waits
	LeftSeconds  float64 `json:"left_seconds,omitempty"`  // the estimated time until the stream is complete
	LeftByQuota  bool    `json:"left_by_quota,omitempty"` // the rate limit decides left_seconds
	Retries      int     `json:"retries"`                 // requests and commits that repeated a failed one
	WaitingUntil string  `json:"waiting_until,omitempty"` // the end of the wait, in the state waiting
	RateLimit    bool    `json:"rate_limit,omitempty"`    // the wait is for the rate limit
	TryingUntil  string  `json:"trying_until,omitempty"`  // the database is away, and the run tries again until this time
}

// writeProgressJSON writes s as a JSON object on one line. It ignores an error of w, because a run does not end for lack of a reader.
func writeProgressJSON(w io.Writer, s progress.Snapshot, now time.Time) {
	out := progressJSON{
		Time: formatTime(now), State: s.State.String(), Done: s.Done, Events: s.Offset, PerSecond: s.RoundedSpeed(),
		LeftSeconds: seconds(s.Left), LeftByQuota: s.LeftByQuota, Retries: s.Retries,
	}
	if s.Total.Known {
		out.Of = &s.Total.N
	}
	if s.State == progress.Waiting {
		out.WaitingUntil, out.RateLimit = formatTime(s.Wait.Until), s.Wait.ForRateLimit()
		if s.Wait.ByTimeAlone() {
			out.TryingUntil = formatTime(s.Wait.GivesUpAt)
		}
	}
	_ = writeASCIIJSON(w, out)
}
