package mockapi

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc64"
	"time"
)

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

func (a arrival) entry(method string) Entry {
	return Entry{
		N: a.n, At: a.at.Round(0).UTC(), Method: method, Endpoint: string(a.where), Cursor: a.cursor[:min(len(a.cursor), maxCursor)],
		From: -1, Size: a.size, Fault: a.fault.kind, RateLimited: a.rateLimited(), WindowClosed: a.window.spent, TooEarly: a.tooEarly,
	}
}

// withoutRecords takes back what was noted of records that the answer does not bring.
func (e *Entry) withoutRecords() {
	e.Returned, e.Drifted, e.Sound, e.Last = 0, nil, false, false
}

var crcTable = crc64.MakeTable(crc64.ECMA)

// note keeps what a body was.
func (e *Entry) note(body []byte) {
	e.Bytes, e.Hash = len(body), fmt.Sprintf("%016x", crc64.Checksum(body, crcTable))
}
