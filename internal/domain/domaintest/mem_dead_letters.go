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

// A memLetter is a dead letter of one stream.
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

// snapshot returns a function that undoes all changes that a commit makes afterwards.
func (d *MemDatabase) snapshot() (undo func()) {
	events, origins, ledger, drift := maps.Clone(d.events), maps.Clone(d.origins), len(d.ledger), maps.Clone(d.drift)
	for stream, entries := range drift {
		drift[stream] = slices.Clone(entries)
	}
	var letters []*memLetter
	for _, l := range d.letters {
		copied := *l
		letters = append(letters, &copied)
	}
	return func() {
		d.events, d.origins, d.ledger, d.letters, d.drift = events, origins, d.ledger[:ledger], letters, drift
	}
}

// park parks rejects of a page. It returns those with a new dead letter, and those that are not stored because their event has
// too many open dead letters. The others were parked before.
func (d *MemDatabase) park(
	stream domain.StreamID, pageID int64, page domain.DecodedPage, rejects []domain.Reject,
) (parked, surplus []domain.Reject) {
	for _, r := range rejects {
		key := page.KeyOf(r)
		known := func(l *memLetter) bool {
			return l.stream == stream && (l.Key == key || r.Values == "" && l.Key == r.LegacyKey() && bytes.Equal(l.Payload, r.Record.Payload))
		}
		if at := slices.IndexFunc(d.letters, known); at >= 0 {
			d.letters[at].Seen++
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
			ID: int64(len(d.letters) + 1), Key: key, PageID: pageID, Index: r.Record.Index, Why: r.Why,
			Payload: bytes.Clone(r.Record.Payload), Seen: 1, ParkedAt: time.Now(),
		}})
	}
	return parked, surplus
}

// lastOpen returns the last open dead letter of an event, and their number.
func (d *MemDatabase) lastOpen(stream domain.StreamID, id domain.EventID) (last *memLetter, open int) {
	for _, l := range d.letters {
		if l.stream == stream && l.Resolved == nil && l.Why.ID == id && id != (domain.EventID{}) {
			last, open = l, open+1
		}
	}
	return last, open
}

func (d *MemDatabase) supersede(stream domain.StreamID, pageID int64, events []domain.DecodedEvent) {
	for _, l := range d.letters {
		if l.stream != stream || l.Resolved != nil || l.Why.Reason == domain.ReasonConflict {
			continue
		}
		if slices.ContainsFunc(events, func(e domain.DecodedEvent) bool { return e.ID == l.Why.ID && !hasNUL(e.Event) }) {
			l.Resolved = &domain.Resolution{How: domain.ResolvedAsSuperseded, Why: "the event was stored", At: time.Now(), PageID: pageID}
		}
	}
}

// registerDrift adds drift to the stream's register and returns the new entries.
func (d *MemDatabase) registerDrift(stream domain.StreamID, pageID int64, drift []domain.DriftCount) (fresh []domain.DriftEntry) {
	for _, c := range drift {
		at := slices.IndexFunc(d.drift[stream], func(e domain.DriftEntry) bool { return e.Path == c.Path && e.Kind == c.Kind })
		if at >= 0 {
			entry := &d.drift[stream][at]
			entry.Count, entry.LastPageID = entry.Count+c.Count, pageID
			continue
		}
		fresh = append(fresh, domain.DriftEntry{
			Path: c.Path, Kind: c.Kind, Count: c.Count, FirstPageID: pageID, LastPageID: pageID, Sample: string(c.Value),
		})
	}
	d.drift[stream] = append(d.drift[stream], fresh...)
	return fresh
}

// formatValues formats an event's values. Equal JSON in another format counts as different.
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
	_ context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection,
) (survey domain.SelectionCount, err error) {
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	if _, claimed := r.db.checkpoints[stream]; !claimed {
		return survey, newError(domain.Invalid, "survey", "no such stream")
	}
	missing := slices.Clone(chosen.IDs)
	for _, l := range r.db.letters {
		if l.stream != stream || !isSelected(chosen, l) {
			continue
		}
		missing = slices.DeleteFunc(missing, func(id int64) bool { return id == l.ID })
		switch {
		case l.Resolved == nil:
			survey.Open, survey.Last = survey.Open+1, l.ID
		case len(chosen.IDs) > 0:
			survey.Resolved++
		}
	}
	slices.Sort(missing)
	survey.Missing = slices.Compact(missing)
	return survey, nil
}

func isSelected(chosen domain.DeadLetterSelection, l *memLetter) bool {
	return (len(chosen.IDs) == 0 || slices.Contains(chosen.IDs, l.ID)) && (chosen.Reason == "" || chosen.Reason == l.Why.Reason)
}

// Open implements replay.Store.
func (r *MemReplays) Open(
	ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64,
) (letters []domain.DeadLetter, err error) {
	if ctx.Err() != nil {
		return nil, newError(domain.Stopped, "read letters", "the caller has stopped")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	for _, l := range r.db.letters {
		if l.stream == stream && l.Resolved == nil && l.ID > after && l.ID <= last && isSelected(chosen, l) && len(letters) < r.maxLetters {
			letter := l.DeadLetter
			letter.Payload = bytes.Clone(l.Payload)
			letters = append(letters, letter)
		}
	}
	return letters, nil
}

// Replay implements replay.Store.
func (r *MemReplays) Replay(ctx context.Context, batch domain.Replay) (res domain.ReplayResult, err error) {
	if ctx.Err() != nil {
		return res, newError(domain.Stopped, "replay", "the caller has stopped")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	if !r.db.hasReplay(batch.Stream, batch.Previous, batch.PreviousReadAt) {
		return res, newError(domain.SetBack, "replay", "the batch before is gone")
	}
	batch = batch.Only(r.db.openIDs(batch))
	if len(batch.Letters) == 0 {
		return res, nil
	}
	at := r.db.checkpoints[batch.Stream]
	r.db.replayReads[int64(len(r.db.ledger)+1)] = batch.ReadAt
	res.PageID, res.Again = int64(len(r.db.ledger)+1), map[string]int64{}
	res.Received = int64(len(batch.Letters))
	for _, e := range batch.Events {
		r.db.replay(batch, e, &res)
	}
	for _, reject := range batch.Rejects {
		r.db.parkAgain(batch, reject, &res)
	}
	r.db.ledger = append(r.db.ledger, LedgerRow{
		Kind: "replay", Stream: batch.Stream.String(), Pass: at.Pass, Seq: at.Seq, Position: at.Offset, Counts: res.Counts,
	})
	return res, nil
}

// openIDs returns the ids of a batch's dead letters that are open.
func (d *MemDatabase) openIDs(batch domain.Replay) (ids []int64) {
	for _, read := range batch.Letters {
		if read.ID > int64(len(d.letters)) || !bytes.Equal(d.letter(read.ID).Payload, read.Payload) {
			continue // the database was set back since
		}
		if d.letter(read.ID).Resolved == nil {
			ids = append(ids, read.ID)
		}
	}
	return ids
}

func (d *MemDatabase) letter(id int64) *memLetter { return d.letters[id-1] }

func (d *MemDatabase) replay(batch domain.Replay, e domain.DecodedEvent, res *domain.ReplayResult) {
	reject := domain.Reject{Record: e.Record, Why: domain.Rejection{ID: e.ID}}
	l := d.letter(batch.Letters[e.Record.Index].ID)
	known, isKnown := d.events[e.ID]
	how := domain.ResolvedByReplay
	switch {
	case hasNUL(e.Event):
		reject.Why.Reason, reject.Why.Detail = domain.ReasonUnstorable, "a text has a NUL character"
		d.parkAgain(batch, reject, res)
		return
	case !isKnown:
		d.events[e.ID], d.origins[e.ID] = cloneEvent(e.Event), eventOrigin{batch.Stream, res.PageID}
		res.Inserted++
	case compareEvents(known, e.Event) == nil:
		how = domain.ResolvedAsDuplicate
		res.Duplicate++
	default:
		reject.Why.Reason, reject.Why.Detail = domain.ReasonConflict, compareEvents(known, e.Event).Error()
		d.parkAgain(batch, reject, res)
		return
	}
	l.Why.ID, l.Replays = e.ID, l.Replays+1
	l.Resolved = &domain.Resolution{How: how, Why: "a replay", At: batch.ReadAt, PageID: res.PageID}
}

func (d *MemDatabase) parkAgain(batch domain.Replay, reject domain.Reject, res *domain.ReplayResult) {
	l := d.letter(batch.Letters[reject.Record.Index].ID)
	if reject.Why.ID == (domain.EventID{}) {
		reject.Why.ID = l.Why.ID
	}
	l.Why, l.Replays = reject.Why, l.Replays+1
	res.Parked++
	res.Again[reject.Why.Reason]++
}

// hasReplay reports whether the ledger has the row of a replay. It always has row 0, which stands for none.
func (d *MemDatabase) hasReplay(stream domain.StreamID, pageID int64, readAt time.Time) bool {
	if pageID == 0 {
		return true
	}
	if pageID > int64(len(d.ledger)) {
		return false
	}
	row := d.ledger[pageID-1]
	return row.Kind == "replay" && row.Stream == stream.String() && d.replayReads[pageID].Equal(readAt)
}
