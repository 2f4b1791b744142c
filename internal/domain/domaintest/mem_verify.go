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

// Delete deletes an event and changes nothing else. The database is then inconsistent.
func (d *MemDatabase) Delete(id domain.EventID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.events, id)
	delete(d.origins, id)
}

// A MemInventory is the verify.Inventory of a MemDatabase. A MemDatabase does not store what some of the checks need. These
// checks never find a difference.
type MemInventory struct{ db *MemDatabase }

// Inventory returns the verify.Inventory of the database.
func (d *MemDatabase) Inventory() *MemInventory { return &MemInventory{d} }

// Inspect implements verify.Inventory.
func (i *MemInventory) Inspect(
	ctx context.Context, stream domain.StreamID, begin func(domain.Check),
) (domain.Inspection, error) {
	db := i.db.copyForReading() // so that no check sees a commit that happens during the inspection
	checkpoint, claimed := db.checkpoints[stream]
	if !claimed {
		return domain.Inspection{}, newError(domain.Invalid, "inspect", "no such stream")
	}
	inspection := domain.Inspection{Stream: domain.StreamReport{Checkpoint: checkpoint, Pages: checkpoint.Seq}}
	for _, row := range db.ledger {
		if row.Stream == stream.String() {
			inspection.Stored += row.Counts.Inserted
			if row.Kind == "page" {
				inspection.EndAccepted = row.EndAccepted // the last page decides
			}
		}
	}
	for _, l := range db.letters {
		if l.stream == stream && isStillParked(l) {
			inspection.Parked++
		}
	}
	inspection.Shared = db.isShared(stream)
	for _, check := range domain.InventoryChecks() {
		begin(check)
		if ctx.Err() != nil {
			return inspection, newError(domain.Stopped, "inspect", "the caller has stopped")
		}
		finding := domain.Finding{Check: check}
		finding.Add(db.findDifferences(check, stream)...)
		inspection.Findings = append(inspection.Findings, finding)
	}
	return inspection, nil
}

// isShared reports whether another stream has records in the database.
func (d *MemDatabase) isShared(stream domain.StreamID) bool {
	for other, checkpoint := range d.checkpoints {
		if other != stream && checkpoint.Received > 0 {
			return true
		}
	}
	return false
}

// isStillParked reports whether a dead letter is open or discarded. Its record is then stored only as a dead letter.
func isStillParked(l *memLetter) bool {
	return l.Resolved == nil || l.Resolved.How == domain.ResolvedByDiscard
}

// copyForReading returns a copy of the parts of the database that an inspection reads.
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

// findDifferences makes one check of the stream, and returns the differences that it finds.
func (d *MemDatabase) findDifferences(check domain.Check, stream domain.StreamID) (found []domain.Difference) {
	var sum domain.Counts
	for i, row := range d.ledger {
		pageID, isPage := int64(i+1), row.Kind == "page" // a row that is no page is a replay
		if row.Stream != stream.String() {
			continue
		}
		if isPage { // the checkpoint does not count replays
			sum = sum.Add(row.Counts)
		}
		difference := domain.Difference{PageID: pageID, Seq: row.Seq, Pass: row.Pass}
		switch {
		case check == domain.CheckBalance && !row.Counts.Balanced():
			difference.What = "received is not inserted + duplicate + parked"
		case check == domain.CheckChain && isPage && row.Position != d.offsetBefore(row)+row.Counts.Received: // Position is an offset
			difference.What = "its offset is not the offset after its parent plus its records"
		case check == domain.CheckPageEvents && d.countEventsOf(pageID) != row.Counts.Inserted:
			difference.What = "it stored another number of events than its ledger row says"
		case check == domain.CheckDeadLetters && isPage && d.countLettersOf(pageID) != row.Counts.Parked:
			difference.What = "it parked another number of records than its ledger row says"
		default:
			continue
		}
		found = append(found, difference)
	}
	if checkpoint := d.checkpoints[stream]; check == domain.CheckCheckpoint && sum != checkpoint.Counts {
		found = append(found, domain.Difference{What: "the counts of the checkpoint are not the sum of its pages"})
	}
	return found
}

// offsetBefore returns the offset at which the page of row begins: the offset after its parent, or 0 if it has no parent.
func (d *MemDatabase) offsetBefore(row LedgerRow) int64 {
	for _, parent := range d.ledger {
		if parent.Kind == "page" && parent.Stream == row.Stream && parent.Seq == row.ParentSeq {
			return parent.Position
		}
	}
	return 0
}

// countEventsOf returns the number of events that a page or a replay stored.
func (d *MemDatabase) countEventsOf(pageID int64) (n int64) {
	for _, origin := range d.origins {
		if origin.pageID == pageID {
			n++
		}
	}
	return n
}

// countLettersOf returns the number of dead letters that a page parked.
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
	returned map[domain.EventID]bool  // the ids in the pages that were compared since Begin
	notKept  map[domain.EventID]int64 // by event, the number of records since Begin that count as not kept, see domain.PageComparison
}

// Comparison returns a verify.Comparison that compares pages with the database.
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
		case letter != nil && isStillParked(letter):
			result.Parked++
		case letter != nil: // resolved and not discarded, so its event is stored
		case c.countNotKept(stream, r.Why.ID):
			result.NotKept++
		default:
			result.Missing = append(result.Missing, domain.Difference{Event: r.Why.ID, What: "neither stored nor parked"})
		}
	}
	for _, e := range page.Events {
		c.returned[e.ID] = true
		stored, isStored := c.db.events[e.ID]
		if isStored && compareEvents(stored, e.Event) == nil {
			continue
		}
		// A commit that could not store the event has parked it as this reject.
		reject := domain.Reject{Record: e.Record, Why: domain.Rejection{ID: e.ID}}
		if isStored {
			reject.Values = formatValues(e.Event) // a conflict
		}
		letter := c.db.findLetter(stream, page, reject)
		switch {
		case letter != nil && isStillParked(letter):
			result.Parked++
		// A resolved dead letter does not help here: its event should be stored with these values. Of the events, only a conflict can
		// be a record that is not kept.
		case isStored && c.countNotKept(stream, e.ID):
			result.NotKept++
		case isStored:
			result.Differences = append(result.Differences, domain.Difference{Event: e.ID, What: "stored with other values"})
		default:
			result.Missing = append(result.Missing, domain.Difference{Event: e.ID, What: "neither stored nor parked"})
		}
	}
	return result, nil
}

// findLetter returns the dead letter of a reject of the page, nil if there is none.
func (d *MemDatabase) findLetter(stream domain.StreamID, page domain.DecodedPage, r domain.Reject) *memLetter {
	for _, l := range d.letters {
		if l.stream == stream && isLetterOf(l, page, r) {
			return l
		}
	}
	return nil
}

// isLetterOf reports whether the reject of the page has the key of the dead letter. Earlier versions of pawl gave a dead letter
// a legacy key; then the bytes must be equal too. Conflicts never have a legacy key.
func isLetterOf(l *memLetter, page domain.DecodedPage, r domain.Reject) bool {
	if l.Key == page.KeyOf(r) {
		return true
	}
	isConflict := r.Values != ""
	return !isConflict && l.Key == r.LegacyKey() && bytes.Equal(l.Payload, r.Record.Payload)
}

// countNotKept counts a record of the event as not kept and returns true. A record is not kept if it is only counted in the field
// Others of the event's last open dead letter. After as many records as Others says, countNotKept returns false.
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
			return c.db.committedAt[int64(i+1)], nil
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
