package domaintest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// An Inventory is the interface Inventory of internal/app/verify, which this package must not import.
type Inventory interface {
	Inspect(ctx context.Context, stream domain.StreamID, begin func(domain.Check)) (domain.Inspection, error)
}

// A VerifyUnderTest gives access to an empty database, with stores for runners and with the interfaces of internal/app/verify.
type VerifyUnderTest struct {
	StoreUnderTest

	Inventory  Inventory
	Comparison Comparison
	// Delete deletes an event directly, without a store. The database is then inconsistent.
	Delete func(ctx context.Context, id domain.EventID) error
}

// InventoryChecks returns the checks of the contract of verify.Inventory.
func InventoryChecks() []Check[VerifyUnderTest] {
	return []Check[VerifyUnderTest]{
		{"a stream that was never claimed is invalid", checkInspectUnknownStream},
		{"an inspection makes all checks in order", checkInspectOrder},
		{"a stream without pages has no differences", checkInspectClaimedStream},
		{"a stream with events and dead letters has no differences", checkInspectConsistentStream},
		{"an inspection reports an accepted short end and another stream", checkInspectFlags},
		{"a difference does not end the checks", checkInspectInconsistentStream},
		{"all checks see the database at one moment", checkInspectOneMoment},
		{"a stopped inspection has the findings of the completed checks", checkInspectStopped},
	}
}

// commitMixed claims the stream and commits three pages in one batch. It returns the runner's store and the new checkpoint.
//  1. The first page stores the events 1 and 2, and parks rejects of the events 3 and 9.
//  2. The second page stores event 3, which supersedes its dead letter. It has event 2 again, and a conflict of event 1.
//  3. The third page is empty.
//
// The result is:
//   - mixedStored events are stored: 1, 2 and 3.
//   - mixedParked dead letters are open: those of event 9 and of the conflict.
//   - One dead letter is resolved: that of event 3.
func commitMixed(ctx context.Context, db VerifyUnderTest) (domain.EventStore, domain.Checkpoint, error) {
	store, checkpoint, err := openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return store, checkpoint, err
	}
	first := fixPosition(addRejects(page(checkpoint.Position, 1, 2), reject(3, "superseded later"), reject(9, "stays open")))
	second := fixPosition(addRenamed(page(first.To, 3, 2), 1, "other"))
	third := page(second.To)
	res, err := store.Commit(ctx, batch(checkpoint, first, second, third))
	return store, res.Checkpoint, err
}

// The numbers of events and of open dead letters after commitMixed.
const (
	mixedStored = 3
	mixedParked = 2
)

// fixPosition returns the page with the correct offset after it. The function page (checks.go) counts only the events in this
// offset, and not the records that are added to the page later.
func fixPosition(p domain.DecodedPage) domain.DecodedPage {
	p.To.Offset = p.From.Offset + int64(p.Received)
	p.To.MaxOffset = max(p.From.MaxOffset, p.To.Offset)
	return p
}

// inspect inspects the stream of the checks.
func inspect(ctx context.Context, db VerifyUnderTest) (domain.Inspection, error) {
	return db.Inventory.Inspect(ctx, streamID(), func(domain.Check) {})
}

// wantNoDifferences returns an error unless the inspection has made all checks in order and has found no difference.
func wantNoDifferences(inspection domain.Inspection) error {
	var made []domain.Check
	for _, f := range inspection.Findings {
		made = append(made, f.Check)
		if f.Differences != 0 || len(f.Shown) > 0 {
			return fmt.Errorf("check %s: got %d differences %+v, want none", f.Check, f.Differences, f.Shown)
		}
	}
	if want := domain.InventoryChecks(); !slices.Equal(made, want) {
		return fmt.Errorf("got findings of %v, want %v", made, want)
	}
	return nil
}

// checkInspectUnknownStream checks that the inspection of a stream that was never claimed fails before the first check.
func checkInspectUnknownStream(ctx context.Context, db VerifyUnderTest) error {
	var began []domain.Check
	_, err := db.Inventory.Inspect(ctx, streamID(), func(c domain.Check) { began = append(began, c) })
	if len(began) > 0 {
		return fmt.Errorf("got checks %v of a stream that was never claimed, want none", began)
	}
	return wantKind(err, domain.Invalid)
}

// checkInspectOrder checks that began is called for each check, in the order of domain.InventoryChecks.
func checkInspectOrder(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	var began []domain.Check
	inspection, err := db.Inventory.Inspect(ctx, streamID(), func(c domain.Check) { began = append(began, c) })
	if err != nil {
		return err
	}
	if want := domain.InventoryChecks(); !slices.Equal(began, want) {
		return fmt.Errorf("got checks in the order %v, want %v", began, want)
	}
	return wantNoDifferences(inspection)
}

// checkInspectClaimedStream inspects a stream that was claimed and has no page.
func checkInspectClaimedStream(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := openAndClaim(ctx, db.StoreUnderTest); err != nil {
		return err
	}
	inspection, err := inspect(ctx, db)
	if err != nil {
		return err
	}
	if inspection.Stored != 0 || inspection.Parked != 0 || inspection.Stream.Pages != 0 {
		return fmt.Errorf("got %d stored, %d parked and %d pages, want 0 of each",
			inspection.Stored, inspection.Parked, inspection.Stream.Pages)
	}
	if got := inspection.Stream.Checkpoint.SourceURL; got != sourceURL {
		return fmt.Errorf("got source URL %s, want %s", got, sourceURL)
	}
	return wantNoDifferences(inspection)
}

// checkInspectConsistentStream checks that the inspection counts the events and dead letters of commitMixed, and does not
// change the checkpoint.
func checkInspectConsistentStream(ctx context.Context, db VerifyUnderTest) error {
	store, checkpoint, err := commitMixed(ctx, db)
	if err != nil {
		return err
	}
	inspection, err := inspect(ctx, db)
	if err != nil {
		return err
	}
	if inspection.Stored != mixedStored || inspection.Parked != mixedParked {
		return fmt.Errorf("got %d stored and %d parked, want %d and %d", inspection.Stored, inspection.Parked, mixedStored, mixedParked)
	}
	if inspection.EndAccepted || inspection.Shared {
		return fmt.Errorf("got end accepted %v, shared %v; want false, false", inspection.EndAccepted, inspection.Shared)
	}
	got := inspection.Stream.Checkpoint
	isSameSource := got.Stream == checkpoint.Stream && got.SourceURL == checkpoint.SourceURL
	isSamePosition := got.Seq == checkpoint.Seq && got.SameAs(checkpoint.Position)
	if !isSameSource || !isSamePosition || got.Counts != checkpoint.Counts {
		return fmt.Errorf("got checkpoint %+v, want %+v", got, checkpoint)
	}
	if inspection.Stream.Pages != 3 {
		return fmt.Errorf("got %d pages, want 3", inspection.Stream.Pages)
	}
	if err := wantNoDifferences(inspection); err != nil {
		return err
	}
	durable, err := store.Checkpoint(ctx, checkpoint.Stream)
	if err != nil {
		return err
	}
	if !reflect.DeepEqual(durable, checkpoint) {
		return fmt.Errorf("got checkpoint %+v after the inspection, want it unchanged: %+v", durable, checkpoint)
	}
	return nil
}

// checkInspectFlags commits an accepted short end, and a page of another stream. The inspection must report both.
func checkInspectFlags(ctx context.Context, db VerifyUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return err
	}
	p := withTotal(3, endPage(checkpoint.Position, 1, 2)) // 3 announced, 2 received
	p.End.AcceptShort, p.End.Confirmed = true, true
	if _, err := store.Commit(ctx, batch(checkpoint, p)); err != nil {
		return err
	}
	if err := commitOtherStream(ctx, db, 1, 7); err != nil {
		return err
	}
	inspection, err := inspect(ctx, db)
	if err != nil {
		return err
	}
	if !inspection.EndAccepted || !inspection.Shared {
		return fmt.Errorf("got end accepted %v, shared %v; want true, true", inspection.EndAccepted, inspection.Shared)
	}
	return wantNoDifferences(inspection)
}

// commitOtherStream commits a page of another stream, by another runner.
func commitOtherStream(ctx context.Context, db VerifyUnderTest, numbers ...byte) error {
	store := db.Open()
	checkpoint, err := store.Claim(ctx, otherStreamID(), sourceURL)
	if err != nil {
		return err
	}
	_, err = store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, numbers...)))
	return err
}

// checkInspectInconsistentStream deletes a stored event. Only domain.CheckPageEvents must find a difference, and all later
// checks must still be made.
func checkInspectInconsistentStream(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	if err := db.Delete(ctx, event(2).ID); err != nil {
		return err
	}
	inspection, err := inspect(ctx, db)
	if err != nil {
		return err
	}
	var made []domain.Check
	for _, f := range inspection.Findings {
		made = append(made, f.Check)
		if want := min(f.Differences, domain.MaxShownDifferences); int64(len(f.Shown)) != want {
			return fmt.Errorf("check %s: got %d differences shown, want %d of %d", f.Check, len(f.Shown), want, f.Differences)
		}
		wantDifferences := int64(0)
		if f.Check == domain.CheckPageEvents {
			wantDifferences = 1
		}
		if f.Differences != wantDifferences {
			return fmt.Errorf("check %s after an event was deleted: got %d differences, want %d", f.Check, f.Differences, wantDifferences)
		}
	}
	if want := domain.InventoryChecks(); !slices.Equal(made, want) {
		return fmt.Errorf("got findings of %v, want %v", made, want)
	}
	return nil
}

// checkInspectOneMoment commits a page after the first check has begun. The inspection must not count this page.
func checkInspectOneMoment(ctx context.Context, db VerifyUnderTest) error {
	store, checkpoint, err := commitMixed(ctx, db)
	if err != nil {
		return err
	}
	var commitErr error
	committed := false
	inspection, err := db.Inventory.Inspect(ctx, streamID(), func(domain.Check) {
		if !committed {
			committed = true
			_, commitErr = store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 4, 5)))
		}
	})
	if err := errors.Join(err, commitErr); err != nil {
		return err
	}
	if inspection.Stored != mixedStored || inspection.Stream.Checkpoint.Seq != checkpoint.Seq {
		return fmt.Errorf("got %d events stored at seq %d, want %d at seq %d",
			inspection.Stored, inspection.Stream.Checkpoint.Seq, mixedStored, checkpoint.Seq)
	}
	return wantNoDifferences(inspection)
}

// checkInspectStopped cancels the context when the third check begins. The inspection must have the findings of the two checks
// before.
func checkInspectStopped(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	const completed = 2
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := 0
	inspection, err := db.Inventory.Inspect(ctx, streamID(), func(domain.Check) {
		if began++; began > completed {
			cancel()
		}
	})
	if err := wantKind(err, domain.Stopped); err != nil {
		return err
	}
	if len(inspection.Findings) != completed || began != completed+1 {
		return fmt.Errorf("got %d findings after %d checks began, want %d after %d",
			len(inspection.Findings), began, completed, completed+1)
	}
	return nil
}
