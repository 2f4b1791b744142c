package domaintest

import (
	"context"

	"github.com/pawldata/pawl/internal/domain"
)

// A StoreUnderTest is an empty database, the stores on it, and ways to look at it that do not go through them.
type StoreUnderTest struct {
	Open   func() domain.EventStore // the store of one more runner
	Sever  func(ctx context.Context, s domain.EventStore) error
	Events func(ctx context.Context) (map[domain.EventID]domain.Event, error)
	Ledger func(ctx context.Context) ([]LedgerRow, error)
}

// StoreChecks are the contract of domain.EventStore.
func StoreChecks() []Check[StoreUnderTest] {
	return []Check[StoreUnderTest]{
		{"a new stream begins at pass 1 with nothing", newStreamBeginsAtNothing},
		{"every claim is a new epoch", everyClaimIsANewEpoch},
		{"a stream with pages reads from one origin", oneOrigin},
		{"a stream without pages may change its origin", originMayChange},
		{"a second runner is told at once", secondRunnerIsTold},
		{"a commit stores every value and moves the checkpoint", commitStoresEverything},
		{"the checkpoint comes back as it was committed", checkpointComesBack},
		{"a page of nothing moves the checkpoint", emptyPageMoves},
		{"an event stored already is counted and not touched", storedOnce},
		{"an event twice in one page is counted twice and stored once", repeatedInPage},
		{"the same batch again is fenced and writes nothing", sameBatchAgain},
		{"a stale runner writes nothing", staleRunnerWritesNothing},
		{"a batch read elsewhere writes nothing", wrongSeqWritesNothing},
		{"several pages commit together", severalPages},
		{"a refused value leaves nothing of its batch", refusedValueLeavesNothing},
		{"a store keeps nothing of its batch", keepsNothing},
		{"streams do not disturb each other", streamsAreApart},
	}
}
