package protocol

import "unique"

const (
	stepReplayLock         step = "locks the checkpoint and the open dead letter"
	stepReplayNothing      step = "locks the checkpoint and finds no open dead letter"
	stepReplayCommit       step = "commits the event of the dead letter"
	stepFinish             step = "commits the transaction whose client is gone"
	stepRollBack           step = "rolls back the transaction whose client is gone"
	stepBackup             step = "takes a backup"
	stepRestore            step = "restores the backup while no runner is alive"
	stepReset              step = "resets the checkpoint to the head of the next pass"
	stepRestoreUnderRunner step = "restores the backup while a runner is alive"
	stepFollow             step = "reads all rows with a greater page_id"
)

// reserveID takes the next page id from the sequence and returns it. No later call returns the same id, even if the transaction is
// rolled back.
func (s *state) reserveID() uint8 {
	db := s.db.Value()
	db.lastID++
	s.db = unique.Make(db)
	return db.lastID
}

// apply returns the database after the COMMIT of the transaction. Events, dead letters, ledger and checkpoint change together.
func (m model) apply(db database, tx transaction) database {
	if tx.holder == replayer {
		return applyReplay(db, tx)
	}
	row := ledgerRow{pageID: tx.pageID, pass: tx.target.pass}
	for i := tx.firstRecord; i < tx.endRecord; i++ {
		row.received++
		r := &db.records[i]
		switch {
		case r.isAccounted():
			row.duplicate++
		case i == m.badRecord:
			row.parked++
			r.deadLetter = openDeadLetter
		default:
			row.inserted++
			r.storedBy = tx.pageID
		}
	}
	db.checkpoint = tx.target
	return db.withRow(row)
}

// applyReplay returns the database after a replay has stored the events of all open dead letters. The checkpoint does not
// change.
func applyReplay(db database, tx transaction) database {
	row := ledgerRow{pageID: tx.pageID}
	for i, r := range db.records {
		if r.deadLetter == openDeadLetter {
			row.received++
			row.inserted++
			db.records[i] = record{storedBy: tx.pageID, deadLetter: resolvedDeadLetter}
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

// greatestID returns the greatest page id in the ledger, or 0 if the ledger is empty.
func (db database) greatestID() (last uint8) {
	for _, row := range db.ledger {
		last = max(last, row.pageID)
	}
	return last
}

// hasOpenDeadLetter reports whether a record has an open dead letter.
func (db database) hasOpenDeadLetter() bool {
	for _, r := range db.records {
		if r.deadLetter == openDeadLetter {
			return true
		}
	}
	return false
}

// replaySteps returns the next possible steps of `pawl dlq replay`. A replay does not claim the stream. Only the lock of the
// checkpoint's row prevents that a runner commits at the same time.
func (m model) replaySteps(s state) []transition {
	var steps []transition
	add := func(name step, next state) {
		steps = append(steps, transition{actor: replayer, step: name, next: next})
	}
	db := s.db.Value()
	switch s.replay.phase {
	case idle:
		if s.spent.replays == m.limits.replays || !db.hasOpenDeadLetter() {
			break
		}
		next := s
		next.spent.replays++
		switch {
		case m.IDsBeforeLock:
			next.replay = replay{phase: reserved, pageID: next.reserveID()}
			add(stepReserve, next)
		case s.tx.holder == nobody:
			next.tx = transaction{holder: replayer, pageID: next.reserveID()}
			next.replay = replay{phase: inTransaction}
			add(stepReplayLock, next)
		}
	case reserved: // only with IDsBeforeLock
		if s.tx.holder != nobody {
			break
		}
		next := s
		if !db.hasOpenDeadLetter() {
			next.replay = replay{}
			add(stepReplayNothing, next)
			break
		}
		next.tx = transaction{holder: replayer, pageID: s.replay.pageID}
		next.replay = replay{phase: inTransaction}
		add(stepReplayLock, next)
	case inTransaction:
		committed := s
		committed.replay = replay{}
		committed.tx = transaction{holder: nobody}
		committed.db = unique.Make(m.apply(db, s.tx))
		add(stepReplayCommit, committed)
		crashed := s
		crashed.replay = replay{}
		crashed.tx.disconnected = true
		add(stepCrash, crashed)
	case ready, fetched, unanswered: // a replay is never in these phases
	}
	return steps
}

// serverSteps returns the steps with which the server can end a transaction whose client is gone. The transaction holds its lock
// until such a step. The server can commit it only if the client has sent COMMIT.
func (m model) serverSteps(s state) []transition {
	if !s.tx.disconnected {
		return nil
	}
	rolledBack := s
	rolledBack.tx = transaction{holder: nobody}
	steps := []transition{{actor: server, step: stepRollBack, next: rolledBack}}
	if s.tx.commitSent {
		committed := rolledBack
		committed.db = unique.Make(m.apply(s.db.Value(), s.tx))
		steps = append(steps, transition{actor: server, step: stepFinish, next: committed})
	}
	return steps
}

// reset returns the state after the operator has reset the checkpoint. A reset does not ask whether a runner is alive. It takes an epoch and
// a token, like a claim, and adds a row without records to the ledger. Its transaction is one step, because nothing in it waits.
func (m model) reset(s state) state {
	s.spent.resets++
	pageID := s.reserveID()
	db := s.db.Value()
	row := &db.checkpoint
	row.position = position{pass: row.pass + 1}
	row.done = false
	if !m.ResetKeepsClaim {
		row.epoch++
		row.token = s.newToken()
	}
	s.db = unique.Make(db.withRow(ledgerRow{pageID: pageID}))
	return s
}

// operatorSteps returns the next possible steps of the operator, who takes a backup and restores it at any later time, and resets the
// checkpoint. A restore closes every connection.
func (m model) operatorSteps(s state) []transition {
	var steps []transition
	if s.spent.backups < m.limits.backups && s.spent.restores < m.limits.restores {
		withBackup := s
		withBackup.backup = s.db
		withBackup.spent.backups++
		steps = append(steps, transition{actor: operator, step: stepBackup, next: withBackup})
	}
	row := s.db.Value().checkpoint
	canReset := s.tx.holder == nobody && (row.offset > 0 || row.done)
	if canReset && s.spent.resets < m.limits.resets {
		steps = append(steps, transition{actor: operator, step: stepReset, next: m.reset(s)})
	}
	if s.backup == noBackup {
		return steps
	}
	restored := s
	restored.db = s.backup
	restored.tx = transaction{holder: nobody}
	restored.replay = replay{}
	restored.spent.restores++
	if restored.spent.restores == m.limits.restores {
		restored.backup = noBackup // no step can use the backup again; without it there are fewer different states
	}
	name := stepRestore
	for i := range restored.runners {
		r := &restored.runners[i]
		if r.phase == idle {
			continue
		}
		r.pageID, r.nextID = 0, 0 // their transactions ended with their connections
		if r.phase == reserved {
			r.retryPage()
		}
		name = stepRestoreUnderRunner
		r.restored = true
		if r.phase == inTransaction { // the transaction ended with its connection
			r.retryPage()
		}
	}
	return append(steps, transition{actor: operator, step: name, next: restored})
}

// readerSteps returns the step with which the reader reads all rows with a greater page_id than the last row it read. If a row with
// a smaller page_id becomes visible after that, the reader misses this row.
func (m model) readerSteps(s state) []transition {
	last := s.db.Value().greatestID()
	if !m.reader || last <= s.lastRead {
		return nil
	}
	s.lastRead = last
	return []transition{{actor: reader, step: stepFollow, next: s}}
}
