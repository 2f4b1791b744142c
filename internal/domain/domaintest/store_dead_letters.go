package domaintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"
	"strconv"

	"github.com/pawldata/pawl/internal/domain"
)

// reject returns a reject with this payload and with the id of the n-th event of the series. addRejects sets its index.
func reject(n byte, payload string) domain.Reject {
	return domain.Reject{Record: domain.Record{Payload: []byte(payload)}, Why: domain.Rejection{
		Reason: rejectReason, Field: "timestamp", Detail: `"yesterday" is no time`, ID: event(n).ID,
	}}
}

// rejectReason is the reason of the rejects that reject returns.
const rejectReason = "bad timestamp"

// rejectWithoutID returns a reject whose event id is unknown.
func rejectWithoutID(payload string) domain.Reject {
	r := reject(0, payload)
	r.Why.ID = domain.EventID{}
	return r
}

// unstorableReject returns the reject that a store makes of an event that the database refuses. It lacks the detail, which
// depends on the database.
func unstorableReject(e domain.DecodedEvent) domain.Reject {
	return domain.Reject{Record: e.Record, Why: domain.Rejection{Reason: domain.ReasonUnstorable, ID: e.ID}}
}

// addRejects returns the page with the rejects after its other records.
func addRejects(p domain.DecodedPage, rejects ...domain.Reject) domain.DecodedPage {
	for _, r := range rejects {
		r.Record.Index = p.Received
		p.Rejects = append(p.Rejects, r)
		p.Received++
	}
	return p
}

// commitEach commits each page in its own batch, and returns the result of the last commit. All pages may begin at the same
// position: commitEach raises the pass of each page by the page's index, so that no pass contains a page twice.
func commitEach(
	ctx context.Context, store domain.EventStore, checkpoint domain.Checkpoint, pages ...domain.DecodedPage,
) (last domain.CommitResult, err error) {
	for i, p := range pages {
		p.To.Pass += int64(i)
		if last, err = store.Commit(ctx, batch(checkpoint, p)); err != nil {
			return last, err
		}
		checkpoint = last.Checkpoint
	}
	return last, nil
}

// An expectedLetter describes the dead letter of a reject whose key is the hash of its bytes, with its event id if it has one.
type expectedLetter struct {
	reject   domain.Reject
	seen     int64
	resolved string // how the dead letter was resolved; empty if it is open
}

// wantParked returns an error unless these are the dead letters, in the order of parking. It does not compare their details.
func wantParked(ctx context.Context, db StoreUnderTest, expected ...expectedLetter) error {
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	type comparedLetter struct {
		key      domain.DeadLetterKey
		reason   string
		payload  string
		index    int
		seen     int64
		resolved string
	}
	var got, want []comparedLetter
	for _, l := range letters {
		if l.Why.Detail == "" || l.ParkedAt.IsZero() || l.PageID == 0 {
			return fmt.Errorf("the dead letter lacks its detail, its time or its page: %+v", l)
		}
		letter := comparedLetter{key: l.Key, reason: l.Why.Reason, payload: string(l.Payload), index: l.Index, seen: l.Seen}
		if r := l.Resolved; r != nil {
			letter.resolved = r.How
			if r.At.IsZero() || r.Why == "" || r.PageID == 0 {
				return fmt.Errorf("the resolution lacks its time, its reason or its page: %+v", *r)
			}
		}
		got = append(got, letter)
	}
	for _, e := range expected {
		want = append(want, comparedLetter{
			key: keyOf(e.reject), reason: e.reject.Why.Reason, payload: string(e.reject.Record.Payload),
			index: e.reject.Record.Index, seen: e.seen, resolved: e.resolved,
		})
	}
	if !reflect.DeepEqual(got, want) {
		return fmt.Errorf("got dead letters %+v, want %+v", got, want)
	}
	return nil
}

// keyOf returns the key of a reject in a page whose decoder hashes the bytes of a record.
func keyOf(r domain.Reject) domain.DeadLetterKey { return domain.DecodedPage{}.KeyOf(r) }

// checkRejectParked parks a reject whose bytes are not valid as text in PostgreSQL. All its bytes must be stored.
func checkRejectParked(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := addRejects(page(checkpoint.Position, 1, 2), reject(3, "{\"id\":\xff\x00}"))
	res, err := store.Commit(ctx, batch(checkpoint, p))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Checkpoint.Counts, domain.Counts{Received: 3, Inserted: 2, Parked: 1}); err != nil {
		return err
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) != 1 || letters[0].Why != p.Rejects[0].Why {
		return fmt.Errorf("got dead letters %+v, want one for %+v", letters, p.Rejects[0].Why)
	}
	if err := wantParked(ctx, db, expectedLetter{reject: p.Rejects[0], seen: 1}); err != nil {
		return err
	}
	return wantStored(ctx, db, 1, 2)
}

// checkRepeatedReject uses a decoder whose hash ignores case. To this decoder "as here", "As Here" and "AS HERE" are forms of
// the same record. Only the first form is parked.
func checkRepeatedReject(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	hashLowerCase := func(r domain.Record) domain.RecordHash { return sha256.Sum256(bytes.ToLower(r.Payload)) }
	firstPage := addRejects(page(checkpoint.Position, 1), reject(2, "as here"), reject(2, "As Here"))
	firstPage.Hash = hashLowerCase
	first, err := store.Commit(ctx, batch(checkpoint, firstPage))
	if err != nil {
		return err
	}
	if err := wantCounts(first.Counts, domain.Counts{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	secondPage := addRejects(page(first.Checkpoint.NextPass(), 1), reject(2, "AS HERE"))
	secondPage.Hash = hashLowerCase
	second, err := store.Commit(ctx, batch(first.Checkpoint, secondPage))
	if err != nil {
		return err
	}
	if err := wantCounts(second.Counts, domain.Counts{Received: 2, Duplicate: 2}); err != nil {
		return err
	}
	return wantParked(ctx, db, expectedLetter{reject: firstPage.Rejects[0], seen: 3})
}

// checkDifferentRecords checks that records of one event with different contents become different dead letters.
func checkDifferentRecords(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first := addRejects(page(checkpoint.Position), reject(2, "one"), reject(2, "two"))
	second := addRejects(page(checkpoint.Position), reject(2, "three"), reject(2, "one"))
	last, err := commitEach(ctx, store, checkpoint, first, second)
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	return wantParked(ctx, db,
		expectedLetter{reject: first.Rejects[0], seen: 2},  // "one"
		expectedLetter{reject: first.Rejects[1], seen: 1},  // "two"
		expectedLetter{reject: second.Rejects[0], seen: 1}) // "three"
}

// checkRecordAfterResolved checks that a resolved dead letter stands only for its own content. A later record of the same
// event with other content becomes a new dead letter.
func checkRecordAfterResolved(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first := addRejects(page(checkpoint.Position), reject(2, "resolved"))
	third := addRejects(page(checkpoint.Position), reject(2, "resolved"), reject(2, "new"))
	last, err := commitEach(ctx, store, checkpoint, first, page(checkpoint.Position, 2), third)
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	return wantParked(ctx, db,
		expectedLetter{reject: first.Rejects[0], seen: 2, resolved: domain.ResolvedAsSuperseded},
		expectedLetter{reject: third.Rejects[1], seen: 1})
}

// checkMaxOpenDeadLetters checks that an event has at most domain.MaxOpenDeadLetters open dead letters, conflicts included.
// It commits event 1, then conflicts of event 1, and then the same page of rejects of event 1 three times:
//  1. The first time, the rejects fill the limit. The surplus rejects are not stored, but counted in the last dead letter.
//  2. The second time, nothing is parked, and the same surplus is counted again.
//  3. Before the third time, event 1 is received again. It supersedes the dead letters of the rejects, but not the conflicts.
//     So there is room for as many of the surplus rejects.
//
// Dead letters of another event do not count for the limit.
func checkMaxOpenDeadLetters(ctx context.Context, db StoreUnderTest) error {
	const (
		conflicts = 10
		rejects   = 40
		parked    = domain.MaxOpenDeadLetters - conflicts // rejects within the limit
		surplus   = rejects - parked
	)
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	conflictPage := page(checkpoint.Position)
	for i := range conflicts {
		conflictPage.Events = append(conflictPage.Events, newDecodedEvent(i, changeName(event(1), fmt.Sprintf("name %d", i))))
		conflictPage.Received++
	}
	rejectPage := func(from domain.Position) domain.DecodedPage {
		p := page(from)
		for i := range rejects {
			p = addRejects(p, reject(1, fmt.Sprintf("record %d", i)))
		}
		return p
	}
	res, err := commitEach(ctx, store, checkpoint, page(checkpoint.Position, 1), conflictPage, rejectPage(checkpoint.Position))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: rejects, Duplicate: surplus, Parked: parked}); err != nil {
		return fmt.Errorf("rejects for the first time: %w", err)
	}
	pass := res.Checkpoint.NextPass()
	if res, err = commitEach(ctx, store, res.Checkpoint, rejectPage(pass)); err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: rejects, Duplicate: rejects}); err != nil {
		return fmt.Errorf("rejects for the second time: %w", err)
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	for i, l := range letters {
		wantSeen, wantOthers := int64(1), int64(0)
		if i >= conflicts { // a reject, which was received twice
			wantSeen = 2
		}
		if i == domain.MaxOpenDeadLetters-1 { // the last one, which counts the surplus of both times
			wantOthers = 2 * surplus
		}
		wantSeen += wantOthers
		if l.Seen != wantSeen || l.Others != wantOthers {
			return fmt.Errorf("dead letter %d: got seen %d, others %d; want %d and %d", i+1, l.Seen, l.Others, wantSeen, wantOthers)
		}
	}
	otherEvent := addRejects(page(pass), reject(2, "of another event"))
	res, err = commitEach(ctx, store, res.Checkpoint, otherEvent, page(pass, 1), rejectPage(pass.NextPass()))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: rejects, Duplicate: surplus, Parked: parked}); err != nil {
		return fmt.Errorf("rejects for the third time: %w", err)
	}
	return nil
}

// checkRejectWithoutID parks two rejects without an event id, and then one of them again. Only their bytes tell them apart.
func checkRejectWithoutID(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	first := addRejects(page(checkpoint.Position), rejectWithoutID("null"), rejectWithoutID("42"))
	last, err := commitEach(ctx, store, checkpoint, first, addRejects(page(checkpoint.Position), rejectWithoutID("42")))
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 1, Duplicate: 1}); err != nil {
		return err
	}
	return wantParked(ctx, db,
		expectedLetter{reject: first.Rejects[0], seen: 1}, // "null"
		expectedLetter{reject: first.Rejects[1], seen: 2}) // "42"
}

// checkTooManyDeadLetters commits a page with three records to park, of which MaxParked allows two. The whole batch must write
// nothing. With MaxParked 3 the page must be stored.
func checkTooManyDeadLetters(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	p := addRejects(page(checkpoint.Position, 1, 2), reject(3, "x"), reject(4, "y"))
	p.Events[1].Name = refusedText // the third record to park
	p.MaxParked = 2
	_, err = store.Commit(ctx, batch(checkpoint, page(checkpoint.Position, 9), p))
	if err := wantKind(err, domain.TooManyRejects); err != nil {
		return err
	}
	letters, err := db.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) > 0 {
		return fmt.Errorf("got dead letters %+v of a page that was not stored, want none", letters)
	}
	if err := wantUnmoved(ctx, db, store, checkpoint); err != nil {
		return err
	}
	p.MaxParked = 3
	_, err = store.Commit(ctx, batch(checkpoint, p))
	return err
}

// checkSurplusCounts checks that the rejects above domain.MaxOpenDeadLetters count for DecodedPage.MaxParked, although they
// are not stored. If an API gives many events the same id, its pages are broken. They must not be stored, even if only few of
// their records would be parked.
func checkSurplusCounts(ctx context.Context, db StoreUnderTest) error {
	store, checkpoint, err := openAndClaim(ctx, db)
	if err != nil {
		return err
	}
	const surplus = 4
	p := page(checkpoint.Position)
	for i := range domain.MaxOpenDeadLetters + surplus {
		p = addRejects(p, reject(7, strconv.Itoa(i)))
	}
	p.MaxParked = len(p.Rejects) - 1
	_, err = store.Commit(ctx, batch(checkpoint, p))
	if err := wantKind(err, domain.TooManyRejects); err != nil {
		return err
	}
	p.MaxParked = len(p.Rejects)
	res, err := store.Commit(ctx, batch(checkpoint, p))
	if err != nil {
		return err
	}
	want := domain.Counts{Received: int64(len(p.Rejects)), Duplicate: surplus, Parked: domain.MaxOpenDeadLetters}
	return wantCounts(res.Counts, want)
}
