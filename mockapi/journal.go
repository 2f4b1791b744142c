package mockapi

import (
	"context"
	"slices"
	"sync"
)

// A Journal holds what was asked and answered. An entry is added when its answer has been written: whoever sees a page
// here knows that the client can have it. Beyond [Config.JournalLimit] entries are dropped and counted.
// Of drifted records it keeps ten times as many as entries; what is beyond is counted too. It is safe for concurrent use.
type Journal struct {
	limit int

	mu      sync.Mutex
	entries []Entry
	drifted int // records in them
	summary Summary
	grown   chan struct{} // closed and replaced when an entry is added
}

// driftedPerEntry is for how many drifted records there is room, for each entry that there is room for.
const driftedPerEntry = 10

func newJournal(limit int) *Journal {
	return &Journal{limit: limit, grown: make(chan struct{}), summary: Summary{Faults: map[FaultKind]int{}}}
}

// After is the entries whose Seq is greater than seq, oldest first, without waiting. The caller must not change them.
func (j *Journal) After(seq int) []Entry {
	entries, _ := j.after(seq)
	return entries
}

// Wait is After, but waits until there is at least one such entry. It gives none only with ctx's error.
func (j *Journal) Wait(ctx context.Context, seq int) ([]Entry, error) {
	for {
		entries, grown := j.after(seq)
		if len(entries) > 0 {
			return entries, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (j *Journal) after(seq int) ([]Entry, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := min(max(seq, 0), len(j.entries))
	return j.entries[from:len(j.entries):len(j.entries)], j.grown
}

func (j *Journal) turnAway() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.TurnedAway++
}

func (j *Journal) begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.InFlight++
}

func (j *Journal) finish(e Entry) {
	j.mu.Lock()
	defer j.mu.Unlock()
	e.Seq = j.summary.Requests + 1
	j.summary.add(e)
	if len(j.entries) >= j.limit {
		j.summary.Dropped++
		j.summary.DriftedDropped += len(e.Drifted)
		return
	}
	kept := min(len(e.Drifted), driftedPerEntry*j.limit-j.drifted)
	j.summary.DriftedDropped += len(e.Drifted) - kept
	j.drifted += kept
	e.Drifted = slices.Clone(e.Drifted[:kept]) // without the room that it grew in
	j.entries = append(j.entries, e)
	close(j.grown)
	j.grown = make(chan struct{})
}

func (j *Journal) follow(withKey bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.Followed++
	j.summary.KeyLeaked += count(withKey)
}
