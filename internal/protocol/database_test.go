package protocol

import "unique"

const (
	stepReplayLock     step = "locks the checkpoint and the open letter"
	stepReplayNothing  step = "locks the checkpoint and finds no open letter"
	stepReplayCommit   step = "commits the event of the letter"
	stepFinish         step = "commits the transaction whose client is gone"
	stepRollBack       step = "rolls back the transaction whose client is gone"
	stepBackup         step = "takes a backup"
	stepRestore        step = "restores the backup while no runner lives"
	stepRestoreBeneath step = "restores the backup under a living runner"
	stepFollow         step = "reads all rows with a greater page_id"
)

// reserveID takes the next page id from the sequence. It is gone even if the transaction is rolled back.
func (s *state) reserveID() uint8 {
	db := s.db.Value()
	db.lastID++
	s.db = unique.Make(db)
	return db.lastID
}

// apply returns the database after the transaction's COMMIT: rows, ledger and checkpoint, all together.
func (m model) apply(db database, open transaction) database {
	if open.by == replayer {
		return applyReplay(db, open)
	}
	row := ledgerRow{id: open.pageID, pass: open.to.pass}
	for i := open.first; i < open.end; i++ {
		row.received++
		switch r := &db.records[i]; {
		case r.accounted():
			row.duplicate++
		case i == m.bad:
			row.parked++
			r.letter = openLetter
		default:
			row.inserted++
			r.storedBy = open.pageID
		}
	}
	db.checkpoint = open.to
	return db.withRow(row)
}

// applyReplay stores the events of all open letters. The checkpoint stays as it is.
func applyReplay(db database, open transaction) database {
	row := ledgerRow{id: open.pageID}
	for i, r := range db.records {
		if r.letter == openLetter {
			row.received++
			row.inserted++
			db.records[i] = record{storedBy: open.pageID, letter: resolvedLetter}
		}
	}
	return db.withRow(row)
}

func (db database) withRow(row ledgerRow) database {
	db.ledger[db.rows] = row
	db.rows++
	return db
}

func (db database) hasOpenLetter() bool {
	for _, r := range db.records {
		if r.letter == openLetter {
			return true
		}
	}
	return false
}

// replaySteps returns what `pawl dlq replay` can do next. It claims nothing: the lock alone keeps it apart from the runs.
func (m model) replaySteps(s state) []transition {
	var steps []transition
	take := func(what step, to state) { steps = append(steps, transition{by: replayer, what: what, to: to}) }
	db := s.db.Value()
	switch s.replay.phase {
	case idle:
		if s.spent.replays == m.most.replays || !db.hasOpenLetter() {
			break
		}
		to := s
		to.spent.replays++
		if m.IDsBeforeLock {
			to.replay = replay{phase: reserved, pageID: to.reserveID()}
			take(stepReserve, to)
		} else if s.open.by == nobody {
			to.open = transaction{by: replayer, pageID: to.reserveID()}
			to.replay = replay{phase: inTransaction}
			take(stepReplayLock, to)
		}
	case reserved:
		to := s
		if s.open.by != nobody {
			break
		}
		if !db.hasOpenLetter() {
			to.replay = replay{}
			take(stepReplayNothing, to)
			break
		}
		to.open = transaction{by: replayer, pageID: s.replay.pageID}
		to.replay = replay{phase: inTransaction}
		take(stepReplayLock, to)
	case inTransaction:
		to := s
		to.replay = replay{}
		to.open = transaction{by: nobody}
		to.db = unique.Make(m.apply(db, s.open))
		take(stepReplayCommit, to)
		to = s
		to.replay = replay{}
		to.open.cut = true
		take(stepCrash, to)
	case ready, holding, doubtful: // a replay that lost its connection begins again with what is open
	}
	return steps
}

// serverSteps ends a transaction whose client is gone. Until then it holds its lock.
func (m model) serverSteps(s state) []transition {
	if !s.open.cut {
		return nil
	}
	to := s
	to.open = transaction{by: nobody}
	steps := []transition{{by: server, what: stepRollBack, to: to}}
	if s.open.commitSent {
		to.db = unique.Make(m.apply(s.db.Value(), s.open))
		steps = append(steps, transition{by: server, what: stepFinish, to: to})
	}
	return steps
}

// operatorSteps takes a backup, and restores it at any later time. A restore cuts every connection.
func (m model) operatorSteps(s state) []transition {
	var steps []transition
	if s.spent.backups < m.most.backups && s.spent.restores < m.most.restores {
		to := s
		to.backup = s.db
		to.spent.backups++
		steps = append(steps, transition{by: operator, what: stepBackup, to: to})
	}
	if s.backup == noBackup {
		return steps
	}
	to := s
	to.db = s.backup
	to.open = transaction{by: nobody}
	to.replay = replay{}
	to.spent.restores++
	if to.spent.restores == m.most.restores {
		to.backup = noBackup // it is of no use any more
	}
	what := stepRestore
	for i := range to.runners {
		r := &to.runners[i]
		if r.phase == idle {
			continue
		}
		what, r.restored = stepRestoreBeneath, true
		if r.phase == inTransaction {
			r.phase, r.pageID = holding, 0
		}
	}
	return append(steps, transition{by: operator, what: what, to: to})
}

// readerSteps has the reader ask for what is new. What becomes visible later with an id up to the last one is lost to it.
func (m model) readerSteps(s state) []transition {
	last := uint8(0)
	for _, row := range s.db.Value().ledger {
		last = max(last, row.id)
	}
	if !m.reader || last <= s.follows {
		return nil
	}
	s.follows = last
	return []transition{{by: reader, what: stepFollow, to: s}}
}
