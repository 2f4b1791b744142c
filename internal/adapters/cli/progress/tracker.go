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

// String returns the name of s, for example fetching.
func (s State) String() string {
	names := []string{"preparing", "claiming", "fetching", "storing", "waiting", "complete"}
	if s < 0 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// A Snapshot is the progress of a run at one moment.
type Snapshot struct {
	State State
	Wait  retry.Wait // the wait in progress, if State is Waiting

	Offset    int64        // the number of records from the head that this pass has read and stored
	MaxOffset int64        // the greatest offset of all passes; the records before it are stored already
	Total     domain.Total // the number of records that the API announced
	Done      bool         // the pass is complete

	PerSecond   float64       // the records per second in the last minutes, including waits; 0 if not known
	Left        time.Duration // the estimated time until all announced records are stored; 0 if not known
	LeftByQuota bool          // the rate limit decides Left: without a limit, Left would be shorter
	Retries     int           // the number of attempts that followed a failure
}

// Rereading reports whether the run reads records that are stored already.
func (s Snapshot) Rereading() bool { return s.Offset < s.MaxOffset }

// permille returns how many thousandths of the announced total this pass has stored, from 0 to 1000. It rounds down, so that 1000 means
// the whole total. known is false if no total was announced, or a total of 0.
func (s Snapshot) permille() (n int64, known bool) {
	if !s.Total.Known || s.Total.N <= 0 {
		return 0, false
	}
	return min(s.Offset, s.Total.N) * 1000 / s.Total.N, true
}

// A Tracker is an ingest.Observer of one run. Its methods may be called at any time and from any goroutine.
type Tracker struct {
	newPass bool // if the stream is complete, the run reads it again

	mu             sync.Mutex
	fetching       activity        // what the run does to fetch a page
	storing        activity        // what the run does to prepare the database, to claim the stream or to store pages
	position       domain.Position // the position after the last stored page
	recordsPerPage int64           // the number of records in the last page that had any
	retries        int             // the number of attempts that followed a failure
	received       int64           // the number of records that this run has received
	quotaWait      time.Duration   // how long finished waits for the next window of the quota took together
	speed          speed
	quota          quota
}

// An activity is what one goroutine of the run does.
type activity struct {
	state           State
	wait            retry.Wait // the last wait that began
	waitBegan       time.Time  // when this wait began
	stateBeforeWait State      // what the goroutine did before this wait, and tries again after it
}

// idle is the state of an activity that has nothing to do.
const idle State = -1

// NewTracker returns the tracker of a run that has not begun. newPass says whether the run reads a complete stream again.
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
func (t *Tracker) Fetching(domain.Position) {
	t.updateFetching(func(time.Time) { t.fetching.state = Fetching })
}

// Waiting implements ingest.FetchObserver.
func (t *Tracker) Waiting(w retry.Wait) {
	t.updateFetching(func(now time.Time) { t.beginWait(&t.fetching, w, now) })
}

// CursorLost implements ingest.FetchObserver.
func (t *Tracker) CursorLost(start domain.Position) {
	t.updateFetching(func(time.Time) {
		t.fetching.state = Fetching
		t.position = start
	})
}

// Storing implements ingest.StoreObserver. An attempt does not end the state in which the database is away; only success does.
func (t *Tracker) Storing(domain.Batch) {
	t.update(func(time.Time) {
		if isAway := t.storing.state == Waiting && t.storing.wait.ByTimeAlone(); !isAway {
			t.storing.state = Storing
		}
	})
}

// WaitingToStore implements ingest.StoreObserver.
func (t *Tracker) WaitingToStore(w retry.Wait) {
	t.update(func(now time.Time) { t.beginWait(&t.storing, w, now) })
}

// Committed implements ingest.StoreObserver.
func (t *Tracker) Committed(batch domain.Batch, res domain.CommitResult) {
	t.update(func(now time.Time) {
		t.storing.state = idle
		if res.Checkpoint.Pass >= t.position.Pass { // the last pages of a pass may be stored after the next pass has begun
			t.position = res.Checkpoint.Position
		}
		for _, page := range batch.Pages {
			t.received += int64(page.Received)
			if page.Received > 0 {
				t.recordsPerPage = int64(page.Received)
			}
			t.quota.observe(page.Receipt)
		}
		t.speed.add(sample{at: now, received: t.received, quotaWait: t.quotaWait + t.currentQuotaWait(now)})
	})
}

// update calls change with the current time, under the lock.
func (t *Tracker) update(change func(now time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	change(time.Now())
}

// updateFetching does the same as update, but before that it ends the current wait for the API, if there is one.
func (t *Tracker) updateFetching(change func(now time.Time)) {
	t.update(func(now time.Time) {
		t.quotaWait += t.currentQuotaWait(now)
		change(now)
	})
}

// beginWait records that a wait of an activity begins.
func (t *Tracker) beginWait(a *activity, w retry.Wait, now time.Time) {
	if isFirstWait := a.state != Waiting; isFirstWait { // the second of two waits in a row keeps the state before both
		a.stateBeforeWait = a.state
	}
	a.state, a.wait, a.waitBegan = Waiting, w, now
	if isBeforeRetry := w.Try > 0; isBeforeRetry {
		t.retries++
	}
}

// shown returns the activity to show, with its state at now: storing, or fetching if there is nothing to store.
func (t *Tracker) shown(now time.Time) activity {
	shown := t.storing
	if shown.state == idle {
		shown = t.fetching
	}
	isOver := !now.Before(shown.wait.End())
	if shown.state == Waiting && isOver {
		// The goroutine now tries the same again as before the wait. A run does not notify its observer of each such attempt.
		shown.state = shown.stateBeforeWait
	}
	return shown
}

// currentQuotaWait returns how long the current wait for the API has lasted if it is a wait for the next window of the quota, and 0
// otherwise. A wait that ends before the next window begins has another reason, for example the minimum time between two requests.
func (t *Tracker) currentQuotaWait(now time.Time) time.Duration {
	waitsForRateLimit := t.fetching.state == Waiting && t.fetching.wait.ForRateLimit()
	reachesNextWindow := t.quota.Limit != 0 && !t.fetching.wait.Until.Before(t.quota.Reset)
	if waitsForRateLimit && reachesNextWindow {
		return now.Sub(t.fetching.waitBegan)
	}
	return 0
}

// Snapshot returns the progress at now. now must not be before the last call of another method.
func (t *Tracker) Snapshot(now time.Time) Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	shown := t.shown(now)
	s := Snapshot{
		State: shown.state, Wait: shown.wait,
		Offset: t.position.Offset, MaxOffset: t.position.MaxOffset, Total: t.position.AnnouncedLast,
		Done: t.position.Done, Retries: t.retries,
	}
	current := sample{at: now, received: t.received, quotaWait: t.quotaWait + t.currentQuotaWait(now)}
	s.PerSecond = t.speed.intervalUntil(current).perSecond()
	s.Left, s.LeftByQuota = t.timeLeft(now)
	return s
}

// timeLeft estimates the time until all announced records are stored: the larger of secondsBySpeed and secondsByQuota. byQuota is true if
// this is secondsByQuota. The time is 0 if it is not known.
func (t *Tracker) timeLeft(now time.Time) (left time.Duration, byQuota bool) {
	announced := t.position.AnnouncedLast
	records := announced.N - t.position.Offset
	if !announced.Known || records <= 0 {
		return 0, false
	}
	secondsBySpeed, secondsByQuota := t.secondsBySpeed(records, now), t.secondsByQuota(records, now)
	return toDuration(max(secondsBySpeed, secondsByQuota)), secondsByQuota > secondsBySpeed
}

// secondsBySpeed returns the rest of the current wait for the API, plus the time for the remaining records at the recent speed. It
// returns 0 if the speed is not known. If the quota is known, the speed leaves out waits for the quota, because secondsByQuota includes
// such waits.
func (t *Tracker) secondsBySpeed(records int64, now time.Time) float64 {
	end := sample{at: now, received: t.received, quotaWait: t.quotaWait} // the speed is measured until this sample
	var restOfWait time.Duration
	if t.fetching.state == Waiting { // measure until the begin of the wait, because restOfWait counts the rest of the wait
		restOfWait = max(t.fetching.wait.Until.Sub(now), 0)
		end.at = t.fetching.waitBegan
		if last := t.speed.last(); last.at.After(end.at) {
			end = last // a page that was fetched before the wait has been stored during the wait
		}
	}
	recent := t.speed.intervalUntil(end)
	if t.quota.isKnown() {
		recent.elapsed -= recent.quotaWait
	}
	perSecond := recent.perSecond()
	if perSecond <= 0 {
		return 0
	}
	return restOfWait.Seconds() + float64(records)/perSecond
}

// secondsByQuota returns the time until the quota allows the request for the last of the remaining records. It returns 0 if this time is
// not known.
func (t *Tracker) secondsByQuota(records int64, now time.Time) float64 {
	if t.recordsPerPage == 0 {
		return 0
	}
	pages := (records + t.recordsPerPage - 1) / t.recordsPerPage // rounded up
	return t.quota.secondsUntilAllowed(pages, now)
}

// toDuration returns a duration of that many seconds, but at most 100 years, because a time.Duration cannot hold every number.
func toDuration(seconds float64) time.Duration {
	const maxSeconds = 100 * 365 * 24 * 3600
	return time.Duration(min(seconds, maxSeconds) * float64(time.Second))
}
