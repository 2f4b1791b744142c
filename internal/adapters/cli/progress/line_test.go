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

// halfway is a snapshot with a value for each column.
func halfway(edit func(*Snapshot)) Snapshot {
	s := Snapshot{
		State: Fetching, Offset: 1_250_000, MaxOffset: 1_250_000, Total: knownTotal(3_000_000),
		PerSecond: 5012.4, Left: 5*time.Minute + 49*time.Second, Retries: 2,
	}
	if edit != nil {
		edit(&s)
	}
	return s
}

// frames are the snapshots of a run, with its name for each.
func frames() map[string]Snapshot {
	// The line rounds the wait up to 3:11, and the end of the wait down to 12:03:10.
	const almost3m11s = 3*time.Minute + 11*time.Second - time.Nanosecond
	const longReason = `HTTP 500 Internal Server Error, code "E", message "m"` // more than maxCauseColumns
	return map[string]Snapshot{
		"preparing":      {State: Preparing},
		"claiming":       {State: Claiming},
		"another runner": {State: Waiting, Wait: newWait(domain.Fenced, 4*time.Second, "taken")},
		"no record yet":  {State: Fetching},
		"no total":       {State: Storing, Offset: 12_345, MaxOffset: 12_345, PerSecond: 9.96},
		"a total of 0":   {State: Fetching, Total: knownTotal(0)},
		"fetching":       halfway(nil),
		"storing":        halfway(func(s *Snapshot) { s.State = Storing }),
		"bound by quota": halfway(func(s *Snapshot) { s.LeftByQuota = true }),
		"waiting for the API": halfway(func(s *Snapshot) {
			s.State, s.Wait, s.LeftByQuota = Waiting, newWait(domain.RateLimited, almost3m11s, "429"), true
		}),
		"a short wait": halfway(func(s *Snapshot) { s.State, s.Wait = Waiting, newWait(domain.RateLimited, 999*time.Millisecond, "429") }),
		"a wait over midnight": halfway(func(s *Snapshot) {
			s.State, s.Wait, s.Left = Waiting, newWait(domain.RateLimited, 12*time.Hour, "429"), 0
		}),
		"a wait that is over": halfway(func(s *Snapshot) {
			s.State, s.Wait, s.Left = Waiting, newWait(domain.RateLimited, time.Minute, "429"), 0
			s.Wait.Until = noon.Add(-time.Second)
		}),
		"retrying": halfway(func(s *Snapshot) {
			s.State, s.Wait = Waiting, newRetryWait(3*time.Second, "HTTP 503 Service Unavailable", 2)
		}),
		"database away": halfway(func(s *Snapshot) {
			s.State, s.Wait = Waiting, newRetryWait(time.Second, "connection refused", 7)
			s.Wait.Tries, s.Wait.GivesUpAt = 0, s.Wait.Until.Add(4*time.Minute)
		}),
		"a long reason":      halfway(func(s *Snapshot) { s.State, s.Wait = Waiting, newRetryWait(time.Second, longReason, 2) }),
		"control characters": halfway(func(s *Snapshot) { s.State, s.Wait = Waiting, newRetryWait(time.Second, "a\x1b[2Jb\r\nc\u202ed", 3) }),
		"re-reading":         halfway(func(s *Snapshot) { s.Offset, s.MaxOffset = 120_000, 380_000 }),
		"one is missing":     halfway(func(s *Snapshot) { s.Offset = 2_999_999 }),
		"more than announced": halfway(func(s *Snapshot) {
			s.Offset, s.Left, s.Retries = 3_000_001, 0, 12345
		}),
		"large numbers": {
			State: Fetching, Offset: 1_234_567_890, MaxOffset: 1_234_567_890, Total: knownTotal(12_345_678_901),
			PerSecond: 1_234_567, Left: 26 * time.Hour, Retries: 1,
		},
	}
}

// TestLine_Grid checks that no column moves from one frame to another. In each width, each frame has two blanks between two columns, at
// the same places, and the bar is in each frame or in none.
func TestLine_Grid(t *testing.T) {
	t.Parallel()
	for _, width := range []int{40, 60, 80, 120, 200} {
		g := newGrid(width - 1)
		for name, s := range frames() {
			line := []rune(Line(s, noon, width, withoutColour))
			end := 0
			for _, column := range []int{g.bar, g.percent, g.count, g.eta, g.speed, g.retries} {
				if column == 0 {
					continue
				}
				end += column
				if between := string(line[end : end+gap]); between != strings.Repeat(" ", gap) {
					t.Errorf("%d columns, %s: got %q between the columns at %d, want blanks: %q", width, name, between, end, string(line))
				}
				end += gap
			}
			words := string(line[end:])
			if words == "" || strings.HasPrefix(words, " ") {
				t.Errorf("%d columns, %s: got words %q at column %d, want words about the state: %q", width, name, words, end, string(line))
			}
			if hasBar := line[0] == '['; hasBar != (g.bar > 0) {
				t.Errorf("%d columns, %s: got a bar %t: %q", width, name, hasBar, string(line))
			}
		}
	}
}

// TestLine checks lines in terminals of different widths.
func TestLine(t *testing.T) {
	t.Parallel()
	tests := []struct {
		frame string
		width int // of the terminal; the line is at least one column narrower
		want  string
	}{
		{frame: "fetching", width: 40, want: " 41.6%  fetching"},
		{frame: "fetching", width: 60, want: " 41.6%  ETA 5:49      fetching"},
		{frame: "fetching", width: 80, want: "[===>      ]   41.6%  ETA 5:49      fetching"},
		{
			frame: "fetching", width: 120,
			want: "[===>      ]   41.6%  1,250,000 of 3,000,000  ETA 5:49      5,012/s      2 retries     fetching",
		},
		{frame: "fetching", width: 6, want: "fe..."},
		{frame: "fetching", width: 1, want: ""},
		{frame: "fetching", width: 0, want: ""},
		{frame: "bound by quota", width: 60, want: " 41.6%  ETA 5:49      fetching (rate limit)"},
		{frame: "bound by quota", width: 80, want: "[===>      ]   41.6%  ETA 5:49      fetching (rate limit)"},
		{frame: "waiting for the API", width: 40, want: " 41.6%  rate limit until 12:03:10"},
		{frame: "waiting for the API", width: 60, want: " 41.6%  ETA 5:49      API rate limit until 12:03:10 (3:11)"},
		{
			frame: "waiting for the API", width: 200,
			want: "[===========>                  ]   41.6%  1,250,000 of 3,000,000  ETA 5:49      5,012/s      2 retries     " +
				"waiting for the API until 12:03:10 (rate limit, 3:11)",
		},
		{frame: "a wait over midnight", width: 60, want: " 41.6%                rate limit until 2026-01-28 00:00:00"},
		{frame: "a wait that is over", width: 40, want: " 41.6%  rate limit until 11:59:59"},
		{frame: "a short wait", width: 40, want: " 41.6%  fetching"},
		{frame: "retrying", width: 40, want: " 41.6%  retry 2 of 5 in 3 s: HTTP 50..."},
		{frame: "database away", width: 40, want: " 41.6%  trying until 12:04:01"},
		{frame: "database away", width: 20, want: "database away"},
		{frame: "database away", width: 200, want: "[===========>                  ]   41.6%  1,250,000 of 3,000,000  ETA 5:49      5,012/s      2 retries     " +
			"database away, trying until 12:04:01: connection refused"},
		{frame: "a long reason", width: 200, want: "[===========>                  ]   41.6%  1,250,000 of 3,000,000  ETA 5:49      5,012/s      2 retries     " +
			"retrying in 1 s (2 of 5): HTTP 500 Internal Server Error,..."},
		{frame: "control characters", width: 60, want: " 41.6%  ETA 5:49      retrying in 1 s (3 of 5): a [2Jb  c d"},
		{frame: "re-reading", width: 60, want: "  4.0%  ETA 5:49      re-reading: 380,000 already stored"},
		{frame: "one is missing", width: 40, want: " 99.9%  fetching"},
		{
			frame: "more than announced", width: 120,
			want: "[==========]  100.0%  3,000,001 of 3,000,000                5,012/s      999+ retries  fetching",
		},
		{
			frame: "large numbers", width: 120,
			want: "[          ]    9.9%  1.2 G of 12.3 G         ETA 1 d 02 h  1,234,567/s  1 retry       fetching",
		},
		{frame: "no total", width: 120, want: "[          ]          12,345 events                         10.0/s                     storing"},
		{frame: "another runner", width: 40, want: "        another runner (4 s)"},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s, %d columns", tt.frame, tt.width), func(t *testing.T) {
			t.Parallel()
			if got := Line(frames()[tt.frame], noon, tt.width, withoutColour); got != tt.want {
				t.Errorf("got line\n%q, want\n%q", got, tt.want)
			}
		})
	}
	if got := Line(Snapshot{State: Complete, Offset: 5, Total: knownTotal(5)}, noon, 80, withoutColour); got != "" {
		t.Errorf("complete: got line %q, want none", got)
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
	const width = 200
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

// TestFormatLeft checks the time left at the limits of its forms. Each text fits into its column.
func TestFormatLeft(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		time.Nanosecond:                          "0:01",
		59*time.Minute + 59_600*time.Millisecond: "1:00:00",
		day - time.Second:                        "23:59:59",
		day - 400*time.Millisecond:               "1 d 00 h",
		day:                                      "1 d 00 h",
		day + time.Second:                        "1 d 01 h",
		2*day + time.Hour:                        "2 d 01 h",
		9*day + 23*time.Hour:                     "9 d 23 h",
		10*day - time.Minute:                     "10 d",
		10*day + time.Hour:                       "11 d",
		99 * day:                                 "99 d",
		99*day + time.Second:                     ">99 d",
		100 * 365 * day:                          ">99 d",
	} {
		got := formatLeft(d)
		if room := etaWidth - len("ETA "); got != want || len(got) > room {
			t.Errorf("%s: got %q, want %q of at most %d columns", d, got, want, room)
		}
	}
}
