package domaintest

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/domain"
)

// backedUp commits a page, makes a backup, and then claims the stream once more and commits two pages behind it.
func backedUp(ctx context.Context, under StoreUnderTest) (
	runner domain.EventStore, at domain.Checkpoint, restore func(context.Context) error, err error,
) {
	runner, first, err := claimed(ctx, under)
	if err != nil {
		return nil, at, nil, err
	}
	if _, err := runner.Commit(ctx, batch(first, page(first.Position, 1))); err != nil {
		return nil, at, nil, err
	}
	if restore, err = under.Backup(ctx); err != nil {
		return nil, at, nil, err
	}
	if at, err = runner.Claim(ctx, streamID(), origin); err != nil {
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

// refusedWith commits a page of event 9 and expects an error of a kind. It tries again while the runner has to find out
// that its connections are gone.
func refusedWith(ctx context.Context, runner domain.EventStore, at domain.Checkpoint, kind domain.Kind) (err error) {
	for range 5 {
		_, err = runner.Commit(ctx, batch(at, page(at.Position, 9)))
		if domain.KindOf(err) != domain.Transient {
			break
		}
	}
	return wantKind(err, kind)
}

// setBackAndClaimed is why a counted epoch is no fence: the later claim gets the same epoch, and reaches the same seq with
// other pages.
func setBackAndClaimed(ctx context.Context, under StoreUnderTest) error {
	stale, at, restore, err := backedUp(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	second, theirs, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if theirs.Epoch != at.Epoch || theirs.Token == at.Token {
		return fmt.Errorf("the later claim has epoch %d and token %s, the earlier one epoch %d and token %s", theirs.Epoch, theirs.Token, at.Epoch, at.Token)
	}
	for _, p := range []domain.DecodedPage{page(theirs.Position, 4, 5), page(theirs.Position, 6)} {
		p.To = at.Position // the same place, by other pages
		res, err := second.Commit(ctx, batch(theirs, p))
		if err != nil {
			return err
		}
		theirs = res.Checkpoint
	}
	if theirs.Seq != at.Seq {
		return fmt.Errorf("seq %d and %d", theirs.Seq, at.Seq)
	}
	if err := refusedWith(ctx, stale, at, domain.Fenced); err != nil {
		return err
	}
	return stored(ctx, under, 1, 4, 5, 6)
}

func setBackBeforeClaim(ctx context.Context, under StoreUnderTest) error {
	stale, at, restore, err := backedUp(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := refusedWith(ctx, stale, at, domain.SetBack); err != nil {
		return err
	}
	return stored(ctx, under, 1)
}

func setBackAfterClaim(ctx context.Context, under StoreUnderTest) error {
	runner, at, err := claimed(ctx, under)
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
	if err := refusedWith(ctx, runner, res.Checkpoint, domain.SetBack); err != nil {
		return err
	}
	return stored(ctx, under)
}

func setBackToNothing(ctx context.Context, under StoreUnderTest) error {
	restore, err := under.Backup(ctx)
	if err != nil {
		return err
	}
	runner, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	if err := refusedWith(ctx, runner, at, domain.SetBack); err != nil {
		return err
	}
	durable, err := runner.Checkpoint(ctx, streamID())
	if err != nil {
		return err
	}
	if durable.Epoch != 0 {
		return fmt.Errorf("a stream that is not there has %+v", durable)
	}
	return stored(ctx, under)
}

// checkpointNamesClaim checks what settles a lost COMMIT: the token tells whose checkpoint it is.
func checkpointNamesClaim(ctx context.Context, under StoreUnderTest) error {
	stale, at, restore, err := backedUp(ctx, under)
	if err != nil {
		return err
	}
	if err := restore(ctx); err != nil {
		return err
	}
	_, theirs, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	var durable domain.Checkpoint
	for range 5 {
		durable, err = stale.Checkpoint(ctx, streamID())
		if domain.KindOf(err) != domain.Transient { // it may have to find out that its connections are gone
			break
		}
	}
	if err != nil {
		return err
	}
	if durable.Token != theirs.Token || durable.Token == at.Token {
		return fmt.Errorf("the checkpoint names %s, the claim that holds it %s", durable.Token, theirs.Token)
	}
	return nil
}
