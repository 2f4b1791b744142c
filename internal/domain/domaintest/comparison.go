package domaintest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A Comparison is the interface verify.Comparison of the use case verify, which this package cannot import.
type Comparison interface {
	Begin()
	Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error)
	PageCommittedAt(ctx context.Context, stream domain.StreamID, seq int64) (time.Time, error)
	Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error)
}

// ComparisonChecks returns the checks of the contract of verify.Comparison.
func ComparisonChecks() []Check[VerifyUnderTest] {
	return []Check[VerifyUnderTest]{
		{"a page that is stored has no differences", checkCompareStored},
		{"a record that is neither stored nor parked is missing", checkCompareMissing},
		{"an event with other values is a difference", checkCompareOtherValues},
		{"parked records are counted", checkCompareParked},
		{"records that are counted in another dead letter are not kept", checkCompareNotKept},
		{"stored events are unreturned until a page returns them", checkUnreturned},
		{"a reject returns the event of its id", checkUnreturnedReject},
		{"begin forgets what was returned", checkBegin},
		{"a comparison that failed may be repeated", checkCompareStopped},
		{"events of other streams are not unreturned", checkUnreturnedOtherStream},
		{"a page has the time of its commit", checkPageCommittedAt},
	}
}

// wantComparison compares a page and checks the result: the numbers of parked and not kept records, and the events of the
// missing records and of the other differences.
func wantComparison(
	ctx context.Context, under VerifyUnderTest, p domain.DecodedPage, parked, notKept int64, missing, different []domain.EventID,
) error {
	got, err := under.Comparison.Compare(ctx, streamID(), p)
	if err != nil {
		return err
	}
	ids := func(differences []domain.Difference) (ids []domain.EventID, err error) {
		for _, d := range differences {
			if ids = append(ids, d.Event); d.What == "" {
				err = fmt.Errorf("difference %+v does not say what differs", d)
			}
		}
		return ids, err
	}
	gotMissing, missingErr := ids(got.Missing)
	gotDifferent, differentErr := ids(got.Differences)
	if err := errors.Join(missingErr, differentErr); err != nil {
		return err
	}
	if got.Parked != parked || got.NotKept != notKept || !slices.Equal(gotMissing, missing) || !slices.Equal(gotDifferent, different) {
		return fmt.Errorf("got %+v, want %d parked, %d not kept, missing %v, different %v", got, parked, notKept, missing, different)
	}
	return nil
}

// wantUnreturned checks the unreturned events of the stream, in the order of the series.
func wantUnreturned(ctx context.Context, under VerifyUnderTest, numbers ...byte) error {
	finding, err := under.Comparison.Unreturned(ctx, streamID())
	if err != nil {
		return err
	}
	var got, want []string
	for _, d := range finding.Shown {
		got = append(got, d.Event.String())
		if d.PageID == 0 || d.Seq == 0 || d.Pass == 0 || d.What == "" {
			return fmt.Errorf("difference %+v lacks its page or what is wrong", d)
		}
	}
	for _, n := range numbers {
		want = append(want, event(n).ID.String())
	}
	slices.Sort(got)
	if finding.Check != domain.CheckUnreturned || finding.Differences != int64(len(want)) || !slices.Equal(got, want) {
		return fmt.Errorf("got %+v, want unreturned events %v", finding, want)
	}
	return nil
}

func checkCompareStored(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	if err := wantComparison(ctx, under, page(domain.Position{Pass: 1}, 1, 2, 3), 0, 0, nil, nil); err != nil {
		return err
	}
	sameValues := page(domain.Position{Pass: 1}, 1)
	sameValues.Events[0].Properties = []byte(`{ "deep": {"list": [1.50, 9007199254740993, null, "x"]}, "n": 1 }`)
	sameValues.Events[0].OccurredAt = event(1).OccurredAt.In(time.FixedZone("", 3600))
	return wantComparison(ctx, under, sameValues, 0, 0, nil, nil)
}

func checkCompareMissing(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	p := addRejects(page(domain.Position{Pass: 1}, 1, 4), reject(2, 5, "never parked"))
	return wantComparison(ctx, under, p, 0, 0, []domain.EventID{event(5).ID, event(4).ID}, nil)
}

func checkCompareOtherValues(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	p := renameEvent(page(domain.Position{Pass: 1}, 1, 2, 3), 1)
	return wantComparison(ctx, under, p, 0, 0, nil, []domain.EventID{event(2).ID})
}

// checkCompareParked returns all records of commitMixed again. The superseded dead letter counts as stored.
func checkCompareParked(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	p := addRejects(page(domain.Position{Pass: 1}, 1, 2), reject(2, 3, "superseded later"), reject(3, 9, "stays open"))
	if err := wantComparison(ctx, under, p, 1, 0, nil, nil); err != nil {
		return err
	}
	conflict := page(domain.Position{Pass: 1}, 3, 2)
	conflict.Events = append(conflict.Events, renamedEvent(2, 1, "other"))
	return wantComparison(ctx, under, conflict, 1, 0, nil, nil)
}

func checkCompareNotKept(ctx context.Context, under VerifyUnderTest) error {
	s, at, err := openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return err
	}
	p := page(at.Position)
	for i := range domain.MaxOpenDeadLetters + 2 {
		p = addRejects(p, reject(i, 1, fmt.Sprintf("record %d", i)))
	}
	if _, err := s.Commit(ctx, batch(at, p)); err != nil {
		return err
	}
	if err := wantComparison(ctx, under, p, domain.MaxOpenDeadLetters, 2, nil, nil); err != nil {
		return err
	}
	more := addRejects(page(at.Position), reject(0, 1, "one more"))
	return wantComparison(ctx, under, more, 0, 0, []domain.EventID{event(1).ID}, nil)
}

func checkUnreturned(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	if err := wantUnreturned(ctx, under, 1, 2, 3); err != nil {
		return err
	}
	if err := wantComparison(ctx, under, page(domain.Position{Pass: 1}, 1, 3), 0, 0, nil, nil); err != nil {
		return err
	}
	for range 2 {
		if err := wantUnreturned(ctx, under, 2); err != nil {
			return err
		}
	}
	if err := wantComparison(ctx, under, page(domain.Position{Pass: 1}, 2), 0, 0, nil, nil); err != nil {
		return err
	}
	return wantUnreturned(ctx, under)
}

// checkUnreturnedReject returns a stored event as a record that cannot be decoded any more. The record is missing, but its
// event was returned.
func checkUnreturnedReject(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	p := addRejects(page(domain.Position{Pass: 1}, 1), reject(1, 2, "stored, but bad"))
	if err := wantComparison(ctx, under, p, 0, 0, []domain.EventID{event(2).ID}, nil); err != nil {
		return err
	}
	return wantUnreturned(ctx, under, 3)
}

func checkBegin(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	if err := wantComparison(ctx, under, page(domain.Position{Pass: 1}, 1, 2, 3), 0, 0, nil, nil); err != nil {
		return err
	}
	under.Comparison.Begin()
	return wantUnreturned(ctx, under, 1, 2, 3)
}

func checkCompareStopped(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	p := page(domain.Position{Pass: 1}, 1, 2)
	_, err := under.Comparison.Compare(stopped, streamID(), p)
	if err := wantKind(err, domain.Stopped); err != nil {
		return err
	}
	if err := wantUnreturned(ctx, under, 1, 2, 3); err != nil {
		return err
	}
	if err := wantComparison(ctx, under, p, 0, 0, nil, nil); err != nil {
		return err
	}
	return wantUnreturned(ctx, under, 3)
}

func checkUnreturnedOtherStream(ctx context.Context, under VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, under); err != nil {
		return err
	}
	if err := commitOtherStream(ctx, under, 6, 7); err != nil {
		return err
	}
	return wantUnreturned(ctx, under, 1, 2, 3)
}

// checkPageCommittedAt commits two pages after a backup, restores the backup, and commits other pages.
func checkPageCommittedAt(ctx context.Context, under VerifyUnderTest) error {
	s, at, err := openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return err
	}
	restore, err := under.Backup(ctx)
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(at, page(at.Position, 1))); err != nil {
		return err
	}
	first, err := under.Comparison.PageCommittedAt(ctx, streamID(), 1)
	if err != nil || first.IsZero() {
		return fmt.Errorf("got %v for a page that is stored; %w", first, err)
	}
	again, err := under.Comparison.PageCommittedAt(ctx, streamID(), 1)
	if err != nil || !again.Equal(first) {
		return fmt.Errorf("got %v, want %v again; %w", again, first, err)
	}
	if err := restore(ctx); err != nil {
		return err
	}
	gone, err := under.Comparison.PageCommittedAt(ctx, streamID(), 1)
	if err != nil || !gone.IsZero() {
		return fmt.Errorf("got %v for a page that is gone, want zero; %w", gone, err)
	}
	s, at, err = openAndClaim(ctx, under.StoreUnderTest)
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, batch(at, page(at.Position, 1))); err != nil {
		return err
	}
	other, err := under.Comparison.PageCommittedAt(ctx, streamID(), 1)
	if err != nil || other.Equal(first) {
		return fmt.Errorf("got the time of the page that is gone, want another; %w", err)
	}
	return nil
}
