package protocol

// A property is a sentence that holds in every state, or of every step.
type property string

const (
	noneMissing     property = "a run ends complete only if each record of the upstream is stored or parked"
	nonePassed      property = "I1: the checkpoint never passes a record that is neither stored nor parked"
	onlyTheOwner    property = "I3: only the runner whose token stands in the checkpoint moves it"
	balanced        property = "I5: ledger, checkpoint, events and dead letters agree"
	fencedIsTrue    property = "a run ends fenced only if another runner claimed the stream after it"
	setBackIsTrue   property = "a run ends set back only if a backup was restored since its claim"
	readersMissNone property = "no row becomes visible with a page_id that a reader has passed"
)

// broken returns the properties that the step from before breaks.
func (m model) broken(before state, t transition) []property {
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
		must(noneMissing, accountedUpTo(is, m.records))
	case fenced:
		must(fencedIsTrue, was.checkpoint.token > before.runners[t.by].claimed)
	case setBack:
		must(setBackIsTrue, before.runners[t.by].restored)
	case running:
	}
	if t.what == stepAdvance {
		must(onlyTheOwner, was.checkpoint.token == before.runners[t.by].claimed)
	}
	if m.reader && is.rows > was.rows {
		must(readersMissNone, is.ledger[is.rows-1].id > before.follows)
	}
	if is != was {
		must(nonePassed, accountedUpTo(is, is.checkpoint.position))
		must(balanced, m.balances(is))
	}
	return broken
}

func accountedUpTo(db database, position uint8) bool {
	for _, r := range db.records[:position] {
		if !r.accounted() {
			return false
		}
	}
	return true
}

// balances reports whether the ledger adds up to the checkpoint, the events and the dead letters.
func (m model) balances(db database) bool {
	var pages, inPass, parked, stored, letters uint8
	for _, row := range db.ledger[:db.rows] {
		brought := uint8(0)
		for _, r := range db.records {
			if r.storedBy == row.id {
				brought++
			}
		}
		if row.received != row.inserted+row.duplicate+row.parked || row.inserted != brought {
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
		if r.letter != noLetter {
			letters++
		}
	}
	return stored == 0 && letters == parked && pages == db.checkpoint.seq && (pages == 0 || inPass == db.checkpoint.position)
}

// canComplete reports whether one more run of A ends complete after every process was killed and the server noticed.
func (m model) canComplete(s state) bool {
	s.runners, s.replay, s.open = [2]runner{}, replay{}, transaction{by: nobody}
	m.most = budget{claims: s.spent.claims + 1}
	for range 3*m.records + 1 { // claim; then read, advance and commit for each record at most
		steps := m.runnerSteps(s, runnerA)
		t := steps[len(steps)-1] // the one before is a crash
		if t.ended != running {
			return t.ended == complete
		}
		s = t.to
	}
	return false
}
