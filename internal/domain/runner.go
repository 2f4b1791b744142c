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
	ActivityEnded          Activity = "ended"
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

	Since     time.Time     // when the runner claimed the stream
	AliveAt   time.Time     // when it last reported
	NotBefore time.Time     // the rate limit allows no request before this time; zero if it said nothing
	Silence   time.Duration // the time since the last report
}

// RunnerSilentAfter is the time without a report after which a runner counts as frozen or gone. A runner reports every 5 s, and later
// if its connection is slow.
const RunnerSilentAfter = 20 * time.Second

// HasEnded reports whether the runner has said that it ended.
func (r RunnerReport) HasEnded() bool { return r.Activity == ActivityEnded }

// IsAlive reports whether the runner works or waits: it has not ended, and has reported a moment ago.
func (r RunnerReport) IsAlive() bool { return !r.HasEnded() && r.Silence < RunnerSilentAfter }
