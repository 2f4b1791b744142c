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
	stepReserveNext    step = "reserves a page id for its next page without the lock"
	stepPassed         step = "locks the checkpoint, finds a greater page id in the ledger and rolls back"
	stepAdvance        step = "locks the checkpoint, finds it as it was read and moves it"
	stepRefuseEnd      step = "locks the checkpoint, refuses the end of the stream and rolls back"
	stepCommit         step = "commits and gets the answer"
	stepCommitDone     step = "commits the last page, gets the answer and ends: complete"
	stepLoseConnection step = "loses the connection before COMMIT"
	stepLoseAnswer     step = "sends COMMIT and loses the connection"
	stepHappened       step = "looks the COMMIT up and finds that it happened"
	stepHappenedDone   step = "looks the COMMIT of the last page up, finds that it happened and ends: complete"
	stepNotHappened    step = "looks the COMMIT up and finds that it did not happen"
	stepNewerClaim     step = "finds another token and an epoch that is not smaller than its own, and ends: fenced"
	stepNoRow          step = "finds no checkpoint and ends: set back"
	stepOlderEpoch     step = "finds a smaller epoch than its own and ends: set back"
	stepOtherPosition  step = "finds its own token and an unexpected position, and ends: set back"
)

// stepInLookUp returns the step of a run that looks up a COMMIT and thereby takes the step s.
func stepInLookUp(s step) step { return "looks the COMMIT up and " + s }

// runnerSteps returns the next possible steps of a runner. If the runner can crash, the crash comes first. Each method that is called
// here adds a step, or returns the arguments of add.
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
		crashed := s
		crashed.runners[who] = runner{}
		if s.tx.holder == who && r.phase == inTransaction {
			crashed.tx.disconnected = true
		}
		add(stepCrash, crashed, running)
	}
	switch r.phase {
	case idle:
		if s.tx.holder == nobody && s.spent.claims < m.limits.claims {
			add(m.claim(s, who))
		}
	case ready:
		m.read(s, who, add)
	case fetched:
		if m.IDsBeforeLock || s.spent.idsAhead < m.limits.idsAhead {
			withID := s
			withID.spent.idsAhead++
			withID.runners[who].phase = reserved
			withID.runners[who].pageID = withID.reserveID()
			add(stepReserve, withID, running)
		}
		if s.tx.holder == nobody && !m.IDsBeforeLock {
			add(m.advance(s, who))
		}
	case reserved:
		m.reserveNext(s, who, add)
		if s.tx.holder == nobody {
			add(m.advance(s, who))
		}
	case inTransaction:
		m.reserveNext(s, who, add)
		add(m.commit(s, who))
		if s.spent.lostConnections < m.limits.lostConnections {
			lostBeforeCommit := s
			lostBeforeCommit.spent.lostConnections++
			lostBeforeCommit.tx.disconnected = true
			lostBeforeCommit.runners[who].retryPage()
			add(stepLoseConnection, lostBeforeCommit, running)
			lostAfterCommit := lostBeforeCommit
			lostAfterCommit.runners[who].phase = unanswered
			lostAfterCommit.tx.commitSent = true
			add(stepLoseAnswer, lostAfterCommit, running)
		}
	case unanswered:
		if s.tx.holder == nobody || m.LookUpDoesNotWait {
			add(m.lookUpCommit(s, who))
		}
	}
	return steps
}

// reserveNext adds the step that reserves a page id for the page after the runner's page. The runner copies the events of both pages at
// the same time, in two transactions. Nobody sees these events before a commit, so the model has only the page ids of such a transaction.
func (m model) reserveNext(s state, who actor, add func(step, state, ending)) {
	r := s.runners[who]
	if r.pageID == 0 || r.nextID != 0 || r.isLast || s.spent.idsAhead == m.limits.idsAhead {
		return
	}
	s.spent.idsAhead++
	s.runners[who].nextID = s.reserveID()
	add(stepReserveNext, s, running)
}

// retryPage makes the runner try again to commit the page that it has, with another page id. The next page keeps its id.
func (r *runner) retryPage() {
	r.phase = fetched
	r.pageID = 0
}

// dropPage makes the runner read a page again. The pages after it are dropped, too.
func (r *runner) dropPage() {
	r.phase = ready
	r.isLast = false
	r.pageID, r.nextID = 0, 0
}

// newToken returns a token that was never used before, and is greater than those before it. The caller has counted its claim or reset.
func (s *state) newToken() uint8 { return s.spent.claims + s.spent.resets }

// claim makes the runner the only one that may write. It adds 1 to the epoch and sets a token that was never used before.
func (m model) claim(s state, who actor) (step, state, ending) {
	s.spent.claims++
	db := s.db.Value()
	row := &db.checkpoint
	if !row.exists {
		*row = checkpoint{exists: true, position: position{pass: 1}}
	}
	row.epoch++
	row.token = s.newToken()
	s.db = unique.Make(db)
	s.runners[who] = runner{phase: ready, claimToken: row.token, checkpoint: *row, start: row.position}
	if row.done {
		return stepClaimDone, s, complete
	}
	return stepClaim, s, running
}

// read adds the possible results of a request for the page at the runner's position. The request can return the page, a page that
// says wrongly that it is the last one, or an expired cursor.
func (m model) read(s state, who actor, add func(step, state, ending)) {
	r := s.runners[who]
	isLast := m.target(r, who).offset == m.records
	next := s
	next.runners[who].phase = fetched
	if r.pageID != 0 {
		next.runners[who].phase = reserved
	}
	next.runners[who].isLast = isLast
	add(stepRead, next, running)
	if !isLast && s.spent.falseEnds < m.limits.falseEnds {
		falseEnd := next
		falseEnd.runners[who].isLast = true
		falseEnd.spent.falseEnds++
		add(stepReadFalseEnd, falseEnd, running)
	}
	if r.start.offset > 0 && s.spent.expiries < m.limits.expiries {
		expired := s
		expired.runners[who].start = position{pass: r.start.pass + 1}
		expired.runners[who].pageID = 0
		expired.spent.expiries++
		add(stepExpired, expired, running)
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

// advance runs the first statement of a commit, after the runner has got the lock of the checkpoint's row. It compares the row with
// the checkpoint that the runner read, moves the row, and reserves the page id, unless the runner has reserved it before. If the row
// differs, the run ends. If the page is a false end that can be detected, advance moves nothing and the runner reads the page again. If the
// ledger has a greater page id than the one that the runner reserved before, advance moves nothing and the runner gives its id up.
func (m model) advance(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	if !m.hasClaimOf(row, r) || !m.isAt(row, r.checkpoint) {
		name, ended := m.classify(row, r)
		return name, s, ended
	}
	tx := transaction{holder: who, target: m.target(r, who), firstRecord: r.start.offset, pageID: r.pageID}
	tx.endRecord = tx.target.offset
	if r.isLast && !m.isTrueEnd(s.db.Value(), tx) {
		s.runners[who].dropPage()
		return stepRefuseEnd, s, running
	}
	isReserved := r.phase == reserved
	if isReserved && s.db.Value().greatestID() > r.pageID && !m.IDsBeforeLock && !m.IDsNotCompared {
		s.runners[who].retryPage()
		return stepPassed, s, running
	}
	if !isReserved {
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

// isTrueEnd reports whether the end of the stream agrees with the total that the API announced: after the transaction, the pass must
// have received as many records, and as many must be stored or parked. If nothing is announced, it returns true.
func (m model) isTrueEnd(db database, tx transaction) bool {
	if !m.announced || m.EndNotChecked {
		return true
	}
	tx.pageID = db.lastID + 1 // any id will do, because the database after apply is discarded
	db = m.apply(db, tx)
	accounted := uint8(0)
	for _, r := range db.records[:m.records] {
		if r.isAccounted() {
			accounted++
		}
	}
	return db.checkpoint.offset >= m.records && accounted >= m.records
}

// commit executes a COMMIT. The runner gets the answer.
func (m model) commit(s state, who actor) (step, state, ending) {
	s.db = unique.Make(m.apply(s.db.Value(), s.tx))
	s, ended := adopt(s, who, s.tx.target, s.tx.target.position)
	s.tx = transaction{holder: nobody}
	if ended == complete {
		return stepCommitDone, s, ended
	}
	return stepCommit, s, ended
}

// lookUpCommit finds out whether an unanswered COMMIT happened. The runner calls it when the transaction no longer holds the lock.
func (m model) lookUpCommit(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	hasClaim := m.hasClaimOf(row, r)
	if m.LookUpIgnoresToken {
		hasClaim = row.exists && row.epoch == r.checkpoint.epoch
	}
	target := m.target(r, who)
	if m.AssumesCommitted {
		hasClaim = true
		row = target
	}
	switch {
	case hasClaim && m.isAt(row, target):
		s, ended := adopt(s, who, row, target.position)
		if ended == complete {
			return stepHappenedDone, s, ended
		}
		return stepHappened, s, ended
	case hasClaim && m.isAt(row, r.checkpoint):
		s.runners[who].retryPage()
		return stepNotHappened, s, running
	}
	name, ended := m.classify(row, r)
	return stepInLookUp(name), s, ended
}

// adopt sets the checkpoint of the runner to durable, which is in the database. The runner continues to read at start. If durable is
// done, the run ends complete.
func adopt(s state, who actor, durable checkpoint, start position) (state, ending) {
	r := &s.runners[who]
	nextID := r.nextID
	r.dropPage()
	r.pageID = nextID
	r.checkpoint = durable
	r.start = start
	if durable.done {
		return s, complete
	}
	return s, running
}

// hasClaimOf reports whether the row has the runner's claim.
func (m model) hasClaimOf(row checkpoint, r runner) bool {
	isSameToken := row.token == r.checkpoint.token || m.CountedEpoch
	return row.exists && row.epoch == r.checkpoint.epoch && isSameToken
}

// isAt reports whether the row has the same seq and position as want.
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
	case m.hasClaimOf(row, r):
		return stepOtherPosition, setBack
	}
	return stepNewerClaim, fenced
}
