package datasync_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/datasync"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	quotaLimit   = 50
	quotaPages   = 500
	quotaLatency = 10 * time.Millisecond
	quotaBurst   = quotaLimit * quotaLatency // the time of the last requests
)

// A windowServer acts as an API with fixed windows. The first request after the end of a window opens the next one. A request
// counts when it arrives, in the middle of the latency.
type windowServer struct {
	length time.Duration
	skew   time.Duration // how far the server's clock is ahead
	tell   teller
	limit  func(windows int) int // the limit of the newest of so many windows

	answered, refused int
	refusals          []int     // in each window
	first, last       time.Time // when the first and the last request were sent

	mu      sync.Mutex
	end     time.Time
	windows int
	used    int
}

// A teller returns the headers about the rate limit: the limit, what is left, the time of the answer by the server's clock, and the
// end of the window by the same clock.
type teller func(limit, left int, now, end time.Time, refused bool) []string

// A count is the state of a window after a request.
type count struct {
	limit, left int
	end         time.Time
	windows     int // how many windows there were so far
	refused     bool
}

// count counts a request that arrives now.
func (s *windowServer) count() count {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !time.Now().Before(s.end) {
		s.end, s.used = time.Now().Add(s.length), 0
		s.windows++
	}
	limit := s.limit(s.windows)
	refused := s.used >= limit
	if !refused {
		s.used++
	}
	return count{limit: limit, left: max(limit-s.used, 0), end: s.end, windows: s.windows, refused: refused}
}

// isOver reports whether no window is open.
func (s *windowServer) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !time.Now().Before(s.end)
}

func (s *windowServer) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.first.IsZero() {
		s.first = time.Now()
	}
	s.last = time.Now()
	time.Sleep(quotaLatency / 2)
	c := s.count()
	headers := s.tell(c.limit, c.left, time.Now().Add(s.skew), c.end.Add(s.skew), c.refused)
	time.Sleep(quotaLatency / 2)
	s.refusals = append(s.refusals, make([]int, c.windows-len(s.refusals))...)
	if c.refused {
		s.refused++
		s.refusals[c.windows-1]++
		return respond(r, 429, headers, nil), nil
	}
	s.answered++
	return respond(r, 200, headers, []byte(lastPage)), nil
}

// otherClient sends a request every 20 ms or so until done is closed. It takes at most a third of each window.
func (s *windowServer) otherClient(done <-chan struct{}) {
	random := rand.New(rand.NewPCG(1, 2))
	newest, taken := 0, 0
	for {
		select {
		case <-done:
			return
		case <-time.After(time.Duration(10+random.IntN(21)) * time.Millisecond):
			if taken >= quotaLimit/3 && !s.isOver() {
				continue
			}
			c := s.count()
			if c.windows != newest {
				newest, taken = c.windows, 0
			}
			if !c.refused {
				taken++
			}
		}
	}
}

func up(d time.Duration) int   { return int((d + time.Second - 1) / time.Second) }
func down(d time.Duration) int { return int(d / time.Second) }

func ceilSecond(t time.Time) time.Time { return t.Add(time.Second - 1).Truncate(time.Second) }

// withDate adds a Date header.
func withDate(now time.Time, headers ...string) []string {
	return append(headers, "Date", now.UTC().Format(http.TimeFormat))
}

// xTeller returns a teller in the recorded form, with a Retry-After on refusals.
func xTeller(reset func(now, end time.Time) string) teller {
	return func(limit, left int, now, end time.Time, refused bool) []string {
		headers := withDate(now, xRateLimit(strconv.Itoa(limit), strconv.Itoa(left), reset(now, end))...)
		if refused {
			headers = append(headers, "Retry-After", strconv.Itoa(up(end.Sub(now))))
		}
		return headers
	}
}

var (
	secondsUp   = xTeller(func(now, end time.Time) string { return strconv.Itoa(up(end.Sub(now))) })
	secondsDown = func(limit, left int, now, end time.Time, refused bool) []string {
		headers := xRateLimit(strconv.Itoa(limit), strconv.Itoa(left), strconv.Itoa(down(end.Sub(now))))
		if refused {
			headers = append(headers, "Retry-After", strconv.Itoa(down(end.Sub(now))))
		}
		return headers
	}
	epochMillis    = xTeller(func(_, end time.Time) string { return strconv.FormatInt(end.Add(time.Millisecond-1).UnixMilli(), 10) })
	epochSeconds   = xTeller(func(_, end time.Time) string { return strconv.FormatInt(ceilSecond(end).Unix(), 10) })
	epochRoundDown = xTeller(func(_, end time.Time) string { return strconv.FormatInt(end.Unix(), 10) })
	httpDate       = xTeller(func(_, end time.Time) string { return ceilSecond(end).UTC().Format(http.TimeFormat) })
	lying          = func(limit, _ int, now, end time.Time, refused bool) []string {
		headers := xRateLimit(strconv.Itoa(limit), strconv.Itoa(limit), "1")
		if refused {
			headers = append(headers, "Retry-After", strconv.Itoa(up(end.Sub(now))))
		}
		return headers
	}
)

func silent(int, int, time.Time, time.Time, bool) []string { return nil }

func vanishing(limit, left int, now, end time.Time, refused bool) []string {
	if left%3 == 0 {
		return nil
	}
	return secondsUp(limit, left, now, end, refused)
}

func ietf(length time.Duration) teller {
	return func(limit, left int, now, end time.Time, _ bool) []string {
		return []string{
			"RateLimit", fmt.Sprintf(`"default";r=%d;t=%d`, left, up(end.Sub(now))),
			"RateLimit-Policy", fmt.Sprintf(`"default";q=%d;w=%d`, limit, int(length.Seconds())),
		}
	}
}

// TestFetchPage_WholeQuota reads 500 pages from an API that allows 50 requests in each window. It checks how long that takes from the
// first to the last request, and how often the API refuses.
func TestFetchPage_WholeQuota(t *testing.T) {
	t.Parallel()
	const (
		short, long = 2 * time.Second, time.Minute
		perfect     = 0.98
		unlimited   = 1 << 30
	)
	within := func(window time.Duration) time.Duration {
		return time.Duration(float64(9*window+quotaBurst) / perfect)
	}
	tests := []struct {
		name      string
		window    time.Duration
		tell      teller
		skew      time.Duration
		limit     func(windows int) int
		other     bool
		longest   time.Duration
		refusals  int // greatest number in all
		perWindow int // greatest number in one window
		inFirst   int // greatest number in the first window, if that is more
	}{
		{name: "seconds left", window: short, tell: secondsUp, longest: within(short)},
		{name: "epoch in milliseconds", window: short, tell: epochMillis, longest: within(short)},
		{name: "IETF", window: short, tell: ietf(short), longest: within(short)},
		{name: "epoch in seconds", window: short, tell: epochSeconds, longest: within(3 * time.Second)},
		{name: "HTTP dates", window: short, tell: httpDate, longest: within(3 * time.Second)},
		{name: "seconds left, long windows", window: long, tell: secondsUp, longest: within(long)},
		{name: "epoch in milliseconds, long windows", window: long, tell: epochMillis, longest: within(long)},
		{name: "IETF, long windows", window: long, tell: ietf(long), longest: within(long)},
		{name: "epoch in seconds, long windows", window: long, tell: epochSeconds, longest: within(long)},
		{name: "HTTP dates, long windows", window: long, tell: httpDate, longest: within(long)},
		{name: "seconds left, rounded down", window: short, tell: secondsDown, longest: within(short) + time.Second, refusals: 1, perWindow: 1},
		{name: "epoch in seconds, rounded down", window: short, tell: epochRoundDown, longest: within(3 * time.Second), refusals: 1, perWindow: 1},
		{name: "seconds left, clock ahead", window: short, tell: secondsUp, skew: 7 * time.Minute, longest: within(short)},
		{
			name: "epoch in milliseconds, clock ahead", window: short, tell: epochMillis, skew: 7 * time.Minute,
			longest: within(3 * time.Second),
		},
		{
			name: "epoch in seconds, clock behind", window: short, tell: epochSeconds, skew: -7*time.Minute - 300*time.Millisecond,
			longest: within(4 * time.Second),
		},
		{
			name: "HTTP dates, clock behind by a little", window: short, tell: httpDate, skew: -300 * time.Millisecond,
			longest: within(4 * time.Second), refusals: 1, perWindow: 1,
		},
		{name: "no headers", window: short, tell: silent, longest: within(3 * time.Second), refusals: 8, perWindow: 1, inFirst: 2},
		{
			name: "no headers, long windows", window: long, tell: silent, longest: within(65 * time.Second), refusals: 12, perWindow: 1,
			inFirst: 6, // the waits of the retry policy: 1, 2, 4, 8, 16 and 32 seconds
		},
		{name: "headers lie", window: short, tell: lying, longest: within(3 * time.Second), refusals: 9, perWindow: 1},
		{name: "headers vanish", window: short, tell: vanishing, longest: within(short)},
		{
			name: "a limit that changes", window: short, tell: secondsUp, longest: 2 * within(short),
			limit: func(windows int) int { return []int{50, 20, 70}[windows%3] },
		},
		{
			name: "a limit that grows, no headers", window: short, tell: silent, longest: 80 * time.Second, refusals: 20, perWindow: 2,
			limit: func(windows int) int {
				if windows <= 5 {
					return 10
				}
				return quotaLimit
			},
		},
		{
			name: "a limit that changes, no headers", window: short, tell: silent, longest: 3 * within(short), refusals: 40, perWindow: 2,
			limit: func(windows int) int { return []int{50, 50, 50, 50, 20, 20}[windows%6] },
		},
		{
			name: "a second client", window: short, tell: secondsUp, other: true, longest: 2 * within(short),
			refusals: quotaPages * 2 / 100, perWindow: 1,
		},
		{
			name: "a second client, no headers", window: short, tell: silent, other: true, longest: 3 * within(short), refusals: 30,
			perWindow: 2,
		},
		{name: "no limit", window: short, tell: silent, limit: func(int) int { return unlimited }, longest: quotaPages * quotaLatency},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				server := &windowServer{length: tt.window, skew: tt.skew, tell: tt.tell, limit: tt.limit}
				if server.limit == nil {
					server.limit = func(int) int { return quotaLimit }
				}
				time.Sleep(time.Until(time.Date(2026, 1, 27, 12, 0, 0, 137e6, time.UTC))) // a time that has ten digits since 1970
				done := make(chan struct{})
				if tt.other {
					go server.otherClient(done)
				}
				readAll(t, newClient(t, func(c *datasync.Config) { c.Transport = server }), server)
				took := server.last.Sub(server.first)
				close(done)
				if took > tt.longest {
					t.Errorf("took %s, want at most %s", took, tt.longest)
				}
				if server.refused > tt.refusals {
					t.Errorf("got %d refusals, want at most %d", server.refused, tt.refusals)
				}
				for i, n := range server.refusals {
					atMost := tt.perWindow
					if i == 0 {
						atMost = max(atMost, tt.inFirst)
					}
					if n > atMost {
						t.Errorf("got %d refusals in window %d, want at most %d", n, i+1, atMost)
					}
				}
			})
		})
	}
}

// TestFetchPage_UnansweredRequest checks that a request without an answer counts in the next window, too, because it may arrive there.
func TestFetchPage_UnansweredRequest(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit, window = 3, 2 * time.Second
		server := &windowServer{length: window, tell: secondsUp, limit: func(int) int { return limit }}
		hangs := true
		client := newClient(t, func(c *datasync.Config) {
			c.Timeout = time.Hour
			c.Transport = roundTripFunc(func(r *http.Request) (*http.Response, error) {
				if hangs {
					hangs = false
					time.Sleep(3 * window)
					return nil, errors.New("connection reset")
				}
				return server.RoundTrip(r)
			})
		})
		go func() { _, _ = client.FetchPage(t.Context(), domain.PageRequest{}) }()
		synctest.Wait()
		for answered := 0; ; answered++ {
			_, err := client.FetchPage(t.Context(), domain.PageRequest{})
			held := domain.AsError(err)
			switch {
			case err == nil:
			case held == nil || !held.Unsent || answered != limit-1:
				t.Fatalf("got error %v after %d answers, want a hold after %d", err, answered, limit-1)
			default:
				time.Sleep(time.Until(held.Until) + 3*window)
				return
			}
		}
	})
}

// readAll fetches pages until the server has answered quotaPages. It waits as the retry policy does: until the time that an error
// says, at least a second after a refusal, and if the error says no time, twice as long each time.
func readAll(t *testing.T, client *datasync.Client, server *windowServer) {
	t.Helper()
	refusals := 0
	for server.answered < quotaPages {
		_, err := client.FetchPage(t.Context(), domain.PageRequest{})
		held := domain.AsError(err)
		switch {
		case err == nil:
			refusals = 0
			continue
		case held == nil || held.Kind != domain.RateLimited:
			t.Fatal(err)
		case held.Until.IsZero():
			time.Sleep(min(time.Second<<min(refusals, 6), time.Minute))
		case held.Unsent:
			time.Sleep(time.Until(held.Until))
		default:
			time.Sleep(max(time.Until(held.Until), time.Second))
		}
		refusals++
	}
}
