package domaintest

import (
	"bytes"
	"context"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// MemReplays is the replay.Store of a MemDatabase.
type MemReplays struct {
	db   *MemDatabase
	most int
}

// Replays returns the replay.Store that reads at most so many letters at once.
func (d *MemDatabase) Replays(most int) *MemReplays { return &MemReplays{d, most} }

// Survey implements replay.Store.
func (r *MemReplays) Survey(
	_ context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection,
) (survey domain.SelectionCount, err error) {
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	if _, claimed := r.db.checkpoints[stream]; !claimed {
		return survey, failure(domain.Invalid, "survey", "no such stream")
	}
	missing := slices.Clone(chosen.IDs)
	for _, l := range r.db.letters {
		if l.stream != stream || !chooses(chosen, l) {
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

func chooses(chosen domain.DeadLetterSelection, l *memLetter) bool {
	return (len(chosen.IDs) == 0 || slices.Contains(chosen.IDs, l.ID)) && (chosen.Reason == "" || chosen.Reason == l.Why.Reason)
}

// Open implements replay.Store.
func (r *MemReplays) Open(
	ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64,
) (letters []domain.DeadLetter, err error) {
	if ctx.Err() != nil {
		return nil, failure(domain.Stopped, "read letters", "the caller has stopped")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	for _, l := range r.db.letters {
		if l.stream == stream && l.Resolved == nil && l.ID > after && l.ID <= last && chooses(chosen, l) && len(letters) < r.most {
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
		return res, failure(domain.Stopped, "replay", "the caller has stopped")
	}
	r.db.mu.Lock()
	defer r.db.mu.Unlock()
	batch = batch.Only(r.db.open(batch))
	if len(batch.Letters) == 0 {
		return res, nil
	}
	at := r.db.checkpoints[batch.Stream]
	res.PageID, res.Again = int64(len(r.db.ledger)+1), map[string]int64{}
	res.Received = int64(len(batch.Letters))
	for _, e := range batch.Events {
		r.db.replay(batch, e, &res)
	}
	for _, reject := range batch.Rejects {
		r.db.parkAgain(batch, reject, &res)
	}
	r.db.ledger = append(r.db.ledger, LedgerRow{
		Kind: "replay", Stream: batch.Stream.String(), Pass: at.Pass, Seq: at.Seq, Position: at.Offset, Tally: res.Counts,
	})
	return res, nil
}

// open is which of a batch's letters are.
func (d *MemDatabase) open(batch domain.Replay) (ids []int64) {
	for _, read := range batch.Letters {
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
	case holdsNUL(e.Event):
		reject.Why.Reason, reject.Why.Detail = domain.ReasonUnstorable, "it holds a NUL"
		d.parkAgain(batch, reject, res)
		return
	case !isKnown:
		d.events[e.ID] = ownCopy(e.Event)
		res.Inserted++
	case sameEvent(known, e.Event) == nil:
		how = domain.ResolvedAsDuplicate
		res.Duplicate++
	default:
		reject.Why.Reason, reject.Why.Detail = domain.ReasonConflict, sameEvent(known, e.Event).Error()
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
