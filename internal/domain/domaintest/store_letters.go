package domaintest

import (
	"context"
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

// withRejects is a page that holds rejects, too.
func withRejects(p domain.ReadPage, rejects ...domain.Reject) domain.ReadPage {
	p.Rejects = append(p.Rejects, rejects...)
	p.Received += len(rejects)
	return p
}

// commits stores one page after the other.
func commits(ctx context.Context, s domain.EventStore, at domain.Checkpoint, pages ...domain.ReadPage) (last domain.CommitResult, err error) {
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
	key      domain.LetterKey
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
	res, err := s.Commit(ctx, batch(at, withRejects(page(at.Place, 1, 2), r)))
	if err != nil {
		return err
	}
	if err := wantTally(res.Checkpoint.Tally, domain.Tally{Received: 3, Inserted: 2, Parked: 1}); err != nil {
		return err
	}
	letters, err := under.Letters(ctx)
	if err != nil {
		return err
	}
	if len(letters) != 1 || letters[0].Why != r.Why {
		return fmt.Errorf("letters %+v, want one for %+v", letters, r.Why)
	}
	if err := parked(ctx, under, want{r.Key(), r.Why.Reason, "{\"id\":\xff\x00}", 2, 1, ""}); err != nil {
		return err
	}
	return stored(ctx, under, 1, 2)
}

func rejectMetAgain(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	first, err := s.Commit(ctx, batch(at, withRejects(page(at.Place, 1), reject(1, 2, "in these bytes"), reject(2, 2, "in others"))))
	if err != nil {
		return err
	}
	if err := wantTally(first.Tally, domain.Tally{Received: 3, Inserted: 1, Duplicate: 1, Parked: 1}); err != nil {
		return err
	}
	second, err := s.Commit(ctx, batch(first.Checkpoint, withRejects(page(first.Checkpoint.NextPass(), 1), reject(1, 2, "in still others"))))
	if err != nil {
		return err
	}
	if err := wantTally(second.Tally, domain.Tally{Received: 2, Duplicate: 2}); err != nil {
		return err
	}
	return parked(ctx, under, want{reject(0, 2, "").Key(), "bad timestamp", "in these bytes", 1, 3, ""})
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
	last, err := commits(ctx, s, at, withRejects(page(at.Place), a, b), withRejects(page(at.Place), nobody(0, "42")))
	if err != nil {
		return err
	}
	if err := wantTally(last.Tally, domain.Tally{Received: 1, Duplicate: 1}); err != nil {
		return err
	}
	return parked(ctx, under, want{a.Key(), "bad timestamp", "null", 0, 1, ""}, want{b.Key(), "bad timestamp", "42", 1, 2, ""})
}

func tooManyLetters(ctx context.Context, under StoreUnderTest) error {
	s, at, err := claimed(ctx, under)
	if err != nil {
		return err
	}
	p := withRejects(page(at.Place, 1, 2), reject(2, 3, "x"), reject(3, 4, "y"))
	p.Events[1].Name = "\x00"
	p.MayPark = 2
	_, err = s.Commit(ctx, batch(at, page(at.Place, 9), p))
	if err := wantKind(err, domain.Rejected); err != nil {
		return err
	}
	if letters, err := under.Letters(ctx); err != nil || len(letters) > 0 {
		return fmt.Errorf("letters of a page that was refused: %+v, %w", letters, err)
	}
	if err := unmoved(ctx, under, s, at); err != nil {
		return err
	}
	p.MayPark = 3
	_, err = s.Commit(ctx, batch(at, p))
	return err
}
