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

	mu             sync.Mutex
	fetching       activity        // what the run does to fetch a page
	storing        activity        // what the run does to claim the stream or to store pages
	position       domain.Position // the position after the last stored page
	recordsPerPage int64           // the number of records in the last page that had any
	retries        int             // the number of attempts that followed a failure
	received       int64           // the number of records that this run has received
	limited        time.Duration   // the time that finished waits for the quota's next window took
	speed          speed
	quota          quota
}

// An activity is what one goroutine of the run does.
type activity struct {
	state           State
	wait            retry.Wait // the last wait that began
	waitBegan       time.Time  // when that wait began
	stateBeforeWait State      // what the goroutine did before that wait; it tries this again afterwards
}

// idle is the state of an activity that has nothing to do.
const idle State = -1

// NewTracker returns the tracker of a run that has not begun. If newPass is true, the run reads a complete stream again.
func NewTracker(newPass bool) *Tracker {
	return &Tracker{newPass: newPass, fetching: activity{state: idle}, storing: activity{state: Preparing}}
}

// SetClaiming records that the database is ready and that the run is about to claim the stream.
func (t *Tracker) SetClaiming() { t.update(func(time.Time) { t.storing.state = Claiming }) }

// Claimed implements ingest.StoreObserver.
func (t *Tracker) Claimed(checkpoint domain.Checkpoint) {
	t.update(func(now time.Time) {
		t.fetching.state, t.storing.state = Fetching, idle
		t.position = checkpoint.Position
		if checkpoint.Done && t.newPass {
			t.position = checkpoint.NextPass()
		}
		if t.position.Done {
			t.fetching.state = Complete
		}
		t.speed.begin(now)
	})
}

// Fetching implements ingest.FetchObserver.
func (t *Tracker) Fetching(domain.Position) { t.fetch(func(time.Time) { t.fetching.state = Fetching }) }

// Waiting implements ingest.FetchObserver.
func (t *Tracker) Waiting(w retry.Wait) {
	t.fetch(func(now time.Time) { t.beginWait(&t.fetching, w, now) })
}

// PassStarted implements ingest.FetchObserver.
func (t *Tracker) PassStarted(start domain.Position) {
	t.fetch(func(time.Time) {
		t.fetching.state = Fetching
		t.position = start
	})
}

// Storing implements ingest.StoreObserver.
func (t *Tracker) Storing(domain.Batch) { t.update(func(time.Time) { t.storing.state = Storing }) }

// WaitingToStore implements ingest.StoreObserver.
func (t *Tracker) WaitingToStore(w retry.Wait) {
	t.update(func(now time.Time) { t.beginWait(&t.storing, w, now) })
}

// Committed implements ingest.StoreObserver.
func (t *Tracker) Committed(batch domain.Batch, res domain.CommitResult) {
	t.update(func(now time.Time) {
		t.storing.state = idle
		t.position = res.Checkpoint.Position
		for _, page := range batch.Pages {
			t.received += int64(page.Received)
			if page.Received > 0 {
				t.recordsPerPage = int64(page.Received)
			}
			t.quota.observe(page.Receipt)
		}
		t.speed.add(sample{at: now, received: t.received, limited: t.limited + t.currentLimited(now)})
	})
}

// update calls change with the current time, under the lock.
func (t *Tracker) update(change func(now time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(time.Now())
}

// fetch ends the current wait for the API, if any, and calls change with the current time, under the lock.
func (t *Tracker) fetch(change func(now time.Time)) {
	t.update(func(now time.Time) {
		t.limited += t.currentLimited(now)
		change(now)
	})
}

// beginWait records that a wait of an activity begins.
func (t *Tracker) beginWait(a *activity, w retry.Wait, now time.Time) {
	if a.state != Waiting {
		a.stateBeforeWait = a.state
	}
	a.state, a.wait, a.waitBegan = Waiting, w, now
	if w.Try > 0 {
		t.retries++
	}
}

// current returns the activity to show, with its state at now. While the run stores pages or waits for the database, it shows that,
// otherwise what the run does to fetch a page.
func (t *Tracker) current(now time.Time) activity {
	a := t.storing
	if a.state == idle {
		a = t.fetching
	}
	if a.state == Waiting && !now.Before(a.wait.Until) {
		// The wait is over. The goroutine does the same again as before, but the observers are not always called for that.
		a.state = a.stateBeforeWait
	}
	return a
}

// currentLimited returns how long the current wait for the API has lasted if it is a wait for the quota's next window, and 0 otherwise.
// A wait that ends before that window begins has another reason, for example the minimum time between two requests.
func (t *Tracker) currentLimited(now time.Time) time.Duration {
	if t.fetching.state != Waiting || !t.fetching.wait.ForRateLimit() || t.quota.Limit == 0 {
		return 0
	}
	if t.fetching.wait.Until.Before(t.quota.Reset) {
		return 0
	}
	return now.Sub(t.fetching.waitBegan)
}

// Snapshot returns the progress at now. No other method may have been called after now.
func (t *Tracker) Snapshot(now time.Time) Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := t.current(now)
	s := Snapshot{
		State: shown.state, Wait: shown.wait,
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
	measured, restOfWait := sample{at: now, received: t.received, limited: t.limited}, time.Duration(0)
	if t.fetching.state == Waiting {
		restOfWait = max(t.fetching.wait.Until.Sub(now), 0)
		measured.at = t.fetching.waitBegan
		if last := t.speed.last(); last.at.After(measured.at) {
			measured = last // a page that was fetched before the wait has been stored during the wait
		}
	}
	recent := t.speed.intervalUntil(measured)
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
