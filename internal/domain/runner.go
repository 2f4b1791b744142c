package domain

import "time"

// An Activity is what a runner does at the moment. Its text is for people and is stored in the database.
type Activity string

// These are the activities.
const (
	ActivityWorking        Activity = "working" // it fetches and stores pages
	ActivityRateLimited    Activity = "waiting for the rate limit"
	ActivityWaitingForAPI  Activity = "waiting for the API"      // before it repeats a failed request
	ActivityWaitingToStore Activity = "waiting for the database" // before it tries again to store pages
	ActivityEnded          Activity = "ended"                    // it did what it should, or was stopped, or the rate limit ended it
	ActivityFailed         Activity = "failed"                   // an error ended it
)

// A RunnerState is what a runner reports about itself.
type RunnerState struct {
	Activity    Activity
	Until       time.Time // the end of a wait; zero for no wait
	LastError   string    // the last failure of this runner; empty if there was none
	LastErrorAt time.Time // when it failed; zero if there was no failure
}

// A RunnerIdentity says which process a runner is.
type RunnerIdentity struct {
	Host    string
	PID     int
	Version string // the version of pawl
}

// A RunnerReport is the last report of a stream's last runner. All times are by the clock of the database.
type RunnerReport struct {
	RunnerIdentity
	RunnerState

	Token     UUID      // the token of the runner's claim
	Since     time.Time // when the runner claimed the stream
	AliveAt   time.Time // when it last reported
	NotBefore time.Time // the rate limit allows no request before this time; zero if it said nothing
	HasLock   bool      // some runner holds the stream's session lock, so that this one is connected; false behind a connection pooler

	// LeaseUntil is the time before which no other runner may claim the stream. Each report moves it forward. It is zero for a runner that
	// holds the session lock instead, and for one that has ended.
	LeaseUntil time.Time
}

// LeaseDuration is how long the lease of a runner lasts after its last report. Then another runner may claim the stream.
const LeaseDuration = 30 * time.Second

// After these times without a report a runner counts as frozen or gone. A runner reports every 5 s, and later if its connection is slow.
// A runner without the lock has probably lost its connection.
const (
	RunnerSilentAfter   = 20 * time.Second
	UnlockedSilentAfter = 8 * time.Second
)

// HasEnded reports whether the runner has said that it ended.
func (r RunnerReport) HasEnded() bool {
	return r.Activity == ActivityEnded || r.Activity == ActivityFailed
}

// IsAlive reports whether the runner works or waits at the time now: it has not ended, and has reported a moment ago. A runner that was
// killed a moment ago may count as alive if it does not have the lock.
func (r RunnerReport) IsAlive(now time.Time) bool {
	limit := UnlockedSilentAfter
	if r.HasLock {
		limit = RunnerSilentAfter
	}
	return !r.HasEnded() && now.Sub(r.AliveAt) < limit
}

// Waits reports whether the runner waits at the time now. If it does, its Until is the end of the wait.
func (r RunnerReport) Waits(now time.Time) bool { return r.IsAlive(now) && r.Until.After(now) }

// A FailedStart is the failure of a stream's first run before it stored a page. Such a stream has no checkpoint.
type FailedStart struct {
	Stream StreamID
	At     time.Time // by the clock of the database
	Error  string
}
