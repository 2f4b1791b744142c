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
	Preparing State = iota // the database
	Claiming               // the stream
	Fetching
	Storing
	Waiting
	Complete // there was nothing to do, so there is nothing to show
)

// A Snapshot is the progress of a run at one moment.
type Snapshot struct {
	State State
	Wait  retry.Wait // the wait in progress, if State is Waiting

	Offset    int64 // records from the head that this pass has stored
	MaxOffset int64 // the greatest offset of all passes; records before it are stored already
	Total     domain.Total

	PerSecond   float64       // records a second in the last minutes, with waits; 0 if not known
	Left        time.Duration // until the announced end; 0 if not known
	LeftByQuota bool          // the rate limit decides Left
	Retries     int           // attempts after failures
}

// Rereading reports whether the run reads records that are stored already.
func (s Snapshot) Rereading() bool { return s.Offset < s.MaxOffset }

// permille returns how much of the announced total is stored, from 0 to 1000. It rounds down, so that 100.0 % means all of it.
func (s Snapshot) permille() (n int64, known bool) {
	if !s.Total.Known || s.Total.N <= 0 {
		return 0, false
	}
	return min(s.Offset, s.Total.N) * 1000 / s.Total.N, true
}

// A Tracker is an ingest.Observer of one run. Its methods may be called at any time and from any goroutine.
type Tracker struct {
	newPass bool

	mu        sync.Mutex
	state     State
	wait      retry.Wait // the last one
	waitBegan time.Time
	waitsFor  State           // the last state before the wait, which is tried again after it
	position  domain.Position // after the last page stored
	perPage   int64           // records in the last page that was not empty
	retries   int
	received  int64         // in this run
	limited   time.Duration // the time that this run has waited for the quota's next window
	speed     speed
	quota     quota
}

// NewTracker returns the tracker of a run that has not begun. With newPass the run reads a complete stream again.
func NewTracker(newPass bool) *Tracker { return &Tracker{newPass: newPass, state: Preparing} }

// Claiming records that the database is ready and that the run is about to claim the stream.
func (t *Tracker) Claiming() { t.enter(Claiming, func(time.Time) {}) }

// Claimed implements ingest.Observer.
func (t *Tracker) Claimed(at domain.Checkpoint) {
	t.enter(Fetching, func(now time.Time) {
		t.position = at.Position
		if at.Done && t.newPass {
			t.position = at.NextPass()
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
func (t *Tracker) PassStarted(at domain.Position) {
	t.enter(Fetching, func(time.Time) { t.position = at })
}

// Committed implements ingest.Observer.
func (t *Tracker) Committed(page domain.DecodedPage, res domain.CommitResult) {
	t.enter(Fetching, func(now time.Time) {
		t.position = res.Checkpoint.Position
		t.received += int64(page.Received)
		if page.Received > 0 {
			t.perPage = int64(page.Received)
		}
		t.quota.observe(page.Receipt)
		t.speed.add(sample{at: now, received: t.received, limited: t.limited})
	})
}

// enter ends the current state and begins next. It calls update with the time, under the lock.
func (t *Tracker) enter(next State, update func(now time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.limited += t.currentLimited(now)
	if t.state != Waiting {
		t.waitsFor = t.state
	}
	t.state = next
	update(now)
}

// currentState returns the state at now. After a wait it is the state before the wait, because observers are not called for
// every step that is tried again.
func (t *Tracker) currentState(now time.Time) State {
	if t.state == Waiting && !now.Before(t.wait.Until) {
		return t.waitsFor
	}
	return t.state
}

// currentLimited returns how long the wait in progress has lasted, if it is for the quota's next window, else 0. A wait that ends
// before that window has another reason, for example the minimum time between two requests.
func (t *Tracker) currentLimited(now time.Time) time.Duration {
	if t.state != Waiting || !t.wait.ForRateLimit() || t.quota.Limit == 0 || t.wait.Until.Before(t.quota.Reset) {
		return 0
	}
	return now.Sub(t.waitBegan)
}

// At returns the progress at now, which must not be before the last call of another method.
func (t *Tracker) At(now time.Time) Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Snapshot{
		State: t.currentState(now), Wait: t.wait,
		Offset: t.position.Offset, MaxOffset: t.position.MaxOffset, Total: t.position.AnnouncedLast,
		Retries: t.retries,
	}
	s.PerSecond = t.speed.since(sample{at: now, received: t.received, limited: t.limited + t.currentLimited(now)}).perSecond()
	s.Left, s.LeftByQuota = t.left(now)
	return s
}

// left returns the time until the announced end, 0 if it is not known, and whether the rate limit decides it. It is the larger of
// two estimates. One is the rest of the wait in progress, plus the other records at the speed before the wait. The other is the
// time until the quota allows the last request. Time spent waiting for the quota does not count in the measured speed.
func (t *Tracker) left(now time.Time) (d time.Duration, byQuota bool) {
	records := t.position.AnnouncedLast.N - t.position.Offset
	if !t.position.AnnouncedLast.Known || records <= 0 {
		return 0, false
	}
	measured, waiting := now, time.Duration(0)
	if t.state == Waiting {
		measured, waiting = t.waitBegan, max(t.wait.Until.Sub(now), 0)
	}
	recent := t.speed.since(sample{at: measured, received: t.received, limited: t.limited})
	if t.quota.isKnown() {
		recent.elapsed -= recent.limited
	}
	var worked, limited float64 // in seconds
	if perSecond := recent.perSecond(); perSecond > 0 {
		worked = waiting.Seconds() + float64(records)/perSecond
	}
	if t.perPage > 0 {
		limited = t.quota.wait((records+t.perPage-1)/t.perPage, now)
	}
	return toDuration(max(worked, limited)), limited > worked
}

// toDuration returns a duration of s seconds, or of 100 years if s is more, because a duration cannot hold any number.
func toDuration(s float64) time.Duration {
	const maximum = 100 * 365 * 24 * 3600
	return time.Duration(min(s, maximum) * float64(time.Second))
}
