package domaintest

import (
	"context"

	"github.com/pawldata/pawl/internal/domain"
)

// A StoreUnderTest is an empty database, the stores on it, and ways to look at it that do not go through them.
type StoreUnderTest struct {
	Open  func() domain.EventStore // the store of one more runner
	Sever func(ctx context.Context, s domain.EventStore) error
	// Backup copies the database; restore puts the copy back, once, and cuts all connections.
	Backup func(ctx context.Context) (restore func(ctx context.Context) error, err error)
	Events func(ctx context.Context) (map[domain.EventID]domain.Event, error)
	Ledger func(ctx context.Context) ([]LedgerRow, error)
	// Letters are the dead letters in the order of parking; of the times in them only whether they are zero matters.
	Letters func(ctx context.Context) ([]domain.DeadLetter, error)
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
		{"the same batch again is refused and writes nothing", sameBatchAgain},
		{"a stale runner writes nothing", staleRunnerWritesNothing},
		{"a batch read elsewhere writes nothing", wrongPlaceWritesNothing},
		{"several pages commit together", severalPages},
		{"each page names the page that led to it", pagesNameTheirParents},
		{"the last event is that of the last page that has one", lastEventOfSeveralPages},
		{"a store changes and keeps nothing of its batch", batchStaysItself},
		{"streams do not disturb each other", streamsAreApart},

		{"a runner that lived through a restored backup is fenced by a later claim", setBackAndClaimed},
		{"a restored backup from before the claim is told apart", setBackBeforeClaim},
		{"a restored backup from after the claim is told apart", setBackAfterClaim},
		{"a database without the stream is told apart", setBackToNothing},
		{"the checkpoint names the claim that holds it", checkpointNamesClaim},

		{"a page that repeats an earlier one of its pass is refused", repeatedPage},
		{"an end is believed as far as the rows go", endsAreHeldAgainstRows},
		{"an end is not held against rows that another stream stored", endsOfSharedTable},
		{"a short end that the user accepts is noted", shortEndIsNoted},
		{"a hold is told to the next claim", holdIsTold},
		{"a stale runner cannot hold", staleRunnerCannotHold},

		{"a reject is parked with its bytes", rejectIsParked},
		{"a reject met again is a duplicate and raises seen", rejectMetAgain},
		{"records of one event that say different things are different letters", otherContent},
		{"what differs from a resolved letter is a new letter", afterResolved},
		{"of one event only so many letters are open", openLettersAreFew},
		{"a reject without an id is known by its bytes", rejectWithoutID},
		{"the same id with other values is a conflict and the first one stays", conflicts},
		{"an event that the database refuses is parked and the rest is stored", refusedIsParked},
		{"an event that the database refuses is parked where its id is stored", refusedAgain},
		{"a page of refused events is parked", allRefused},
		{"an event that is stored supersedes the open letter of its id", superseded},
		{"a letter is superseded by a later page of its batch", supersededInBatch},
		{"a letter is superseded by a later runner", supersededByLaterRunner},
		{"a page with more letters than it may add writes nothing", tooManyLetters},
		{"drift is new once", driftIsNewOnce},
	}
}
