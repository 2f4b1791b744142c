package progress

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

var _ ingest.Observer = (*Tracker)(nil)

// A simulation drives a tracker through a run: 1000 records a page, one second a page, 100,000 records in all.
type simulation struct {
	*Tracker

	position domain.Position
	limit    int64 // requests in a window of a minute; 0 if not announced
	left     int64
	window   time.Time // the end of the window
}

func begin(limit int64) *simulation {
	c := &simulation{Tracker: NewTracker(false), position: domain.Position{Pass: 1, AnnouncedLast: known(100_000)}, limit: limit}
	c.Claimed(domain.Checkpoint{Position: c.position})
	return c
}

func (c *simulation) page() {
	c.Fetching(c.position)
	time.Sleep(time.Second)
	receipt := domain.Receipt{FetchedAt: time.Now()}
	if c.limit > 0 {
		if !time.Now().Before(c.window) {
			c.left, c.window = c.limit, time.Now().Add(time.Minute)
		}
		c.left--
		receipt.Quota = domain.Quota{Limit: c.limit, Remaining: c.left, Reset: c.window}
	}
	c.position.Offset += 1000
	c.position.MaxOffset = max(c.position.MaxOffset, c.position.Offset)
	page := domain.DecodedPage{Received: 1000, Receipt: receipt}
	c.Storing(page)
	c.Committed(page, domain.CommitResult{Checkpoint: domain.Checkpoint{Position: c.position}})
}

func (c *simulation) now() Snapshot { return c.At(time.Now()) }

func (c *simulation) waitUntil(t time.Time) {
	c.Waiting(retry.Wait{For: time.Until(t), Until: t, Err: &domain.Error{Kind: domain.RateLimited}})
	time.Sleep(time.Until(t))
}

func wantLeft(t *testing.T, s Snapshot, want time.Duration, byQuota bool) {
	t.Helper()
	if (s.Left-want).Abs() > 10*time.Millisecond || s.LeftByQuota != byQuota {
		t.Errorf("got %s left, by quota %v; want %s, %v", s.Left, s.LeftByQuota, want, byQuota)
	}
}

func TestTrackerLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begin(0)
		wantLeft(t, c.now(), 0, false) // nothing is known yet
		c.page()
		c.page()
		wantLeft(t, c.now(), 98*time.Second, false)
		c.Fetching(c.position)
		time.Sleep(2 * time.Second)
		wantLeft(t, c.now(), 196*time.Second, false)
		if s := c.now(); s.PerSecond != 500 || s.Offset != 2000 || s.Total.N != 100_000 {
			t.Errorf("%+v", s)
		}
	})
}

func TestTrackerLeft_DuringWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begin(0)
		c.page()
		c.Waiting(retry.Wait{For: time.Minute, Until: time.Now().Add(time.Minute), Err: &domain.Error{Kind: domain.Transient}, Try: 2, Tries: 5})
		time.Sleep(20 * time.Second)
		s := c.now()
		wantLeft(t, s, (99+40)*time.Second, false)
		if s.Retries != 1 || s.State != Waiting || s.Wait.Try != 2 {
			t.Errorf("%+v", s)
		}
	})
}

// TestTrackerLeft_RateLimitDecides has a limit of ten pages a minute. Without it, a page would take a second.
func TestTrackerLeft_RateLimitDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begin(10)
		for range 10 {
			c.page()
		}
		wantLeft(t, c.now(), (51+8*60)*time.Second, true) // 90 pages need nine more windows; the first one opens in 51 s
		for range 3 {
			c.waitUntil(c.window)
			for range 10 {
				c.page()
			}
		}
		wantLeft(t, c.now(), (51+5*60)*time.Second, true) // 60 pages
		if s := c.now(); s.Retries != 0 {
			t.Errorf("got %d retries, want 0: a 429 is no retry", s.Retries)
		}
	})
}

// TestTrackerLeft_RateLimitDoesNotDecide has a limit that allows more requests than the run sends.
func TestTrackerLeft_RateLimitDoesNotDecide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begin(600)
		for range 10 {
			c.page()
			c.waitUntil(time.Now().Add(2 * time.Second)) // the minimum time between two requests
		}
		c.Fetching(c.position)
		wantLeft(t, c.now(), 90*3*time.Second, false)
	})
}

// TestTrackerAt_AfterWait checks that the state after a wait is the state before it.
func TestTrackerAt_AfterWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := NewTracker(false)
		tracker.Claiming()
		for range 2 {
			tracker.Waiting(retry.Wait{For: time.Second, Until: time.Now().Add(time.Second), Err: &domain.Error{}, Try: 2, Tries: 5})
			time.Sleep(time.Second - time.Nanosecond)
			if s := tracker.At(time.Now()); s.State != Waiting {
				t.Errorf("got state %d before the end of the wait, want Waiting", s.State)
			}
			time.Sleep(2 * time.Nanosecond)
			if s := tracker.At(time.Now()); s.State != Claiming {
				t.Errorf("got state %d after the wait, want Claiming", s.State)
			}
		}
	})
}

func TestTrackerSpeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := begin(0)
		c.Fetching(c.position)
		time.Sleep(time.Hour)
		for range 130 {
			c.page()
		}
		if s := c.now(); s.PerSecond != 1000 {
			t.Errorf("got %v a second, want 1000: the slow hour at the start is too old to count", s.PerSecond)
		}
		if n := len(c.speed.samples); n > 125 {
			t.Errorf("got %d samples, want at most 125", n)
		}
		time.Sleep(speedSpan)
		if s := c.now(); s.PerSecond != 0 {
			t.Errorf("got %v a second without pages, want 0", s.PerSecond)
		}
	})
}

func TestTrackerClaimed(t *testing.T) {
	t.Parallel()
	halfway := domain.Position{Pass: 1, Offset: 50, MaxOffset: 50, AnnouncedLast: known(100)}
	done := domain.Position{Pass: 1, Offset: 100, MaxOffset: 100, AnnouncedLast: known(100), Done: true}
	tests := []struct {
		name    string
		at      domain.Position
		newPass bool
		want    Snapshot
		rereads bool
	}{
		{"at the head", domain.Position{Pass: 1}, false, Snapshot{State: Fetching}, false},
		{"halfway", halfway, false, Snapshot{State: Fetching, Offset: 50, MaxOffset: 50, Total: known(100)}, false},
		{"halfway, and a new pass", halfway, true, Snapshot{State: Fetching, Offset: 50, MaxOffset: 50, Total: known(100)}, false},
		{"complete", done, false, Snapshot{State: Complete, Offset: 100, MaxOffset: 100, Total: known(100)}, false},
		{"complete, and a new pass", done, true, Snapshot{State: Fetching, MaxOffset: 100}, true},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			tracker := NewTracker(tt.newPass)
			if s := tracker.At(time.Now()); s != (Snapshot{State: Preparing}) {
				t.Errorf("got %+v before the run", s)
			}
			tracker.Claiming()
			if s := tracker.At(time.Now()); s != (Snapshot{State: Claiming}) {
				t.Errorf("got %+v while claiming", s)
			}
			tracker.Claimed(domain.Checkpoint{Position: tt.at})
			if s := tracker.At(time.Now()); s != tt.want || s.Rereading() != tt.rereads {
				t.Errorf("%s: got %+v, want %+v", tt.name, s, tt.want)
			}
			tracker.PassStarted(domain.Position{Pass: 2, MaxOffset: 7})
			if s := tracker.At(time.Now()); s.Offset != 0 || !s.Rereading() {
				t.Errorf("%s: got %+v at the start of a pass, want re-reading", tt.name, s)
			}
		})
	}
}
