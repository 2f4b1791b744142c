package domaintest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/pawldata/pawl/internal/domain"
)

// An Inventory is the interface verify.Inventory of the use case verify, which this package cannot import.
type Inventory interface {
	Inspect(ctx context.Context, stream domain.StreamID, began func(domain.Check)) (domain.Inspection, error)
}

// A VerifyUnderTest is a database with stores for runners, and with what the use case verify reads of it.
type VerifyUnderTest struct {
	StoreUnderTest

	Inventory  Inventory
	Comparison Comparison
	// Delete deletes an event behind the stores' backs. The database is then inconsistent.
	Delete func(ctx context.Context, id domain.EventID) error
}

// InventoryChecks returns the checks of the contract of verify.Inventory.
func InventoryChecks() []Check[VerifyUnderTest] {
	return []Check[VerifyUnderTest]{
		{"a stream that was never claimed is invalid", checkInspectUnknownStream},
		{"all checks are made in order", checkInspectOrder},
		{"a stream without pages has no differences", checkInspectClaimedStream},
		{"a stream with events and dead letters has no differences", checkInspectConsistentStream},
		{"a short end and another stream are reported", checkInspectFlags},
		{"a difference does not end the checks", checkInspectInconsistentStream},
		{"all checks see the database at one moment", checkInspectOneMoment},
		{"an inspection that is stopped has the findings until then", checkInspectStopped},
	}
}

// commitMixed commits three pages: events, rejects, a conflict, and an event that supersedes a dead letter. It returns the
// checkpoint.
func commitMixed(ctx context.Context, under VerifyUnderTest) (domain.EventStore, domain.Checkpoint, error) {
	s, at, err := openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return s, at, err
	}
	first := fixPosition(addRejects(page(at.Position, 1, 2), reject(2, 3, "superseded later"), reject(3, 9, "stays open")))
	second := page(first.To, 3, 2)
	second.Events = append(second.Events, renamedEvent(2, 1, "other"))
	second.Received++
	second = fixPosition(second)
	third := page(second.To)
	res, err := s.Commit(ctx, batch(at, first, second, third))
	return s, res.Checkpoint, err
}

// fixPosition returns the page with the position that follows from all its records.
func fixPosition(p domain.DecodedPage) domain.DecodedPage {
	p.To.Offset = p.From.Offset + int64(p.Received)
	p.To.MaxOffset = max(p.From.MaxOffset, p.To.Offset)
	return p
}

func inspect(ctx context.Context, under VerifyUnderTest) (domain.Inspection, error) {
	return under.Inventory.Inspect(ctx, streamID(), func(domain.Check) {})
}

// wantNoDifferences checks that an inspection has made all checks and found nothing.
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

func checkInspectUnknownStream(ctx context.Context, under VerifyUnderTest) error {
	var began []domain.Check
	_, err := under.Inventory.Inspect(ctx, streamID(), func(c domain.Check) { began = append(began, c) })
	if len(began) > 0 {
		return fmt.Errorf("checks %v began, want none", began)
	}
	return wantKind(err, domain.Invalid)
}

func checkInspectOrder(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	var began []domain.Check
	inspection, err := under.Inventory.Inspect(ctx, streamID(), func(c domain.Check) { began = append(began, c) })
	if err != nil {
		return err
	}
	if want := domain.InventoryChecks(); !slices.Equal(began, want) {
		return fmt.Errorf("checks began in the order %v, want %v", began, want)
	}
	return wantNoDifferences(inspection)
}

func checkInspectClaimedStream(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := openAndClaim(ctx, under.StoreUnderTest); err != nil {
		return err
	}
	inspection, err := inspect(ctx, under)
	if err != nil {
		return err
	}
	stream := inspection.Stream
	if inspection.Stored != 0 || inspection.Parked != 0 || stream.Pages != 0 || stream.Checkpoint.SourceURL != sourceURL {
		return fmt.Errorf("got %+v of a stream without pages", inspection)
	}
	return wantNoDifferences(inspection)
}

func checkInspectConsistentStream(ctx context.Context, under VerifyUnderTest) error {
	s, at, err := commitMixed(ctx, under)
	if err != nil {
		return err
	}
	inspection, err := inspect(ctx, under)
	if err != nil {
		return err
	}
	if inspection.Stored != 3 || inspection.Parked != 2 || inspection.EndAccepted || inspection.Shared {
		return fmt.Errorf("got %d stored, %d parked, end accepted %v, shared %v; want 3, 2, false, false",
			inspection.Stored, inspection.Parked, inspection.EndAccepted, inspection.Shared)
	}
	got := inspection.Stream.Checkpoint
	if got.Stream != at.Stream || got.SourceURL != at.SourceURL || got.Seq != at.Seq || got.Counts != at.Counts || !got.SameAs(at.Position) {
		return fmt.Errorf("got checkpoint %+v, want %+v", got, at)
	}
	if inspection.Stream.Pages != 3 {
		return fmt.Errorf("got %d pages, want 3", inspection.Stream.Pages)
	}
	if err := wantNoDifferences(inspection); err != nil {
		return err
	}
	durable, err := s.Checkpoint(ctx, at.Stream)
	if err != nil || !reflect.DeepEqual(durable, at) {
		return fmt.Errorf("the inspection moved the checkpoint from %+v to %+v: %w", at, durable, err)
	}
	return nil
}

func checkInspectFlags(ctx context.Context, under VerifyUnderTest) error {
	s, at, err := openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return err
	}
	p := endPage(at.Position, 3, 3, 1, 2)
	p.End.AcceptShort, p.End.Confirmed = true, true
	if _, err := s.Commit(ctx, batch(at, p)); err != nil {
		return err
	}
	if err := commitOtherStream(ctx, under, 1, 7); err != nil {
		return err
	}
	inspection, err := inspect(ctx, under)
	if err != nil {
		return err
	}
	if !inspection.EndAccepted || !inspection.Shared {
		return fmt.Errorf("got end accepted %v, shared %v; want both", inspection.EndAccepted, inspection.Shared)
	}
	return wantNoDifferences(inspection)
}

// commitOtherStream commits a page of another stream, by another runner.
func commitOtherStream(ctx context.Context, under VerifyUnderTest, numbers ...byte) error {
	s := under.Open()
	at, err := s.Claim(ctx, domain.StreamID{Source: "checks", Partition: "2"}, sourceURL)
	if err != nil {
		return err
	}
	_, err = s.Commit(ctx, batch(at, page(at.Position, numbers...)))
	return err
}

func checkInspectInconsistentStream(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	if err := under.Delete(ctx, event(2).ID); err != nil {
		return err
	}
	inspection, err := inspect(ctx, under)
	if err != nil {
		return err
	}
	var made []domain.Check
	for _, f := range inspection.Findings {
		made = append(made, f.Check)
		if int64(len(f.Shown)) != min(f.Differences, domain.MaxShownDifferences) {
			return fmt.Errorf("check %s: got %d of %d differences shown", f.Check, len(f.Shown), f.Differences)
		}
		if want := f.Check == domain.CheckPageEvents; want != (f.Differences > 0) {
			return fmt.Errorf("check %s after an event was deleted: got %d differences", f.Check, f.Differences)
		}
	}
	if want := domain.InventoryChecks(); !slices.Equal(made, want) {
		return fmt.Errorf("got findings of %v, want %v", made, want)
	}
	return nil
}

// checkInspectOneMoment commits a page after the first check has begun.
func checkInspectOneMoment(ctx context.Context, under VerifyUnderTest) error {
	s, at, err := commitMixed(ctx, under)
	if err != nil {
		return err
	}
	var commitErr error
	committed := false
	inspection, err := under.Inventory.Inspect(ctx, streamID(), func(domain.Check) {
		if !committed {
			committed = true
			_, commitErr = s.Commit(ctx, batch(at, page(at.Position, 4, 5)))
		}
	})
	if err := errors.Join(err, commitErr); err != nil {
		return err
	}
	if inspection.Stored != 3 || inspection.Stream.Checkpoint.Seq != at.Seq {
		return fmt.Errorf("got %d stored at seq %d, want 3 at seq %d", inspection.Stored, inspection.Stream.Checkpoint.Seq, at.Seq)
	}
	return wantNoDifferences(inspection)
}

func checkInspectStopped(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	const completed = 2
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	began := 0
	inspection, err := under.Inventory.Inspect(ctx, streamID(), func(domain.Check) {
		if began++; began > completed {
			cancel()
		}
	})
	if err := wantKind(err, domain.Stopped); err != nil {
		return err
	}
	if len(inspection.Findings) != completed || began != completed+1 {
		return fmt.Errorf("got %d findings of %d checks that began, want %d of %d", len(inspection.Findings), began, completed, completed+1)
	}
	return nil
}
