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

// noNewPass is an argument for NewTracker: the run has no --new-pass.
const noNewPass = false

// The size of the simulated run. It has 100 pages.
const (
	totalRecords   = 100_000
	recordsPerPage = 1000
)

// A simulation calls the methods of its Tracker, as a run does in which each page takes one second. A test must use it within
// synctest.Test.
type simulation struct {
	*Tracker

	position  domain.Position
	limit     int64     // the requests that the API allows in a window of a minute; noLimit if it announces no limit
	remaining int64     // the requests that are left in the current window
	windowEnd time.Time // the end of the current window
}

const noLimit = 0

// newSimulation returns a simulation of a run that has claimed its stream and has stored no page.
func newSimulation(limit int64) *simulation {
	head := domain.Position{Pass: 1, AnnouncedLast: knownTotal(totalRecords)}
	s := &simulation{Tracker: NewTracker(noNewPass), position: head, limit: limit}
	s.Claimed(domain.Checkpoint{Position: s.position})
	return s
}

// readPage fetches and stores a page.
func (s *simulation) readPage() {
	s.Fetching(s.position)
	time.Sleep(time.Second)
	receipt := domain.Receipt{FetchedAt: time.Now()}
	if s.limit != noLimit {
		if hasEnded := !time.Now().Before(s.windowEnd); hasEnded { // this page begins a new window
			s.remaining, s.windowEnd = s.limit, time.Now().Add(time.Minute)
		}
		s.remaining--
		receipt.Quota = domain.Quota{Limit: s.limit, Remaining: s.remaining, Reset: s.windowEnd}
	}
	s.position.Offset += recordsPerPage
	s.position.MaxOffset = max(s.position.MaxOffset, s.position.Offset)
	batch := domain.Batch{Pages: []domain.DecodedPage{{Received: recordsPerPage, Receipt: receipt}}}
	s.Storing(batch)
	s.Committed(batch, domain.CommitResult{Checkpoint: domain.Checkpoint{Position: s.position}})
}

// readPages fetches and stores n pages.
func (s *simulation) readPages(n int) {
	for range n {
		s.readPage()
	}
}

// waitUntil waits for the rate limit until end.
func (s *simulation) waitUntil(end time.Time) {
	s.Waiting(retry.Wait{For: time.Until(end), Until: end, Err: &domain.Error{Kind: domain.RateLimited}})
	time.Sleep(time.Until(end))
}

// snapshotNow returns the tracker's snapshot at the current time.
func (s *simulation) snapshotNow() Snapshot { return s.Snapshot(time.Now()) }

// checkLeft checks the time left in a snapshot, and that the rate limit does not decide it.
func checkLeft(t *testing.T, s Snapshot, want time.Duration) {
	t.Helper()
	if (s.Left-want).Abs() > leftTolerance || s.LeftByQuota {
		t.Errorf("got %s left, decided by the rate limit: %v; want %s, false", s.Left, s.LeftByQuota, want)
	}
}

// checkLeftByQuota checks the time left in a snapshot, and that the rate limit decides it.
func checkLeftByQuota(t *testing.T, s Snapshot, want time.Duration) {
	t.Helper()
	if (s.Left-want).Abs() > leftTolerance || !s.LeftByQuota {
		t.Errorf("got %s left, decided by the rate limit: %v; want %s, true", s.Left, s.LeftByQuota, want)
	}
}

// leftTolerance is the difference in the time left that rounding may cause.
const leftTolerance = 10 * time.Millisecond

// TestTrackerLeft checks the time left of a run without a rate limit, after two pages and during a slow request.
func TestTrackerLeft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newSimulation(noLimit)
		checkLeft(t, run.snapshotNow(), 0) // not known yet
		run.readPages(2)
		checkLeft(t, run.snapshotNow(), 98*time.Second) // 98 pages, at one page per second
		run.Fetching(run.position)
		time.Sleep(2 * time.Second)
		checkLeft(t, run.snapshotNow(), 2*98*time.Second) // 98 pages, at half a page per second
		const offset = 2 * recordsPerPage
		const perSecond = offset / 4 // the two pages took 2 s, and the slow request 2 s so far
		if s := run.snapshotNow(); s.PerSecond != perSecond || s.Offset != offset || s.Total.N != totalRecords {
			t.Errorf("got snapshot %+v, want %d records per second, offset %d and total %d", s, perSecond, offset, totalRecords)
		}
	})
}

// TestTrackerLeft_DuringWait checks that the time left includes the rest of a wait, and that the wait does not make the run look slower.
func TestTrackerLeft_DuringWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newSimulation(noLimit)
		run.readPage()
		run.Waiting(retry.Wait{
			For: time.Minute, Until: time.Now().Add(time.Minute), Err: &domain.Error{Kind: domain.Transient}, Try: 2, Tries: 5,
		})
		time.Sleep(20 * time.Second)
		s := run.snapshotNow()
		checkLeft(t, s, (40+99)*time.Second) // 40 s of the wait, and 99 pages at one page per second
		if s.Retries != 1 || s.State != Waiting || s.Wait.Try != 2 {
			t.Errorf("got snapshot %+v, want 1 retry and a wait for attempt 2", s)
		}
	})
}

// TestTrackerLeft_RateLimitDecides checks the time left if the API allows ten requests per minute. The run sends ten requests in the
// first 10 s of each minute and then waits. The API's window of a minute begins when the first page arrives, after 1 s.
func TestTrackerLeft_RateLimitDecides(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const limit = 10
		run := newSimulation(limit)
		run.readPages(limit)
		const windowBegin, windowLength, readTime = 1, 60, limit // in seconds
		const untilNextWindow = (windowBegin + windowLength - readTime) * time.Second
		checkLeftByQuota(t, run.snapshotNow(), untilNextWindow+8*time.Minute) // 90 pages need nine more windows
		for range 3 {
			run.waitUntil(run.windowEnd)
			run.readPages(limit)
		}
		checkLeftByQuota(t, run.snapshotNow(), untilNextWindow+5*time.Minute) // 60 pages need six more windows
		if s := run.snapshotNow(); s.Retries != 0 {
			t.Errorf("got %d retries, want 0, because a wait for the rate limit is no retry", s.Retries)
		}
	})
}

// TestTrackerLeft_RateLimitDoesNotDecide checks the time left if the API allows more requests than the run sends. The run waits two
// seconds after each page because of its minimum time between two requests.
func TestTrackerLeft_RateLimitDoesNotDecide(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const highLimit = 600
		run := newSimulation(highLimit)
		for range 10 {
			run.readPage()
			run.waitUntil(time.Now().Add(2 * time.Second))
		}
		run.Fetching(run.position)
		checkLeft(t, run.snapshotNow(), 90*(1+2)*time.Second) // 90 pages of 1 s, each with a wait of 2 s
	})
}

// TestTrackerSnapshot_AfterWait checks that, after a wait, the snapshot has the state that the run had before the wait.
func TestTrackerSnapshot_AfterWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tracker := NewTracker(noNewPass)
		tracker.SetClaiming()
		for range 2 { // also after a second wait that follows the first
			tracker.WaitingToStore(retry.Wait{For: time.Second, Until: time.Now().Add(time.Second), Err: &domain.Error{}, Try: 2, Tries: 5})
			time.Sleep(time.Second - time.Nanosecond) // until just before the end of the wait
			if s := tracker.Snapshot(time.Now()); s.State != Waiting {
				t.Errorf("got state %d before the end of the wait, want Waiting", s.State)
			}
			time.Sleep(2 * time.Nanosecond)
			if s := tracker.Snapshot(time.Now()); s.State != Claiming {
				t.Errorf("got state %d after the wait, want Claiming", s.State)
			}
		}
	})
}

// TestTrackerSnapshot_DatabaseAway checks that the state in which the database is away lasts over several attempts until a page is stored.
func TestTrackerSnapshot_DatabaseAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newSimulation(noLimit)
		s.readPage()
		givesUpAt := time.Now().Add(5 * time.Minute)
		for try := 2; try < 5; try++ {
			s.Storing(domain.Batch{})
			s.WaitingToStore(retry.Wait{For: time.Second, Until: time.Now().Add(time.Second), Try: try, GivesUpAt: givesUpAt})
			time.Sleep(time.Second)
			s.Storing(domain.Batch{})
			time.Sleep(time.Minute) // the attempt gets no answer
			if got := s.Snapshot(time.Now()); got.State != Waiting || !got.Wait.GivesUpAt.Equal(givesUpAt) {
				t.Errorf("try %d: got state %s until %s, want waiting until %s", try, got.State, got.Wait.GivesUpAt, givesUpAt)
			}
		}
		s.readPage()
		if got := s.Snapshot(time.Now()).State; got == Waiting {
			t.Errorf("after a stored page: got state %s, want another", got)
		}
	})
}

// TestTrackerSpeed checks that the speed is that of the last two minutes, and that the tracker keeps only the samples of this time.
func TestTrackerSpeed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newSimulation(noLimit)
		run.Fetching(run.position)
		time.Sleep(time.Hour)
		run.readPages(130) // in 130 s, which is longer than speedSpan
		if s := run.snapshotNow(); s.PerSecond != recordsPerPage {
			t.Errorf("got %v records per second, want %d, because the hour without pages is too old", s.PerSecond, recordsPerPage)
		}
		const maxSamples = 125 // one for each second of speedSpan, and a few more
		if n := len(run.speed.samples); n > maxSamples {
			t.Errorf("got %d samples, want at most %d", n, maxSamples)
		}
		time.Sleep(speedSpan)
		if s := run.snapshotNow(); s.PerSecond != 0 {
			t.Errorf("got %v records per second after two minutes without pages, want 0", s.PerSecond)
		}
	})
}

// TestTrackerClaimed checks the snapshots of a run before, while and after it claims its stream, and at the start of the next pass.
func TestTrackerClaimed(t *testing.T) {
	t.Parallel()
	halfway := domain.Position{Pass: 1, Offset: 50, MaxOffset: 50, AnnouncedLast: knownTotal(100)}
	done := domain.Position{Pass: 1, Offset: 100, MaxOffset: 100, AnnouncedLast: knownTotal(100), Done: true}
	fromHalfway := Snapshot{State: Fetching, Offset: 50, MaxOffset: 50, Total: knownTotal(100)}
	tests := []struct {
		name     string
		position domain.Position // the position of the claimed checkpoint
		newPass  bool
		want     Snapshot
		rereads  bool // the wanted result of Rereading
	}{
		{name: "at the head", position: domain.Position{Pass: 1}, want: Snapshot{State: Fetching}},
		{name: "halfway", position: halfway, want: fromHalfway},
		{name: "halfway, with --new-pass", position: halfway, newPass: true, want: fromHalfway},
		{name: "complete", position: done, want: Snapshot{State: Complete, Done: true, Offset: 100, MaxOffset: 100, Total: knownTotal(100)}},
		{
			name: "complete, with --new-pass", position: done, newPass: true,
			want: Snapshot{State: Fetching, MaxOffset: 100}, rereads: true,
		},
	}
	for _, tt := range tests {
		synctest.Test(t, func(t *testing.T) {
			tracker := NewTracker(tt.newPass)
			if s := tracker.Snapshot(time.Now()); s != (Snapshot{State: Preparing}) {
				t.Errorf("%s: got %+v before the run, want the state Preparing", tt.name, s)
			}
			tracker.SetClaiming()
			if s := tracker.Snapshot(time.Now()); s != (Snapshot{State: Claiming}) {
				t.Errorf("%s: got %+v while the run claims the stream, want the state Claiming", tt.name, s)
			}
			tracker.Claimed(domain.Checkpoint{Position: tt.position})
			if s := tracker.Snapshot(time.Now()); s != tt.want || s.Rereading() != tt.rereads {
				t.Errorf("%s: got %+v, re-reading %v; want %+v, re-reading %v", tt.name, s, s.Rereading(), tt.want, tt.rereads)
			}
			tracker.CursorLost(domain.Position{Pass: 2, MaxOffset: 7})
			if s := tracker.Snapshot(time.Now()); s.Offset != 0 || !s.Rereading() {
				t.Errorf("%s: got %+v at the start of the next pass, want offset 0 and re-reading", tt.name, s)
			}
		})
	}
}

// TestTrackerCursorLost_WhilePagesWait checks that a page of the former pass that is stored after the start of the next pass does not
// change the position.
func TestTrackerCursorLost_WhilePagesWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		run := newSimulation(noLimit)
		run.readPages(2)
		run.CursorLost(run.position.NextPass())
		run.readPage() // the last page of the former pass
		if s := run.snapshotNow(); s.Offset != 0 || !s.Rereading() {
			t.Errorf("got %+v, want offset 0 and re-reading", s)
		}
	})
}
