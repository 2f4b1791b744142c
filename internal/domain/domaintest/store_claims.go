package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// checkNewStream checks the checkpoint that the first claim of a stream returns.
func checkNewStream(ctx context.Context, db StoreUnderTest) error {
	_, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if checkpoint.Stream != streamID() || checkpoint.SourceURL != sourceURL {
		return fmt.Errorf("got stream %s from %s, want %s from %s", checkpoint.Stream, checkpoint.SourceURL, streamID(), sourceURL)
	}
	start := domain.Position{Pass: 1}
	if checkpoint.Seq != 0 || checkpoint.Position != start {
		return fmt.Errorf("got seq %d and position %+v, want seq 0 and %+v", checkpoint.Seq, checkpoint.Position, start)
	}
	return wantCounts(checkpoint.Counts, domain.Counts{})
}

// checkClaimEpochs claims the stream twice with the same runner. The second claim must have a greater epoch, and a commit with
// the first claim must be fenced.
func checkClaimEpochs(ctx context.Context, db StoreUnderTest) error {
	store, first, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	second, err := store.Claim(ctx, streamID(), sourceURL)
	if err != nil {
		return err
	}
	if second.Epoch <= first.Epoch {
		return fmt.Errorf("got epoch %d after %d, want a greater one", second.Epoch, first.Epoch)
	}
	_, err = store.Commit(ctx, batch(first, page(first.Position, 1)))
	return wantKind(err, domain.Fenced)
}

// checkOneSourceURL checks that a claim with another source URL fails if the stream has a page. After the failure, the runner's
// earlier claim must still be valid.
func checkOneSourceURL(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	res, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1)))
	if err != nil {
		return err
	}
	_, err = store.Claim(ctx, streamID(), "https://other.example/v1")
	if err := wantKind(err, domain.Invalid); err != nil {
		return err
	}
	if _, err = store.Commit(ctx, batch(res.Checkpoint, page(res.Checkpoint.Position, 2))); err != nil {
		return fmt.Errorf("commit after the failed claim: %w", err)
	}
	return nil
}

// checkSourceURLChange checks that a claim with another source URL also removes the hold, because the hold is about the rate
// limit of the former API.
func checkSourceURLChange(ctx context.Context, db StoreUnderTest) error {
	store, first, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if err := store.Hold(ctx, first, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	const other = "https://other.example/v1"
	checkpoint, err := store.Claim(ctx, streamID(), other)
	if err != nil {
		return err
	}
	if checkpoint.SourceURL != other {
		return fmt.Errorf("got source URL %s, want %s", checkpoint.SourceURL, other)
	}
	if !checkpoint.HeldUntil.IsZero() {
		return fmt.Errorf("got hold until %s, want none for the new URL", checkpoint.HeldUntil)
	}
	return nil
}

// checkSecondRunner checks that a second runner cannot claim the stream while the first runner is connected, and that the first
// runner can still commit. When the connections of the first runner are cut, the second runner can claim the stream.
func checkSecondRunner(ctx context.Context, db StoreUnderTest) error {
	first, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	second := db.Open()
	_, err = second.Claim(ctx, streamID(), sourceURL)
	if err := wantKind(err, domain.Fenced); err != nil {
		return err
	}
	if _, err := first.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1))); err != nil {
		return fmt.Errorf("commit of the first runner: %w", err)
	}
	if err := db.CutConnections(ctx, first); err != nil {
		return err
	}
	claimed, err := second.Claim(ctx, streamID(), sourceURL)
	if err != nil {
		return err
	}
	if claimed.Seq != checkpoint.Seq+1 || claimed.Epoch <= checkpoint.Epoch {
		return fmt.Errorf("second claim: got seq %d and epoch %d, want seq %d and an epoch greater than %d",
			claimed.Seq, claimed.Epoch, checkpoint.Seq+1, checkpoint.Epoch)
	}
	return nil
}

// checkStaleRunner checks that a runner is fenced after another runner has claimed the stream. The other runner commits
// nothing, so the seq is unchanged and only the claim in the checkpoint differs.
func checkStaleRunner(ctx context.Context, db StoreUnderTest) error {
	stale, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if err := db.CutConnections(ctx, stale); err != nil {
		return err
	}
	if _, _, err := openAndClaim(ctx, db); err != nil {
		return err
	}
	err = retryTransient(func() error {
		_, err := stale.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1)))
		return err
	})
	if err := wantKind(err, domain.Fenced); err != nil {
		return err
	}
	return wantNoneStored(ctx, db)
}

// maxCalls is more calls than a store needs to notice that its connections were cut.
const maxCalls = 5

// retryTransient repeats the call while it returns a Transient error, up to maxCalls times, and returns the last error. A store may
// return Transient from the call in which it notices that its connections were cut.
func retryTransient(call func() error) (err error) {
	for range maxCalls {
		if err = call(); domain.KindOf(err) != domain.Transient {
			break
		}
	}
	return err
}

// checkSeparateStreams commits a page of another stream, and checks that the checkpoint of the checks' stream does not move.
func checkSeparateStreams(ctx context.Context, db StoreUnderTest) error {
	_, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	other := db.Open()
	otherCheckpoint, err := other.Claim(ctx, otherStreamID(), "https://other.example/v1")
	if err != nil {
		return err
	}
	if _, err := other.Commit(ctx, batch(otherCheckpoint, page(otherCheckpoint.Position, 1, 2))); err != nil {
		return err
	}
	got, err := other.Checkpoint(ctx, checkpoint.Stream)
	if err != nil {
		return err
	}
	if got.Seq != 0 || got.Received != 0 {
		return fmt.Errorf("got checkpoint %+v after the commit of another stream, want %+v", got, checkpoint)
	}
	return wantStored(ctx, db, 1, 2)
}

// claimAfterBackup commits event 1 and makes a backup. Then it claims the stream again with the same runner, and commits the
// events 2 and 3 in one page each. It returns the checkpoint after event 3, and a function that restores the backup.
func claimAfterBackup(ctx context.Context, db StoreUnderTest) (
	runner domain.EventStore, checkpoint domain.Checkpoint, restore func(context.Context) error, err error,
) {
	runner, first, err := openAndClaim(ctx, db)
	if err != nil {
		return nil, checkpoint, nil, err
	}
	if _, err := runner.Commit(ctx, batch(first, page(first.Position, 1))); err != nil {
		return nil, checkpoint, nil, err
	}
	if restore, err = db.Backup(ctx); err != nil {
		return nil, checkpoint, nil, err
	}
	if checkpoint, err = runner.Claim(ctx, streamID(), sourceURL); err != nil {
		return nil, checkpoint, nil, err
	}
	for n := byte(2); n <= 3; n++ {
		res, err := runner.Commit(ctx, batch(checkpoint, page(checkpoint.Position, n)))
		if err != nil {
			return nil, checkpoint, nil, err
		}
		checkpoint = res.Checkpoint
	}
	return runner, checkpoint, restore, nil
}

// wantCommitError returns an error unless a commit of event 9 from checkpoint fails with this kind.
func wantCommitError(ctx context.Context, runner domain.EventStore, checkpoint domain.Checkpoint, kind domain.Kind) error {
	err := retryTransient(func() error {
		_, err := runner.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 9)))
		return err
	})
	return wantKind(err, kind)
}

// checkSetBackAndClaimed checks that a runner is fenced by the claim that a second runner makes after a restore. Only the token
// differs:
//   - Both claims have the same epoch, because the restore set the epoch back.
//   - The second runner reaches the same seq and position, with other pages.
func checkSetBackAndClaimed(ctx context.Context, db StoreUnderTest) error {
	stale, checkpoint, restore, err := claimAfterBackup(ctx, db)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	second, otherCheckpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if otherCheckpoint.Epoch != checkpoint.Epoch || otherCheckpoint.Token == checkpoint.Token {
		return fmt.Errorf("second claim: got epoch %d and token %s, want epoch %d and another token than %s",
			otherCheckpoint.Epoch, otherCheckpoint.Token, checkpoint.Epoch, checkpoint.Token)
	}
	// Two pages, as the first runner committed after its claim.
	for _, p := range []domain.DecodedPage{page(otherCheckpoint.Position, 4, 5), page(otherCheckpoint.Position, 6)} {
		p.To = checkpoint.Position
		res, err := second.Commit(ctx, batch(otherCheckpoint, p))
		if err != nil {
			return err
		}
		otherCheckpoint = res.Checkpoint
	}
	if otherCheckpoint.Seq != checkpoint.Seq {
		return fmt.Errorf("second runner: got seq %d, want %d as of the first runner", otherCheckpoint.Seq, checkpoint.Seq)
	}
	if err := wantCommitError(ctx, stale, checkpoint, domain.Fenced); err != nil {
		return err
	}
	return wantStored(ctx, db, 1, 4, 5, 6)
}

// checkSetBackBeforeClaim restores a backup from before the runner's claim. The durable checkpoint then has a smaller epoch.
func checkSetBackBeforeClaim(ctx context.Context, db StoreUnderTest) error {
	stale, checkpoint, restore, err := claimAfterBackup(ctx, db)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := wantCommitError(ctx, stale, checkpoint, domain.SetBack); err != nil {
		return err
	}
	return wantStored(ctx, db, 1)
}

// checkSetBackAfterClaim restores a backup from after the runner's claim and before its commit. The durable checkpoint then
// has the runner's claim, but a smaller seq.
func checkSetBackAfterClaim(ctx context.Context, db StoreUnderTest) error {
	runner, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	restore, err := db.Backup(ctx)
	if err != nil {
		return err
	}
	res, err := runner.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1)))
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := wantCommitError(ctx, runner, res.Checkpoint, domain.SetBack); err != nil {
		return err
	}
	return wantNoneStored(ctx, db)
}

// checkSetBackToEmpty restores a backup of the empty database. There is then no durable checkpoint.
func checkSetBackToEmpty(ctx context.Context, db StoreUnderTest) error {
	restore, err := db.Backup(ctx)
	if err != nil {
		return err
	}
	runner, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := wantCommitError(ctx, runner, checkpoint, domain.SetBack); err != nil {
		return err
	}
	durable, err := runner.Checkpoint(ctx, streamID())
	if err != nil {
		return err
	}
	if durable.Epoch != 0 {
		return fmt.Errorf("got checkpoint %+v of a missing stream, want epoch 0", durable)
	}
	return wantNoneStored(ctx, db)
}

// checkCheckpointToken checks that Checkpoint returns the token of the newest claim, and not the token of the runner that asks.
// A runner compares this token with its own token when it looks up a COMMIT that was not answered.
func checkCheckpointToken(ctx context.Context, db StoreUnderTest) error {
	stale, checkpoint, restore, err := claimAfterBackup(ctx, db)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	_, otherCheckpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	var durable domain.Checkpoint
	err = retryTransient(func() (err error) {
		durable, err = stale.Checkpoint(ctx, streamID())
		return err
	})
	if err != nil {
		return err
	}
	if otherCheckpoint.Token == checkpoint.Token {
		return fmt.Errorf("got the same token %s from two claims, want another one", checkpoint.Token)
	}
	if durable.Token != otherCheckpoint.Token {
		return fmt.Errorf("got token %s, want %s of the newest claim", durable.Token, otherCheckpoint.Token)
	}
	return nil
}
