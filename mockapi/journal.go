package mockapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Journal holds what was asked and answered. An entry is added when its answer has been written: whoever sees a page
// here knows that the client can have it. Beyond [Config.JournalLimit] entries are dropped and counted.
// Of drifted records it keeps ten times as many as entries; what is beyond is counted too. It is safe for concurrent use.
type Journal struct {
	limit int

	mu           sync.Mutex
	entries      []Entry
	driftedCount int // records in them
	summary      Summary
	added        chan struct{} // closed and replaced when an entry is added
}

// driftedPerEntry is for how many drifted records there is room, for each entry that there is room for.
const driftedPerEntry = 10

func newJournal(limit int) *Journal {
	return &Journal{limit: limit, added: make(chan struct{}), summary: Summary{Faults: map[FaultKind]int{}}}
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
	return j.entries[from:len(j.entries):len(j.entries)], j.added
}

func (j *Journal) countTurnedAway() {
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
	room := min(len(e.Drifted), driftedPerEntry*j.limit-j.driftedCount)
	j.summary.DriftedDropped += len(e.Drifted) - room
	j.driftedCount += room
	e.Drifted = slices.Clone(e.Drifted[:room]) // without the room that it grew in
	j.entries = append(j.entries, e)
	close(j.added)
	j.added = make(chan struct{})
}

func (j *Journal) countFollowed(withKey bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.Followed++
	j.summary.KeyLeaked += boolToInt(withKey)
}

// An Entry is one request with the right key and what became of it.
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
	// Endpoint is events, event (a look-up), sessions or metrics.
	Endpoint string `json:"endpoint"`
	// Cursor is what was received, cut after 512 bytes.
	Cursor string `json:"cursor"`
	// From is the index of the page's first event, or of the one looked up; -1 if the answer was neither.
	From int `json:"from"`
	// Returned is the number of records in the answer.
	Returned int `json:"returned"`
	// Size is the number of events that there were when the request arrived.
	Size int `json:"size"`
	// Status is 0 if no status line was sent.
	Status int       `json:"status"`
	Fault  FaultKind `json:"fault"`
	// RateLimited says that this is the rate limit's own 429, not a fault.
	RateLimited bool `json:"rate_limited"`
	// WindowClosed says that the window's limit had been used up when the request arrived, whatever the answer was.
	WindowClosed bool `json:"window_closed"`
	// TooEarly says that the request arrived before the moment to which an earlier 429 of its bucket asked to wait.
	TooEarly bool `json:"too_early"`
	// Sound says that the answer was a page that a client must take.
	Sound bool `json:"sound"`
	// Last says that the page was sound and said to be the end.
	Last bool `json:"last"`
	// Delivered says that the whole answer was handed to the network.
	Delivered bool `json:"delivered"`
	// Bytes is the length of the whole body, before a gzip, and Hash its CRC-64 (ECMA) in hex, whether or not all of it was
	// sent; 0 and "" if it had none.
	Bytes int    `json:"bytes"`
	Hash  string `json:"hash"`
	// Drifted are the records of the body that were not as they should be.
	Drifted []DriftedRecord `json:"drifted,omitempty"`
}

// A DriftedRecord is a record that was not as it should be, by its index in a collection of the Entry's Size.
type DriftedRecord struct {
	Index  int       `json:"index"`
	Kind   DriftKind `json:"kind"`
	SHA256 Digest    `json:"sha256"` // of its bytes as served
}

// A Digest is a SHA-256, in hex as a text.
type Digest [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText gives the hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads what MarshalText gives.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("%d hex digits are no SHA-256", len(text))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

func (req request) newEntry(method string) Entry {
	return Entry{
		N: req.n, At: req.at.Round(0).UTC(), Method: method, Endpoint: string(req.endpoint), Cursor: req.cursor[:min(len(req.cursor), maxCursor)],
		From: -1, Size: req.size, Fault: req.fault.kind, RateLimited: req.isRateLimited(), WindowClosed: req.window.exhausted, TooEarly: req.tooEarly,
	}
}

// withoutRecords takes back what was noted of records that the answer does not bring.
func (e *Entry) clearRecords() {
	e.Returned, e.Drifted, e.Sound, e.Last = 0, nil, false, false
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// note keeps what a body was.
func (e *Entry) setBody(body []byte) {
	e.Bytes, e.Hash = len(body), fmt.Sprintf("%016x", crc64.Checksum(body, crcTable))
}

// A Summary is the journal in numbers. It counts every request, also those whose entries were dropped.
type Summary struct {
	// Requests are the finished ones, InFlight those that have arrived and are not finished.
	Requests int `json:"requests"`
	InFlight int `json:"in_flight"`
	// Pages are the sound pages of /events that were delivered whole, Events the records in them, repeats included.
	Pages  int `json:"pages"`
	Events int `json:"events"`
	// Faults counts the requests that a fault struck, by kind.
	Faults map[FaultKind]int `json:"faults"`
	// RateLimited counts the rate limit's own 429s.
	RateLimited int `json:"rate_limited"`
	// WindowClosed and TooEarly count the entries so marked.
	WindowClosed int `json:"window_closed"`
	TooEarly     int `json:"too_early"`
	// TurnedAway counts requests without the right key or method: they have no number and no entry.
	TurnedAway int `json:"turned_away"`
	// LastSeq and LastN are the Seq and the N of the newest entry.
	LastSeq int `json:"last_seq"`
	LastN   int `json:"last_n"`
	// Complete says that the end of the collection has been delivered at least once.
	Complete bool `json:"complete"`
	// Dropped counts the entries that the journal had no room for, DriftedDropped the drifted records in entries.
	Dropped        int `json:"dropped"`
	DriftedDropped int `json:"drifted_dropped"`
	// Followed counts the requests that went where a redirect pointed, KeyLeaked those of them that took the key along.
	Followed  int `json:"followed"`
	KeyLeaked int `json:"key_leaked"`
}

// Summary is the numbers of this moment.
func (j *Journal) Summary() Summary {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.summary
	s.Faults = maps.Clone(s.Faults)
	return s
}

func (s *Summary) add(e Entry) {
	s.Requests++
	s.InFlight--
	s.LastSeq, s.LastN = e.Seq, e.N
	if e.Fault != "" {
		s.Faults[e.Fault]++
	}
	s.RateLimited += boolToInt(e.RateLimited)
	s.WindowClosed += boolToInt(e.WindowClosed)
	s.TooEarly += boolToInt(e.TooEarly)
	if e.Delivered && e.Sound && e.Endpoint == string(eventsEndpoint) {
		s.Pages++
		s.Events += e.Returned
		s.Complete = s.Complete || e.Last
	}
}

func boolToInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
