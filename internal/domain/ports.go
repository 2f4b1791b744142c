package domain

import (
	"context"
	"time"
)

// An EventSource reads the pages of an API.
type EventSource interface {
	// FetchPage makes one attempt and never sleeps. If the rate limit allows no request yet, it sends nothing and returns
	// RateLimited with Error.Until and Error.Unsent set. The page has all records of the answer, in the API's order.
	//
	// On failure it returns an *Error of one of these kinds:
	//   - Transient or RateLimited: the same request may succeed later.
	//   - BadPage: the answer is incomplete, ambiguous or too large. It never becomes a shorter page or an end.
	//   - CursorExpired or CursorInvalid: the API does not accept the cursor.
	//   - Unauthorized or Invalid: the same request cannot succeed.
	//   - Stopped: ctx ended. FetchPage then returns at once.
	//
	// A request changes nothing at the API but the quota, so it may be repeated. The caller owns the page's bytes.
	FetchPage(ctx context.Context, req PageRequest) (Page, error)
}

// A Decoder turns records into events.
type Decoder interface {
	// Decode returns the record's event and its drift. It does no I/O and is safe for concurrent use; the same record always
	// gives the same result. Unexpected fields are drift, not errors, and are stored in Event.Extra. The only error is a
	// *Rejection. The event's byte slices may alias the record's payload, which is never changed.
	Decode(r Record) (Event, []Drift, error)

	// Hash returns a hash of the record's content. It is the same for every form in which the API may send that content
	// again, and differs for any other content. It accepts any bytes, does no I/O and is safe for concurrent use.
	Hash(r Record) RecordHash
}

// An EventStore stores events together with the checkpoint of their stream. One value serves one runner and is used by
// one goroutine at a time.
type EventStore interface {
	// Claim makes this runner the only writer of the stream, with a new epoch and a new random token, and returns the durable
	// checkpoint. A new stream begins at pass 1, seq 0, without a cursor. Claim makes one attempt and does not wait:
	//   - Fenced: another runner holds the stream. Error.Holder says whether it seems to be alive.
	//   - Invalid: the stream has pages from another source URL.
	//
	// If the store cannot see another runner (its connections are cut, or a pooler is in between), the claim succeeds and
	// fences that runner: only the newest claim may write (I3). A second Claim by the same runner is a new claim too. The
	// claim is valid after ctx ends.
	Claim(ctx context.Context, stream StreamID, sourceURL string) (Checkpoint, error)

	// Commit stores the batch's events, parks its rejects, writes one ledger row for each page and moves the checkpoint from
	// b.At to the position after the last page, in one transaction. Only Commit moves a checkpoint. After a nil error the
	// batch is durable; after any error but Uncertain the call has written nothing.
	//
	// Commit counts each record once:
	//   - An event that is stored already, or is in the batch twice, counts as duplicate if its values are the same.
	//     With other values it is parked as a conflict (ReasonConflict).
	//   - An event with a value that the database refuses is parked (ReasonUnstorable).
	//   - A reject is parked once by its key. Received again, it counts as duplicate and raises DeadLetter.Seen (I2).
	//   - A reject whose event has MaxOpenDeadLetters open dead letters is not stored. It counts as duplicate and raises
	//     Seen and Others of the last of them.
	//
	// An event that is stored supersedes the open dead letters of its id, except conflicts. Commit also adds the drift to the
	// stream's register.
	//
	// Errors:
	//   - Fenced or SetBack: the durable checkpoint is no longer b.At, see [Checkpoint.CheckMove].
	//   - BadPage: a page repeats an earlier page of its pass, or [End.Check] refuses the end of the pass.
	//   - Unconfirmed: [End.Check] requires a second answer that confirms the end.
	//   - Uncertain: the connection or ctx ended between COMMIT and its answer. Only Checkpoint can tell what happened.
	//   - Transient: Commit may be called again with the same batch.
	//   - TooManyRejects: a page has more rejects than its MaxParked that were not parked before. Those that are not stored
	//     count too.
	//
	// Commit reads b, and what b aliases, until it returns, and retains nothing of it.
	Commit(ctx context.Context, b Batch) (CommitResult, error)

	// Checkpoint returns the durable checkpoint, with the token of the claim that holds it. An unknown stream has epoch 0. If
	// a transaction holds the checkpoint, such as one whose COMMIT was not answered, Checkpoint waits for it, at most as long
	// as ctx and the store's lock timeout allow; after that it returns Transient.
	Checkpoint(ctx context.Context, stream StreamID) (Checkpoint, error)

	// Hold records that the rate limit allows no request before until, so that the next Claim reports it to a runner that
	// starts in the meantime. A second call replaces the first. Fenced or SetBack: the claim in at no longer holds the
	// stream, and nothing was written.
	Hold(ctx context.Context, at Checkpoint, until time.Time) error
}
