package mockapi

import (
	"context"
	"sync"
	"time"
)

// An Entry is one authorised request to /events and what became of it.
type Entry struct {
	// Seq counts entries from 1 in the order in which they were finished; it is what After asks by.
	Seq int `json:"seq"`
	// N counts requests from 1 in the order in which they arrived; it is what faults are scheduled by.
	// A client that sends one request at a time makes N and Seq equal.
	N int `json:"n"`
	// At is when the request arrived, in UTC.
	At time.Time `json:"at"`
	// RequestID is the X-Request-ID of the answer, "" if it had none.
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	// Cursor is what was received, cut after 512 bytes.
	Cursor string `json:"cursor"`
	// From is the index of the page's first event, -1 if the answer was no page.
	From int `json:"from"`
	// Returned is the number of events in the answer.
	Returned int `json:"returned"`
	// Status is 0 if no status line was sent.
	Status int       `json:"status"`
	Fault  FaultKind `json:"fault"`
	// RateLimited says that this is the rate limit's own 429, not a fault.
	RateLimited bool `json:"rate_limited"`
	// WindowClosed says that the window's limit had been used up when the request arrived, whatever the answer was.
	WindowClosed bool `json:"window_closed"`
	// TooEarly says that the request arrived before the moment to which an earlier 429 asked to wait.
	TooEarly bool `json:"too_early"`
	// Last says that the page was the end of the collection.
	Last bool `json:"last"`
	// Delivered says that the whole answer was handed to the network.
	Delivered bool `json:"delivered"`
}

func (a arrival) entry(method string) Entry {
	return Entry{
		N: a.n, At: a.at.Round(0).UTC(), Method: method, Cursor: a.cursor[:min(len(a.cursor), maxCursor)], From: -1,
		Fault: a.fault, RateLimited: a.rateLimited(), WindowClosed: a.window.spent, TooEarly: a.tooEarly,
	}
}

// A Journal holds what was asked and answered. An entry is added when its answer has been written: whoever sees a page
// here knows that the client can have it. Beyond [Config.JournalLimit] entries are dropped and counted.
// It is safe for concurrent use.
type Journal struct {
	limit int

	mu      sync.Mutex
	entries []Entry
	summary Summary
	grown   chan struct{} // closed and replaced when an entry is added
}

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
		return
	}
	j.entries = append(j.entries, e)
	close(j.grown)
	j.grown = make(chan struct{})
}
