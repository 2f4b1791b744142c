package mockapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"sync"
	"time"
)

// A Journal contains an [Entry] for each request that had the right key. The server adds an entry after it has written the
// response, so a client can have a response before the journal has its entry. The journal stores up to
// [Config.JournalLimit] entries and ten times as many drifted records. It drops further ones and counts them. It is safe
// for concurrent use.
type Journal struct {
	limit int // the maximum number of entries

	mu           sync.Mutex
	entries      []Entry // the entry with Seq s is at s-1, because only later entries are dropped
	driftedCount int     // the number of drifted records in entries
	summary      Summary
	added        chan struct{} // is closed and replaced when an entry is added
}

// A journal stores up to driftedPerEntry times as many drifted records as entries.
const driftedPerEntry = 10

func newJournal(limit int) *Journal {
	return &Journal{limit: limit, added: make(chan struct{}), summary: Summary{Faults: map[FaultKind]int{}}}
}

// After returns the entries whose Seq is greater than seq, oldest first. It does not wait. The caller must not change the
// entries.
func (j *Journal) After(seq int) []Entry {
	entries, _ := j.after(seq)
	return entries
}

// Wait waits until there is at least one entry whose Seq is greater than seq. Then it returns all such entries, like
// [Journal.After]. If ctx ends first, it returns ctx's error and no entries.
func (j *Journal) Wait(ctx context.Context, seq int) ([]Entry, error) {
	for {
		entries, added := j.after(seq)
		if len(entries) > 0 {
			return entries, nil
		}
		select {
		case <-added:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Clear removes all entries and sets the totals to 0. The next entry has the Seq 1; requests keep their numbers N. A request that
// is being served gets its entry after Clear, and the total of requests in flight stays.
func (j *Journal) Clear() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.entries, j.driftedCount = nil, 0
	j.summary = Summary{Faults: map[FaultKind]int{}, InFlight: j.summary.InFlight}
}

// after returns the entries after seq and a channel that is closed when the next entry is added.
func (j *Journal) after(seq int) (entries []Entry, added <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	from := min(max(seq, 0), len(j.entries))
	return slices.Clip(j.entries[from:]), j.added // without capacity, so that a caller's append does not write into entries
}

// countTurnedAway counts a request without the right key or method.
func (j *Journal) countTurnedAway() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.TurnedAway++
}

// begin counts a request that has arrived. finish must be called when its response has been written.
func (j *Journal) begin() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.InFlight++
}

// finish adds the entry of a request for which begin was called.
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
	freeRecords := driftedPerEntry*j.limit - j.driftedCount
	stored := min(len(e.Drifted), freeRecords)
	j.summary.DriftedDropped += len(e.Drifted) - stored
	j.driftedCount += stored
	e.Drifted = slices.Clone(e.Drifted[:stored]) // the copy has no unused memory
	j.entries = append(j.entries, e)
	close(j.added)
	j.added = make(chan struct{})
}

// countFollowed counts a request to the target of a redirect.
func (j *Journal) countFollowed(withKey bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.summary.Followed++
	j.summary.KeyLeaked += boolToInt(withKey)
}

// An Entry describes one request with the right key, and its response.
type Entry struct {
	// Seq numbers the entries from 1, in the order in which the responses were finished. [Journal.After] uses it.
	Seq int `json:"seq"`
	// N numbers the requests from 1, in the order in which they arrived. The numbers of a [Fault] are these numbers. N and
	// Seq are equal if the client sends one request at a time.
	N int `json:"n"`
	// At is the time in UTC at which the request arrived.
	At time.Time `json:"at"`
	// RequestID is the X-Request-ID of the response, "" if it had none.
	RequestID string `json:"request_id"`
	Method    string `json:"method"`
	// Endpoint is "events", "event" (the look-up of one event by its id), "sessions" or "metrics".
	Endpoint string `json:"endpoint"`
	// Cursor is the cursor of the request, cut after 512 bytes.
	Cursor string `json:"cursor"`
	// From is the index of the page's first item, or the index of the event for the endpoint "event". It is -1 if the
	// response has neither.
	From int `json:"from"`
	// Returned is the number of records in the response.
	Returned int `json:"returned"`
	// Size is the size of the collection when the request arrived.
	Size int `json:"size"`
	// Status is 0 if no status line was sent.
	Status int `json:"status"`
	// Fault is the kind of the fault that was applied, "" for none.
	Fault FaultKind `json:"fault"`
	// RateLimited means that the rate limit caused this 429, not a fault.
	RateLimited bool `json:"rate_limited"`
	// WindowClosed means that the rate limit was already exhausted when the request arrived. A fault can change the
	// response to such a request, but not this field.
	WindowClosed bool `json:"window_closed"`
	// TooEarly means that an earlier 429 of the same rate limit asked to wait longer than the client did.
	TooEarly bool `json:"too_early"`
	// Sound means that the response was a valid page, which a client must accept.
	Sound bool `json:"sound"`
	// Last means that the response was a valid page and the last page of its collection.
	Last bool `json:"last"`
	// Delivered means that the mock wrote the whole response to the connection without an error.
	Delivered bool `json:"delivered"`
	// Bytes is the length of the whole body before compression, even if only a part was sent. It is 0 if there is no body.
	Bytes int `json:"bytes"`
	// Hash is the CRC-32C (Castagnoli) in hex of the body that Bytes measures. It is empty if there is no body.
	Hash string `json:"hash"`
	// Drifted contains the records of the body that a drift changed.
	Drifted []DriftedRecord `json:"drifted,omitempty"`
}

// A DriftedRecord is a record that a drift changed.
type DriftedRecord struct {
	Index  int       `json:"index"` // the record's index when the collection had the Size of the Entry
	Kind   DriftKind `json:"kind"`
	SHA256 Digest    `json:"sha256"` // the digest of the record's bytes in the response
}

// A Digest is a SHA-256. As text it has 64 hex digits.
type Digest [sha256.Size]byte

// String returns the hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns the hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText parses 64 hex digits.
func (d *Digest) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(d)) {
		return fmt.Errorf("a SHA-256 has 64 hex digits, got %d", len(text))
	}
	_, err := hex.Decode(d[:], text)
	return err
}

// newEntry returns an entry with the fields that are known when a request arrives.
func (req request) newEntry(method string) Entry {
	return Entry{
		N:            req.n,
		At:           req.arrival.Round(0).UTC(), // Round(0) removes the monotonic clock
		Method:       method,
		Endpoint:     string(req.endpoint),
		Cursor:       req.cursor[:min(len(req.cursor), maxCursor)],
		From:         -1,
		Size:         req.size,
		Fault:        req.fault.kind,
		RateLimited:  req.isRateLimited(),
		WindowClosed: req.window.exhausted,
		TooEarly:     req.tooEarly,
	}
}

// clearRecords resets the fields about the records of a page. It is for a response that does not contain the records.
func (e *Entry) clearRecords() {
	e.Returned, e.Drifted, e.Sound, e.Last = 0, nil, false, false
}

// crcTable selects a CRC that processors compute. A slower one would take nearly half of the time of a page.
var crcTable = crc32.MakeTable(crc32.Castagnoli)

// setBody sets the length and the hash of the body.
func (e *Entry) setBody(body []byte) {
	e.Bytes, e.Hash = len(body), fmt.Sprintf("%08x", crc32.Checksum(body, crcTable))
}

// A Summary contains the totals of a [Journal]. It counts all requests, even if the journal dropped their entries.
type Summary struct {
	// Requests counts the finished requests. InFlight counts the requests that have arrived but are not finished.
	Requests int `json:"requests"`
	InFlight int `json:"in_flight"`
	// Pages counts the valid pages of /events that were delivered completely. Events counts their records. A record counts
	// each time it is delivered.
	Pages  int `json:"pages"`
	Events int `json:"events"`
	// Faults counts the requests with a fault, by kind.
	Faults map[FaultKind]int `json:"faults"`
	// RateLimited counts the 429 responses that the rate limit caused.
	RateLimited int `json:"rate_limited"`
	// WindowClosed and TooEarly count the requests for which the field of the same name in Entry is true.
	WindowClosed int `json:"window_closed"`
	TooEarly     int `json:"too_early"`
	// TurnedAway counts the requests without the right key or method. They have no number and no entry.
	TurnedAway int `json:"turned_away"`
	// LastSeq and LastN are the Seq and the N of the newest entry.
	LastSeq int `json:"last_seq"`
	LastN   int `json:"last_n"`
	// Complete means that the last page of /events was delivered at least once.
	Complete bool `json:"complete"`
	// Dropped counts the entries that the journal did not store. DriftedDropped counts the drifted records that it did not
	// store.
	Dropped        int `json:"dropped"`
	DriftedDropped int `json:"drifted_dropped"`
	// Followed counts the requests to the target of a redirect. KeyLeaked counts those that sent a key there.
	Followed  int `json:"followed"`
	KeyLeaked int `json:"key_leaked"`
}

// Summary returns the current totals.
func (j *Journal) Summary() Summary {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := j.summary
	s.Faults = maps.Clone(s.Faults)
	return s
}

// add adds a finished request to the totals.
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
	isValidPage := e.Sound && e.Endpoint == string(eventsEndpoint)
	if isValidPage && e.Delivered {
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
