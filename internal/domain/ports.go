package domain

import (
	"context"
	"time"
)

// An EventSource reads the pages of an API.
type EventSource interface {
	// FetchPage makes one attempt and never sleeps. The page has all records of the answer, in the API's order. The caller
	// owns the bytes of the page. A request changes only the quota at the API, so the caller may repeat it.
	//
	// On failure FetchPage returns an *Error of one of these kinds:
	//   - RateLimited: the rate limit allows no request before Error.Until. If FetchPage knew this before it sent anything,
	//     it sent nothing, and Error.Unsent is true.
	//   - Transient: the same request may succeed later.
	//   - BadPage: the answer is incomplete, ambiguous or too large. FetchPage never returns a part of such an answer as a
	//     page, and never takes such an answer for the end of the stream.
	//   - CursorExpired or CursorInvalid: the API does not accept the cursor.
	//   - Unauthorized or Invalid: the same request cannot succeed.
	//   - Stopped: ctx ended. FetchPage returns as soon as ctx ends.
	FetchPage(ctx context.Context, req PageRequest) (Page, error)
}

// A Decoder turns records into events.
type Decoder interface {
	// Decode returns the event in the record, and the drift that the record shows. If the record cannot become an event,
	// Decode returns a *Rejection. It returns no other error. An unexpected field is no error: Decode stores the field in
	// Event.Extra and reports drift.
	//
	// The same record always gives the same result. Decode does no I/O and is safe for concurrent use. It never changes the
	// record's payload. The byte slices and the texts of the event may point into that payload, which must then never change.
	Decode(r Record) (Event, []Drift, error)

	// Hash returns a hash of the record's content. An API may send the same content again with other bytes, for example with
	// its fields in another order: then the hash is the same. Different contents have different hashes. Hash accepts any
	// bytes, does no I/O and is safe for concurrent use.
	Hash(r Record) RecordHash
}

// An EventStore stores events together with the checkpoint of their stream. Each runner has its own EventStore. Only one
// goroutine at a time may use it, but Hold and StepBack may be called while another goroutine is in Commit or Checkpoint.
type EventStore interface {
	// Claim makes this runner the only writer of the stream and returns the durable checkpoint. Each call makes a new claim
	// with a new epoch and a new random token, even if this runner holds the stream already. The claim stays valid after ctx
	// ends. A new stream begins at pass 1 and seq 0, without a cursor.
	//
	// Claim makes one attempt and does not wait for another runner. It returns one of these kinds of error:
	//   - Fenced: another runner holds the stream. Error.Holder says whether that runner seems to be alive.
	//   - Invalid: the stream has pages from another source URL.
	//   - Transient: the claim may succeed later.
	//
	// The store may be unable to see another runner, because that runner has lost its connection, or its lease has ended. Then the
	// claim succeeds, and the other runner can no longer write: only the newest claim may write (I3).
	Claim(ctx context.Context, stream StreamID, sourceURL string) (Checkpoint, error)

	// Commit does all of this in one transaction:
	//   - It stores the batch's events.
	//   - It parks the batch's rejects.
	//   - It writes one row into the ledger for each page.
	//   - It adds the pages' drift to the stream's drift register.
	//   - It moves the checkpoint from b.Start to the position after the last page. Nothing else moves a checkpoint, except that the user
	//     can reset it to the head of the stream (CheckpointReset). A reset ends the claim, as a claim of another runner would.
	//
	// If Commit returns nil, the batch is durable. If it returns an error other than Uncertain, it has written nothing.
	//
	// Commit counts each record once:
	//   - An event whose id is stored already, or occurs earlier in the batch, counts as duplicate if the values are the
	//     same. If the values differ, its record is parked as a conflict (ReasonConflict).
	//   - If the database refuses a value of an event, the record is parked (ReasonUnstorable).
	//   - A reject is parked once by its key. Each later reject with this key counts as duplicate and raises DeadLetter.Seen (I2).
	//   - If the event of a reject has MaxOpenDeadLetters open dead letters already, the reject is not stored. It counts as
	//     duplicate and raises Seen and Others of the last of these dead letters.
	//
	// If an event of the batch is stored, by this call or before, Commit resolves the open dead letters of the event's id as
	// superseded. Dead letters with ReasonConflict stay open.
	//
	// Commit returns one of these kinds of error:
	//   - Fenced or SetBack: the durable checkpoint is no longer b.Start, see [Checkpoint.CheckMove].
	//   - BadPage: a page repeats an earlier page of its pass, one that ends at or before its start (Error.Repeats), or
	//     [EndEvidence.Check] returned BadPage for the end of the pass.
	//   - Unconfirmed: [EndEvidence.Check] requires a second answer that confirms the end.
	//   - TooManyRejects: a page has more than MaxParked rejects that were not parked before. A reject that is not stored
	//     because of MaxOpenDeadLetters counts too.
	//   - Uncertain: the connection or ctx ended after COMMIT was sent and before the answer came. The caller must read the
	//     durable checkpoint to learn whether the transaction was committed.
	//   - Transient: the caller may call Commit again with the same batch.
	//
	// Commit may begin to store the pages of b.Next, so that a later Commit of exactly these pages takes less time. They are not stored
	// before that Commit. A later Commit of other pages, and the end of the store, drop them.
	//
	// Commit does not change b, nor the memory that b points to. After it returns, it keeps no reference to b.Pages. The pages of b.Next
	// must stay unchanged until the next Commit returns, or until the store has ended.
	Commit(ctx context.Context, b Batch) (CommitResult, error)

	// Checkpoint returns the durable checkpoint, with the token of the claim that holds the stream. For an unknown stream,
	// the checkpoint has epoch 0. A transaction whose COMMIT was not answered may still lock the checkpoint. Then Checkpoint
	// waits until that transaction ends. It returns Transient if the store's lock timeout passes first.
	Checkpoint(ctx context.Context, stream StreamID) (Checkpoint, error)

	// StepBack returns where the page begins that is this number of pages before the durable end of the stream: 1 is the last stored page, 2
	// is its parent, and so on. It follows the ledger within the pass. It returns false if this leads to the head of the pass or to no page
	// of the pass. It changes nothing, and it may be called while another goroutine is in Commit.
	StepBack(ctx context.Context, stream StreamID, pass int64, pages int) (start PageStart, ok bool, err error)

	// Hold records that the rate limit allows no request before until. The next Claim then reports this time in
	// Checkpoint.HeldUntil. So a runner that starts before that time sends no request until then. A second call replaces
	// the recorded time. If the claim in checkpoint no longer holds the stream, Hold returns Fenced or SetBack and writes
	// nothing.
	Hold(ctx context.Context, checkpoint Checkpoint, until time.Time) error
}
