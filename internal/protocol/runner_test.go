package protocol

import "unique"

// A step says in words what an actor does.
type step string

const (
	stepClaim          step = "claims the stream"
	stepClaimDone      step = "claims the stream, finds it done and ends: complete"
	stepCrash          step = "crashes"
	stepRead           step = "reads a page"
	stepReadFalseEnd   step = "reads a page that says falsely that it is the last one"
	stepExpired        step = "is told that its cursor expired, and begins a new pass"
	stepReserve        step = "reserves a page id without the lock"
	stepAdvance        step = "locks the checkpoint, finds it as it was read and moves it"
	stepRefuseEnd      step = "locks the checkpoint, does not believe the end and rolls back"
	stepCommit         step = "commits and gets the answer"
	stepCommitDone     step = "commits the last page, gets the answer and ends: complete"
	stepLoseConnection step = "loses the connection before COMMIT"
	stepLoseAnswer     step = "sends COMMIT and loses the connection"
	stepHappened       step = "settles: the COMMIT happened"
	stepHappenedDone   step = "settles: the COMMIT of the last page happened; ends: complete"
	stepNotHappened    step = "settles: the COMMIT did not happen"
	stepNewerClaim     step = "finds another token with an epoch at least its own and ends: fenced"
	stepNoRow          step = "finds no checkpoint and ends: set back"
	stepOlderEpoch     step = "finds an epoch smaller than its own and ends: set back"
	stepOtherPlace     step = "finds its own token with another place and ends: set back"
)

// settling returns the step that ends a run, taken while the run settles.
func settling(s step) step { return "settles: " + s }

// runnerSteps returns what a runner can do next. A runner that is stalled simply takes no step while others do.
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
		if s.open.by == nobody && s.spent.claims < m.most.claims {
			take(m.claim(s, who))
		}
	case ready:
		m.read(s, who, take)
	case holding:
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
		if s.spent.lost < m.most.lost {
			to := s
			to.spent.lost++
			to.open.cut = true
			to.runners[who].phase, to.runners[who].pageID = holding, 0
			take(stepLoseConnection, to, running)
			to.runners[who].phase = doubtful
			to.open.commitSent = true
			take(stepLoseAnswer, to, running)
		}
	case doubtful:
		if s.open.by == nobody || m.SettleDoesNotWait {
			take(m.settle(s, who))
		}
	}
	return steps
}

// claim makes the runner the stream's only writer: one more epoch and a token that was never given out before.
func (m model) claim(s state, who actor) (step, state, ending) {
	s.spent.claims++
	db := s.db.Value()
	row := &db.checkpoint
	if !row.exists {
		*row = checkpoint{exists: true, place: place{pass: 1}}
	}
	row.epoch++
	row.token = s.spent.claims
	s.db = unique.Make(db)
	s.runners[who] = runner{phase: ready, claimed: row.token, at: *row, walk: row.place}
	if row.done {
		return stepClaimDone, s, complete
	}
	return stepClaim, s, running
}

// read asks the upstream for the page at the runner's place.
func (m model) read(s state, who actor, take func(step, state, ending)) {
	to := s
	to.runners[who].phase = holding
	to.runners[who].ends = m.target(to.runners[who], who).position == m.records
	take(stepRead, to, running)
	if !to.runners[who].ends && s.spent.falseEnds < m.most.falseEnds {
		to.runners[who].ends = true
		to.spent.falseEnds++
		take(stepReadFalseEnd, to, running)
	}
	if walk := s.runners[who].walk; walk.position > 0 && s.spent.expiries < m.most.expiries {
		to := s
		to.runners[who].walk = place{pass: walk.pass + 1}
		to.spent.expiries++
		take(stepExpired, to, running)
	}
}

// target returns the checkpoint as the page in hand makes it.
func (m model) target(r runner, who actor) checkpoint {
	to := r.at
	to.seq++
	to.place = place{pass: r.walk.pass, position: min(r.walk.position+m.pageSizes[who], m.records)}
	to.done = r.ends
	return to
}

// advance is the first statement of a commit. It waits for the row's lock, compares the row with what was read and moves
// it. The page id is reserved in the same statement.
func (m model) advance(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	if !m.isMine(row, r) || !m.isAt(row, r.at) {
		what, ended := m.classify(row, r)
		return what, s, ended
	}
	open := transaction{by: who, to: m.target(r, who), first: r.walk.position, pageID: r.pageID}
	open.end = open.to.position
	if r.ends && !m.endIsTrue(s.db.Value(), open) {
		s.runners[who].phase, s.runners[who].ends, s.runners[who].pageID = ready, false, 0
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

// endIsTrue reports whether the pass and the stream will hold as many records as were announced, if a total was.
func (m model) endIsTrue(db database, open transaction) bool {
	if !m.announced || m.EndNotChecked {
		return true
	}
	open.pageID = db.lastID + 1 // any id will do: this is not kept
	db = m.apply(db, open)
	accounted := uint8(0)
	for _, r := range db.records[:m.records] {
		if r.accounted() {
			accounted++
		}
	}
	return db.checkpoint.position >= m.records && accounted >= m.records
}

// commit is a COMMIT whose answer arrives.
func (m model) commit(s state, who actor) (step, state, ending) {
	s.db = unique.Make(m.apply(s.db.Value(), s.open))
	s, ended := goOn(s, who, s.open.to, s.open.to.place)
	s.open = transaction{by: nobody}
	if ended == complete {
		return stepCommitDone, s, ended
	}
	return stepCommit, s, ended
}

// settle finds out what became of a COMMIT that was not answered. It waits for the transaction, since that holds the lock.
func (m model) settle(s state, who actor) (step, state, ending) {
	r := s.runners[who]
	row := s.db.Value().checkpoint
	mine := m.isMine(row, r)
	if m.SettleIgnoresToken {
		mine = row.exists && row.epoch == r.at.epoch
	}
	target := m.target(r, who)
	if m.AssumesCommitted {
		mine, row = true, target
	}
	switch {
	case mine && m.isAt(row, target):
		s, ended := goOn(s, who, row, target.place)
		if ended == complete {
			return stepHappenedDone, s, ended
		}
		return stepHappened, s, ended
	case mine && m.isAt(row, r.at):
		s.runners[who].phase, s.runners[who].pageID = holding, 0
		return stepNotHappened, s, running
	}
	what, ended := m.classify(row, r)
	return settling(what), s, ended
}

// goOn has the runner adopt the durable row and walk on behind its page. It is complete only if the row says so.
func goOn(s state, who actor, durable checkpoint, walk place) (state, ending) {
	r := &s.runners[who]
	r.phase, r.at, r.walk, r.ends, r.pageID = ready, durable, walk, false, 0
	if durable.done {
		return s, complete
	}
	return s, running
}

// isMine reports whether the row names the runner's claim.
func (m model) isMine(row checkpoint, r runner) bool {
	return row.exists && row.epoch == r.at.epoch && (row.token == r.at.token || m.CountedEpoch)
}

// isAt reports whether the row stands where want does.
func (m model) isAt(row, want checkpoint) bool {
	return row.seq == want.seq && (row.place == want.place || m.PlaceNotCompared)
}

// classify tells why the row is not the one that the runner expects.
func (m model) classify(row checkpoint, r runner) (step, ending) {
	switch {
	case m.AlwaysFenced:
		return stepNewerClaim, fenced
	case !row.exists:
		return stepNoRow, setBack
	case row.epoch < r.at.epoch:
		return stepOlderEpoch, setBack
	case m.isMine(row, r):
		return stepOtherPlace, setBack
	}
	return stepNewerClaim, fenced
}
