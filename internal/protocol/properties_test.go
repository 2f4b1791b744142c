package protocol

// A property is a sentence that must be true in every state, or for every step.
type property string

const (
	noneMissing     property = "a run ends complete only if each record of the API is stored or parked"
	nonePassed      property = "I1: the checkpoint never passes a record that is neither stored nor parked"
	onlyTheHolder   property = "I3: only the runner whose token is in the checkpoint moves it"
	balanced        property = "I5: ledger, checkpoint, events and dead letters agree"
	fencedIsTrue    property = "a run ends fenced only if another runner claimed the stream after it"
	setBackIsTrue   property = "a run ends set back only if a backup was restored since its claim"
	readersMissNone property = "no row becomes visible with a page_id that a reader has passed"
)

// brokenProperties returns the properties that the step from before breaks.
func (m model) brokenProperties(before state, t transition) []property {
	var broken []property
	must := func(p property, holds bool) {
		if !holds {
			broken = append(broken, p)
		}
	}
	if t.ended == running && t.what != stepAdvance && t.to.db == before.db {
		return nil
	}
	was, is := before.db.Value(), t.to.db.Value()
	switch t.ended {
	case complete:
		must(noneMissing, areAccounted(is, m.records))
	case fenced:
		must(fencedIsTrue, was.checkpoint.token > before.runners[t.by].claimToken)
	case setBack:
		must(setBackIsTrue, before.runners[t.by].restored)
	case running:
	}
	if t.what == stepAdvance {
		must(onlyTheHolder, was.checkpoint.token == before.runners[t.by].claimToken)
	}
	if m.reader && is.rows > was.rows {
		must(readersMissNone, is.ledger[is.rows-1].id > before.lastRead)
	}
	if is != was {
		must(nonePassed, areAccounted(is, is.checkpoint.offset))
		must(balanced, m.isBalanced(is))
	}
	return broken
}

// areAccounted reports whether all records below offset are stored or parked.
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
	var pages, inPass, parked, stored, deadLetters uint8
	for _, row := range db.ledger[:db.rows] {
		inserted := uint8(0)
		for _, r := range db.records {
			if r.storedBy == row.id {
				inserted++
			}
		}
		if row.received != row.inserted+row.duplicate+row.parked || row.inserted != inserted {
			return false
		}
		stored += row.inserted
		parked += row.parked
		if row.pass != 0 {
			pages++
		}
		if row.pass == db.checkpoint.pass {
			inPass += row.received
		}
	}
	for _, r := range db.records {
		if r.storedBy != 0 {
			stored--
		}
		if r.deadLetter != noDeadLetter {
			deadLetters++
		}
	}
	return stored == 0 && deadLetters == parked && pages == db.checkpoint.seq && (pages == 0 || inPass == db.checkpoint.offset)
}

// canComplete reports whether one more run of runner A ends complete after every process was killed and the server has
// noticed it.
func (m model) canComplete(s state) bool {
	s.runners, s.replay, s.open = [2]runner{}, replay{}, transaction{by: nobody}
	m.limits = budget{claims: s.spent.claims + 1}
	for range 3*m.records + 1 { // the claim, and at most three steps for each record: read, advance, commit
		steps := m.runnerSteps(s, runnerA)
		t := steps[len(steps)-1] // the step before it is a crash
		if t.ended != running {
			return t.ended == complete
		}
		s = t.to
	}
	return false
}
