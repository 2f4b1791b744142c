package progress

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// noon is the time at which the tests format a Snapshot.
var noon = time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)

// The values of useColour for Line.
const (
	withColour    = true
	withoutColour = false
)

// newWait returns a wait from noon for the time d, because of an error of that kind. It does not count as a wait before a retry.
func newWait(kind domain.Kind, d time.Duration, cause string) retry.Wait {
	err := fmt.Errorf("fetch: %w", &domain.Error{Kind: kind, Op: "GET", Err: errors.New(cause)})
	return retry.Wait{For: d, Until: noon.Add(d), Err: err}
}

// newRetryWait returns a wait from noon for the time d, after a failure with that cause and before attempt try of 5.
func newRetryWait(d time.Duration, cause string, try int) retry.Wait {
	w := newWait(domain.Transient, d, cause)
	w.Try, w.Tries = try, 5
	return w
}

// knownTotal returns an announced total of n records.
func knownTotal(n int64) domain.Total { return domain.Total{N: n, Known: true} }

// TestLine checks the line for snapshots in terminals of different widths.
func TestLine(t *testing.T) {
	t.Parallel()
	halfway := Snapshot{
		State: Fetching, Offset: 1_250_000, MaxOffset: 1_250_000, Total: knownTotal(3_000_000),
		PerSecond: 5012.4, Left: 5*time.Minute + 49*time.Second, Retries: 2,
	}
	editHalfway := func(edit func(*Snapshot)) Snapshot { // returns halfway, changed by edit
		s := halfway
		edit(&s)
		return s
	}
	waitingForAPI := editHalfway(func(s *Snapshot) {
		// The line rounds the wait up to 3:11, and the end of the wait down to 12:03:10.
		const almost3m11s = 3*time.Minute + 11*time.Second - time.Nanosecond
		s.State, s.Wait, s.LeftByQuota = Waiting, newWait(domain.RateLimited, almost3m11s, "429"), true
	})
	retrying := editHalfway(func(s *Snapshot) {
		s.State, s.Wait = Waiting, newRetryWait(3*time.Second, "HTTP 503 Service Unavailable", 2)
	})
	const longReason = `HTTP 500 Internal Server Error, code "E", message "m"` // more than maxCauseColumns
	tests := []struct {
		name     string
		snapshot Snapshot
		width    int // of the terminal; the line is one column narrower
		want     string
	}{
		{name: "preparing", snapshot: Snapshot{State: Preparing}, width: 80, want: "preparing the database"},
		{name: "claiming", snapshot: Snapshot{State: Claiming}, width: 80, want: "claiming the stream"},
		{
			name: "another runner", width: 80,
			snapshot: Snapshot{State: Waiting, Wait: newWait(domain.Fenced, 4*time.Second, "taken")},
			want:     "waiting for another runner to release the stream (4 s)",
		},
		{name: "no record yet", snapshot: Snapshot{State: Fetching}, width: 80, want: "fetching"},
		{
			name: "no total announced", width: 80,
			snapshot: Snapshot{State: Storing, Offset: 12_345, MaxOffset: 12_345, PerSecond: 9.96},
			want:     "12,345 events  10.0/s  storing",
		},
		{name: "a total of 0", snapshot: Snapshot{State: Fetching, Total: knownTotal(0)}, width: 80, want: "0 of 0  fetching"},
		{name: "complete", snapshot: Snapshot{State: Complete, Offset: 5, Total: knownTotal(5)}, width: 80, want: ""},
		{
			name: "wide", width: 120,
			snapshot: halfway,
			want:     "[===========>                  ]   41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries  fetching",
		},
		{
			name: "too narrow for the word fetching", width: 80,
			snapshot: halfway,
			want:     "[=====>         ]   41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries",
		},
		// Each of the next widths is one column too small for the part that is named.
		{name: "too narrow for the bar", snapshot: halfway, width: 72, want: " 41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries"},
		{name: "too narrow for the speed", snapshot: halfway, width: 60, want: " 41.6%  1,250,000 of 3,000,000  ETA 5:49  2 retries"},
		{name: "too narrow for the retries", snapshot: halfway, width: 51, want: " 41.6%  1,250,000 of 3,000,000  ETA 5:49"},
		{name: "too narrow for the counts", snapshot: halfway, width: 40, want: " 41.6%  ETA 5:49"},
		{name: "too narrow for the time left", snapshot: halfway, width: 16, want: " 41.6%"},
		{name: "too narrow for the percentage, which is cut", snapshot: halfway, width: 6, want: " 4..."},
		{name: "one column", snapshot: halfway, width: 1, want: ""},
		{name: "no column", snapshot: halfway, width: 0, want: ""},
		{
			name: "one record is missing", width: 51,
			snapshot: editHalfway(func(s *Snapshot) { s.Offset = 2_999_999 }),
			want:     " 99.9%  2,999,999 of 3,000,000  ETA 5:49",
		},
		{
			name: "more than announced", width: 40,
			snapshot: editHalfway(func(s *Snapshot) { s.Offset, s.Left = 3_000_001, 0 }),
			want:     "100.0%  3,000,001 of 3,000,000",
		},
		{
			name: "the rate limit decides the time left", width: 71,
			snapshot: editHalfway(func(s *Snapshot) { s.Left, s.LeftByQuota = 26*time.Hour, true }),
			want:     " 41.6%  1,250,000 of 3,000,000  ETA 1 d 02:00:00 (rate limit)",
		},
		{
			name: "waiting for the API", width: 80,
			snapshot: waitingForAPI,
			want:     " 41.6%  ETA 5:49  waiting for the API until 12:03:10 (rate limit, 3:11)",
		},
		{
			name: "too narrow for the long words about the API", width: 60,
			snapshot: waitingForAPI,
			want:     " 41.6%  ETA 5:49  API rate limit until 12:03:10 (3:11)",
		},
		{
			name: "only wide enough for the short words about the API", width: 40,
			snapshot: waitingForAPI,
			want:     "API rate limit until 12:03:10 (3:11)",
		},
		{
			name: "too narrow for the short words about the API, which are cut", width: 34,
			snapshot: waitingForAPI,
			want:     "API rate limit until 12:03:10 ...",
		},
		{
			name: "a wait over midnight", width: 80,
			snapshot: editHalfway(func(s *Snapshot) {
				s.State, s.Wait, s.Left = Waiting, newWait(domain.RateLimited, 12*time.Hour, "429"), 0
			}),
			want: " 41.6%  waiting for the API until 2026-01-28 00:00:00 (rate limit, 12:00:00)",
		},
		{
			name: "a wait that is over", width: 80,
			snapshot: editHalfway(func(s *Snapshot) {
				s.State, s.Wait, s.Left = Waiting, newWait(domain.RateLimited, time.Minute, "429"), 0
				s.Wait.Until = noon.Add(-time.Second)
			}),
			want: " 41.6%  waiting for the API until 11:59:59 (rate limit, 0 s)",
		},
		{
			name: "a short wait for the API is not shown", width: 120,
			snapshot: editHalfway(func(s *Snapshot) {
				s.State, s.Wait = Waiting, newWait(domain.RateLimited, 999*time.Millisecond, "429")
			}),
			want: "[===========>                  ]   41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries  fetching",
		},
		{name: "retrying", snapshot: retrying, width: 80, want: " 41.6%  ETA 5:49  retrying in 3 s (2 of 5): HTTP 503 Service Unavailable"},
		{
			name: "too narrow for the reason, which is cut", width: 50,
			snapshot: retrying,
			want:     "retrying in 3 s (2 of 5): HTTP 503 Service Una...",
		},
		{
			name: "a long reason, which is cut", width: 80,
			snapshot: editHalfway(func(s *Snapshot) {
				s.State, s.Wait, s.Left = Waiting, newRetryWait(time.Second, longReason, 2), 12*time.Second
			}),
			want: " 41.6%  ETA 0:12  retrying in 1 s (2 of 5): HTTP 500 Internal Server Error,...",
		},
		{
			name: "a reason with control characters", width: 60,
			snapshot: editHalfway(func(s *Snapshot) {
				s.State, s.Wait, s.Left = Waiting, newRetryWait(time.Second, "a\x1b[2Jb\r\nc\u202ed", 3), 0
			}),
			want: " 41.6%  retrying in 1 s (3 of 5): a [2Jb  c d",
		},
		{
			name: "re-reading", width: 80,
			snapshot: editHalfway(func(s *Snapshot) { s.Offset, s.MaxOffset = 120_000, 380_000 }),
			want:     "  4.0%  ETA 5:49  re-reading: 380,000 of 3,000,000 already stored",
		},
		{
			name: "re-reading, no total yet", width: 80,
			snapshot: Snapshot{State: Fetching, MaxOffset: 380_000},
			want:     "re-reading: 380,000 already stored",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Line(tt.snapshot, noon, tt.width, withoutColour); got != tt.want {
				t.Errorf("got line\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

// TestLine_Width checks that a line is narrower than the terminal, for all widths. The error in the line has wide characters and tabs.
func TestLine_Width(t *testing.T) {
	t.Parallel()
	s := Snapshot{
		State: Waiting, Wait: newRetryWait(time.Second, strings.Repeat("壊れた🧨é\t", 20), 2),
		Offset: 1, Total: knownTotal(9), PerSecond: 1e9, Left: 1e6 * time.Hour, Retries: 12345,
	}
	for width := range 300 {
		line, limit := Line(s, noon, width, withoutColour), max(width-1, 0)
		if columns := runewidth.StringWidth(line); columns > limit {
			t.Errorf("got a line of %d columns, want at most %d: %q", columns, limit, line)
		}
	}
}

// TestLine_Colour checks the colours of a line, and that they do not count in its width.
func TestLine_Colour(t *testing.T) {
	t.Parallel()
	s := Snapshot{State: Waiting, Wait: newWait(domain.RateLimited, 41*time.Second, "429"), Offset: 1, Total: knownTotal(2)}
	const width = 100
	painted := Line(s, noon, width, withColour)
	unpainted := strings.NewReplacer("\x1b[32m", "", "\x1b[33m", "", "\x1b[m", "").Replace(painted)
	if want := Line(s, noon, width, withoutColour); unpainted != want {
		t.Errorf("got line %q without its colours, want %q", unpainted, want)
	}
	const greenBar = "\x1b[32m["
	const yellowWait = "\x1b[33mwaiting for the API until 12:00:41 (rate limit, 41 s)\x1b[m"
	if !strings.HasPrefix(painted, greenBar) || !strings.HasSuffix(painted, yellowWait) {
		t.Errorf("got line %q, want a green bar and a yellow wait", painted)
	}
}
