package domaintest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// checkReplayOtherLetter reads the dead letter of "b" and then restores a backup that lacks it. After that, the dead letter of
// "c" gets the same id. A replay of "b" must not change the dead letter of "c".
func checkReplayOtherLetter(ctx context.Context, db ReplayUnderTest) error {
	store, checkpoint, err := parkPayloads(ctx, db, "a")
	if err != nil {
		return err
	}
	restore, err := db.Backup(ctx)
	if err != nil {
		return err
	}
	if _, err := store.Commit(ctx, batch(checkpoint, addRejects(page(checkpoint.Position), reject(7, "b")))); err != nil {
		return err
	}
	letters, err := readOpen(ctx, db)
	if err != nil {
		return err
	}
	if len(letters) != 2 {
		return fmt.Errorf("got %d open dead letters, want 2", len(letters))
	}
	if err := restore(ctx); err != nil {
		return err
	}
	store, checkpoint, err = openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return err
	}
	if _, err := store.Commit(ctx, batch(checkpoint, addRejects(page(checkpoint.Position), reject(8, "c")))); err != nil {
		return err
	}
	lostLetters := letters[1:] // only "b"
	redecoded := domain.Redecode(streamID(), lostLetters, replayTime(), fakeDecoder{"b": decodesTo(event(7))})
	res, err := db.ReplayStore.Replay(ctx, redecoded)
	if err != nil {
		return err
	}
	if res.Received != 0 {
		return fmt.Errorf("replay: got counts %+v, want 0 received", res.Counts)
	}
	return nil
}

// checkReplaySetBack restores a backup between two batches of one replay. The second batch must be refused, because the ledger
// row of the first batch is lost.
func checkReplaySetBack(ctx context.Context, db ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, db, "a", "b"); err != nil {
		return err
	}
	restore, err := db.Backup(ctx)
	if err != nil {
		return err
	}
	letters, err := readOpen(ctx, db)
	if err != nil {
		return err
	}
	if len(letters) != 2 { // "a" and "b"
		return fmt.Errorf("got %d open dead letters, want 2", len(letters))
	}
	decoder := fakeDecoder{"a": decodesTo(event(7)), "b": decodesTo(event(8))}
	first := domain.Redecode(streamID(), letters[:1], replayTime(), decoder)
	res, err := db.ReplayStore.Replay(ctx, first)
	if err != nil {
		return err
	}
	second := domain.Redecode(streamID(), letters[1:], replayTime(), decoder)
	second.Previous, second.PreviousReadAt = res.PageID, first.ReadAt
	if err := restore(ctx); err != nil {
		return err
	}
	_, err = db.ReplayStore.Replay(ctx, second)
	return wantKind(err, domain.SetBack)
}

// replayTime returns the current time, rounded to microseconds. PostgreSQL stores such a time exactly.
func replayTime() time.Time { return time.Now().Round(time.Microsecond) }
