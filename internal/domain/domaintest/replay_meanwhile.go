package domaintest

import (
	"context"
	"fmt"
	"reflect"

	"github.com/pawldata/pawl/internal/domain"
)

// checkResolvedMeanwhile replays the dead letter of "b" alone. Then it replays a batch that was read earlier, in which this dead
// letter is still open. The second replay must skip it.
func checkResolvedMeanwhile(ctx context.Context, db ReplayUnderTest) error {
	if _, _, err := parkPayloads(ctx, db, "a", "b", "c"); err != nil {
		return err
	}
	all, err := redecodeOpen(ctx, db, fakeDecoder{"a": {reason: "other"}, "b": decodesTo(event(4)), "c": decodesTo(event(5))})
	if err != nil {
		return err
	}
	idOfB := all.Letters[1].ID
	if _, err := db.ReplayStore.Replay(ctx, all.Only([]int64{idOfB})); err != nil {
		return err
	}
	res, err := db.ReplayStore.Replay(ctx, all)
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Inserted: 1, Parked: 1}); err != nil {
		return err
	}
	b, err := findDeadLetter(ctx, db, "b")
	if err != nil {
		return err
	}
	if b.Replays != 1 {
		return fmt.Errorf("dead letter that was resolved meanwhile: got %d replays, want 1", b.Replays)
	}
	return wantStored(ctx, db.StoreUnderTest, 1, 2, 4, 5)
}

// checkStoredMeanwhile reads three dead letters, lets a run store their events, and then replays the dead letters.
//   - "with an id" has the id of its event, so the run supersedes it, and the replay skips it.
//   - "same values" and "other values" have no event id, so the run cannot supersede them. In the replay, the first one is a
//     duplicate and the second one is a conflict.
func checkStoredMeanwhile(ctx context.Context, db ReplayUnderTest) error {
	store, checkpoint, err := parkPayloads(ctx, db, "same values", "other values")
	if err != nil {
		return err
	}
	parked, err := store.Commit(ctx, batch(checkpoint, addRejects(page(checkpoint.Position), reject(4, "with an id"))))
	if err != nil {
		return err
	}
	redecoded, err := redecodeOpen(ctx, db, fakeDecoder{
		"same values":  decodesTo(event(3)),
		"with an id":   decodesTo(event(4)),
		"other values": decodesTo(changeName(event(5), "other")),
	})
	if err != nil {
		return err
	}
	if _, err := store.Commit(ctx, batch(parked.Checkpoint, page(parked.Checkpoint.Position, 3, 4, 5))); err != nil {
		return err
	}
	res, err := db.ReplayStore.Replay(ctx, redecoded)
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	l, err := findDeadLetter(ctx, db, "with an id")
	if err != nil {
		return err
	}
	if l.Resolved == nil || l.Resolved.How != domain.ResolvedAsSuperseded || l.Replays != 0 {
		return fmt.Errorf("dead letter with an id: got %+v, want it superseded and not replayed", l)
	}
	return wantStored(ctx, db.StoreUnderTest, 1, 2, 3, 4, 5)
}

// checkRunUndisturbed checks that a replay does not change the checkpoint of a runner that works at the same time. When the
// runner receives the event of the replay, it counts the event as a duplicate.
func checkRunUndisturbed(ctx context.Context, db ReplayUnderTest) error {
	store, checkpoint, err := parkPayloads(ctx, db, "a")
	if err != nil {
		return err
	}
	redecoded, err := redecodeOpen(ctx, db, fakeDecoder{"a": decodesTo(event(3))})
	if err != nil {
		return err
	}
	if _, err := db.ReplayStore.Replay(ctx, redecoded); err != nil {
		return err
	}
	durable, err := store.Checkpoint(ctx, checkpoint.Stream)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(durable, checkpoint) {
		return fmt.Errorf("got checkpoint %+v after the replay, want the unchanged checkpoint %+v", durable, checkpoint)
	}
	res, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 3, 4)))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	return wantStored(ctx, db.StoreUnderTest, 1, 2, 3, 4)
}
