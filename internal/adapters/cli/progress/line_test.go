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

var noon = time.Date(2026, 1, 27, 12, 0, 0, 0, time.UTC)

func waitFor(kind domain.Kind, d time.Duration, why string, try int) retry.Wait {
	w := retry.Wait{For: d, Until: noon.Add(d), Err: fmt.Errorf("fetch: %w", &domain.Error{Kind: kind, Op: "GET", Err: errors.New(why)})}
	if try > 0 {
		w.Try, w.Tries = try, 5
	}
	return w
}

func known(n int64) domain.Total { return domain.Total{N: n, Known: true} }

func TestLine(t *testing.T) {
	t.Parallel()
	halfway := Snapshot{
		State: Fetching, Offset: 1_250_000, MaxOffset: 1_250_000, Total: known(3_000_000),
		PerSecond: 5012.4, Left: 5*time.Minute + 49*time.Second, Retries: 2,
	}
	with := func(edit func(*Snapshot)) Snapshot {
		s := halfway
		edit(&s)
		return s
	}
	limited := with(func(s *Snapshot) {
		s.State, s.Wait, s.LeftByQuota = Waiting, waitFor(domain.RateLimited, 191*time.Second-1, "429", 0), true
	})
	failed := with(func(s *Snapshot) {
		s.State, s.Wait = Waiting, waitFor(domain.Transient, 3*time.Second, "HTTP 503 Service Unavailable", 2)
	})
	tests := []struct {
		name  string
		s     Snapshot
		width int
		want  string
	}{
		{"preparing", Snapshot{State: Preparing}, 80, "preparing the database"},
		{"claiming", Snapshot{State: Claiming}, 80, "claiming the stream"},
		{"another runner", Snapshot{State: Waiting, Wait: waitFor(domain.Fenced, 4*time.Second, "taken", 0)}, 80, "waiting for another runner to release the stream (4 s)"},
		{"no count yet", Snapshot{State: Fetching}, 80, "fetching"},
		{"no total announced", Snapshot{State: Storing, Offset: 12_345, MaxOffset: 12_345, PerSecond: 9.96}, 80, "12,345 events  10.0/s  storing"},
		{"a total of nothing", Snapshot{State: Fetching, Total: known(0)}, 80, "0 of 0  fetching"},
		{"complete", Snapshot{State: Complete, Offset: 5, Total: known(5)}, 80, ""},
		{"wide", halfway, 120, "[===========>                  ]   41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries  fetching"},
		{"an idle word goes first", halfway, 80, "[=====>         ]   41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries"},
		{"then the bar", halfway, 72, " 41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries"},
		{"then the speed", halfway, 60, " 41.6%  1,250,000 of 3,000,000  ETA 5:49  2 retries"},
		{"then the retries", halfway, 51, " 41.6%  1,250,000 of 3,000,000  ETA 5:49"},
		{"then the counts", halfway, 40, " 41.6%  ETA 5:49"},
		{"then the time left", halfway, 16, " 41.6%"},
		{"the ratio is cut at the end", halfway, 6, " 4..."},
		{"no room at all", halfway, 1, ""},
		{"no width at all", halfway, 0, ""},
		{"one record is missing", with(func(s *Snapshot) { s.Offset = 2_999_999 }), 51, " 99.9%  2,999,999 of 3,000,000  ETA 5:49"},
		{"more than announced", with(func(s *Snapshot) { s.Offset, s.Left = 3_000_001, 0 }), 40, "100.0%  3,000,001 of 3,000,000"},
		{"the rate limit binds", with(func(s *Snapshot) { s.Left, s.LeftByQuota = 26*time.Hour, true }), 71, " 41.6%  1,250,000 of 3,000,000  ETA 1 d 02:00:00 (rate limit)"},
		{"waiting for the API", limited, 80, " 41.6%  ETA 5:49  waiting for the API until 12:03:10 (rate limit, 3:11)"},
		{"the same, narrower", limited, 60, " 41.6%  ETA 5:49  API rate limit until 12:03:10 (3:11)"},
		{"and narrower", limited, 40, "API rate limit until 12:03:10 (3:11)"},
		{"and cut", limited, 34, "API rate limit until 12:03:10 ..."},
		{"a wait over midnight", with(func(s *Snapshot) {
			s.State, s.Wait, s.Left = Waiting, waitFor(domain.RateLimited, 12*time.Hour, "429", 0), 0
		}), 80, " 41.6%  waiting for the API until 2026-01-28 00:00:00 (rate limit, 12:00:00)"},
		{"a wait that is over", with(func(s *Snapshot) {
			s.State, s.Wait, s.Left = Waiting, waitFor(domain.RateLimited, time.Minute, "429", 0), 0
			s.Wait.Until = noon.Add(-time.Second)
		}), 80, " 41.6%  waiting for the API until 11:59:59 (rate limit, 0 s)"},
		{"a short wait is the normal course", with(func(s *Snapshot) {
			s.State, s.Wait = Waiting, waitFor(domain.RateLimited, 999*time.Millisecond, "429", 0)
		}), 120, "[===========>                  ]   41.6%  1,250,000 of 3,000,000  5,012/s  ETA 5:49  2 retries  fetching"},
		{"retrying", failed, 80, " 41.6%  ETA 5:49  retrying in 3 s (2 of 5): HTTP 503 Service Unavailable"},
		{"the reason is cut", failed, 50, "retrying in 3 s (2 of 5): HTTP 503 Service Una..."},
		{"a long reason", with(func(s *Snapshot) {
			s.State, s.Wait, s.Left = Waiting, waitFor(domain.Transient, time.Second, "HTTP 500 Internal Server Error, code \"E\", message \"m\"", 2), 12*time.Second
		}), 80, " 41.6%  ETA 0:12  retrying in 1 s (2 of 5): HTTP 500 Internal Server Error,..."},
		{"a reason with control characters", with(func(s *Snapshot) {
			s.State, s.Wait, s.Left = Waiting, waitFor(domain.Transient, time.Second, "a\x1b[2Jb\r\nc\u202ed", 3), 0
		}), 60, " 41.6%  retrying in 1 s (3 of 5): a [2Jb  c d"},
		{"re-reading", with(func(s *Snapshot) { s.Offset, s.MaxOffset = 120_000, 380_000 }), 80, "  4.0%  ETA 5:49  re-reading: 380,000 of 3,000,000 already stored"},
		{"re-reading, no total yet", Snapshot{State: Fetching, MaxOffset: 380_000}, 80, "re-reading: 380,000 already stored"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Line(tt.s, noon, tt.width, false); got != tt.want {
				t.Errorf("got\n%q, want\n%q", got, tt.want)
			}
		})
	}
}

// TestLine_Width checks that a line is always narrower than the terminal, whatever an error contains.
func TestLine_Width(t *testing.T) {
	t.Parallel()
	s := Snapshot{
		State: Waiting, Wait: waitFor(domain.Transient, time.Second, strings.Repeat("壊れた🧨é\t", 20), 2),
		Offset: 1, Total: known(9), PerSecond: 1e9, Left: 1e6 * time.Hour, Retries: 12345,
	}
	for width := range 300 {
		if line := Line(s, noon, width, false); runewidth.StringWidth(line) > max(width-1, 0) {
			t.Errorf("got %d columns in a terminal of %d: %q", runewidth.StringWidth(line), width, line)
		}
	}
}

// TestLine_Colour checks that colours do not count in the width.
func TestLine_Colour(t *testing.T) {
	t.Parallel()
	s := Snapshot{State: Waiting, Wait: waitFor(domain.RateLimited, 41*time.Second, "429", 0), Offset: 1, Total: known(2)}
	painted := Line(s, noon, 100, true)
	if plain := strings.NewReplacer("\x1b[32m", "", "\x1b[33m", "", "\x1b[m", "").Replace(painted); plain != Line(s, noon, 100, false) {
		t.Errorf("got %q, want the plain line with colours", painted)
	}
	if !strings.HasPrefix(painted, "\x1b[32m[") || !strings.HasSuffix(painted, "\x1b[33mwaiting for the API until 12:00:41 (rate limit, 41 s)\x1b[m") {
		t.Errorf("got %q, want a green bar and a yellow wait", painted)
	}
}
