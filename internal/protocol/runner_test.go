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
	add := func(name step, next state, ended ending) {
		if ended != running {
			next.runners[who] = runner{}
		}
		steps = append(steps, transition{actor: who, step: name, next: next, ended: ended})
	}
	if r.phase != idle {
		next := s
		next.runners[who] = runner{}
		if s.tx.holder == who && r.phase == inTransaction {
			next.tx.disconnected = true
		}
		add(stepCrash, next, running)
	}
	switch r.phase {
	case idle:
		if s.tx.holder == nobody && s.spent.claims < m.limits.claims {
			add(m.claim(s, who))
		}
	case ready:
		m.read(s, who, add)
	case fetched:
		if m.IDsBeforeLock {
			next := s
			next.runners[who].phase, next.runners[who].pageID = reserved, next.reserveID()
			add(stepReserve, next, running)
			break
		}
		fallthrough
	case reserved:
		if s.tx.holder == nobody {
			add(m.advance(s, who))
		}
	case inTransaction:
		add(m.commit(s, who))
		if s.spent.lostConnections < m.limits.lostConnections {
			next := s
			next.spent.lostConnections++
			next.tx.disconnected = true
			next.runners[who].phase, next.runners[who].pageID = fetched, 0
			add(stepLoseConnection, next, running)
			next.runners[who].phase = unanswered
			next.tx.commitSent = true
			add(stepLoseAnswer, next, running)
		}
	case unanswered:
		if s.tx.holder == nobody || m.LookUpDoesNotWait {
			add(m.lookUpCommit(s, who))
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
	s.runners[who] = runner{phase: ready, claimToken: row.token, checkpoint: *row, start: row.position}
	if row.done {
		return stepClaimDone, s, complete
	}
	return stepClaim, s, running
}

// read requests the page at the runner's position.
func (m model) read(s state, who actor, add func(step, state, ending)) {
	next := s
	next.runners[who].phase = fetched
	next.runners[who].isLast = m.target(next.runners[who], who).offset == m.records
	add(stepRead, next, running)
	if !next.runners[who].isLast && s.spent.falseEnds < m.limits.falseEnds {
		next.runners[who].isLast = true
		next.spent.falseEnds++
		add(stepReadFalseEnd, next, running)
	}
	if start := s.runners[who].start; start.offset > 0 && s.spent.expiries < m.limits.expiries {
		next := s
		next.runners[who].start = position{pass: start.pass + 1}
		next.spent.expiries++
		add(stepExpired, next, running)
	}
}

// target returns the checkpoint after the runner's page is committed.
func (m model) target(r runner, who actor) checkpoint {
	target := r.checkpoint
	target.seq++
	target.position = position{pass: r.start.pass, offset: min(r.start.offset+m.pageSizes[who], m.records)}
	target.done = r.isLast
	return target
}

// advance runs the first statement of a commit. It waits for the row's lock, compares the row with the checkpoint that was
// read, and moves it. It reserves the page id in the same statement.
func (m model) advance(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	if !m.isMine(row, r) || !m.isAt(row, r.checkpoint) {
		name, ended := m.classify(row, r)
		return name, s, ended
	}
	tx := transaction{holder: who, target: m.target(r, who), firstRecord: r.start.offset, pageID: r.pageID}
	tx.endRecord = tx.target.offset
	if r.isLast && !m.endIsTrue(s.db.Value(), tx) {
		s.runners[who].phase, s.runners[who].isLast, s.runners[who].pageID = ready, false, 0
		return stepRefuseEnd, s, running
	}
	if !m.IDsBeforeLock {
		tx.pageID = s.reserveID()
	}
	if m.CheckpointFirst {
		db := s.db.Value()
		db.checkpoint = tx.target
		s.db = unique.Make(db)
	}
	s.tx = tx
	s.runners[who].phase = inTransaction
	return stepAdvance, s, running
}

// endIsTrue reports whether the pass and the stream will have as many records as the API announced. Without an announced
// total it returns true.
func (m model) endIsTrue(db database, tx transaction) bool {
	if !m.announced || m.EndNotChecked {
		return true
	}
	tx.pageID = db.lastID + 1 // any id: the result is discarded
	db = m.apply(db, tx)
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
	s.db = unique.Make(m.apply(s.db.Value(), s.tx))
	s, ended := adopt(s, who, s.tx.target, s.tx.target.position)
	s.tx = transaction{holder: nobody}
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
		mine = row.exists && row.epoch == r.checkpoint.epoch
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
	case mine && m.isAt(row, r.checkpoint):
		s.runners[who].phase, s.runners[who].pageID = fetched, 0
		return stepNotHappened, s, running
	}
	name, ended := m.classify(row, r)
	return stepInLookUp(name), s, ended
}

// adopt makes durable the runner's checkpoint; the runner reads on from from. The run is complete only if durable is done.
func adopt(s state, who actor, durable checkpoint, start position) (state, ending) {
	r := &s.runners[who]
	r.phase, r.checkpoint, r.start, r.isLast, r.pageID = ready, durable, start, false, 0
	if durable.done {
		return s, complete
	}
	return s, running
}

// isMine reports whether the row has the runner's claim.
func (m model) isMine(row checkpoint, r runner) bool {
	return row.exists && row.epoch == r.checkpoint.epoch && (row.token == r.checkpoint.token || m.CountedEpoch)
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
	case row.epoch < r.checkpoint.epoch:
		return stepOlderEpoch, setBack
	case m.isMine(row, r):
		return stepOtherPosition, setBack
	}
	return stepNewerClaim, fenced
}
