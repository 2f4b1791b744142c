package domaintest

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

// A StoreUnderTest is an empty database with its stores. The functions Events, Ledger and Letters read the database directly,
// not through a store.
type StoreUnderTest struct {
	Open func() domain.EventStore // returns the store of a new runner
	// Sever cuts the connections of a runner, which does not notice. Another runner can then claim its stream.
	Sever func(ctx context.Context, s domain.EventStore) error
	// Backup copies the database. restore restores the copy, once, and cuts all connections.
	Backup func(ctx context.Context) (restore func(ctx context.Context) error, err error)
	Events func(ctx context.Context) (map[domain.EventID]domain.Event, error)
	Ledger func(ctx context.Context) ([]LedgerRow, error)
	// Letters returns the dead letters in the order of parking. Checks only use whether a time is zero.
	Letters func(ctx context.Context) ([]domain.DeadLetter, error)
}

// StoreChecks returns the checks of the contract of [domain.EventStore].
func StoreChecks() []Check[StoreUnderTest] {
	return []Check[StoreUnderTest]{
		{"a new stream begins at pass 1 with nothing", checkNewStream},
		{"every claim is a new epoch", checkClaimEpochs},
		{"a stream with pages reads from one sourceURL", checkOneSourceURL},
		{"a stream without pages may change its sourceURL", checkSourceURLChange},
		{"a second runner is fenced at once", checkSecondRunner},
		{"a commit stores every value and moves the checkpoint", checkCommitStoresAll},
		{"the checkpoint is read as it was committed", checkCheckpointRoundTrip},
		{"an empty page moves the checkpoint", checkEmptyPage},
		{"a stored event counts as duplicate and is not changed", checkDuplicateEvent},
		{"an event twice in one page is counted twice and stored once", checkDuplicateInPage},
		{"the same batch again writes nothing", checkSameBatchAgain},
		{"a stale runner writes nothing", checkStaleRunner},
		{"a batch read at another position writes nothing", checkWrongPosition},
		{"several pages commit together", checkSeveralPages},
		{"each page names the page that led to it", checkParentSeqs},
		{"the last event is that of the last page that has one", checkLastEvent},
		{"a store neither changes nor keeps its batch", checkBatchUnchanged},
		{"streams do not disturb each other", checkSeparateStreams},

		{"after a restored backup a later claim fences the old runner", checkSetBackAndClaimed},
		{"a restored backup from before the claim is detected", checkSetBackBeforeClaim},
		{"a restored backup from after the claim is detected", checkSetBackAfterClaim},
		{"a restored database without the stream is detected", checkSetBackToEmpty},
		{"the checkpoint names the claim that holds it", checkCheckpointToken},

		{"a page that repeats an earlier one of its pass is a bad page", checkRepeatedPage},
		{"an end is checked against the stored rows", checkEnds},
		{"a dead letter whose event is stored since does not count for an end", checkEndAfterSuperseded},
		{"an end is confirmed in a table that another stream uses", checkEndInSharedTable},
		{"an accepted short end is in the ledger", checkAcceptedShortEnd},
		{"the next claim returns the hold", checkHold},
		{"a stale runner cannot hold", checkStaleRunnerHold},

		{"a reject is parked with its bytes", checkRejectParked},
		{"a repeated reject is a duplicate and raises seen", checkRepeatedReject},
		{"different records of one event are different dead letters", checkDifferentRecords},
		{"a record that differs from a resolved dead letter is a new one", checkRecordAfterResolved},
		{"an event has a limited number of open dead letters", checkMaxOpenDeadLetters},
		{"rejects that are not stored count for the limit of a page", checkSurplusCounts},
		{"a reject without an id is identified by its bytes", checkRejectWithoutID},
		{"the same id with other values is a conflict and the first one stays", checkConflicts},
		{"an event that the database refuses is parked and the rest is stored", checkUnstorableEvent},
		{"an event that the database refuses is parked also if its id is stored", checkUnstorableDuplicate},
		{"a page of refused events is parked", checkAllUnstorable},
		{"a stored event supersedes the open dead letter of its id", checkSuperseded},
		{"a dead letter is superseded by a later page of its batch", checkSupersededInBatch},
		{"a dead letter is superseded by a later runner", checkSupersededByLaterRunner},
		{"a page with too many new dead letters writes nothing", checkTooManyDeadLetters},
		{"drift is reported as new once", checkNewDrift},
	}
}

// openAndClaim opens a runner's store and claims the stream with it.
func openAndClaim(ctx context.Context, under StoreUnderTest) (domain.EventStore, domain.Checkpoint, error) {
	s := under.Open()
	at, err := s.Claim(ctx, streamID(), sourceURL)
	return s, at, err
}

// wantStored checks that exactly these events of the series are stored.
func wantStored(ctx context.Context, under StoreUnderTest, numbers ...byte) error {
	got, err := under.Events(ctx)
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
