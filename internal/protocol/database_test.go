package protocol

import "unique"

const (
	stepReplayLock     step = "locks the checkpoint and the open dead letter"
	stepReplayNothing  step = "locks the checkpoint and finds no open dead letter"
	stepReplayCommit   step = "commits the event of the dead letter"
	stepFinish         step = "commits the transaction whose client is gone"
	stepRollBack       step = "rolls back the transaction whose client is gone"
	stepBackup         step = "takes a backup"
	stepRestore        step = "restores the backup while no runner is alive"
	stepRestoreBeneath step = "restores the backup while a runner is alive"
	stepFollow         step = "reads all rows with a greater page_id"
)

// reserveID takes the next page id from the sequence. The id is used up even if the transaction is rolled back.
func (s *state) reserveID() uint8 {
	db := s.db.Value()
	db.lastID++
	s.db = unique.Make(db)
	return db.lastID
}

// apply returns the database after the transaction's COMMIT: events and dead letters, ledger and checkpoint change together.
func (m model) apply(db database, open transaction) database {
	if open.by == replayer {
		return applyReplay(db, open)
	}
	row := ledgerRow{id: open.pageID, pass: open.to.pass}
	for i := open.first; i < open.end; i++ {
		row.received++
		switch r := &db.records[i]; {
		case r.isAccounted():
			row.duplicate++
		case i == m.bad:
			row.parked++
			r.deadLetter = openDeadLetter
		default:
			row.inserted++
			r.storedBy = open.pageID
		}
	}
	db.checkpoint = open.to
	return db.withRow(row)
}

// applyReplay returns the database after a replay has stored the events of all open dead letters. The checkpoint does not
// change.
func applyReplay(db database, open transaction) database {
	row := ledgerRow{id: open.pageID}
	for i, r := range db.records {
		if r.deadLetter == openDeadLetter {
			row.received++
			row.inserted++
			db.records[i] = record{storedBy: open.pageID, deadLetter: resolvedDeadLetter}
		}
	}
	return db.withRow(row)
}

// withRow returns the database with one more row in the ledger.
func (db database) withRow(row ledgerRow) database {
	db.ledger[db.rows] = row
	db.rows++
	return db
}

func (db database) hasOpenDeadLetter() bool {
	for _, r := range db.records {
		if r.deadLetter == openDeadLetter {
			return true
		}
	}
	return false
}

// replaySteps returns what `pawl dlq replay` can do next. A replay claims nothing: only the checkpoint's lock excludes
// concurrent commits.
func (m model) replaySteps(s state) []transition {
	var steps []transition
	take := func(what step, to state) { steps = append(steps, transition{by: replayer, what: what, to: to}) }
	db := s.db.Value()
	switch s.replay.phase {
	case idle:
		if s.spent.replays == m.limits.replays || !db.hasOpenDeadLetter() {
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
		if !db.hasOpenDeadLetter() {
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
	case ready, fetched, unanswered: // a replay is never in these phases: one that lost its connection starts again
	}
	return steps
}

// serverSteps returns how the server can end a transaction whose client is gone. Until then the transaction holds its
// lock. It can be committed only if the client has sent COMMIT.
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

// operatorSteps returns what the operator can do next: take a backup, and restore it at any later time. A restore cuts
// every connection.
func (m model) operatorSteps(s state) []transition {
	var steps []transition
	if s.spent.backups < m.limits.backups && s.spent.restores < m.limits.restores {
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
	if to.spent.restores == m.limits.restores {
		to.backup = noBackup // it cannot be restored again; this keeps the number of states small
	}
	what := stepRestore
	for i := range to.runners {
		r := &to.runners[i]
		if r.phase == idle {
			continue
		}
		what, r.restored = stepRestoreBeneath, true
		if r.phase == inTransaction {
			r.phase, r.pageID = fetched, 0
		}
	}
	return append(steps, transition{by: operator, what: what, to: to})
}

// readerSteps lets the reader read all new rows. It never sees a row that becomes visible later with an id that is not
// greater.
func (m model) readerSteps(s state) []transition {
	last := uint8(0)
	for _, row := range s.db.Value().ledger {
		last = max(last, row.id)
	}
	if !m.reader || last <= s.lastRead {
		return nil
	}
	s.lastRead = last
	return []transition{{by: reader, what: stepFollow, to: s}}
}
