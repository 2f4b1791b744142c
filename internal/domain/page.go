package domain

import "time"

// A StreamID names one chain of pages that has its own checkpoint: a whole source, or one partition of it.
type StreamID struct {
	Source    string
	Partition string // empty for a source that is read as a whole
}

// String returns the stream's name in tables, logs and messages: "source" or "source/partition".
func (s StreamID) String() string {
	if s.Partition == "" {
		return s.Source
	}
	return s.Source + "/" + s.Partition
}

// A Cursor is the API's own mark for where a page begins. It is opaque: pawl never decodes, edits or forges one. The zero
// Cursor is the head of the stream.
type Cursor string

// A PageRequest asks for at most Limit records from Cursor on.
type PageRequest struct {
	Cursor Cursor
	Limit  int
}

// A Record is one item of a page, exactly as received.
type Record struct {
	Payload []byte // a slice of the page's body, so it keeps the whole body in memory
	Index   int    // in the page, from 0
}

// A Page is one complete answer of the API. It has a Next cursor unless it is the Last page.
type Page struct {
	Records   []Record
	Next      Cursor
	Last      bool          // the API says so explicitly; pawl never infers it
	ExpiresIn time.Duration // lifetime of Next as announced, 0 if not announced
	Total     Total
	Receipt   Receipt
}

// A Total is the number of records that the API announces for the stream. The zero Total is unknown.
type Total struct {
	N     int64
	Known bool
}

// A Receipt records what one page cost. The source fills in all fields but Traffic, for its one attempt. The runner adds
// Traffic, for all attempts together.
type Receipt struct {
	RequestID string // the API's id of the answer, empty if it gave none
	Status    int    // HTTP status
	Bytes     int64  // size of the body after decompression
	FetchedAt time.Time
	Quota     Quota  // as reported in the answer
	TraceID   string // the trace of the page, empty if none is recorded

	Traffic
}

// A Quota is the state of the rate limit as one answer reports it: at most Limit requests in each window. The zero Quota is
// unknown. A known Quota has Limit and Remaining; the two times may be missing. If the API reports several limits, it is
// the one with the least left. A Quota is for information only: the source itself returns RateLimited for a request that
// must not be sent yet.
type Quota struct {
	Limit     int64         // requests in a window, at least 1; 0 if the quota is unknown
	Remaining int64         // requests left in this window, from 0 to Limit
	Reset     time.Time     // when the window ends, by the local clock; zero if not reported
	Window    time.Duration // from one reset to the next; 0 if not reported
}

// Traffic counts requests and the time spent waiting between them.
type Traffic struct {
	Requests    int // requests sent, whatever the result
	Retries     int // of these, sent after a failed attempt
	RateLimited int // answers that refused the request because of the rate limit
	Waited      time.Duration
}

// Sub returns t minus u.
func (t Traffic) Sub(u Traffic) Traffic {
	return Traffic{t.Requests - u.Requests, t.Retries - u.Retries, t.RateLimited - u.RateLimited, t.Waited - u.Waited}
}
