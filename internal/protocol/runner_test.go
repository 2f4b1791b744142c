package protocol

import "unique"

// A step says in words what an actor does.
type step string

const (
	stepClaim          step = "claims the stream"
	stepClaimDone      step = "claims the stream, finds it done and ends: complete"
	stepCrash          step = "crashes"
	stepRead           step = "reads a page"
	stepReadFalseEnd   step = "reads a page that says wrongly that it is the last one"
	stepExpired        step = "learns that its cursor has expired, and begins a new pass"
	stepReserve        step = "reserves a page id without the lock"
	stepAdvance        step = "locks the checkpoint, finds it as it was read and moves it"
	stepRefuseEnd      step = "locks the checkpoint, does not believe the end and rolls back"
	stepCommit         step = "commits and gets the answer"
	stepCommitDone     step = "commits the last page, gets the answer and ends: complete"
	stepLoseConnection step = "loses the connection before COMMIT"
	stepLoseAnswer     step = "sends COMMIT and loses the connection"
	stepHappened       step = "looks the COMMIT up: it happened"
	stepHappenedDone   step = "looks the COMMIT of the last page up: it happened; ends: complete"
	stepNotHappened    step = "looks the COMMIT up: it did not happen"
	stepNewerClaim     step = "finds another token with an epoch at least its own and ends: fenced"
	stepNoRow          step = "finds no checkpoint and ends: set back"
	stepOlderEpoch     step = "finds an epoch smaller than its own and ends: set back"
	stepOtherPosition  step = "finds its own token with another position and ends: set back"
)

// stepInLookUp returns a step that ends a run, for a run that looks up a COMMIT.
func stepInLookUp(s step) step { return "looks the COMMIT up: " + s }

// runnerSteps returns what a runner can do next. A stalled runner takes no step while others do.
func (m model) runnerSteps(s state, who actor) []transition {
	r := s.runners[who]
	var steps []transition
	take := func(what step, to state, ended ending) {
		if ended != running {
			to.runners[who] = runner{}
		}
		steps = append(steps, transition{by: who, what: what, to: to, ended: ended})
	}
	if r.phase != idle {
		to := s
		to.runners[who] = runner{}
		if s.open.by == who && r.phase == inTransaction {
			to.open.cut = true
		}
		take(stepCrash, to, running)
	}
	switch r.phase {
	case idle:
		if s.open.by == nobody && s.spent.claims < m.limits.claims {
			take(m.claim(s, who))
		}
	case ready:
		m.read(s, who, take)
	case fetched:
		if m.IDsBeforeLock {
			to := s
			to.runners[who].phase, to.runners[who].pageID = reserved, to.reserveID()
			take(stepReserve, to, running)
			break
		}
		fallthrough
	case reserved:
		if s.open.by == nobody {
			take(m.advance(s, who))
		}
	case inTransaction:
		take(m.commit(s, who))
		if s.spent.lost < m.limits.lost {
			to := s
			to.spent.lost++
			to.open.cut = true
			to.runners[who].phase, to.runners[who].pageID = fetched, 0
			take(stepLoseConnection, to, running)
			to.runners[who].phase = unanswered
			to.open.commitSent = true
			take(stepLoseAnswer, to, running)
		}
	case unanswered:
		if s.open.by == nobody || m.LookUpDoesNotWait {
			take(m.lookUpCommit(s, who))
		}
	}
	return steps
}

// claim makes the runner the only one that may write: the epoch grows by one, and the token was never used before.
func (m model) claim(s state, who actor) (step, state, ending) {
	s.spent.claims++
	db := s.db.Value()
	row := &db.checkpoint
	if !row.exists {
		*row = checkpoint{exists: true, position: position{pass: 1}}
	}
	row.epoch++
	row.token = s.spent.claims
	s.db = unique.Make(db)
	s.runners[who] = runner{phase: ready, claimToken: row.token, at: *row, from: row.position}
	if row.done {
		return stepClaimDone, s, complete
	}
	return stepClaim, s, running
}

// read requests the page at the runner's position.
func (m model) read(s state, who actor, take func(step, state, ending)) {
	to := s
	to.runners[who].phase = fetched
	to.runners[who].isLast = m.target(to.runners[who], who).offset == m.records
	take(stepRead, to, running)
	if !to.runners[who].isLast && s.spent.falseEnds < m.limits.falseEnds {
		to.runners[who].isLast = true
		to.spent.falseEnds++
		take(stepReadFalseEnd, to, running)
	}
	if from := s.runners[who].from; from.offset > 0 && s.spent.expiries < m.limits.expiries {
		to := s
		to.runners[who].from = position{pass: from.pass + 1}
		to.spent.expiries++
		take(stepExpired, to, running)
	}
}

// target returns the checkpoint after the runner's page is committed.
func (m model) target(r runner, who actor) checkpoint {
	to := r.at
	to.seq++
	to.position = position{pass: r.from.pass, offset: min(r.from.offset+m.pageSizes[who], m.records)}
	to.done = r.isLast
	return to
}

// advance runs the first statement of a commit. It waits for the row's lock, compares the row with the checkpoint that was
// read, and moves it. It reserves the page id in the same statement.
func (m model) advance(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	if !m.isMine(row, r) || !m.isAt(row, r.at) {
		what, ended := m.classify(row, r)
		return what, s, ended
	}
	open := transaction{by: who, to: m.target(r, who), first: r.from.offset, pageID: r.pageID}
	open.end = open.to.offset
	if r.isLast && !m.endIsTrue(s.db.Value(), open) {
		s.runners[who].phase, s.runners[who].isLast, s.runners[who].pageID = ready, false, 0
		return stepRefuseEnd, s, running
	}
	if !m.IDsBeforeLock {
		open.pageID = s.reserveID()
	}
	if m.CheckpointFirst {
		db := s.db.Value()
		db.checkpoint = open.to
		s.db = unique.Make(db)
	}
	s.open = open
	s.runners[who].phase = inTransaction
	return stepAdvance, s, running
}

// endIsTrue reports whether the pass and the stream will have as many records as the API announced. Without an announced
// total it returns true.
func (m model) endIsTrue(db database, open transaction) bool {
	if !m.announced || m.EndNotChecked {
		return true
	}
	open.pageID = db.lastID + 1 // any id: the result is discarded
	db = m.apply(db, open)
	accounted := uint8(0)
	for _, r := range db.records[:m.records] {
		if r.isAccounted() {
			accounted++
		}
	}
	return db.checkpoint.offset >= m.records && accounted >= m.records
}

// commit executes a COMMIT whose answer arrives.
func (m model) commit(s state, who actor) (step, state, ending) {
	s.db = unique.Make(m.apply(s.db.Value(), s.open))
	s, ended := adopt(s, who, s.open.to, s.open.to.position)
	s.open = transaction{by: nobody}
	if ended == complete {
		return stepCommitDone, s, ended
	}
	return stepCommit, s, ended
}

// lookUpCommit finds out whether an unanswered COMMIT happened. It waits for the transaction, which holds the lock.
func (m model) lookUpCommit(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	mine := m.isMine(row, r)
	if m.LookUpIgnoresToken {
		mine = row.exists && row.epoch == r.at.epoch
	}
	target := m.target(r, who)
	if m.AssumesCommitted {
		mine, row = true, target
	}
	switch {
	case mine && m.isAt(row, target):
		s, ended := adopt(s, who, row, target.position)
		if ended == complete {
			return stepHappenedDone, s, ended
		}
		return stepHappened, s, ended
	case mine && m.isAt(row, r.at):
		s.runners[who].phase, s.runners[who].pageID = fetched, 0
		return stepNotHappened, s, running
	}
	what, ended := m.classify(row, r)
	return stepInLookUp(what), s, ended
}

// adopt makes durable the runner's checkpoint; the runner reads on from from. The run is complete only if durable is done.
func adopt(s state, who actor, durable checkpoint, from position) (state, ending) {
	r := &s.runners[who]
	r.phase, r.at, r.from, r.isLast, r.pageID = ready, durable, from, false, 0
	if durable.done {
		return s, complete
	}
	return s, running
}

// isMine reports whether the row has the runner's claim.
func (m model) isMine(row checkpoint, r runner) bool {
	return row.exists && row.epoch == r.at.epoch && (row.token == r.at.token || m.CountedEpoch)
}

// isAt reports whether the row has the seq and position of want.
func (m model) isAt(row, want checkpoint) bool {
	return row.seq == want.seq && (row.position == want.position || m.PositionNotCompared)
}

// classify returns the step and the ending of a run that finds an unexpected row.
func (m model) classify(row checkpoint, r runner) (step, ending) {
	switch {
	case m.AlwaysFenced:
		return stepNewerClaim, fenced
	case !row.exists:
		return stepNoRow, setBack
	case row.epoch < r.at.epoch:
		return stepOlderEpoch, setBack
	case m.isMine(row, r):
		return stepOtherPosition, setBack
	}
	return stepNewerClaim, fenced
}
