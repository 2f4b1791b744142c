package domaintest

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

// A StoreUnderTest gives access to an empty database. Open returns the stores that the checks test. Events, Ledger and Letters
// do not use these stores: they read the database directly.
type StoreUnderTest struct {
	// Open returns the store of a new runner.
	Open func() domain.EventStore
	// CutConnections cuts the connections of the runner that uses the store, without informing the runner. Another runner can
	// then claim the runner's stream.
	CutConnections func(ctx context.Context, store domain.EventStore) error
	// Backup copies the database. restore replaces the database by the copy and cuts all connections. A check calls restore
	// at most once.
	Backup func(ctx context.Context) (restore func(ctx context.Context) error, err error)
	// Events returns the stored events.
	Events func(ctx context.Context) (map[domain.EventID]domain.Event, error)
	// Ledger returns the rows of the ledger in the order of commits.
	Ledger func(ctx context.Context) ([]LedgerRow, error)
	// Letters returns the dead letters in the order of parking. Their times need not be exact: the checks only use whether a
	// time is zero.
	Letters func(ctx context.Context) ([]domain.DeadLetter, error)
}

// StoreChecks returns the checks of the contract of [domain.EventStore].
func StoreChecks() []Check[StoreUnderTest] {
	return []Check[StoreUnderTest]{
		{"a new stream begins at pass 1 with all counts 0", checkNewStream},
		{"every claim is a new epoch", checkClaimEpochs},
		{"the source URL of a stream with pages cannot change", checkOneSourceURL},
		{"the source URL of a stream without pages can change", checkSourceURLChange},
		{"a second runner is fenced at once", checkSecondRunner},
		{"a commit stores every value and moves the checkpoint", checkCommitStoresAll},
		{"the checkpoint is read as it was committed", checkCheckpointRoundTrip},
		{"an empty page moves the checkpoint", checkEmptyPage},
		{"a stored event counts as duplicate and is not changed", checkDuplicateEvent},
		{"an event twice in one page is counted twice and stored once", checkDuplicateInPage},
		{"a second batch from the same checkpoint writes nothing", checkSecondBatchFromCheckpoint},
		{"a stale runner writes nothing", checkStaleRunner},
		{"a batch read at another position writes nothing", checkWrongPosition},
		{"several pages commit together", checkSeveralPages},
		{"each page names its parent page", checkParentSeqs},
		{"the last event is the last one of the last page with events", checkLastEvent},
		{"pages that follow a batch are stored only by their own commit", checkNextPages},
		{"a store neither changes its batch nor retains parts of it", checkBatchUnchanged},
		{"streams do not disturb each other", checkSeparateStreams},

		{"after a restored backup a new claim fences the old runner", checkSetBackAndClaimed},
		{"a runner detects a restored backup from before its claim", checkSetBackBeforeClaim},
		{"a runner detects a restored backup from after its claim", checkSetBackAfterClaim},
		{"a runner detects a restored backup without its stream", checkSetBackToEmpty},
		{"the checkpoint has the token of the newest claim", checkCheckpointToken},

		{"a page that repeats an earlier one of its pass is a bad page", checkRepeatedPage},
		{"stepping back follows the ledger within the pass", checkStepBack},
		{"a claim reports a cursor that leads back", checkLeadsBack},
		{"an end is checked against the stored rows", checkEnds},
		{"a record that was parked and then stored counts once for an end", checkEndAfterSuperseded},
		{"an end needs a confirmation if another stream uses the table", checkEndInSharedTable},
		{"an accepted short end is marked in the ledger", checkAcceptedShortEnd},
		{"the next claim returns the hold", checkHold},
		{"a stale runner cannot hold", checkStaleRunnerHold},

		{"a reject is parked with its bytes", checkRejectParked},
		{"a repeated reject is a duplicate and raises seen", checkRepeatedReject},
		{"different records of one event are different dead letters", checkDifferentRecords},
		{"a record that differs from a resolved dead letter is a new dead letter", checkRecordAfterResolved},
		{"an event has a limited number of open dead letters", checkMaxOpenDeadLetters},
		{"rejects that are not stored count for the limit of a page too", checkSurplusCounts},
		{"a reject without an id is identified by its bytes", checkRejectWithoutID},
		{"a stored id with other values is a conflict and the stored event stays", checkConflicts},
		{"an event that the database refuses is parked and the others are stored", checkUnstorableEvent},
		{"an event that the database refuses is parked even if its id is stored", checkUnstorableDuplicate},
		{"a page with only refused events is parked", checkAllUnstorable},
		{"a stored event supersedes the open dead letter of its id", checkSuperseded},
		{"a page supersedes a dead letter from an earlier page of its batch", checkSupersededInBatch},
		{"a runner supersedes a dead letter from an earlier runner", checkSupersededByLaterRunner},
		{"a page with too many new dead letters writes nothing", checkTooManyDeadLetters},
		{"drift is reported as new only once", checkNewDrift},
	}
}

// openAndClaim opens the store of a new runner, and claims the stream of the checks with it.
func openAndClaim(ctx context.Context, db StoreUnderTest) (domain.EventStore, domain.Checkpoint, error) {
	store := db.Open()
	checkpoint, err := store.Claim(ctx, streamID(), sourceURL)
	return store, checkpoint, err
}

// wantNoneStored returns an error if an event is stored.
func wantNoneStored(ctx context.Context, db StoreUnderTest) error { return wantStored(ctx, db) }

// wantStored returns an error unless exactly the events of the series with these numbers are stored.
func wantStored(ctx context.Context, db StoreUnderTest, numbers ...byte) error {
	got, err := db.Events(ctx)
	if err != nil {
		return err
	}
	if len(got) != len(numbers) {
		return fmt.Errorf("got %d events, want %d", len(got), len(numbers))
	}
	for _, n := range numbers {
		if err := compareEvents(got[event(n).ID], event(n)); err != nil {
			return fmt.Errorf("event %d: %w", n, err)
		}
	}
	return nil
}
