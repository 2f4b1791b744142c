package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func checkNewStream(ctx context.Context, under StoreUnderTest) error {
	_, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if at.Stream != streamID() || at.SourceURL != sourceURL || at.Seq != 0 || at.Counts != (domain.Counts{}) ||
		at.Position != (domain.Position{Pass: 1}) {
		return fmt.Errorf("got checkpoint %+v", at)
	}
	return nil
}

func checkClaimEpochs(ctx context.Context, under StoreUnderTest) error {
	s, first, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	second, err := s.Claim(ctx, streamID(), sourceURL)
	if err != nil {
		return err
	}
	if second.Epoch <= first.Epoch {
		return fmt.Errorf("got epoch %d after %d, want a greater one", second.Epoch, first.Epoch)
	}
	_, err = s.Commit(ctx, batch(first, page(first.Position, 1)))
	return wantKind(err, domain.Fenced)
}

func checkOneSourceURL(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	res, err := s.Commit(ctx, batch(at, page(at.Position, 1)))
	if err != nil {
		return err
	}
	_, err = s.Claim(ctx, streamID(), "https://other.example/v1")
	if err := wantKind(err, domain.Invalid); err != nil {
		return err
	}
	_, err = s.Commit(ctx, batch(res.Checkpoint, page(res.Checkpoint.Position, 2))) // the failed claim used no epoch
	return err
}

func checkSourceURLChange(ctx context.Context, under StoreUnderTest) error {
	s, first, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if err := s.Hold(ctx, first, time.Now().Add(time.Hour)); err != nil {
		return err
	}
	const other = "https://other.example/v1"
	at, err := s.Claim(ctx, streamID(), other)
	if err != nil {
		return err
	}
	if at.SourceURL != other || !at.HeldUntil.IsZero() {
		return fmt.Errorf("got source URL %s, held until %s; want the new URL and no hold", at.SourceURL, at.HeldUntil)
	}
	return nil
}

func checkSecondRunner(ctx context.Context, under StoreUnderTest) error {
	first, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	second := under.Open()
	_, err = second.Claim(ctx, streamID(), sourceURL)
	if err := wantKind(err, domain.Fenced); err != nil {
		return err
	}
	if _, err := first.Commit(ctx, batch(at, page(at.Position, 1))); err != nil {
		return fmt.Errorf("commit of the first runner: %w", err)
	}
	if err := under.Sever(ctx, first); err != nil {
		return err
	}
	later, err := second.Claim(ctx, streamID(), sourceURL)
	if err != nil {
		return err
	}
	if later.Seq != at.Seq+1 || later.Epoch <= at.Epoch {
		return fmt.Errorf("second claim: got %+v", later)
	}
	return nil
}

func checkStaleRunner(ctx context.Context, under StoreUnderTest) error {
	stale, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if err := under.Sever(ctx, stale); err != nil {
		return err
	}
	if _, _, err := openAndClaim(ctx, under); err != nil {
		return err
	}
	// The new runner has committed nothing, so the seq is still the same and only the epoch differs.
	for range 5 {
		_, err = stale.Commit(ctx, batch(at, page(at.Position, 1)))
		if domain.KindOf(err) != domain.Transient { // it may first have to notice that its connections are cut
			break
		}
	}
	if err := wantKind(err, domain.Fenced); err != nil {
		return err
	}
	return wantStored(ctx, under)
}

func checkSeparateStreams(ctx context.Context, under StoreUnderTest) error {
	_, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	other := under.Open()
	theirs, err := other.Claim(ctx, domain.StreamID{Source: "checks", Partition: "2"}, "https://other.example/v1")
	if err != nil {
		return err
	}
	if _, err := other.Commit(ctx, batch(theirs, page(theirs.Position, 1, 2))); err != nil {
		return err
	}
	unmoved, err := other.Checkpoint(ctx, at.Stream)
	if err != nil {
		return err
	}
	if unmoved.Seq != 0 || unmoved.Received != 0 {
		return fmt.Errorf("another stream's commit moved this one to %+v", unmoved)
	}
	return wantStored(ctx, under, 1, 2)
}

// claimAfterBackup commits a page and makes a backup. Then it claims the stream again and commits two pages.
func claimAfterBackup(ctx context.Context, under StoreUnderTest) (
	runner domain.EventStore, at domain.Checkpoint, restore func(context.Context) error, err error,
) {
	runner, first, err := openAndClaim(ctx, under)
	if err != nil {
		return nil, at, nil, err
	}
	if _, err := runner.Commit(ctx, batch(first, page(first.Position, 1))); err != nil {
		return nil, at, nil, err
	}
	if restore, err = under.Backup(ctx); err != nil {
		return nil, at, nil, err
	}
	if at, err = runner.Claim(ctx, streamID(), sourceURL); err != nil {
		return nil, at, nil, err
	}
	for n := byte(2); n <= 3; n++ {
		res, err := runner.Commit(ctx, batch(at, page(at.Position, n)))
		if err != nil {
			return nil, at, nil, err
		}
		at = res.Checkpoint
	}
	return runner, at, restore, nil
}

// wantCommitError checks that a commit of event 9 fails with a kind. It tries again while the runner has to notice that its
// connections are cut.
func wantCommitError(ctx context.Context, runner domain.EventStore, at domain.Checkpoint, kind domain.Kind) (err error) {
	for range 5 {
		_, err = runner.Commit(ctx, batch(at, page(at.Position, 9)))
		if domain.KindOf(err) != domain.Transient {
			break
		}
	}
	return wantKind(err, kind)
}

// checkSetBackAndClaimed shows why a counted epoch is no fence: the later claim gets the same epoch, and reaches the same
// seq with other pages.
func checkSetBackAndClaimed(ctx context.Context, under StoreUnderTest) error {
	stale, at, restore, err := claimAfterBackup(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	second, theirs, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if theirs.Epoch != at.Epoch || theirs.Token == at.Token {
		return fmt.Errorf("the later claim has epoch %d and token %s, the earlier one epoch %d and token %s",
			theirs.Epoch, theirs.Token, at.Epoch, at.Token)
	}
	for _, p := range []domain.DecodedPage{page(theirs.Position, 4, 5), page(theirs.Position, 6)} {
		p.To = at.Position // the same position, with other pages
		res, err := second.Commit(ctx, batch(theirs, p))
		if err != nil {
			return err
		}
		theirs = res.Checkpoint
	}
	if theirs.Seq != at.Seq {
		return fmt.Errorf("got seqs %d and %d, want the same", theirs.Seq, at.Seq)
	}
	if err := wantCommitError(ctx, stale, at, domain.Fenced); err != nil {
		return err
	}
	return wantStored(ctx, under, 1, 4, 5, 6)
}

func checkSetBackBeforeClaim(ctx context.Context, under StoreUnderTest) error {
	stale, at, restore, err := claimAfterBackup(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := wantCommitError(ctx, stale, at, domain.SetBack); err != nil {
		return err
	}
	return wantStored(ctx, under, 1)
}

func checkSetBackAfterClaim(ctx context.Context, under StoreUnderTest) error {
	runner, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	restore, err := under.Backup(ctx)
	if err != nil {
		return err
	}
	res, err := runner.Commit(ctx, batch(at, page(at.Position, 1)))
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := wantCommitError(ctx, runner, res.Checkpoint, domain.SetBack); err != nil {
		return err
	}
	return wantStored(ctx, under)
}

func checkSetBackToEmpty(ctx context.Context, under StoreUnderTest) error {
	restore, err := under.Backup(ctx)
	if err != nil {
		return err
	}
	runner, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := wantCommitError(ctx, runner, at, domain.SetBack); err != nil {
		return err
	}
	durable, err := runner.Checkpoint(ctx, streamID())
	if err != nil {
		return err
	}
	if durable.Epoch != 0 {
		return fmt.Errorf("got checkpoint %+v of a missing stream, want epoch 0", durable)
	}
	return wantStored(ctx, under)
}

// checkCheckpointToken checks that Checkpoint returns the token of the current claim. It decides what happened to a lost COMMIT.
func checkCheckpointToken(ctx context.Context, under StoreUnderTest) error {
	stale, at, restore, err := claimAfterBackup(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	_, theirs, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	var durable domain.Checkpoint
	for range 5 {
		durable, err = stale.Checkpoint(ctx, streamID())
		if domain.KindOf(err) != domain.Transient { // it may first have to notice that its connections are cut
			break
		}
	}
	if err != nil {
		return err
	}
	if durable.Token != theirs.Token || durable.Token == at.Token {
		return fmt.Errorf("got token %s, want %s of the current claim", durable.Token, theirs.Token)
	}
	return nil
}
