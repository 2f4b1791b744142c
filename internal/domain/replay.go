package domain

import "time"

// A Replay holds dead letters that were decoded again: each is an event or a reject.
type Replay struct {
	Stream  StreamID
	Letters []DeadLetter   // in order of id, as they were read
	ReadAt  time.Time      // when they were read
	Events  []DecodedEvent // Record.Index is the dead letter's index in Letters, here and in Rejects
	Rejects []Reject

	Previous       int64     // the ledger row of the batch before, 0 for the first batch
	PreviousReadAt time.Time // the ReadAt of the batch before
}

// Redecode decodes the records of all the letters. It does no I/O.
func Redecode(stream StreamID, letters []DeadLetter, at time.Time, decoder Decoder) Replay {
	var page DecodedPage
	for i, l := range letters {
		decodeInto(&page, decoder, Record{Payload: l.Payload, Index: i})
	}
	return Replay{Stream: stream, Letters: letters, ReadAt: at, Events: page.Events, Rejects: page.Rejects}
}

// Only returns the replay of those letters that have one of the ids.
func (r Replay) Only(ids []int64) Replay {
	if len(ids) == len(r.Letters) {
		return r
	}
	selected := make(map[int64]bool, len(ids))
	for _, id := range ids {
		selected[id] = true
	}
	only := Replay{Stream: r.Stream, ReadAt: r.ReadAt, Previous: r.Previous, PreviousReadAt: r.PreviousReadAt}
	newIndex := map[int]int{} // by the letter's index in r.Letters
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

// A ReplayResult reports what one replay did. It is zero if all letters had been resolved in the meantime.
type ReplayResult struct {
	PageID int64            // the replay's ledger row
	Counts                  // of the letters that were open; Parked counts those that stay open
	Again  map[string]int64 // the number of letters that stay open, by reason
}
