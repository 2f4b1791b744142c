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
	if _, err := db.ReplayStore.Replay(ctx, all.Only([]int64{all.Letters[1].ID})); err != nil {
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

// checkStoredMeanwhile lets a run store the events of three dead letters after the dead letters were read and before they are
// replayed. One dead letter has the id of its event, so the run supersedes it. The other two have no id, so the run cannot
// supersede them. In the replay, one of them is a duplicate and the other one is a conflict.
func checkStoredMeanwhile(ctx context.Context, db ReplayUnderTest) error {
	s, checkpoint, err := parkPayloads(ctx, db, "same values", "other values")
	if err != nil {
		return err
	}
	parked, err := s.Commit(ctx, batch(checkpoint, addRejects(page(checkpoint.Position), reject(4, "with an id"))))
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
	if _, err := s.Commit(ctx, batch(parked.Checkpoint, page(parked.Checkpoint.Position, 3, 4, 5))); err != nil {
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

// checkRunUndisturbed checks that a replay does not change the checkpoint of a running runner, and that the runner counts the
// event of the replay as a duplicate.
func checkRunUndisturbed(ctx context.Context, db ReplayUnderTest) error {
	s, checkpoint, err := parkPayloads(ctx, db, "a")
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
	durable, err := s.Checkpoint(ctx, checkpoint.Stream)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(durable, checkpoint) {
		return fmt.Errorf("got checkpoint %+v after the replay, want the unchanged checkpoint %+v", durable, checkpoint)
	}
	res, err := s.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 3, 4)))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	return wantStored(ctx, db.StoreUnderTest, 1, 2, 3, 4)
}
