package domaintest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// A Comparison is the interface Comparison of internal/app/verify, which this package must not import.
type Comparison interface {
	Begin()
	Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error)
	PageCommittedAt(ctx context.Context, stream domain.StreamID, seq int64) (time.Time, error)
	Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error)
}

// ComparisonChecks returns the checks of the contract of verify.Comparison.
//
// Most checks begin with commitMixed (inventory.go): the events 1, 2 and 3 are then stored, and two dead letters are open.
func ComparisonChecks() []Check[VerifyUnderTest] {
	return []Check[VerifyUnderTest]{
		{"a page that is stored has no differences", checkCompareStored},
		{"a record that is neither stored nor parked is missing", checkCompareMissing},
		{"an event with other values is a difference", checkCompareOtherValues},
		{"parked records are counted", checkCompareParked},
		{"records that another dead letter counts are not kept", checkCompareNotKept},
		{"a stored event is unreturned until a page returns it", checkUnreturned},
		{"an event is returned if a reject with its id is compared", checkUnreturnedReject},
		{"Begin forgets which events were returned", checkBegin},
		{"a comparison that was stopped can be repeated", checkCompareStopped},
		{"events of other streams do not count as unreturned", checkUnreturnedOtherStream},
		{"PageCommittedAt returns the time of the commit of a stored page", checkPageCommittedAt},
	}
}

// An expectedComparison is the expected result of comparing a page. Events are given by their numbers in the series.
type expectedComparison struct {
	parked, notKept int64  // the numbers of records
	missing         []byte // the events of the missing records
	different       []byte // the events of the other differences
}

// wantComparison compares the page with the database, and returns an error unless the result is as expected.
func wantComparison(ctx context.Context, db VerifyUnderTest, p domain.DecodedPage, want expectedComparison) error {
	got, err := db.Comparison.Compare(ctx, streamID(), p)
	if err != nil {
		return err
	}
	if got.Parked != want.parked || got.NotKept != want.notKept {
		return fmt.Errorf("got %d parked and %d not kept, want %d and %d", got.Parked, got.NotKept, want.parked, want.notKept)
	}
	if err := wantDifferences(got.Missing, want.missing); err != nil {
		return fmt.Errorf("missing records: %w", err)
	}
	if err := wantDifferences(got.Differences, want.different); err != nil {
		return fmt.Errorf("other differences: %w", err)
	}
	return nil
}

// wantDifferences returns an error unless the differences are about these events of the series, in this order, and each of
// them says what differs.
func wantDifferences(got []domain.Difference, numbers []byte) error {
	if len(got) != len(numbers) {
		return fmt.Errorf("got %+v, want %d differences", got, len(numbers))
	}
	for i, d := range got {
		if want := event(numbers[i]).ID; d.Event != want {
			return fmt.Errorf("got event %s, want %s", d.Event, want)
		}
		if d.What == "" {
			return fmt.Errorf("difference %+v does not say what differs", d)
		}
	}
	return nil
}

// firstPosition returns the position at which a new stream begins. A comparison does not depend on the position of its page.
func firstPosition() domain.Position { return domain.Position{Pass: 1} }

// wantUnreturned returns an error unless exactly these events of the stream are unreturned: they are stored, and no page
// with them was compared since Begin.
func wantUnreturned(ctx context.Context, db VerifyUnderTest, numbers ...byte) error {
	finding, err := db.Comparison.Unreturned(ctx, streamID())
	if err != nil {
		return err
	}
	var got, want []string
	for _, d := range finding.Shown {
		got = append(got, d.Event.String())
		if d.PageID == 0 || d.Seq == 0 || d.Pass == 0 || d.What == "" {
			return fmt.Errorf("difference %+v lacks its page, or does not say what differs", d)
		}
	}
	for _, n := range numbers {
		want = append(want, event(n).ID.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if finding.Check != domain.CheckUnreturned {
		return fmt.Errorf("got a finding of check %s, want %s", finding.Check, domain.CheckUnreturned)
	}
	if finding.Differences != int64(len(want)) || !slices.Equal(got, want) {
		return fmt.Errorf("got %d unreturned events, of them %v; want %v", finding.Differences, got, want)
	}
	return nil
}

// checkCompareStored compares stored events, and an event with the same values in other forms: another JSON format and another
// time zone.
func checkCompareStored(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	if err := wantComparison(ctx, db, page(firstPosition(), 1, 2, 3), expectedComparison{}); err != nil {
		return err
	}
	sameValues := page(firstPosition(), 1)
	sameValues.Events[0].Properties = []byte(`{ "deep": {"list": [1.50, 9007199254740993, null, "x"]}, "n": 1 }`)
	sameValues.Events[0].OccurredAt = event(1).OccurredAt.In(time.FixedZone("", 3600))
	return wantComparison(ctx, db, sameValues, expectedComparison{})
}

// checkCompareMissing compares a page with event 4, which is not stored, and a reject of event 5, which is not parked. The
// missing rejects come first.
func checkCompareMissing(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	p := addRejects(page(firstPosition(), 1, 4), reject(5, "never parked"))
	return wantComparison(ctx, db, p, expectedComparison{missing: []byte{5, 4}})
}

// checkCompareOtherValues compares a page in which event 2 has another name than in the database.
func checkCompareOtherValues(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	p := page(firstPosition(), 1, 2, 3)
	p.Events[1].Name = "another name"
	return wantComparison(ctx, db, p, expectedComparison{different: []byte{2}})
}

// checkCompareParked compares all records of commitMixed again. The dead letters of event 9 and of the conflict are open, so
// their records count as parked. The dead letter of event 3 is superseded: its record counts as stored, because event 3 is
// stored.
func checkCompareParked(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	p := addRejects(page(firstPosition(), 1, 2), reject(3, "superseded later"), reject(9, "stays open"))
	if err := wantComparison(ctx, db, p, expectedComparison{parked: 1}); err != nil {
		return err
	}
	withConflict := addRenamed(page(firstPosition(), 3, 2), 1, "other")
	return wantComparison(ctx, db, withConflict, expectedComparison{parked: 1})
}

// checkCompareNotKept commits more rejects of event 1 than may be dead letters. The surplus rejects are not stored, but counted
// in another dead letter. When the page is compared, its surplus counts as not kept. One record more is missing.
func checkCompareNotKept(ctx context.Context, db VerifyUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return err
	}
	const notKept = 2
	p := page(checkpoint.Position)
	for i := range domain.MaxOpenDeadLetters + notKept {
		p = addRejects(p, reject(1, fmt.Sprintf("record %d", i)))
	}
	if _, err := store.Commit(ctx, batch(checkpoint, p)); err != nil {
		return err
	}
	if err := wantComparison(ctx, db, p, expectedComparison{parked: domain.MaxOpenDeadLetters, notKept: notKept}); err != nil {
		return err
	}
	more := addRejects(page(checkpoint.Position), reject(1, "one more"))
	return wantComparison(ctx, db, more, expectedComparison{missing: []byte{1}})
}

// checkUnreturned compares the events 1 and 3 of three stored events. Event 2 is unreturned until it is compared too.
func checkUnreturned(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	if err := wantUnreturned(ctx, db, 1, 2, 3); err != nil {
		return err
	}
	if err := wantComparison(ctx, db, page(firstPosition(), 1, 3), expectedComparison{}); err != nil {
		return err
	}
	for range 2 { // Unreturned may be called again
		if err := wantUnreturned(ctx, db, 2); err != nil {
			return err
		}
	}
	if err := wantComparison(ctx, db, page(firstPosition(), 2), expectedComparison{}); err != nil {
		return err
	}
	return wantUnreturned(ctx, db)
}

// checkUnreturnedReject compares a page in which the record of a stored event cannot be decoded. This record is missing in the
// database. But its event does not count as unreturned, because the API has returned the event's id.
func checkUnreturnedReject(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	p := addRejects(page(firstPosition(), 1), reject(2, "event 2, which cannot be decoded"))
	if err := wantComparison(ctx, db, p, expectedComparison{missing: []byte{2}}); err != nil {
		return err
	}
	return wantUnreturned(ctx, db, 3)
}

// checkBegin checks that all stored events are unreturned after Begin, even if they were compared before.
func checkBegin(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	if err := wantComparison(ctx, db, page(firstPosition(), 1, 2, 3), expectedComparison{}); err != nil {
		return err
	}
	db.Comparison.Begin()
	return wantUnreturned(ctx, db, 1, 2, 3)
}

// checkCompareStopped checks that a comparison that was stopped has noted nothing, and that the page can be compared again.
func checkCompareStopped(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	p := page(firstPosition(), 1, 2)
	_, err := db.Comparison.Compare(stopped, streamID(), p)
	if err := wantKind(err, domain.Stopped); err != nil {
		return err
	}
	if err := wantUnreturned(ctx, db, 1, 2, 3); err != nil {
		return err
	}
	if err := wantComparison(ctx, db, p, expectedComparison{}); err != nil {
		return err
	}
	return wantUnreturned(ctx, db, 3)
}

// checkUnreturnedOtherStream stores the events 6 and 7 in another stream. They must not be unreturned in the stream of the checks.
func checkUnreturnedOtherStream(ctx context.Context, db VerifyUnderTest) error {
	if _, _, err := commitMixed(ctx, db); err != nil {
		return err
	}
	if err := commitOtherStream(ctx, db, 6, 7); err != nil {
		return err
	}
	return wantUnreturned(ctx, db, 1, 2, 3)
}

// checkPageCommittedAt commits a page with seq 1, restores an empty backup, and commits another page with seq 1. The second page
// must have another time than the lost first page.
func checkPageCommittedAt(ctx context.Context, db VerifyUnderTest) error {
	committedAt := func() (time.Time, error) { return db.Comparison.PageCommittedAt(ctx, streamID(), 1) }
	store, checkpoint, err := openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return err
	}
	restore, err := db.Backup(ctx)
	if err != nil {
		return err
	}
	if _, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1))); err != nil {
		return err
	}
	first, err := committedAt()
	if err != nil {
		return err
	}
	if first.IsZero() {
		return fmt.Errorf("first page: got time %v, want a time that is not zero", first)
	}
	again, err := committedAt()
	if err != nil {
		return err
	}
	if !again.Equal(first) {
		return fmt.Errorf("first page, second call: got time %v, want %v again", again, first)
	}
	if err := restore(ctx); err != nil {
		return err
	}
	lost, err := committedAt()
	if err != nil {
		return err
	}
	if !lost.IsZero() {
		return fmt.Errorf("lost page: got time %v, want the zero time", lost)
	}
	store, checkpoint, err = openAndClaim(ctx, db.StoreUnderTest)
	if err != nil {
		return err
	}
	if _, err := store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 1))); err != nil {
		return err
	}
	second, err := committedAt()
	if err != nil {
		return err
	}
	if second.Equal(first) {
		return fmt.Errorf("second page: got time %v, want another time than of the lost page", second)
	}
	return nil
}
