package ingest

import (
	"sync"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// minReportedWait is the shortest wait that is a state of its own. During a shorter one the run counts as working, because a run at the
// speed of the rate limit waits before each request.
const minReportedWait = time.Second

// States is an Observer that puts the steps of a run together to one state, for those who ask what the run does. It calls report with
// each new state, and never with the same state twice in a row. report must be quick, like the methods of an Observer.
type States struct {
	next   Observer
	report func(domain.RunnerState)

	mu       sync.Mutex
	fetching retry.Wait         // the present wait for the API; zero if there is none
	storing  retry.Wait         // the present wait for the database, or the last one while the database is away; zero if there is none
	end      domain.Activity    // how the run has ended; empty before that
	state    domain.RunnerState // the last one that was reported
}

// NewStates returns an observer of one run that calls next with each step too.
func NewStates(next Observer, report func(domain.RunnerState)) *States {
	return &States{next: next, report: report}
}

// Claimed implements StoreObserver.
func (s *States) Claimed(checkpoint domain.Checkpoint) {
	s.update(func() { // the errors before the claim are not about this stream's runner
		s.storing, s.state = retry.Wait{}, domain.RunnerState{}
	})
	s.next.Claimed(checkpoint)
}

// Fetching implements FetchObserver.
func (s *States) Fetching(position domain.Position) {
	s.update(func() { s.fetching = retry.Wait{} })
	s.next.Fetching(position)
}

// Waiting implements FetchObserver.
func (s *States) Waiting(w retry.Wait) {
	s.update(func() {
		s.fetching = w
		if !w.ForRateLimit() {
			s.setError(w.Err)
		}
	})
	s.next.Waiting(w)
}

// CursorLost implements FetchObserver.
func (s *States) CursorLost(position domain.Position) { s.next.CursorLost(position) }

// Storing implements StoreObserver. An attempt does not end the state in which the database is away; only success does.
func (s *States) Storing(batch domain.Batch) {
	s.update(func() {
		if !s.storing.ByTimeAlone() {
			s.storing = retry.Wait{}
		}
	})
	s.next.Storing(batch)
}

// WaitingToStore implements StoreObserver.
func (s *States) WaitingToStore(w retry.Wait) {
	s.update(func() {
		s.storing = w
		s.setError(w.Err)
	})
	s.next.WaitingToStore(w)
}

// Committed implements StoreObserver.
func (s *States) Committed(batch domain.Batch, res domain.CommitResult) {
	s.update(func() { s.storing = retry.Wait{} })
	s.next.Committed(batch, res)
}

// End reports that the run has ended with err.
func (s *States) End(err error) {
	s.update(func() {
		s.end = domain.ActivityEnded
		if err == nil {
			return
		}
		switch domain.KindOf(err) {
		case domain.Stopped, domain.RateLimited: // no failure: the next run continues
		case domain.Fenced, domain.SetBack: // the claim is no longer this run's, so what it left is not its own
		default:
			s.end = domain.ActivityFailed
			s.setError(err)
		}
	})
}

func (s *States) setError(err error) {
	s.state.LastError, s.state.LastErrorAt = err.Error(), time.Now()
}

// update changes the state and reports it if it differs from the one before. report is called under the lock, so that states arrive in
// order.
func (s *States) update(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.state
	change()
	s.state.Activity, s.state.Until = s.activity()
	if s.state != before {
		s.report(s.state)
	}
}

// activity returns what the run does, and until when if it waits.
func (s *States) activity() (activity domain.Activity, until time.Time) {
	switch {
	case s.end != "":
		return s.end, time.Time{}
	case s.storing.ByTimeAlone() && s.storing.Try > 2, s.storing.For >= minReportedWait: // one failure may be over at once
		return domain.ActivityWaitingToStore, s.storing.End()
	case s.fetching.For >= minReportedWait && s.fetching.ForRateLimit():
		return domain.ActivityRateLimited, s.fetching.Until
	case s.fetching.For >= minReportedWait:
		return domain.ActivityWaitingForAPI, s.fetching.Until
	}
	return domain.ActivityWorking, time.Time{}
}
