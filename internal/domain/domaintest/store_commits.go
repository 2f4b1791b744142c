package domaintest

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// checkCommitStoresAll commits a page with the events 1, 2 and 3. It checks that the events are stored with all their values,
// and that the checkpoint has moved.
func checkCommitStoresAll(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	b := batch(checkpoint, page(checkpoint.Position, 1, 2, 3))
	b.Pages[0].Events[1].Extra = []byte(`{"session": {"os": "Haiku"}}`)
	res, err := store.Commit(ctx, b)
	if err != nil {
		return err
	}
	want := domain.Counts{Received: 3, Inserted: 3}
	if err := wantCounts(res.Counts, want); err != nil {
		return err
	}
	if res.Checkpoint.Seq != b.TargetSeq() || res.Checkpoint.Counts != want {
		return fmt.Errorf("got checkpoint %+v, want seq %d and counts %+v", res.Checkpoint, b.TargetSeq(), want)
	}
	got, err := db.Events(ctx)
	if err != nil {
		return err
	}
	for _, e := range b.Pages[0].Events {
		if err := compareEvents(got[e.ID], e.Event); err != nil {
			return err
		}
	}
	return nil
}

// checkCheckpointRoundTrip checks that Checkpoint returns the same checkpoint as Commit, with every field of the position.
func checkCheckpointRoundTrip(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := page(checkpoint.Position, 1, 2)
	p.To = domain.Position{ // has a value in every field that is stored
		Pass: 3, Offset: 2, MaxOffset: 17, Cursor: "c2", Done: true,
		CursorExpiresAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), // a store may round times to microseconds
		AnnouncedFirst:  domain.Total{N: 0, Known: true},                // a known total of 0 is not an unknown total
		AnnouncedLast:   domain.Total{N: 2, Known: true},
	}
	res, err := store.Commit(ctx, batch(checkpoint, p))
	if err != nil {
		return err
	}
	durable, err := store.Checkpoint(ctx, checkpoint.Stream)
	if err != nil {
		return err
	}
	if durable.Position != p.To {
		return fmt.Errorf("got position %+v, want %+v", durable.Position, p.To)
	}
	if want := event(2).OccurredAt; !durable.LastEventAt.Equal(want) {
		return fmt.Errorf("got last event at %s, want %s", durable.LastEventAt, want)
	}
	if !reflect.DeepEqual(durable, res.Checkpoint) {
		return fmt.Errorf("got checkpoint %+v, want %+v as Commit returned it", durable, res.Checkpoint)
	}
	return nil
}

// checkEmptyPage checks that a page without records moves the checkpoint and changes no counts.
func checkEmptyPage(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	res, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position)))
	if err != nil {
		return err
	}
	if res.Checkpoint.Seq != 1 || !res.Checkpoint.LastEventAt.IsZero() {
		return fmt.Errorf("got checkpoint %+v, want seq 1 and no last event", res.Checkpoint)
	}
	return wantCounts(res.Counts, domain.Counts{})
}

// checkDuplicateEvent commits the events 1 and 2, and then the events 2 and 3. Event 2 must count as a duplicate.
func checkDuplicateEvent(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1, 2)))
	if err != nil {
		return err
	}
	next := page(first.Checkpoint.NextPass(), 2, 3)
	second, err := store.Commit(ctx, batch(first.Checkpoint, next))
	if err != nil {
		return err
	}
	if err := wantCounts(second.Counts, domain.Counts{Received: 2, Inserted: 1, Duplicate: 1}); err != nil {
		return err
	}
	if err := wantCounts(second.Checkpoint.Counts, domain.Counts{Received: 4, Inserted: 3, Duplicate: 1}); err != nil {
		return err
	}
	return wantStored(ctx, db, 1, 2, 3)
}

// checkDuplicateInPage commits a page in which each event occurs more than once. Event 1 is already stored, and event 2 is
// new.
func checkDuplicateInPage(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1)))
	if err != nil {
		return err
	}
	res, err := store.Commit(ctx, batch(first.Checkpoint, page(first.Checkpoint.Position, 1, 2, 2, 1, 2)))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: 5, Inserted: 1, Duplicate: 4}); err != nil {
		return err
	}
	return wantStored(ctx, db, 1, 2)
}

// checkSecondBatchFromCheckpoint commits two batches that begin at the same checkpoint. The second batch has one event more, which
// must not be stored. When it is committed, the durable checkpoint has the runner's claim, but another seq. To the store, this
// looks as if the database had been set back.
func checkSecondBatchFromCheckpoint(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	b := batch(checkpoint, page(checkpoint.Position, 1))
	res, err := store.Commit(ctx, b)
	if err != nil {
		return err
	}
	b.Pages[0].Events = append(b.Pages[0].Events, newDecodedEvent(1, event(2)))
	b.Pages[0].Received++
	_, err = store.Commit(ctx, b)
	if err := wantKind(err, domain.SetBack); err != nil {
		return err
	}
	return wantUnmoved(ctx, db, store, res.Checkpoint, 1)
}

// checkWrongPosition commits batches that have the runner's claim, but do not begin at the durable checkpoint.
func checkWrongPosition(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	for _, change := range []func(*domain.Checkpoint){
		func(c *domain.Checkpoint) { c.Seq++ },
		func(c *domain.Checkpoint) { c.Pass++ },
		func(c *domain.Checkpoint) { c.Offset++ },
		func(c *domain.Checkpoint) { c.Cursor = "another cursor" },
	} {
		other := checkpoint
		change(&other)
		_, err = store.Commit(ctx, batch(other, page(checkpoint.Position, 1)))
		if err := wantKind(err, domain.SetBack); err != nil {
			return err
		}
		if err := wantUnmoved(ctx, db, store, checkpoint); err != nil {
			return err
		}
	}
	return nil
}

// checkBatchUnchanged checks that Commit neither changes the batch nor retains parts of it. It commits two batches. The second
// batch has the same records and one drift more. After each commit, the check clears bytes of the batch, which must not change
// what is stored.
func checkBatchUnchanged(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	newBatch := func(checkpoint domain.Checkpoint, driftPaths []string) domain.Batch {
		p := addRejects(page(checkpoint.NextPass(), 1, 2, 1), reject(4, "not stored"))
		p.Events[1].Name = refusedText
		for _, path := range driftPaths {
			p.Drift = append(p.Drift, domain.DriftCount{Path: path, Kind: "new field", Count: 1, Value: []byte("1")})
		}
		p.Receipt.FetchedAt = time.Time{} // so that two batches can be compared
		return batch(checkpoint, p)
	}
	for _, driftPaths := range [][]string{{"a", "b"}, {"a", "b", "c"}} {
		passed := newBatch(checkpoint, driftPaths)
		res, err := store.Commit(ctx, passed)
		if err != nil {
			return err
		}
		if want := newBatch(checkpoint, driftPaths); !reflect.DeepEqual(passed, want) {
			return fmt.Errorf("Commit changed the batch to %+v, want %+v", passed, want)
		}
		clear(passed.Pages[0].Events[0].Properties)
		clear(passed.Pages[0].Rejects[0].Record.Payload)
		checkpoint = res.Checkpoint
	}
	p := newBatch(checkpoint, nil).Pages[0]
	unstorable := expectedLetter{reject: unstorableReject(p.Events[1]), seen: 2}
	rejected := expectedLetter{reject: p.Rejects[0], seen: 2}
	if err := wantParked(ctx, db, unstorable, rejected); err != nil {
		return err
	}
	return wantStored(ctx, db, 1)
}

// wantUnmoved returns an error unless the stream is still at checkpoint and only these events are stored. The ledger must have
// one row for each page up to the checkpoint.
func wantUnmoved(
	ctx context.Context, db StoreUnderTest, store domain.EventStore, checkpoint domain.Checkpoint, numbers ...byte,
) error {
	durable, err := store.Checkpoint(ctx, checkpoint.Stream)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(durable, checkpoint) {
		return fmt.Errorf("got checkpoint %+v, want it unchanged: %+v", durable, checkpoint)
	}
	rows, err := db.Ledger(ctx)
	if err != nil {
		return err
	}
	if int64(len(rows)) != checkpoint.Seq {
		return fmt.Errorf("got %d ledger rows, want %d", len(rows), checkpoint.Seq)
	}
	return wantStored(ctx, db, numbers...)
}

// checkNewDrift commits two pages. Both have the drift "new field", and the second page also has the drift "other". Each drift must
// be reported as new once.
func checkNewDrift(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := page(checkpoint.Position, 1)
	p.Drift = []domain.DriftCount{{Path: "a", Kind: "new field", Count: 1, Value: []byte(`"x"`)}}
	first, err := store.Commit(ctx, batch(checkpoint, p))
	if err != nil {
		return err
	}
	p.To.Pass++ // the same page in the next pass, because one pass must not contain a page twice
	p.Drift = append(p.Drift, domain.DriftCount{Path: "a", Kind: "other", Count: 1, Value: []byte("1")})
	second, err := store.Commit(ctx, batch(first.Checkpoint, p))
	if err != nil {
		return err
	}
	got := slices.Concat(first.NewDrift, second.NewDrift)
	for i, entry := range got {
		if entry.FirstPageID == 0 {
			return fmt.Errorf("the new entry %+v has no first page", entry)
		}
		if entry.LastPageID != entry.FirstPageID {
			return fmt.Errorf("the new entry has first page %d and last page %d, want the same", entry.FirstPageID, entry.LastPageID)
		}
		got[i].FirstPageID, got[i].LastPageID = 0, 0 // the ids depend on the store, so they are not compared below
	}
	want := []domain.DriftEntry{
		{Path: "a", Kind: "new field", Count: 1, Sample: `"x"`},
		{Path: "a", Kind: "other", Count: 1, Sample: "1"},
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got new drift %+v, want %+v", got, want)
	}
	return nil
}
