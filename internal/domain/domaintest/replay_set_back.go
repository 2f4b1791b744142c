package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// checkReplayOtherLetter restores a backup between reading a dead letter and replaying it. The next dead letter that is parked
// then has the id of the one that was read.
func checkReplayOtherLetter(ctx context.Context, under ReplayUnderTest) error {
	s, at, err := parkPayloads(ctx, under, "a")
	if err != nil {
		return err
	}
	restore, err := under.Backup(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(at, addRejects(page(at.Position), reject(0, 7, "b")))); err != nil {
		return err
	}
	letters, err := under.Replays.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, 1<<40)
	if err != nil || len(letters) != 2 {
		return fmt.Errorf("got %d open dead letters, want 2; %w", len(letters), err)
	}
	if err := restore(ctx); err != nil {
		return err
	}
	_, at, err = openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return err
	}
	if _, err := under.Open().Commit(ctx, batch(at, addRejects(page(at.Position), reject(0, 8, "c")))); err != nil {
		return err
	}
	replay := domain.Redecode(streamID(), letters[1:], replayTime(), fakeDecoder{"b": decodesTo(event(7))})
	res, err := under.Replays.Replay(ctx, replay)
	if err != nil || res.Received != 0 {
		return fmt.Errorf("got %+v, want no dead letter replayed; %w", res, err)
	}
	return nil
}

// checkReplaySetBack restores a backup between two batches of one replay.
func checkReplaySetBack(ctx context.Context, under ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, under, "a", "b"); err != nil {
		return err
	}
	restore, err := under.Backup(ctx)
	if err != nil {
		return err
	}
	letters, err := under.Replays.Open(ctx, streamID(), domain.DeadLetterSelection{All: true}, 0, 1<<40)
	if err != nil || len(letters) != 2 {
		return fmt.Errorf("got %d open dead letters, want 2; %w", len(letters), err)
	}
	decoder := fakeDecoder{"a": decodesTo(event(7)), "b": decodesTo(event(8))}
	first := domain.Redecode(streamID(), letters[:1], replayTime(), decoder)
	res, err := under.Replays.Replay(ctx, first)
	if err != nil {
		return err
	}
	second := domain.Redecode(streamID(), letters[1:], replayTime(), decoder)
	second.Previous, second.PreviousReadAt = res.PageID, first.ReadAt
	if err := restore(ctx); err != nil {
		return err
	}
	_, err = under.Replays.Replay(ctx, second)
	return wantKind(err, domain.SetBack)
}

func replayTime() time.Time { return time.Now().Round(time.Microsecond) }
