package domain

import "time"

// A Replay is a batch of dead letters decoded again: each has become an event or a reject, whose Record.Index is the
// letter's place in Letters.
type Replay struct {
	Stream  StreamID
	Letters []DeadLetter // in order of id, as they were read
	ReadAt  time.Time    // when they were read
	Events  []DecodedEvent
	Rejects []Reject
}

// Redecode decodes letters: none is left out. It does no I/O.
func Redecode(stream StreamID, letters []DeadLetter, at time.Time, decoder Decoder) Replay {
	var read DecodedPage
	for i, l := range letters {
		decodeInto(&read, decoder, Record{Payload: l.Payload, Index: i})
	}
	return Replay{Stream: stream, Letters: letters, ReadAt: at, Events: read.Events, Rejects: read.Rejects}
}

// Only is the replay of those of its letters that have these ids; the others' events and rejects are left out.
func (r Replay) Only(ids []int64) Replay {
	if len(ids) == len(r.Letters) {
		return r
	}
	wanted := make(map[int64]bool, len(ids))
	for _, id := range ids {
		wanted[id] = true
	}
	only := Replay{Stream: r.Stream, ReadAt: r.ReadAt}
	place := make([]int, len(r.Letters)) // in only.Letters, counted from 1; 0 for what is left out
	for i, l := range r.Letters {
		if wanted[l.ID] {
			only.Letters = append(only.Letters, l)
			place[i] = len(only.Letters)
		}
	}
	for _, e := range r.Events {
		if at := place[e.Record.Index]; at > 0 {
			e.Record.Index = at - 1
			only.Events = append(only.Events, e)
		}
	}
	for _, reject := range r.Rejects {
		if at := place[reject.Record.Index]; at > 0 {
			reject.Record.Index = at - 1
			only.Rejects = append(only.Rejects, reject)
		}
	}
	return only
}

// A ReplayResult tells what one replay did. The zero result is that of letters that had all been resolved meanwhile.
type ReplayResult struct {
	PageID int64            // the replay's ledger row
	Counts                  // of the letters that were open; Parked are those that stay so
	Again  map[string]int64 // of those, how many have which reason now
}
