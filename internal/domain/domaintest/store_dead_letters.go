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

// reject returns a reject for the n-th event of the series.
func reject(index int, n byte, payload string) domain.Reject {
	return domain.Reject{Record: domain.Record{Index: index, Payload: []byte(payload)}, Why: domain.Rejection{
		Reason: "bad timestamp", Field: "timestamp", Detail: `"yesterday" is none`, ID: event(n).ID,
	}}
}

// keyOf returns the key of a reject in a page whose decoder hashes the bytes of a record.
func keyOf(r domain.Reject) domain.DeadLetterKey { return domain.DecodedPage{}.KeyOf(r) }

// addRejects returns the page with more rejects.
func addRejects(p domain.DecodedPage, rejects ...domain.Reject) domain.DecodedPage {
	p.Rejects = append(p.Rejects, rejects...)
	p.Received += len(rejects)
	return p
}

// commitEach commits the pages one after the other, each in a new pass.
func commitEach(
	ctx context.Context, s domain.EventStore, at domain.Checkpoint, pages ...domain.DecodedPage,
) (last domain.CommitResult, err error) {
	for i, p := range pages {
		p.To.Pass += int64(i) // within a pass a page must not repeat another
		if last, err = s.Commit(ctx, batch(at, p)); err != nil {
			return last, err
		}
		at = last.Checkpoint
	}
	return last, nil
}

// A wantLetter is the expected state of a dead letter.
type wantLetter struct {
	key      domain.DeadLetterKey
	reason   string
	payload  string
	index    int
	seen     int64
	resolved string
}

func wantParked(ctx context.Context, under StoreUnderTest, wanted ...wantLetter) error {
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	var got []wantLetter
	for _, l := range letters {
		if l.Why.Detail == "" || l.ParkedAt.IsZero() || l.PageID == 0 {
			return fmt.Errorf("the dead letter lacks a field: %+v", l)
		}
		w := wantLetter{l.Key, l.Why.Reason, string(l.Payload), l.Index, l.Seen, ""}
		if r := l.Resolved; r != nil {
			w.resolved = r.How
			if r.At.IsZero() || r.Why == "" || r.PageID == 0 {
				return fmt.Errorf("the resolution lacks a field: %+v", *r)
			}
		}
		got = append(got, w)
	}
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("got dead letters %+v, want %+v", got, wanted)
	}
	return nil
}

func checkRejectParked(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	r := reject(2, 3, "{\"id\":\xff\x00}")
	res, err := s.Commit(ctx, batch(at, addRejects(page(at.Position, 1, 2), r)))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Checkpoint.Counts, domain.Counts{Received: 3, Inserted: 2, Parked: 1}); err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) != 1 || letters[0].Why != r.Why {
		return fmt.Errorf("got dead letters %+v, want one for %+v", letters, r.Why)
	}
	if err := wantParked(ctx, under, wantLetter{keyOf(r), r.Why.Reason, "{\"id\":\xff\x00}", 2, 1, ""}); err != nil {
		return err
	}
	return wantStored(ctx, under, 1, 2)
}

func checkRepeatedReject(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	withLowerHash := func(p domain.DecodedPage, rejects ...domain.Reject) domain.DecodedPage {
		p = addRejects(p, rejects...)
		p.Hash = func(r domain.Record) domain.RecordHash { return sha256.Sum256(bytes.ToLower(r.Payload)) }
		return p
	}
	first, err := s.Commit(ctx, batch(at, withLowerHash(page(at.Position, 1), reject(1, 2, "as here"), reject(2, 2, "As Here"))))
	if err != nil {
		return err
	}
	if err := wantCounts(first.Counts, domain.Counts{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	second, err := s.Commit(ctx, batch(first.Checkpoint, withLowerHash(page(first.Checkpoint.NextPass(), 1), reject(1, 2, "AS HERE"))))
	if err != nil {
		return err
	}
	if err := wantCounts(second.Counts, domain.Counts{Received: 2, Duplicate: 2}); err != nil {
		return err
	}
	return wantParked(ctx, under, wantLetter{keyOf(reject(0, 2, "as here")), "bad timestamp", "as here", 1, 3, ""})
}

// checkDifferentRecords: records of one event with different contents are different dead letters.
func checkDifferentRecords(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	first := addRejects(page(at.Position), reject(0, 2, "one"), reject(1, 2, "two"))
	last, err := commitEach(ctx, s, at, first, addRejects(page(at.Position), reject(0, 2, "three"), reject(1, 2, "one")))
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	letter := func(payload string, index int, seen int64) wantLetter {
		return wantLetter{keyOf(reject(0, 2, payload)), "bad timestamp", payload, index, seen, ""}
	}
	return wantParked(ctx, under, letter("one", 0, 2), letter("two", 1, 1), letter("three", 0, 1))
}

// checkRecordAfterResolved: a resolved dead letter covers only its own content, not later records of its event.
func checkRecordAfterResolved(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	last, err := commitEach(ctx, s, at,
		addRejects(page(at.Position), reject(0, 2, "resolved")), page(at.Position, 2),
		addRejects(page(at.Position), reject(0, 2, "resolved"), reject(1, 2, "new")),
	)
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	return wantParked(ctx, under,
		wantLetter{keyOf(reject(0, 2, "resolved")), "bad timestamp", "resolved", 0, 2, domain.ResolvedAsSuperseded},
		wantLetter{keyOf(reject(0, 2, "new")), "bad timestamp", "new", 1, 1, ""})
}

// checkMaxOpenDeadLetters: an event has at most domain.MaxOpenDeadLetters open dead letters, conflicts included, from one page
// or several. Further records are counted in the last of them. A resolved dead letter makes room for another one.
func checkMaxOpenDeadLetters(ctx context.Context, under StoreUnderTest) error {
	const conflicts, received = 10, 40
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	values := page(at.Position)
	for i := range conflicts {
		values.Events = append(values.Events, renamedEvent(i, 1, fmt.Sprintf("name %d", i)))
		values.Received++
	}
	many := func(at domain.Position) domain.DecodedPage {
		p := page(at)
		for i := range received {
			p = addRejects(p, reject(i, 1, fmt.Sprintf("record %d", i)))
		}
		return p
	}
	const added, others = domain.MaxOpenDeadLetters - conflicts, received - (domain.MaxOpenDeadLetters - conflicts)
	res, err := commitEach(ctx, s, at, page(at.Position, 1), values, many(at.Position))
	if err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: received, Duplicate: others, Parked: added}); err != nil {
		return err
	}
	pass := res.Checkpoint.NextPass()
	if res, err = commitEach(ctx, s, res.Checkpoint, many(pass)); err != nil {
		return err
	}
	if err := wantCounts(res.Counts, domain.Counts{Received: received, Duplicate: received}); err != nil {
		return fmt.Errorf("second time: %w", err)
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	for i, l := range letters {
		seen, counted := int64(1), int64(0)
		if i >= conflicts {
			seen = 2
		}
		if i == domain.MaxOpenDeadLetters-1 {
			counted = 2 * others
		}
		if l.Seen != seen+counted || l.Others != counted {
			return fmt.Errorf("dead letter %d: got seen %d, others %d; want %d and %d", i+1, l.Seen, l.Others, seen+counted, counted)
		}
	}
	other := addRejects(page(pass), reject(0, 2, "of another event"))
	res, err = commitEach(ctx, s, res.Checkpoint, other, page(pass, 1), many(pass.NextPass()))
	if err != nil {
		return err
	}
	return wantCounts(res.Counts, domain.Counts{Received: received, Duplicate: others, Parked: added})
}

func checkRejectWithoutID(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	withoutID := func(index int, payload string) domain.Reject {
		r := reject(index, 0, payload)
		r.Why.ID = domain.EventID{}
		return r
	}
	a, b := withoutID(0, "null"), withoutID(1, "42")
	last, err := commitEach(ctx, s, at, addRejects(page(at.Position), a, b), addRejects(page(at.Position), withoutID(0, "42")))
	if err != nil {
		return err
	}
	if err := wantCounts(last.Counts, domain.Counts{Received: 1, Duplicate: 1}); err != nil {
		return err
	}
	return wantParked(ctx, under,
		wantLetter{keyOf(a), "bad timestamp", "null", 0, 1, ""}, wantLetter{keyOf(b), "bad timestamp", "42", 1, 2, ""})
}

func checkTooManyDeadLetters(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	p := addRejects(page(at.Position, 1, 2), reject(2, 3, "x"), reject(3, 4, "y"))
	p.Events[1].Name = "\x00"
	p.MaxParked = 2
	_, err = s.Commit(ctx, batch(at, page(at.Position, 9), p))
	if err := wantKind(err, domain.TooManyRejects); err != nil {
		return err
	}
	if letters, err := under.Letters(ctx); err != nil || len(letters) > 0 {
		return fmt.Errorf("got dead letters %+v of a page that was not stored: %w", letters, err)
	}
	if err := wantUnmoved(ctx, under, s, at); err != nil {
		return err
	}
	p.MaxParked = 3
	_, err = s.Commit(ctx, batch(at, p))
	return err
}

// checkSurplusCounts: an API that gives many events one id sends broken pages, although few of the records are parked.
func checkSurplusCounts(ctx context.Context, under StoreUnderTest) error {
	s, at, err := openAndClaim(ctx, under)
	if err != nil {
		return err
	}
	const surplus = 4
	p := page(at.Position)
	for i := range domain.MaxOpenDeadLetters + surplus {
		p = addRejects(p, reject(i, 7, strconv.Itoa(i)))
	}
	p.MaxParked = len(p.Rejects) - 1
	_, err = s.Commit(ctx, batch(at, p))
	if err := wantKind(err, domain.TooManyRejects); err != nil {
		return err
	}
	p.MaxParked = len(p.Rejects)
	res, err := s.Commit(ctx, batch(at, p))
	if err != nil {
		return err
	}
	want := domain.Counts{Received: int64(len(p.Rejects)), Duplicate: surplus, Parked: domain.MaxOpenDeadLetters}
	return wantCounts(res.Counts, want)
}
