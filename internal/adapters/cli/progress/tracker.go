// Package progress tells how a run gets on while it goes on: as one live line for a person at a terminal, as a log line
// every few seconds for everybody else.
//
// A Tracker hears of the run's course and answers with Snapshots; what is shown of them is decided by functions that know
// no clock.
package progress

import (
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A Tracker is an ingest.Observer of one run. Its methods may be called at any time and from any goroutine.
type Tracker struct {
	newPass bool

	mu        sync.Mutex
	state     State
	wait      retry.Wait // the last one
	waitBegan time.Time
	waitsFor  State           // the last state that was no wait: what is tried again after one
	place     domain.Position // behind the last page stored
	perPage   int64           // records in the last page that had any
	retries   int
	received  int64         // in this run
	limited   time.Duration // of this run, spent waiting for the quota's next window
	speed     speed
	quota     quota
}

// NewTracker returns the tracker of a run that has not begun. With newPass the run reads a stream again that is complete.
func NewTracker(newPass bool) *Tracker { return &Tracker{newPass: newPass, state: Preparing} }

// Claiming is called when the database is ready and the stream is about to be asked for.
func (t *Tracker) Claiming() { t.enter(Claiming, func(time.Time) {}) }

// Claimed implements ingest.Observer.
func (t *Tracker) Claimed(at domain.Checkpoint) {
	t.enter(Fetching, func(now time.Time) {
		t.place = at.Position
		if at.Done && t.newPass {
			t.place = at.NextPass()
		}
		if t.place.Done {
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
	t.enter(Fetching, func(time.Time) { t.place = at })
}

// Committed implements ingest.Observer.
func (t *Tracker) Committed(page domain.DecodedPage, res domain.CommitResult) {
	t.enter(Fetching, func(now time.Time) {
		t.place = res.Checkpoint.Position
		t.received += int64(page.Received)
		if page.Received > 0 {
			t.perPage = int64(page.Received)
		}
		t.quota.heed(page.Receipt)
		t.speed.add(mark{at: now, received: t.received, limited: t.limited})
	})
}

// enter ends the state before and begins another.
func (t *Tracker) enter(next State, note func(now time.Time)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.limited += t.limitedSince(now)
	if t.state != Waiting {
		t.waitsFor = t.state
	}
	t.state = next
	note(now)
}

// present is the state now. Not everything that is tried again after a wait is told to an observer.
func (t *Tracker) present(now time.Time) State {
	if t.state == Waiting && !now.Before(t.wait.Until) {
		return t.waitsFor
	}
	return t.state
}

// limitedSince is how much of the wait under way, if any, is due to the quota. Waits that end before the quota's next
// window have other reasons, such as a distance kept between requests.
func (t *Tracker) limitedSince(now time.Time) time.Duration {
	if t.state != Waiting || !t.wait.ForRateLimit() || t.quota.Limit == 0 || t.wait.Until.Before(t.quota.Reset) {
		return 0
	}
	return now.Sub(t.waitBegan)
}

// At is how things stand now; now is not before what the tracker was told last.
func (t *Tracker) At(now time.Time) Snapshot {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := Snapshot{
		State: t.present(now), Wait: t.wait,
		Offset: t.place.Offset, MaxOffset: t.place.MaxOffset, Total: t.place.AnnouncedLast,
		Retries: t.retries,
	}
	sofar := mark{at: now, received: t.received, limited: t.limited + t.limitedSince(now)}
	s.PerSecond = t.speed.until(sofar).perSecond()
	s.Left, s.LeftByQuota = t.left(now)
	return s
}

// left is the time to the announced end, 0 if it cannot be told, and whether the rate limit decides it. It is what is left
// of a wait under way, and the rest of the records at the speed there was before it. The time that the quota costs is told
// by the quota, so it is left out of what is measured.
func (t *Tracker) left(now time.Time) (d time.Duration, byQuota bool) {
	records := t.place.AnnouncedLast.N - t.place.Offset
	if !t.place.AnnouncedLast.Known || records <= 0 {
		return 0, false
	}
	measured, waiting := now, time.Duration(0)
	if t.state == Waiting {
		measured, waiting = t.waitBegan, max(t.wait.Until.Sub(now), 0)
	}
	recent := t.speed.until(mark{at: measured, received: t.received, limited: t.limited})
	if t.quota.windowed() {
		recent.elapsed -= recent.limited
	}
	var worked, limited float64 // in seconds
	if perSecond := recent.perSecond(); perSecond > 0 {
		worked = waiting.Seconds() + float64(records)/perSecond
	}
	if t.perPage > 0 {
		limited = t.quota.wait((records+t.perPage-1)/t.perPage, now)
	}
	return inSeconds(max(worked, limited)), limited > worked
}

// inSeconds is a duration of that many seconds, cut to what a duration holds with ease.
func inSeconds(s float64) time.Duration {
	const longest = 100 * 365 * 24 * 3600
	return time.Duration(min(s, longest) * float64(time.Second))
}
