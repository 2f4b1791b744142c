package domain

import (
	"fmt"
	"time"
)

// A Position is where a pass over the stream stands: all that the next request depends on.
type Position struct {
	Pass            int64  // a pass is one walk from the head to the end; the first is 1
	Offset          int64  // records received from the head in this pass
	MaxOffset       int64  // the greatest Position any pass has reached
	Cursor          Cursor // where the next page begins
	CursorExpiresAt time.Time
	Done            bool // the pass has reached a believed end
	AnnouncedFirst  Total
	AnnouncedLast   Total // first and latest total announced in this pass; upstream may grow while it is read
}

// After is the place behind page.
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
	}
	return p
}

// NextPass is the head of the stream again. What was stored stays stored (I2), so a pass repeated costs time only.
func (p Position) NextPass() Position {
	return Position{Pass: p.Pass + 1, MaxOffset: p.MaxOffset}
}

// SameAs reports whether both are the same place of the same pass.
func (p Position) SameAs(q Position) bool {
	return p.Pass == q.Pass && p.Offset == q.Offset && p.Cursor == q.Cursor
}

// A Counts counts records by what became of them (I5).
type Counts struct {
	Received  int64 // in the pages
	Inserted  int64 // stored now
	Duplicate int64 // found stored already
	Parked    int64 // set aside as dead letters
}

// Balanced reports whether I5 holds.
func (t Counts) Balanced() bool { return t.Received == t.Inserted+t.Duplicate+t.Parked }

// Add returns the sum of both.
func (t Counts) Add(u Counts) Counts {
	return Counts{t.Received + u.Received, t.Inserted + u.Inserted, t.Duplicate + u.Duplicate, t.Parked + u.Parked}
}

// Sub returns what t counts beyond u.
func (t Counts) Sub(u Counts) Counts {
	return Counts{t.Received - u.Received, t.Inserted - u.Inserted, t.Duplicate - u.Duplicate, t.Parked - u.Parked}
}

// A Checkpoint is the durable state of a stream. Token, Epoch and Seq are its fence (I3): Token and Epoch name the claim
// that may write, Seq counts the pages committed. Epochs are counted, so a restored backup repeats them; tokens are
// random and never repeat.
type Checkpoint struct {
	Stream    StreamID
	SourceURL string // what the stream reads from; once it has a page, from nothing else
	Token     UUID
	Epoch     int64 // 0: the stream was never claimed
	Seq       int64

	Position
	Counts // of all passes together

	LastEventAt time.Time // time of the last event in the last page that had one, zero if none
	UpdatedAt   time.Time // when the checkpoint last moved
	HeldUntil   time.Time // the rate limit allows no request before; told by Claim only, zero if nothing is known
}

// CheckClaim returns nil if durable, the stream's checkpoint as it is now, still belongs to the claim that read c. It
// returns Fenced if another runner has claimed the stream since, and SetBack if the database was set back to a state from
// before the claim.
func (c Checkpoint) CheckClaim(durable Checkpoint) error {
	switch {
	case durable.Epoch < c.Epoch:
		return c.setBack("it does not hold the claim of this run")
	case durable.Token != c.Token:
		return &Error{
			Kind: Fenced, Op: "check claim", Err: fmt.Errorf("another runner has taken over stream %s", c.Stream),
			Hint: "do nothing: the other runner continues",
		}
	}
	return nil
}

// CheckMove returns why the checkpoint could not be moved from c: durable, the checkpoint as it is now, belongs to
// another claim (see CheckClaim), or to this one and stands at another place than this run committed (SetBack).
func (c Checkpoint) CheckMove(durable Checkpoint) error {
	if err := c.CheckClaim(durable); err != nil {
		return err
	}
	if durable.Seq == c.Seq && durable.SameAs(c.Position) {
		return nil
	}
	return c.setBack(fmt.Sprintf("it stands at seq %d, this run committed seq %d", durable.Seq, c.Seq))
}

func (c Checkpoint) setBack(what string) error {
	return &Error{
		Kind: SetBack, Op: "check checkpoint",
		Err:  fmt.Errorf("the database was set back to an earlier state of stream %s: %s", c.Stream, what),
		Hint: "run it again: it goes on from what the database holds now",
	}
}
