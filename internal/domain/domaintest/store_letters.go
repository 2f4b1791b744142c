package domaintest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"reflect"

	"github.com/pawldata/pawl/internal/domain"
)

// reject is a record that is no event, for the n-th of the series.
func reject(index int, n byte, payload string) domain.Reject {
	return domain.Reject{Record: domain.Record{Index: index, Payload: []byte(payload)}, Why: domain.Rejection{
		Reason: "bad timestamp", Field: "timestamp", Detail: `"yesterday" is none`, ID: event(n).ID,
	}}
}

// keyOf returns the key of a reject in a page whose decoder tells records by their bytes.
func keyOf(r domain.Reject) domain.DeadLetterKey { return domain.DecodedPage{}.KeyOf(r) }

// withRejects is a page that holds rejects, too.
func withRejects(p domain.DecodedPage, rejects ...domain.Reject) domain.DecodedPage {
	p.Rejects = append(p.Rejects, rejects...)
	p.Received += len(rejects)
	return p
}

// commits stores one page after the other.
func commits(ctx context.Context, s domain.EventStore, at domain.Checkpoint, pages ...domain.DecodedPage) (last domain.CommitResult, err error) {
	for i, p := range pages {
		p.To.Pass += int64(i) // within a pass no page may repeat another
		if last, err = s.Commit(ctx, batch(at, p)); err != nil {
			return last, err
		}
		at = last.Checkpoint
	}
	return last, nil
}

// A want is what must have become of a dead letter.
type want struct {
	key      domain.DeadLetterKey
	reason   string
	payload  string
	index    int
	seen     int64
	resolved string
}

func parked(ctx context.Context, under StoreUnderTest, wanted ...want) error {
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	var got []want
	for _, l := range letters {
		if l.Why.Detail == "" || l.ParkedAt.IsZero() || l.PageID == 0 {
			return fmt.Errorf("the letter does not say all: %+v", l)
		}
		w := want{l.Key, l.Why.Reason, string(l.Payload), l.Index, l.Seen, ""}
		if r := l.Resolved; r != nil {
			w.resolved = r.How
			if r.At.IsZero() || r.Why == "" || r.PageID == 0 {
				return fmt.Errorf("the resolution does not say all: %+v", *r)
			}
		}
		got = append(got, w)
	}
	if !reflect.DeepEqual(got, wanted) {
		return fmt.Errorf("letters %+v, want %+v", got, wanted)
	}
	return nil
}

func rejectIsParked(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	r := reject(2, 3, "{\"id\":\xff\x00}")
	res, err := s.Commit(ctx, batch(at, withRejects(page(at.Position, 1, 2), r)))
	if err != nil {
		return err
	}
	if err := wantTally(res.Checkpoint.Counts, domain.Counts{Received: 3, Inserted: 2, Parked: 1}); err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) != 1 || letters[0].Why != r.Why {
		return fmt.Errorf("letters %+v, want one for %+v", letters, r.Why)
	}
	if err := parked(ctx, under, want{keyOf(r), r.Why.Reason, "{\"id\":\xff\x00}", 2, 1, ""}); err != nil {
		return err
	}
	return stored(ctx, under, 1, 2)
}

func rejectMetAgain(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	spelt := func(p domain.DecodedPage, rejects ...domain.Reject) domain.DecodedPage {
		p = withRejects(p, rejects...)
		p.Hash = func(r domain.Record) domain.RecordHash { return sha256.Sum256(bytes.ToLower(r.Payload)) }
		return p
	}
	first, err := s.Commit(ctx, batch(at, spelt(page(at.Position, 1), reject(1, 2, "as here"), reject(2, 2, "As Here"))))
	if err != nil {
		return err
	}
	if err := wantTally(first.Counts, domain.Counts{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	second, err := s.Commit(ctx, batch(first.Checkpoint, spelt(page(first.Checkpoint.NextPass(), 1), reject(1, 2, "AS HERE"))))
	if err != nil {
		return err
	}
	if err := wantTally(second.Counts, domain.Counts{Received: 2, Duplicate: 2}); err != nil {
		return err
	}
	return parked(ctx, under, want{keyOf(reject(0, 2, "as here")), "bad timestamp", "as here", 1, 3, ""})
}

// otherContent: records of one event that say different things are letters of their own.
func otherContent(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	first := withRejects(page(at.Position), reject(0, 2, "one"), reject(1, 2, "two"))
	last, err := commits(ctx, s, at, first, withRejects(page(at.Position), reject(0, 2, "three"), reject(1, 2, "one")))
	if err != nil {
		return err
	}
	if err := wantTally(last.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	letter := func(payload string, index int, seen int64) want {
		return want{keyOf(reject(0, 2, payload)), "bad timestamp", payload, index, seen, ""}
	}
	return parked(ctx, under, letter("one", 0, 2), letter("two", 1, 1), letter("three", 0, 1))
}

// afterResolved: what was resolved stands for what it said, not for what comes under its id afterwards.
func afterResolved(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	last, err := commits(ctx, s, at,
		withRejects(page(at.Position), reject(0, 2, "resolved")), page(at.Position, 2),
		withRejects(page(at.Position), reject(0, 2, "resolved"), reject(1, 2, "new")),
	)
	if err != nil {
		return err
	}
	if err := wantTally(last.Counts, domain.Counts{Received: 2, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	return parked(ctx, under,
		want{keyOf(reject(0, 2, "resolved")), "bad timestamp", "resolved", 0, 2, domain.ResolvedAsSuperseded},
		want{keyOf(reject(0, 2, "new")), "bad timestamp", "new", 1, 1, ""})
}

// openLettersAreFew: of one event only so many letters are open, conflicts included, be it in one page or in several. Further
// records are counted in the last of them. A letter that is resolved makes room for another one.
func openLettersAreFew(ctx context.Context, under StoreUnderTest) error {
	const conflicts, received = 10, 40
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	values := page(at.Position)
	for i := range conflicts {
		values.Events = append(values.Events, otherwise(i, 1, fmt.Sprintf("name %d", i)))
		values.Received++
	}
	many := func(at domain.Position) domain.DecodedPage {
		p := page(at)
		for i := range received {
			p = withRejects(p, reject(i, 1, fmt.Sprintf("record %d", i)))
		}
		return p
	}
	const kept, others = domain.MaxOpenDeadLetters - conflicts, received - (domain.MaxOpenDeadLetters - conflicts)
	res, err := commits(ctx, s, at, page(at.Position, 1), values, many(at.Position))
	if err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: received, Duplicate: others, Parked: kept}); err != nil {
		return err
	}
	pass := res.Checkpoint.NextPass()
	if res, err = commits(ctx, s, res.Checkpoint, many(pass)); err != nil {
		return err
	}
	if err := wantTally(res.Counts, domain.Counts{Received: received, Duplicate: received}); err != nil {
		return fmt.Errorf("the same again: %w", err)
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
			return fmt.Errorf("letter %d was seen %d times, %d of these others, want %d and %d", i+1, l.Seen, l.Others, seen+counted, counted)
		}
	}
	other := withRejects(page(pass), reject(0, 2, "of another event"))
	res, err = commits(ctx, s, res.Checkpoint, other, page(pass, 1), many(pass.NextPass()))
	if err != nil {
		return err
	}
	return wantTally(res.Counts, domain.Counts{Received: received, Duplicate: others, Parked: kept})
}

func rejectWithoutID(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	nobody := func(index int, payload string) domain.Reject {
		r := reject(index, 0, payload)
		r.Why.ID = domain.EventID{}
		return r
	}
	a, b := nobody(0, "null"), nobody(1, "42")
	last, err := commits(ctx, s, at, withRejects(page(at.Position), a, b), withRejects(page(at.Position), nobody(0, "42")))
	if err != nil {
		return err
	}
	if err := wantTally(last.Counts, domain.Counts{Received: 1, Duplicate: 1}); err != nil {
		return err
	}
	return parked(ctx, under, want{keyOf(a), "bad timestamp", "null", 0, 1, ""}, want{keyOf(b), "bad timestamp", "42", 1, 2, ""})
}

func tooManyLetters(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	p := withRejects(page(at.Position, 1, 2), reject(2, 3, "x"), reject(3, 4, "y"))
	p.Events[1].Name = "\x00"
	p.MaxParked = 2
	_, err = s.Commit(ctx, batch(at, page(at.Position, 9), p))
	if err := wantKind(err, domain.TooManyRejects); err != nil {
		return err
	}
	if letters, err := under.Letters(ctx); err != nil || len(letters) > 0 {
		return fmt.Errorf("letters of a page that was refused: %+v, %w", letters, err)
	}
	if err := unmoved(ctx, under, s, at); err != nil {
		return err
	}
	p.MaxParked = 3
	_, err = s.Commit(ctx, batch(at, p))
	return err
}
