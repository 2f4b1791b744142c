package domain

import "time"

// A ReplayBatch is a batch of dead letters that were decoded again. Each dead letter has become an event or a reject.
type ReplayBatch struct {
	Stream  StreamID
	Letters []DeadLetter // in order of id, as they were read from the store
	ReadAt  time.Time    // when they were read

	// In Events and Rejects, Record.Index is the index of the dead letter in Letters.
	Events  []DecodedEvent
	Rejects []Reject

	// Previous is the ledger row of the previous batch of the same command, or 0 for the first batch. PreviousReadAt is the
	// ReadAt of that batch. With both, a store detects that the database was set back after that batch.
	Previous       int64
	PreviousReadAt time.Time
}

// Redecode decodes the records of dead letters again. readAt is the time at which they were read. Redecode does no I/O.
func Redecode(stream StreamID, letters []DeadLetter, readAt time.Time, decoder Decoder) ReplayBatch {
	var page DecodedPage
	for i, l := range letters {
		decodeInto(&page, decoder, Record{Payload: l.Payload, Index: i})
	}
	return ReplayBatch{Stream: stream, Letters: letters, ReadAt: readAt, Events: page.Events, Rejects: page.Rejects}
}

// Only returns a copy of the batch that has only the dead letters with these ids. Record.Index of the events and rejects is
// changed to the new index in Letters. Each id must occur once, and must be the id of a dead letter of the batch.
func (r ReplayBatch) Only(ids []int64) ReplayBatch {
	if len(ids) == len(r.Letters) { // all of them
		return r
	}
	selected := make(map[int64]bool, len(ids))
	for _, id := range ids {
		selected[id] = true
	}
	only := ReplayBatch{Stream: r.Stream, ReadAt: r.ReadAt, Previous: r.Previous, PreviousReadAt: r.PreviousReadAt}
	newIndex := map[int]int{} // from the index in r.Letters to the index in only.Letters
	for i, l := range r.Letters {
		if selected[l.ID] {
			newIndex[i] = len(only.Letters)
			only.Letters = append(only.Letters, l)
		}
	}
	for _, e := range r.Events {
		if i, ok := newIndex[e.Record.Index]; ok {
			e.Record.Index = i
			only.Events = append(only.Events, e)
		}
	}
	for _, reject := range r.Rejects {
		if i, ok := newIndex[reject.Record.Index]; ok {
			reject.Record.Index = i
			only.Rejects = append(only.Rejects, reject)
		}
	}
	return only
}

// A ReplayResult reports the effect of one replay. It is zero if all dead letters were resolved before the replay began.
type ReplayResult struct {
	PageID      int64            // the replay's ledger row
	Counts                       // counts of the dead letters that were open when the replay began; Parked counts those that stay open
	ParkedAgain map[string]int64 // the number of dead letters that stay open, by reason
}
