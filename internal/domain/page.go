package domain

import "time"

// A Cursor is the upstream's own position: opaque, never decoded, edited or forged. The zero Cursor is the beginning.
type Cursor string

// A PageRequest asks for the page that begins at Cursor and holds at most Limit records.
type PageRequest struct {
	Cursor Cursor
	Limit  int
}

// A Record is one item exactly as received: a slice of the page's body, which it keeps alive.
type Record struct {
	Payload []byte
	Index   int // place in the page, from 0
}

// A Page is one whole answer. A Last page has no Next, any other page has one.
type Page struct {
	Records   []Record
	Next      Cursor
	Last      bool          // said in so many words, never inferred
	ExpiresIn time.Duration // life of Next as announced, 0 if not announced
	Total     Total
	Receipt   Receipt
}

// A Total is the number of records the upstream says the collection holds. The zero Total is unknown.
type Total struct {
	N     int64
	Known bool
}

// A Receipt tells what one page cost. The source fills in all but Traffic, for its one attempt; the loop adds Traffic,
// for all attempts the page took.
type Receipt struct {
	RequestID string // the upstream's id of the answer, empty if it gave none
	Status    int    // HTTP status
	Bytes     int64  // size of the body
	FetchedAt time.Time
	Quota     Quota  // as the answer announced it
	TraceID   string // of the trace that tells of the page, empty if none is recorded

	Traffic
}

// A Quota is what one answer announced of the rate limit it counted against: in each window at most Limit requests. The
// zero Quota is unknown; it is known only with a Limit and what remains of it, while the two times may still be missing.
// Where several limits hold at once, it is the one with the least left. It informs and binds nobody: a request that must
// not be sent yet is refused by the source with RateLimited.
type Quota struct {
	Limit     int64         // requests in a window, at least 1; 0: unknown
	Remaining int64         // requests left in this window, from 0 to Limit
	Reset     time.Time     // when the window ends, by the local clock; zero if not announced
	Window    time.Duration // from one reset to the next; 0 if not announced
}

// Traffic counts what was sent upstream and how long was waited in between.
type Traffic struct {
	Requests    int // requests sent, whatever came back
	Retries     int // of these, sent again after a failure that cost a try
	RateLimited int // answers that refused for the rate limit
	Waited      time.Duration
}

// Sub returns what t counts beyond u.
func (t Traffic) Sub(u Traffic) Traffic {
	return Traffic{t.Requests - u.Requests, t.Retries - u.Retries, t.RateLimited - u.RateLimited, t.Waited - u.Waited}
}
