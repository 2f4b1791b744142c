package domain

import (
	"context"
	"time"
)

// An EventSource is the upstream, read page by page.
type EventSource interface {
	// FetchPage makes one attempt and never sleeps. Out of quota, or too soon after the last request, it sends nothing
	// and returns RateLimited with Until and Unsent set. Records come in upstream order; none is left out.
	//
	// It returns a whole page, or an *Error: Transient or RateLimited if the request may be sent again later, BadPage if
	// the answer is incomplete, ambiguous or too large (never a shorter page, never an end), CursorExpired or
	// CursorInvalid if the upstream condemns the cursor, Unauthorized or Invalid if asking again is of no use. When ctx
	// ends it returns at once with kind Stopped. A request has no effect upstream but on the quota and may be repeated.
	// The page's bytes belong to the caller.
	FetchPage(ctx context.Context, req PageRequest) (Page, error)
}

// A Decoder turns a record into an event.
type Decoder interface {
	// Decode does no I/O and is safe for concurrent use; the same record always gives the same answer. Unexpected
	// fields are drift, not errors, and are kept in Event.Extra. The only error is a *Rejection: what was wrong, and
	// where. The event's byte slices may alias the record's payload, which is never changed.
	Decode(r Record) (Event, []Drift, error)

	// Hash returns a hash of what the record says: the same for every form in which the upstream may send it again, and
	// another for anything else. Any bytes have one. It does no I/O and is safe for concurrent use.
	Hash(r Record) RecordHash
}

// An EventStore is where events end up, together with how far the stream has come. One value serves one runner and is
// used by one goroutine at a time.
type EventStore interface {
	// Claim makes this runner the stream's only writer, under a new epoch and a new random token, and returns the durable
	// checkpoint; a stream seen for the first time begins at pass 1, seq 0, no cursor. It makes one attempt and does not
	// wait: Fenced if another runner is seen to hold the stream (Error.Holder says whether it seems alive), Invalid if the
	// stream has pages from another origin. Where a living runner cannot be seen (its connections are cut, a pooler stands
	// between), the claim succeeds and fences it: only the newest claim may write (I3). A second Claim by the same runner
	// is a new claim too. The claim outlives ctx.
	Claim(ctx context.Context, stream StreamID, origin string) (Checkpoint, error)

	// Commit stores the batch's events, parks its rejects, writes one ledger row a page and moves the checkpoint from b.At
	// to the place behind the last page, in one transaction, all or nothing. Nothing else moves a checkpoint. After a nil
	// error the batch is durable; after any error but Uncertain this call wrote nothing of it.
	//
	// An event whose id is stored already, or was met before in the batch, is not touched: with the same values it counts
	// as duplicate, with others it is parked as a conflict (ReasonConflict). An event with a value that the database
	// refuses is parked too (ReasonUnstorable). A record is parked once by its key; met again it counts as duplicate and
	// raises the letter's Seen (I2). Where MaxOpenDeadLetters letters of its event are open already, it is not kept: it counts
	// as duplicate and raises Seen and Others of the last of them. An event that is stored supersedes the open letters of
	// its id, unless they are conflicts. Drift is counted in the stream's register.
	//
	// Fenced or SetBack: the durable checkpoint is not b.At any more, see Checkpoint.CheckMove. BadPage: a page repeats the
	// records of an earlier page of its pass, or End.Check refuses the end of the pass. Unconfirmed: End.Check wants the end
	// confirmed. Uncertain: the connection or ctx ended between COMMIT and its answer; only Checkpoint can tell. Transient:
	// it may be called again with the same batch. Rejected: a page would add more letters than its MayPark. It reads b and
	// what b aliases until it returns, and keeps nothing of it.
	Commit(ctx context.Context, b Batch) (CommitResult, error)

	// Checkpoint reads the durable checkpoint, the token of the claim that holds it included; a stream that is not there has
	// epoch 0. A transaction that holds it, such as one whose COMMIT was not answered, is waited for, as long as ctx and the
	// store's lock timeout allow; past that it returns Transient.
	Checkpoint(ctx context.Context, stream StreamID) (Checkpoint, error)

	// Hold notes that the rate limit allows no request before until, so that the next Claim tells it to a runner that is
	// started meanwhile. A second call replaces the first. Fenced or SetBack: the stream does not belong to the claim that
	// read at any more, and nothing was written.
	Hold(ctx context.Context, at Checkpoint, until time.Time) error
}
