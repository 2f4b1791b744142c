package domain

import (
	"fmt"
	"time"
)

// A Position says where a pass over a stream is. It contains all that the next request depends on.
type Position struct {
	Pass            int64     // a pass is one walk from the head to the end; the first is 1
	Offset          int64     // records received since the head, in this pass
	MaxOffset       int64     // the greatest Offset that any pass has reached
	Cursor          Cursor    // where the next page begins
	CursorExpiresAt time.Time // zero if the API announced no lifetime for the cursor, and at the end of the pass
	Done            bool      // the pass has reached its end
	AnnouncedFirst  Total     // the first total that the API announced in this pass
	AnnouncedLast   Total     // the latest total that the API announced in this pass; greater than AnnouncedFirst if the stream has grown
	MaxAnnounced    int64     // the greatest total that the API announced during this run; no store keeps it

	// ParentSeq is the seq of the page whose cursor led to Cursor, if the pass has stepped back to this position, see StepBack.
	// Otherwise it is 0: then the last page before this position is the parent.
	ParentSeq int64
}

// After returns the position after page.
func (p Position) After(page Page) Position {
	p.Offset += int64(len(page.Records))
	p.MaxOffset = max(p.MaxOffset, p.Offset)
	p.Cursor, p.ParentSeq = page.Next, 0
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

// NextPass returns the position at the head of the stream from which the next pass begins. A further pass only costs time:
// an event that is received again counts as duplicate (I2).
func (p Position) NextPass() Position {
	// AnnouncedLast can be greater than MaxAnnounced, because an earlier run may have recorded it.
	maxAnnounced := max(p.MaxAnnounced, p.AnnouncedLast.N)
	return Position{Pass: p.Pass + 1, MaxOffset: p.MaxOffset, MaxAnnounced: maxAnnounced}
}

// IsAtHead reports whether the next page is the first page of the stream.
func (p Position) IsAtHead() bool { return p.Cursor == "" && !p.Done }

// A PageStart is where a stored page begins.
type PageStart struct {
	ParentSeq int64 // the seq of the page whose cursor led to it
	Offset    int64
	Cursor    Cursor // never empty: the head of a pass is no PageStart
}

// StepBack returns the position at the start of a stored page of the same pass. The page is read again, because the API may return another
// cursor with it. Its events then count as duplicates (I2).
func (p Position) StepBack(start PageStart) Position {
	p.Offset, p.Cursor, p.ParentSeq = start.Offset, start.Cursor, start.ParentSeq
	p.CursorExpiresAt, p.Done = time.Time{}, false
	return p
}

// PercentRead returns how much of the announced total is before the position, from 0 to 100. known is false without a total.
func (p Position) PercentRead() (percent int64, known bool) {
	total := p.AnnouncedLast
	if !total.Known || total.N <= 0 {
		return 0, false
	}
	return min(p.Offset, total.N) * 100 / total.N, true
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
func (c Counts) Balanced() bool { return c.Received == c.Inserted+c.Duplicate+c.Parked }

// Add returns the sum of c and d.
func (c Counts) Add(d Counts) Counts {
	return Counts{
		Received: c.Received + d.Received, Inserted: c.Inserted + d.Inserted,
		Duplicate: c.Duplicate + d.Duplicate, Parked: c.Parked + d.Parked,
	}
}

// Sub returns c minus d.
func (c Counts) Sub(d Counts) Counts {
	return Counts{
		Received: c.Received - d.Received, Inserted: c.Inserted - d.Inserted,
		Duplicate: c.Duplicate - d.Duplicate, Parked: c.Parked - d.Parked,
	}
}

// A Checkpoint is the durable state of a stream. Its fields Token, Epoch and Seq fence off stale runners (I3). Token and
// Epoch name the claim that may write. The epoch alone is not enough: after a backup was restored, an epoch can occur twice.
// A token is random and occurs once.
type Checkpoint struct {
	Stream    StreamID
	SourceURL string // the URL that the stream is read from; it never changes after the first page
	Token     UUID
	Epoch     int64 // each claim raises it; 0 if the stream was never claimed
	Seq       int64 // the number of pages committed so far, in all passes

	Position
	Counts // the counts of all passes together

	LastEventAt time.Time // when the last event of the last page with events occurred; zero if no page had an event
	UpdatedAt   time.Time // when the checkpoint last moved
	HeldUntil   time.Time // the rate limit allows no request before this time; only Claim sets it; zero if there is no hold
	LeadsBack   bool      // a page of this pass that is before the position began at its cursor, so the cursor leads in a circle; only Claim sets it
}

// A CheckpointReset is the effect of a reset, which makes the next run read the stream from its first page, in a new pass. If Before is at
// the head already, the reset has changed nothing, and After equals Before.
type CheckpointReset struct{ Before, After Checkpoint }

// CheckClaim compares c, the checkpoint that a runner read, with durable, the checkpoint of the same stream in the database.
//   - It returns nil if durable still has the runner's claim.
//   - It returns Fenced if another runner has claimed the stream since, or the user has moved or reset it. If the user has moved it, the error
//     says so.
//   - It returns SetBack if the database was set back to a state before the claim, for example by a restored backup.
func (c Checkpoint) CheckClaim(durable Checkpoint) error {
	switch {
	case durable.Epoch < c.Epoch:
		return c.newSetBackError("it does not have the claim of this run")
	case durable.Token != c.Token && durable.SourceURL != c.SourceURL:
		return &Error{
			Kind: Fenced, Code: CodeStreamTakenOver, Op: "check claim",
			Err:  fmt.Errorf("stream %s was moved: it reads from %s now, not from %s", c.Stream, durable.SourceURL, c.SourceURL),
			Hint: "set API_BASE_URL to the new address and run it again",
		}
	case durable.Token != c.Token:
		return &Error{
			Kind: Fenced, Code: CodeStreamTakenOver, Op: "check claim",
			Err:  fmt.Errorf("another runner has taken over stream %s", c.Stream),
			Hint: "do nothing if another runner is active; if none is, the database was set back: run it again",
		}
	}
	return nil
}

// CheckMove checks whether the runner that read c may still move the checkpoint. durable is the checkpoint of the same
// stream in the database. CheckMove returns the error of CheckClaim if the claim has changed. If the claim is the same
// but the position differs, the database was set back, and CheckMove returns SetBack.
func (c Checkpoint) CheckMove(durable Checkpoint) error {
	if err := c.CheckClaim(durable); err != nil {
		return err
	}
	if durable.Seq == c.Seq && durable.SameAs(c.Position) {
		return nil
	}
	return c.newSetBackError(fmt.Sprintf("it is at seq %d, this run committed seq %d", durable.Seq, c.Seq))
}

func (c Checkpoint) newSetBackError(reason string) error {
	return &Error{
		Kind: SetBack, Code: CodeDatabaseSetBack, Op: "check checkpoint",
		Err:  fmt.Errorf("the database was set back to an earlier state of stream %s: %s", c.Stream, reason),
		Hint: "run it again: it continues from the database as it is now",
	}
}
