package replay

import (
	"context"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// A Store keeps dead letters beside the events. Each method makes one attempt.
type Store interface {
	// Survey says what a selection comes to. A stream that was never claimed is Invalid.
	Survey(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection) (domain.SelectionCount, error)

	// Open reads those of the chosen letters that are open and have an id greater than after and at most last, in order
	// of id, with their payloads: as many as the store finds fit for one Replay in number and in bytes, and at least one
	// if there is any.
	Open(ctx context.Context, stream domain.StreamID, chosen domain.DeadLetterSelection, after, last int64) ([]domain.DeadLetter, error)

	// Replay stores a batch's events, resolves the letters of those that are stored now (replayed) or were stored with
	// the same values (duplicate), and leaves the others open with what is wrong with them now: rejected, refused by the
	// database, or in conflict with the event that is stored. It does so in one transaction with one ledger row of its
	// own, all or nothing, beside a run and other replays, whom it makes wait and disturbs in nothing else: the checkpoint
	// stays as it is. Letters that were resolved meanwhile are left out; if none is left it writes nothing.
	//
	// Transient: nothing was written. Uncertain: the connection or ctx ended between COMMIT and its answer. Either way
	// what is open now may be read and replayed again: a letter that is resolved stays as it is, and one that was parked
	// again is merely replayed once more. It reads the batch until it returns, and keeps nothing of it.
	Replay(ctx context.Context, batch domain.Replay) (domain.ReplayResult, error)
}

// An Observer is told what happens, in order and from the goroutine of Run, which waits for it: it must be quick.
type Observer interface {
	// Surveyed: this is what will be replayed.
	Surveyed(survey domain.SelectionCount)
	// Waiting: nothing happens until w.Until, because of w.Err.
	Waiting(w retry.Wait)
	// Replayed: one more batch is durable, and this is all until now.
	Replayed(report Report)
}
