package domaintest

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A memLetter is a dead letter with its stream.
type memLetter struct {
	domain.DeadLetter

	stream domain.StreamID
}

// Letters returns a copy of the dead letters, in the order of parking.
func (d *MemDatabase) Letters() []domain.DeadLetter {
	d.mu.Lock()
	defer d.mu.Unlock()
	var letters []domain.DeadLetter
	for _, l := range d.letters {
		letters = append(letters, l.DeadLetter)
	}
	return letters
}

// snapshot copies the events, the dead letters and the drift. undo restores them, and removes the ledger's rows that were added
// since.
func (d *MemDatabase) snapshot() (undo func()) {
	events, origins, drift := maps.Clone(d.events), maps.Clone(d.origins), maps.Clone(d.drift)
	rows := len(d.ledger)
	for stream, entries := range drift {
		drift[stream] = slices.Clone(entries)
	}
	var letters []*memLetter
	for _, l := range d.letters {
		copied := *l
		letters = append(letters, &copied)
	}
	return func() {
		d.events, d.origins, d.ledger, d.letters, d.drift = events, origins, d.ledger[:rows], letters, drift
	}
}

// park parks rejects of a page. A reject that was parked before only raises Seen of its dead letter. Each other reject is in one
// of the results. parked has the rejects that got a new dead letter. surplus has the rejects that are not stored, because their
// event has MaxOpenDeadLetters open dead letters already.
func (d *MemDatabase) park(
	stream domain.StreamID, pageID int64, page domain.DecodedPage, rejects []domain.Reject,
) (parked, surplus []domain.Reject) {
	for _, r := range rejects {
		if letter := d.findLetter(stream, page, r); letter != nil {
			letter.Seen++
			continue
		}
		if last, open := d.lastOpen(stream, r.Why.ID); open >= domain.MaxOpenDeadLetters {
			last.Seen++
			last.Others++
			surplus = append(surplus, r)
			continue
		}
		parked = append(parked, r)
		d.letters = append(d.letters, &memLetter{stream: stream, DeadLetter: domain.DeadLetter{
			ID: int64(len(d.letters) + 1), Key: page.KeyOf(r), PageID: pageID, Index: r.Record.Index, Why: r.Why,
			Payload: bytes.Clone(r.Record.Payload), Seen: 1, ParkedAt: time.Now(),
		}})
	}
	return parked, surplus
}

// lastOpen returns the last open dead letter of an event, nil if there is none, and the number of its open dead letters. If id
// is zero, the event is unknown and has no dead letters.
func (d *MemDatabase) lastOpen(stream domain.StreamID, id domain.EventID) (last *memLetter, open int) {
	if id == (domain.EventID{}) {
		return nil, 0
	}
	for _, l := range d.letters {
		if l.stream == stream && l.Resolved == nil && l.Why.ID == id {
			last, open = l, open+1
		}
	}
	return last, open
}

// supersede resolves the open dead letters of the events, except conflicts. It ignores events that are not stored because of a
// NUL character.
func (d *MemDatabase) supersede(stream domain.StreamID, pageID int64, events []domain.DecodedEvent) {
	for _, l := range d.letters {
		isOpen := l.stream == stream && l.Resolved == nil
		if !isOpen || l.Why.Reason == domain.ReasonConflict {
			continue
		}
		isEventOf := func(e domain.DecodedEvent) bool { return e.ID == l.Why.ID && !hasNUL(e.Event) }
		if slices.ContainsFunc(events, isEventOf) {
			l.Resolved = &domain.Resolution{How: domain.ResolvedAsSuperseded, Why: "the event was stored", At: time.Now(), PageID: pageID}
		}
	}
}

// registerDrift adds drift to the stream's register and returns the new entries.
func (d *MemDatabase) registerDrift(stream domain.StreamID, pageID int64, drift []domain.DriftCount) (added []domain.DriftEntry) {
	for _, c := range drift {
		index := slices.IndexFunc(d.drift[stream], func(e domain.DriftEntry) bool { return e.Path == c.Path && e.Kind == c.Kind })
		if index >= 0 {
			entry := &d.drift[stream][index]
			entry.Count, entry.LastPageID = entry.Count+c.Count, pageID
			continue
		}
		added = append(added, domain.DriftEntry{
			Path: c.Path, Kind: c.Kind, Count: c.Count, FirstPageID: pageID, LastPageID: pageID, Sample: string(c.Value),
		})
	}
	d.drift[stream] = append(d.drift[stream], added...)
	return added
}

// formatValues returns an event's values as text, for domain.Reject.Values. Equal JSON in different formats gives different texts.
func formatValues(e domain.Event) string { return fmt.Sprintf("%x", fmt.Sprintf("%+v", e)) }

// A MemReplays is the replay.Store of a MemDatabase.
type MemReplays struct {
	db         *MemDatabase
	maxLetters int
}

// Replays returns a replay.Store that reads at most maxLetters dead letters at once.
func (d *MemDatabase) Replays(maxLetters int) *MemReplays { return &MemReplays{d, maxLetters} }

// Survey implements replay.Store.
func (r *MemReplays) Survey(
	_ context.Context, stream domain.StreamID, selection domain.DeadLetterSelection,
) (survey domain.SelectionCount, err error) {
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	if _, claimed := r.db.checkpoints[stream]; !claimed {
		return survey, newError(domain.Invalid, "survey", "no such stream")
	}
	missing := slices.Clone(selection.IDs)
	for _, l := range r.db.letters {
		if l.stream != stream || !isSelected(selection, l) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(id int64) bool { return id == l.ID })
		switch {
		case l.Resolved == nil:
			survey.Open, survey.Last = survey.Open+1, l.ID
		case len(selection.IDs) > 0:
			survey.Resolved++
		}
	}
	slices.Sort(missing)
	survey.Missing = slices.Compact(missing)
	return survey, nil
}

// isSelected reports whether the selection has the id or the reason of the dead letter, or selects all. It ignores whether the
// dead letter is open.
func isSelected(selection domain.DeadLetterSelection, l *memLetter) bool {
	hasID := len(selection.IDs) == 0 || slices.Contains(selection.IDs, l.ID)
	hasReason := selection.Reason == "" || selection.Reason == l.Why.Reason
	return hasID && hasReason
}

// Open implements replay.Store.
func (r *MemReplays) Open(
	ctx context.Context, stream domain.StreamID, selection domain.DeadLetterSelection, after, last int64,
) (letters []domain.DeadLetter, err error) {
	if ctx.Err() != nil {
		return nil, newError(domain.Stopped, "read dead letters", "the caller has stopped")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	for _, l := range r.db.letters {
		if len(letters) == r.maxLetters {
			break
		}
		isOpen := l.stream == stream && l.Resolved == nil
		isInRange := l.ID > after && l.ID <= last
		if isOpen && isInRange && isSelected(selection, l) {
			letter := l.DeadLetter
			letter.Payload = bytes.Clone(l.Payload)
			letters = append(letters, letter)
		}
	}
	return letters, nil
}

// Replay implements replay.Store.
func (r *MemReplays) Replay(ctx context.Context, batch domain.ReplayBatch) (res domain.ReplayResult, err error) {
	if ctx.Err() != nil {
		return res, newError(domain.Stopped, "replay", "the caller has stopped")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	if !r.db.hasReplay(batch.Stream, batch.Previous, batch.PreviousReadAt) {
		return res, newError(domain.SetBack, "replay", "the ledger does not have the previous batch of this replay")
	}
	batch = batch.Only(r.db.openIDs(batch))
	if len(batch.Letters) == 0 {
		return res, nil
	}
	checkpoint := r.db.checkpoints[batch.Stream]
	res.PageID, res.ParkedAgain = r.db.nextPageID(), map[string]int64{}
	r.db.readAt[res.PageID] = batch.ReadAt
	res.Received = int64(len(batch.Letters))
	for _, e := range batch.Events {
		r.db.replay(batch, e, &res)
	}
	for _, reject := range batch.Rejects {
		r.db.parkAgain(batch, reject, &res)
	}
	r.db.ledger = append(r.db.ledger, LedgerRow{
		Kind: "replay", Stream: batch.Stream.String(), Pass: checkpoint.Pass, Seq: checkpoint.Seq,
		Position: checkpoint.Offset, Counts: res.Counts,
	})
	return res, nil
}

// openIDs returns the ids of the batch's dead letters that are still open. It leaves out an id that the database does not have, or
// has with other bytes. In this case the database was set back after the dead letter was read.
func (d *MemDatabase) openIDs(batch domain.ReplayBatch) (ids []int64) {
	for _, read := range batch.Letters {
		if isUnknown := read.ID > int64(len(d.letters)); isUnknown {
			continue
		}
		stored := d.letter(read.ID)
		if bytes.Equal(stored.Payload, read.Payload) && stored.Resolved == nil {
			ids = append(ids, read.ID)
		}
	}
	return ids
}

// letter returns the dead letter with this id.
func (d *MemDatabase) letter(id int64) *memLetter { return d.letters[id-1] }

// replay stores one event of the batch and resolves its dead letter, or parks the record again. It adds to the counts in res.
func (d *MemDatabase) replay(batch domain.ReplayBatch, e domain.DecodedEvent, res *domain.ReplayResult) {
	parkAgain := func(reason, detail string) {
		why := domain.Rejection{ID: e.ID, Reason: reason, Detail: detail}
		d.parkAgain(batch, domain.Reject{Record: e.Record, Why: why}, res)
	}
	resolve := func(how string) {
		l := d.letter(batch.Letters[e.Record.Index].ID)
		l.Why.ID, l.Replays = e.ID, l.Replays+1
		l.Resolved = &domain.Resolution{How: how, Why: "a replay", At: batch.ReadAt, PageID: res.PageID}
	}
	stored, isStored := d.events[e.ID]
	switch {
	case hasNUL(e.Event):
		parkAgain(domain.ReasonUnstorable, "a text has a NUL character")
	case !isStored:
		d.events[e.ID], d.origins[e.ID] = cloneEvent(e.Event), eventOrigin{stream: batch.Stream, pageID: res.PageID}
		res.Inserted++
		resolve(domain.ResolvedByReplay)
	case compareEvents(stored, e.Event) == nil:
		res.Duplicate++
		resolve(domain.ResolvedAsDuplicate)
	default:
		parkAgain(domain.ReasonConflict, compareEvents(stored, e.Event).Error())
	}
}

// parkAgain gives the dead letter of a reject its new reason and leaves it open. If the reject has no event id, the dead letter
// keeps the event id that it had. parkAgain adds to the counts in res.
func (d *MemDatabase) parkAgain(batch domain.ReplayBatch, reject domain.Reject, res *domain.ReplayResult) {
	l := d.letter(batch.Letters[reject.Record.Index].ID)
	if reject.Why.ID == (domain.EventID{}) {
		reject.Why.ID = l.Why.ID
	}
	l.Why, l.Replays = reject.Why, l.Replays+1
	res.Parked++
	res.ParkedAgain[reject.Why.Reason]++
}

// hasReplay reports whether the ledger row pageID is a replay of the stream whose dead letters were read at readAt. It returns
// true for page id 0, which means that a batch has no previous batch.
func (d *MemDatabase) hasReplay(stream domain.StreamID, pageID int64, readAt time.Time) bool {
	if pageID == 0 {
		return true
	}
	if pageID > int64(len(d.ledger)) {
		return false
	}
	row := d.ledger[pageID-1]
	return row.Kind == "replay" && row.Stream == stream.String() && d.readAt[pageID].Equal(readAt)
}
