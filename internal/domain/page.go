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

// A Cursor is a text with which the API marks where a page begins. pawl sends it back as it is, and never reads or changes
// its content. The empty Cursor means the head of the stream.
type Cursor string

// A PageRequest asks for the page that begins at Cursor, with at most Limit records.
type PageRequest struct {
	Cursor Cursor
	Limit  int
}

// A Record is one item of a page, exactly as received.
type Record struct {
	Payload []byte // a slice of the page's body; while the slice is in use, the whole body stays in memory
	Index   int    // the place in the page, from 0
}

// A Page is one complete answer of the API.
type Page struct {
	Records   []Record
	Next      Cursor        // where the next page begins; empty if Last is true
	Last      bool          // the API says explicitly that this is the last page; pawl never concludes it from anything else
	ExpiresIn time.Duration // lifetime of Next as announced, 0 if not announced
	Total     Total
	Receipt   Receipt

	// Release gives the memory of the records back to the source, which then overwrites it with a later page. The owner of the page
	// may call it at most once, when nothing uses the records, or values that were decoded from them, any more. An owner that does
	// not call it leaves the memory to the garbage collector. Release is nil if the source does not use the memory again.
	Release func()
}

// A Total is the number of records that the API announces for the stream. The zero Total is unknown.
type Total struct {
	N     int64
	Known bool
}

// A Receipt records the cost of one page. It describes the answer that contained the page, and its Traffic counts the requests
// and the waits until this answer. The source sets all fields except Traffic. The runner sets Traffic, because only the runner
// knows all attempts for the page.
type Receipt struct {
	RequestID string // the id that the API gave to the answer; empty if it gave none
	Status    int    // HTTP status
	Bytes     int64  // size of the body after decompression
	FetchedAt time.Time
	Quota     Quota  // the rate limit as the answer reported it
	TraceID   string // the id of the trace that records the page; empty if there is no trace

	Traffic
}

// A Quota is the state of the rate limit as one answer reports it: the API allows Limit requests in each window of time. The
// zero Quota is unknown. A known Quota always has Limit and Remaining. Reset and Window may be missing. If the API reports
// several limits, the Quota is the limit with the fewest requests left.
//
// A Quota is for information only. It stops no request: the source returns RateLimited if a request must wait.
type Quota struct {
	Limit     int64         // requests in a window, at least 1; 0 if the quota is unknown
	Remaining int64         // requests left in this window, from 0 to Limit
	Reset     time.Time     // when the window ends, by the local clock; zero if not reported
	Window    time.Duration // from one reset to the next; 0 if not reported
}

// Traffic counts requests and the time spent waiting between them.
type Traffic struct {
	Requests    int           // requests that were sent, with any result
	Retries     int           // attempts after a failure; a request that follows a wait for the rate limit is no retry
	RateLimited int           // answers that refused the request because of the rate limit
	Waited      time.Duration // time of all waits together
}

// Sub returns a minus b.
func (a Traffic) Sub(b Traffic) Traffic {
	return Traffic{
		Requests: a.Requests - b.Requests, Retries: a.Retries - b.Retries,
		RateLimited: a.RateLimited - b.RateLimited, Waited: a.Waited - b.Waited,
	}
}
