package cli

import (
	"github.com/pawldata/pawl/internal/adapters/cli/progress"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A verifyObserver shows which check is under way, and how far the walk of the API is.
type verifyObserver struct {
	session *session
	log     *logObserver
	walk    *progress.Tracker
	stop    func() // ends what is shown
}

func newVerifyObserver(s *session) *verifyObserver {
	return &verifyObserver{
		session: s, log: newLogObserver(s.log, false, s.live()), walk: progress.NewTracker(false), stop: func() {},
	}
}

// Checking implements verify.Observer.
func (o *verifyObserver) Checking(check domain.Check) {
	o.stop()
	o.session.log.Debug("checking", "check", check.String(), "claim", check.Claim())
	switch {
	case check == domain.CheckReturned:
		o.walk.Claimed(domain.Checkpoint{Position: domain.Position{Pass: 1}})
		o.stop = o.session.show(o.walk)
	case o.session.live():
		steps := &progress.Steps{}
		steps.Begin("checking: " + check.Claim())
		o.stop = steps.Show(o.session.screen)
	default:
		o.stop = func() {}
	}
}

// Compared implements verify.Observer.
func (o *verifyObserver) Compared(page domain.DecodedPage) {
	page.To = unrepeated(page.To)
	o.walk.Committed(page, domain.CommitResult{Checkpoint: domain.Checkpoint{Position: page.To}})
}

// Waiting implements verify.Observer and ingest.WalkObserver.
func (o *verifyObserver) Waiting(w retry.Wait) {
	o.log.Waiting(w)
	o.walk.Waiting(w)
}

// Fetching implements ingest.WalkObserver.
func (o *verifyObserver) Fetching(at domain.Position) { o.walk.Fetching(at) }

// PassStarted implements ingest.WalkObserver.
func (o *verifyObserver) PassStarted(at domain.Position) {
	o.session.log.Warn("the API no longer takes the cursor: comparing from the head again", "pass", at.Pass)
	o.walk.PassStarted(unrepeated(at))
}

// unrepeated is a place without what was reached before: a walk stores nothing that could be said to be stored already.
func unrepeated(at domain.Position) domain.Position {
	at.MaxOffset = at.Offset
	return at
}
