package domaintest

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// An eventOrigin names the ledger row that stored an event.
type eventOrigin struct {
	stream domain.StreamID
	pageID int64
}

// Delete deletes an event and leaves everything else as it is. The database is then inconsistent.
func (d *MemDatabase) Delete(id domain.EventID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.events, id)
	delete(d.origins, id)
}

// A MemInventory is the verify.Inventory of a MemDatabase. It makes the checks that are possible with what a MemDatabase
// stores; the others never find a difference.
type MemInventory struct{ db *MemDatabase }

// Inventory returns the verify.Inventory of the database.
func (d *MemDatabase) Inventory() *MemInventory { return &MemInventory{d} }

// Inspect implements verify.Inventory.
func (i *MemInventory) Inspect(
	ctx context.Context, stream domain.StreamID, began func(domain.Check),
) (domain.Inspection, error) {
	moment := i.db.copyForReading() // before the first check: a commit during one must not be visible
	at, claimed := moment.checkpoints[stream]
	if !claimed {
		return domain.Inspection{}, newError(domain.Invalid, "inspect", "no such stream")
	}
	inspection := domain.Inspection{Stream: domain.StreamReport{Checkpoint: at, Pages: at.Seq}}
	for _, row := range moment.ledger {
		if row.Stream == stream.String() {
			inspection.Stored += row.Counts.Inserted
			if row.Kind == "page" {
				inspection.EndAccepted = row.EndAccepted
			}
		}
	}
	for _, l := range moment.letters {
		if l.stream == stream && isUnstored(l) {
			inspection.Parked++
		}
	}
	for other, checkpoint := range moment.checkpoints {
		inspection.Shared = inspection.Shared || other != stream && checkpoint.Received > 0
	}
	for _, check := range domain.InventoryChecks() {
		began(check)
		if ctx.Err() != nil {
			return inspection, newError(domain.Stopped, "inspect", "the caller has stopped")
		}
		finding := domain.Finding{Check: check}
		finding.Add(moment.findDifferences(check, stream)...)
		inspection.Findings = append(inspection.Findings, finding)
	}
	return inspection, nil
}

// isUnstored reports whether a dead letter's record is not stored as an event.
func isUnstored(l *memLetter) bool {
	return l.Resolved == nil || l.Resolved.How == domain.ResolvedByDiscard
}

func (d *MemDatabase) copyForReading() *MemDatabase {
	d.mu.Lock()
	defer d.mu.Unlock()
	copied := &MemDatabase{
		events: maps.Clone(d.events), origins: maps.Clone(d.origins), checkpoints: maps.Clone(d.checkpoints), ledger: slices.Clone(d.ledger),
	}
	for _, l := range d.letters {
		letter := *l
		copied.letters = append(copied.letters, &letter)
	}
	return copied
}

// findDifferences returns the differences of one check.
func (d *MemDatabase) findDifferences(check domain.Check, stream domain.StreamID) (found []domain.Difference) {
	var sum domain.Counts
	for i, row := range d.ledger {
		pageID := int64(i + 1)
		if row.Stream != stream.String() {
			continue
		}
		if row.Kind == "page" {
			sum = sum.Add(row.Counts)
		}
		difference := domain.Difference{PageID: pageID, Seq: row.Seq, Pass: row.Pass}
		switch {
		case check == domain.CheckBalance && !row.Counts.Balanced():
			difference.What = "received is not the sum of the others"
		case check == domain.CheckChain && row.Kind == "page" && row.Position != d.positionBefore(row)+row.Counts.Received:
			difference.What = "its position is not that of the page before and its records"
		case check == domain.CheckPageEvents && d.countEventsOf(pageID) != row.Counts.Inserted:
			difference.What = "it stored another number of events"
		case check == domain.CheckDeadLetters && row.Kind == "page" && d.countLettersOf(pageID) != row.Counts.Parked:
			difference.What = "it parked another number of records"
		default:
			continue
		}
		found = append(found, difference)
	}
	if at := d.checkpoints[stream]; check == domain.CheckCheckpoint && sum != at.Counts {
		found = append(found, domain.Difference{What: "the checkpoint is not the sum of its pages"})
	}
	return found
}

// positionBefore returns the position of the page that led to row, 0 if there is none.
func (d *MemDatabase) positionBefore(row LedgerRow) int64 {
	for _, before := range d.ledger {
		if before.Kind == "page" && before.Stream == row.Stream && before.Seq == row.ParentSeq {
			return before.Position
		}
	}
	return 0
}

func (d *MemDatabase) countEventsOf(pageID int64) (n int64) {
	for _, origin := range d.origins {
		if origin.pageID == pageID {
			n++
		}
	}
	return n
}

func (d *MemDatabase) countLettersOf(pageID int64) (n int64) {
	for _, l := range d.letters {
		if l.PageID == pageID {
			n++
		}
	}
	return n
}

// A MemComparison is the verify.Comparison of a MemDatabase.
type MemComparison struct {
	db       *MemDatabase
	returned map[domain.EventID]bool
	notKept  map[domain.EventID]int64
}

// Comparison returns a verify.Comparison with the database.
func (d *MemDatabase) Comparison() *MemComparison {
	c := &MemComparison{db: d}
	c.Begin()
	return c
}

// Begin implements verify.Comparison.
func (c *MemComparison) Begin() {
	c.returned, c.notKept = map[domain.EventID]bool{}, map[domain.EventID]int64{}
}

// Compare implements verify.Comparison.
func (c *MemComparison) Compare(
	ctx context.Context, stream domain.StreamID, page domain.DecodedPage,
) (result domain.PageComparison, err error) {
	if ctx.Err() != nil {
		return result, newError(domain.Stopped, "compare", "the caller has stopped")
	}
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	for _, r := range page.Rejects {
		c.returned[r.Why.ID] = true
		letter := c.db.findLetter(stream, page, r)
		switch {
		case letter != nil && isUnstored(letter):
			result.Parked++
		case letter != nil:
		case c.countNotKept(stream, r.Why.ID):
			result.NotKept++
		default:
			result.Missing = append(result.Missing, domain.Difference{Event: r.Why.ID, What: "neither stored nor parked"})
		}
	}
	for _, e := range page.Events {
		c.returned[e.ID] = true
		known, isKnown := c.db.events[e.ID]
		if isKnown && compareEvents(known, e.Event) == nil {
			continue
		}
		reject := domain.Reject{Record: e.Record, Why: domain.Rejection{ID: e.ID}}
		if isKnown {
			reject.Values = formatValues(e.Event)
		}
		letter := c.db.findLetter(stream, page, reject)
		switch {
		case letter != nil && isUnstored(letter):
			result.Parked++
		case isKnown && c.countNotKept(stream, e.ID):
			result.NotKept++
		case isKnown:
			result.Differences = append(result.Differences, domain.Difference{Event: e.ID, What: "stored with other values"})
		default:
			result.Missing = append(result.Missing, domain.Difference{Event: e.ID, What: "neither stored nor parked"})
		}
	}
	return result, nil
}

// findLetter returns the dead letter of a reject, nil if there is none.
func (d *MemDatabase) findLetter(stream domain.StreamID, page domain.DecodedPage, r domain.Reject) *memLetter {
	key := page.KeyOf(r)
	for _, l := range d.letters {
		legacy := r.Values == "" && l.Key == r.LegacyKey() && bytes.Equal(l.Payload, r.Record.Payload)
		if l.stream == stream && (l.Key == key || legacy) {
			return l
		}
	}
	return nil
}

// countNotKept reports whether another dead letter of the event counts the record, and notes that it does.
func (c *MemComparison) countNotKept(stream domain.StreamID, id domain.EventID) bool {
	last, _ := c.db.lastOpen(stream, id)
	if last == nil || c.notKept[id] >= last.Others {
		return false
	}
	c.notKept[id]++
	return true
}

// PageCommittedAt implements verify.Comparison.
func (c *MemComparison) PageCommittedAt(_ context.Context, stream domain.StreamID, seq int64) (time.Time, error) {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	for i, row := range c.db.ledger {
		if row.Kind == "page" && row.Stream == stream.String() && row.Seq == seq {
			return c.db.commits[int64(i+1)], nil
		}
	}
	return time.Time{}, nil
}

// Unreturned implements verify.Comparison.
func (c *MemComparison) Unreturned(_ context.Context, stream domain.StreamID) (domain.Finding, error) {
	c.db.mu.Lock()
	defer c.db.mu.Unlock()
	finding := domain.Finding{Check: domain.CheckUnreturned}
	for id, origin := range c.db.origins {
		if origin.stream == stream && !c.returned[id] {
			row := c.db.ledger[origin.pageID-1]
			finding.Add(domain.Difference{PageID: origin.pageID, Seq: row.Seq, Pass: row.Pass, Event: id, What: "stored, but not returned"})
		}
	}
	return finding, nil
}
