// Package progress shows how far a run is: as one live line on a terminal, or as a log line every few seconds.
//
// A [Tracker] observes the run and returns a [Snapshot] of it at any time. The functions that format a Snapshot do not read the
// clock.
package progress

import (
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A State is what a run does at the moment.
type State int

// The states.
const (
	Preparing State = iota // the run prepares the schema of the database
	Claiming               // the run claims the stream
	Fetching               // the run fetches a page
	Storing                // the run stores a page
	Waiting                // the run waits for the rate limit, for another runner or before a retry
	Complete               // the stream was complete when the run claimed it, so there is no progress to show
)

// A Snapshot is the progress of a run at one moment.
type Snapshot struct {
	State State
	Wait  retry.Wait // the wait in progress, if State is Waiting

	Offset    int64        // the number of records from the head that this pass has read and stored
	MaxOffset int64        // the greatest offset of all passes; the records before it are stored already
	Total     domain.Total // the number of records that the API announced

	PerSecond   float64       // the records per second in the last minutes, including waits; 0 if not known
	Left        time.Duration // the estimated time until the announced end; 0 if not known
	LeftByQuota bool          // whether Left is so long because of the rate limit
	Retries     int           // the number of attempts that followed a failure
}

// Rereading reports whether the run reads records that are stored already.
func (s Snapshot) Rereading() bool { return s.Offset < s.MaxOffset }

// permille returns the stored part of the announced total, from 0 to 1000. It rounds down, so that 1000 means the whole total. known is
// false if no total was announced.
func (s Snapshot) permille() (n int64, known bool) {
	if !s.Total.Known || s.Total.N <= 0 {
		return 0, false
	}
	return min(s.Offset, s.Total.N) * 1000 / s.Total.N, true
}

// A Tracker is an ingest.Observer of one run. Its methods may be called at any time and from any goroutine.
type Tracker struct {
	newPass bool // the run reads a complete stream again

	mu              sync.Mutex
	state           State
	wait            retry.Wait      // the last wait that began
	waitBegan       time.Time       // when that wait began
	stateBeforeWait State           // what the run did before that wait; it tries this again afterwards
	position        domain.Position // the position after the last stored page
	recordsPerPage  int64           // the number of records in the last page that had any
	retries         int             // the number of attempts that followed a failure
	received        int64           // the number of records that this run has received
	limited         time.Duration   // the time that finished waits for the quota's next window took
	speed           speed
	quota           quota
}

// NewTracker returns the tracker of a run that has not begun. If newPass is true, the run reads a complete stream again.
func NewTracker(newPass bool) *Tracker { return &Tracker{newPass: newPass, state: Preparing} }

// SetClaiming records that the database is ready and that the run is about to claim the stream.
func (t *Tracker) SetClaiming() { t.enter(Claiming, func(time.Time) {}) }

// Claimed implements ingest.Observer.
func (t *Tracker) Claimed(checkpoint domain.Checkpoint) {
	t.enter(Fetching, func(now time.Time) {
		t.position = checkpoint.Position
		if checkpoint.Done && t.newPass {
			t.position = checkpoint.NextPass()
		}
		if t.position.Done {
			t.state = Complete
		}
		t.speed.begin(now)
	})
}

// Fetching implements ingest.Observer.
func (t *Tracker) Fetching(domain.Position) { t.enter(Fetching, func(time.Time) {}) }

// Storing implements ingest.Observer.
func (t *Tracker) Storing(domain.DecodedPage) { t.enter(Storing, func(time.Time) {}) }

// Waiting implements ingest.Observer.
func (t *Tracker) Waiting(w retry.Wait) {
	t.enter(Waiting, func(now time.Time) {
		t.wait, t.waitBegan = w, now
		if w.Try > 0 {
			t.retries++
		}
	})
}

// PassStarted implements ingest.Observer.
func (t *Tracker) PassStarted(start domain.Position) {
	t.enter(Fetching, func(time.Time) { t.position = start })
}

// Committed implements ingest.Observer.
func (t *Tracker) Committed(page domain.DecodedPage, res domain.CommitResult) {
	t.enter(Fetching, func(now time.Time) {
		t.position = res.Checkpoint.Position
		t.received += int64(page.Received)
		if page.Received > 0 {
			t.recordsPerPage = int64(page.Received)
		}
		t.quota.observe(page.Receipt)
		t.speed.add(sample{at: now, received: t.received, limited: t.limited})
	})
}

// enter ends the current state and begins next. Under the lock, it calls update with the current time. update may change next.
func (t *Tracker) enter(next State, update func(now time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.limited += t.currentLimited(now)
	if t.state != Waiting {
		t.stateBeforeWait = t.state
	}
	t.state = next
	update(now)
}

// currentState returns the state at now. When a wait is over, it returns the state before the wait: the run does the same again, but
// the observers are not always called for that.
func (t *Tracker) currentState(now time.Time) State {
	if t.state == Waiting && !now.Before(t.wait.Until) {
		return t.stateBeforeWait
	}
	return t.state
}

// currentLimited returns how long the current wait has lasted if it is a wait for the quota's next window, and 0 otherwise. A wait that
// ends before that window begins has another reason, for example the minimum time between two requests.
func (t *Tracker) currentLimited(now time.Time) time.Duration {
	if t.state != Waiting || !t.wait.ForRateLimit() || t.quota.Limit == 0 {
		return 0
	}
	if t.wait.Until.Before(t.quota.Reset) {
		return 0
	}
	return now.Sub(t.waitBegan)
}

// Snapshot returns the progress at now. No other method may have been called after now.
func (t *Tracker) Snapshot(now time.Time) Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Snapshot{
		State: t.currentState(now), Wait: t.wait,
		Offset: t.position.Offset, MaxOffset: t.position.MaxOffset, Total: t.position.AnnouncedLast,
		Retries: t.retries,
	}
	current := sample{at: now, received: t.received, limited: t.limited + t.currentLimited(now)}
	s.PerSecond = t.speed.intervalUntil(current).perSecond()
	s.Left, s.LeftByQuota = t.left(now)
	return s
}

// left estimates the time until the announced end, and reports whether the rate limit decides it. The time is 0 if it is not known.
// left takes the larger of two estimates:
//   - the rest of the current wait, plus the time for the remaining records at the recent speed. If the quota is known, this speed
//     leaves out the time spent waiting for it, because the second estimate has that time.
//   - the time until the quota allows the last request.
func (t *Tracker) left(now time.Time) (d time.Duration, byQuota bool) {
	records := t.position.AnnouncedLast.N - t.position.Offset
	if !t.position.AnnouncedLast.Known || records <= 0 {
		return 0, false
	}
	measuredUntil, restOfWait := now, time.Duration(0)
	if t.state == Waiting {
		measuredUntil, restOfWait = t.waitBegan, max(t.wait.Until.Sub(now), 0)
	}
	recent := t.speed.intervalUntil(sample{at: measuredUntil, received: t.received, limited: t.limited})
	if t.quota.isKnown() {
		recent.elapsed -= recent.limited
	}
	var bySpeed, byLimit float64 // in seconds
	if perSecond := recent.perSecond(); perSecond > 0 {
		bySpeed = restOfWait.Seconds() + float64(records)/perSecond
	}
	if t.recordsPerPage > 0 {
		pages := (records + t.recordsPerPage - 1) / t.recordsPerPage // rounded up
		byLimit = t.quota.wait(pages, now)
	}
	return toDuration(max(bySpeed, byLimit)), byLimit > bySpeed
}

// toDuration returns a duration of that many seconds, but at most 100 years, because a time.Duration cannot hold every number.
func toDuration(seconds float64) time.Duration {
	const maxSeconds = 100 * 365 * 24 * 3600
	return time.Duration(min(seconds, maxSeconds) * float64(time.Second))
}
