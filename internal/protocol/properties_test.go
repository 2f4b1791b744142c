package protocol

// A property is a sentence that must be true for every state, or for every step. The numbers in the sentences are invariants, see
// package domain.
type property string

const (
	noRecordMissing     property = "a run ends complete only if each record of the API is stored or parked"
	noRecordPassed      property = "I1: the checkpoint never passes a record that is neither stored nor parked"
	onlyHolderMoves     property = "I3: only the runner whose token is in the checkpoint moves it"
	countsAgree         property = "I5: ledger, checkpoint, events and dead letters agree"
	fencedAfterClaim    property = "a run ends fenced only if another runner claimed the stream after it, or the operator reset it"
	setBackAfterRestore property = "a run ends set back only if a backup was restored since its claim"
	readersMissNoRow    property = "no row becomes visible with a page_id that a reader has passed"
)

// brokenProperties returns the properties that the step t from the state before breaks.
func (m model) brokenProperties(before state, t transition) []property {
	var broken []property
	require := func(p property, holds bool) {
		if !holds {
			broken = append(broken, p)
		}
	}
	isWrite := t.next.db != before.db
	if t.ended == running && t.step != stepAdvance && !isWrite {
		return nil // no property is about such a step
	}
	oldDB, newDB := before.db.Value(), t.next.db.Value()
	switch t.ended {
	case complete:
		require(noRecordMissing, areAccounted(newDB, m.records))
	case fenced:
		require(fencedAfterClaim, oldDB.checkpoint.token > before.runners[t.actor].claimToken)
	case setBack:
		require(setBackAfterRestore, before.runners[t.actor].restored)
	case running:
	}
	if t.step == stepAdvance {
		require(onlyHolderMoves, oldDB.checkpoint.token == before.runners[t.actor].claimToken)
	}
	if m.reader && newDB.rows > oldDB.rows {
		require(readersMissNoRow, newDB.ledger[newDB.rows-1].pageID > before.lastRead)
	}
	if isWrite {
		require(noRecordPassed, areAccounted(newDB, newDB.checkpoint.offset))
		require(countsAgree, m.isBalanced(newDB))
	}
	return broken
}

// areAccounted reports whether all records with an index less than offset are stored or parked.
func areAccounted(db database, offset uint8) bool {
	for _, r := range db.records[:offset] {
		if !r.isAccounted() {
			return false
		}
	}
	return true
}

// isBalanced reports whether the ledger agrees with the checkpoint, the events and the dead letters.
func (m model) isBalanced(db database) bool {
	var pages, receivedInPass uint8     // of the ledger: pages, and records that the checkpoint's pass received
	var inserted, parked uint8          // of the ledger: sums over all rows
	var storedEvents, deadLetters uint8 // of the records
	for _, row := range db.ledger[:db.rows] {
		if row.received != row.inserted+row.duplicate+row.parked || row.inserted != db.countEventsOf(row.pageID) {
			return false
		}
		inserted += row.inserted
		parked += row.parked
		if row.pass != 0 { // not the row of a replay or reset
			pages++
		}
		if row.pass == db.checkpoint.pass {
			receivedInPass += row.received
		}
	}
	for _, r := range db.records {
		if r.storedBy != 0 {
			storedEvents++
		}
		if r.deadLetter != noDeadLetter {
			deadLetters++
		}
	}
	if inserted != storedEvents || parked != deadLetters || pages != db.checkpoint.seq {
		return false
	}
	return pages == 0 || receivedInPass == db.checkpoint.offset
}

// countEventsOf returns the number of events that the page or replay with this page id stored.
func (db database) countEventsOf(pageID uint8) (n uint8) {
	for _, r := range db.records {
		if r.storedBy == pageID {
			n++
		}
	}
	return n
}

// canComplete reports whether a new run of runner A ends complete. Before this run every process is killed, and the server rolls its
// transaction back. During the run nothing else happens.
func (m model) canComplete(s state) bool {
	s.runners = [2]runner{}
	s.replay = replay{}
	s.tx = transaction{holder: nobody}
	m.limits = budget{claims: s.spent.claims + 1} // one more claim, and no failures
	const (
		claimSteps     = 1
		stepsPerRecord = 3 // read, advance and commit, because a page has at least one record
	)
	for range claimSteps + stepsPerRecord*m.records {
		steps := m.runnerSteps(s, runnerA)
		t := steps[len(steps)-1] // continues the run; the only other step is a crash, which comes first
		if t.ended != running {
			return t.ended == complete
		}
		s = t.next
	}
	return false
}
