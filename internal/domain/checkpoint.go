package domain

import (
	"fmt"
	"time"
)

// A Position says where a pass over a stream is. The next request depends on nothing else.
type Position struct {
	Pass            int64  // a pass is one walk from the head to the end; the first is 1
	Offset          int64  // records received since the head, in this pass
	MaxOffset       int64  // the greatest Offset that any pass has reached
	Cursor          Cursor // where the next page begins
	CursorExpiresAt time.Time
	Done            bool  // the pass has reached its end, and the end is believed
	AnnouncedFirst  Total // the first total that the API announced in this pass
	AnnouncedLast   Total // the latest one; the stream may grow during a pass
	MaxAnnounced    int64 // the greatest total of this run; it is not stored
}

// After returns the position after page.
func (p Position) After(page Page) Position {
	p.Offset += int64(len(page.Records))
	p.MaxOffset = max(p.MaxOffset, p.Offset)
	p.Cursor = page.Next
	p.CursorExpiresAt = time.Time{}
	if page.ExpiresIn > 0 && !page.Last {
		p.CursorExpiresAt = page.Receipt.FetchedAt.Add(page.ExpiresIn)
	}
	p.Done = page.Last
	if page.Total.Known {
		if !p.AnnouncedFirst.Known {
			p.AnnouncedFirst = page.Total
		}
		p.AnnouncedLast = page.Total
		p.MaxAnnounced = max(p.MaxAnnounced, page.Total.N)
	}
	return p
}

// NextPass returns the head of the stream, for one pass more. Stored events stay stored (I2), so a repeated pass only costs
// time.
func (p Position) NextPass() Position {
	return Position{Pass: p.Pass + 1, MaxOffset: p.MaxOffset, MaxAnnounced: max(p.MaxAnnounced, p.AnnouncedLast.N)}
}

// SameAs reports whether p and q are the same position of the same pass.
func (p Position) SameAs(q Position) bool {
	return p.Pass == q.Pass && p.Offset == q.Offset && p.Cursor == q.Cursor
}

// Counts holds numbers of records by their result (I5).
type Counts struct {
	Received  int64 // records in the pages
	Inserted  int64 // events stored
	Duplicate int64 // records that were stored or parked already
	Parked    int64 // records stored as dead letters
}

// Balanced reports whether I5 holds.
func (t Counts) Balanced() bool { return t.Received == t.Inserted+t.Duplicate+t.Parked }

// Add returns t plus u.
func (t Counts) Add(u Counts) Counts {
	return Counts{t.Received + u.Received, t.Inserted + u.Inserted, t.Duplicate + u.Duplicate, t.Parked + u.Parked}
}

// Sub returns t minus u.
func (t Counts) Sub(u Counts) Counts {
	return Counts{t.Received - u.Received, t.Inserted - u.Inserted, t.Duplicate - u.Duplicate, t.Parked - u.Parked}
}

// A Checkpoint is the durable state of a stream. Token, Epoch and Seq are its fence (I3): Token and Epoch name the claim
// that may write, and Seq counts the committed pages. A restored backup can repeat an epoch; a token is random and never
// repeats.
type Checkpoint struct {
	Stream    StreamID
	SourceURL string // where the stream is read from; fixed once the stream has a page
	Token     UUID
	Epoch     int64 // 0 if the stream was never claimed
	Seq       int64

	Position
	Counts // of all passes together

	LastEventAt time.Time // time of the last event in the last page that had an event, zero if none had
	UpdatedAt   time.Time // when the checkpoint last moved
	HeldUntil   time.Time // no request is allowed before this time; set by Claim only, zero if unknown
}

// CheckClaim compares c, which a runner read, with durable, the stream's checkpoint as it is now. It returns nil if durable
// still belongs to the runner's claim, Fenced if another runner has claimed the stream since, and SetBack if the database
// was set back to a state before the claim.
func (c Checkpoint) CheckClaim(durable Checkpoint) error {
	switch {
	case durable.Epoch < c.Epoch:
		return c.setBack("it does not have the claim of this run")
	case durable.Token != c.Token:
		return &Error{
			Kind: Fenced, Op: "check claim", Err: fmt.Errorf("another runner has taken over stream %s", c.Stream),
			Hint: "do nothing if another runner is active; if none is, the database was set back: run it again",
		}
	}
	return nil
}

// CheckMove returns nil if the checkpoint can be moved from c. Otherwise durable, the checkpoint as it is now, belongs to
// another claim (see CheckClaim), or it is at another position than this run committed (SetBack).
func (c Checkpoint) CheckMove(durable Checkpoint) error {
	if err := c.CheckClaim(durable); err != nil {
		return err
	}
	if durable.Seq == c.Seq && durable.SameAs(c.Position) {
		return nil
	}
	return c.setBack(fmt.Sprintf("it is at seq %d, this run committed seq %d", durable.Seq, c.Seq))
}

func (c Checkpoint) setBack(what string) error {
	return &Error{
		Kind: SetBack, Op: "check checkpoint",
		Err:  fmt.Errorf("the database was set back to an earlier state of stream %s: %s", c.Stream, what),
		Hint: "run it again: it continues from the database as it is now",
	}
}
