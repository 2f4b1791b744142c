package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func newStreamBeginsAtNothing(ctx context.Context, under StoreUnderTest) error {
	_, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if at.Stream != streamID() || at.SourceURL != origin || at.Seq != 0 || at.Counts != (domain.Counts{}) ||
		at.Position != (domain.Position{Pass: 1}) {
		return fmt.Errorf("it begins at %+v", at)
	}
	return nil
}

func everyClaimIsANewEpoch(ctx context.Context, under StoreUnderTest) error {
	s, first, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	second, err := s.Claim(ctx, streamID(), origin)
	if err != nil {
		return err
	}
	if second.Epoch <= first.Epoch {
		return fmt.Errorf("epoch %d after %d", second.Epoch, first.Epoch)
	}
	_, err = s.Commit(ctx, batch(first, page(first.Position, 1)))
	return wantKind(err, domain.Fenced)
}

func oneOrigin(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
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
	_, err = s.Commit(ctx, batch(res.Checkpoint, page(res.Checkpoint.Position, 2))) // the refused claim took no epoch
	return err
}

func originMayChange(ctx context.Context, under StoreUnderTest) error {
	s, first, err := claimed(ctx, under)
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
		return fmt.Errorf("it reads from %s, held until %s", at.SourceURL, at.HeldUntil)
	}
	return nil
}

func secondRunnerIsTold(ctx context.Context, under StoreUnderTest) error {
	first, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	second := under.Open()
	_, err = second.Claim(ctx, streamID(), origin)
	if err := wantKind(err, domain.Fenced); err != nil {
		return err
	}
	if _, err := first.Commit(ctx, batch(at, page(at.Position, 1))); err != nil {
		return fmt.Errorf("the first runner is disturbed: %w", err)
	}
	if err := under.Sever(ctx, first); err != nil {
		return err
	}
	later, err := second.Claim(ctx, streamID(), origin)
	if err != nil {
		return err
	}
	if later.Seq != at.Seq+1 || later.Epoch <= at.Epoch {
		return fmt.Errorf("it takes over at %+v", later)
	}
	return nil
}

func staleRunnerWritesNothing(ctx context.Context, under StoreUnderTest) error {
	stale, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	if err := under.Sever(ctx, stale); err != nil {
		return err
	}
	if _, _, err := claimed(ctx, under); err != nil {
		return err
	}
	// The new runner has committed nothing: the seq still fits, only the epoch tells.
	for range 5 {
		_, err = stale.Commit(ctx, batch(at, page(at.Position, 1)))
		if domain.KindOf(err) != domain.Transient { // it may have to find out that its connections are gone
			break
		}
	}
	if err := wantKind(err, domain.Fenced); err != nil {
		return err
	}
	return stored(ctx, under)
}

func streamsAreApart(ctx context.Context, under StoreUnderTest) error {
	_, at, err := claimed(ctx, under)
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
	again, err := other.Checkpoint(ctx, at.Stream)
	if err != nil {
		return err
	}
	if again.Seq != 0 || again.Received != 0 {
		return fmt.Errorf("another stream's commit moved this one to %+v", again)
	}
	return stored(ctx, under, 1, 2)
}
