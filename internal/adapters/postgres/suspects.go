package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A suspect is a record that no row holds as it is: it is parked, or is a difference.
type suspect struct {
	record domain.Record
	id     domain.EventID     // zero if it cannot be told
	keys   []domain.LetterKey // it would be parked under one of them
	former []domain.LetterKey // or, by an earlier version, under one of these, if that letter has the record's bytes
	what   string             // what is wrong if it is not

	fits     bool // a row could hold it, so that a letter which was resolved no longer stands for it
	conflict bool // its id is stored, so that only a letter which says so stands for it
	orByID   bool // if its id is stored, that is as good as a letter
}

// suspectsOf is the suspects among a page's records: its rejects, the events that are unlike their rows, and those that
// the database refuses to compare.
func suspectsOf(page domain.ReadPage, others []unlike, refused []domain.Reject) (all []suspect) {
	for _, r := range page.Rejects {
		s := newSuspect(page, r, fmt.Sprintf("record at index %d is neither stored nor parked: %s", r.Record.Index, r.Why.Error()))
		s.orByID = true
		all = append(all, s)
	}
	for _, u := range others {
		s := newSuspect(page, u.conflict(), "neither stored nor parked")
		s.fits = true
		if !u.missing {
			s.conflict, s.what = true, "stored with another "+u.columns
		}
		all = append(all, s)
	}
	for _, r := range refused {
		all = append(all, newSuspect(page, r, "not parked: "+r.Why.Detail))
	}
	return all
}

// newSuspect returns a suspect with all the keys under which its record may be parked: a letter keeps its key, whatever a
// decoder learns afterwards, so that what is a conflict now may be there as a reject, and what has an id now without one.
func newSuspect(page domain.ReadPage, r domain.Reject, what string) suspect {
	asReject, withoutID := domain.Reject{Record: r.Record, Why: r.Why}, domain.Reject{Record: r.Record}
	return suspect{
		record: r.Record, id: r.Why.ID, what: what,
		keys:   []domain.LetterKey{page.KeyOf(r), page.KeyOf(asReject), page.KeyOf(withoutID)},
		former: []domain.LetterKey{asReject.FormerKey(), withoutID.FormerKey()},
	}
}

// settle tells the suspects that are parked from the differences.
func settle(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, page domain.ReadPage, suspects []suspect,
) (domain.PageComparison, error) {
	var result domain.PageComparison
	if len(suspects) == 0 {
		return result, nil
	}
	letters, err := lettersOf(ctx, q, stream, suspects)
	if err != nil {
		return result, err
	}
	stored, err := storedOf(ctx, q, suspects)
	if err != nil {
		return result, err
	}
	var nowhere []suspect
	for _, s := range suspects {
		m := s.among(page, letters)
		switch {
		case m.altered != 0:
			result.Differences = append(result.Differences, domain.Difference{
				Event: s.id, What: fmt.Sprintf("dead letter %d holds other bytes than the API returns", m.altered),
			})
		case m.stands:
			result.Parked++
		case m.parked && !s.fits, s.orByID && stored[s.id]:
		default:
			nowhere = append(nowhere, s)
		}
	}
	err = countOut(ctx, q, stream, nowhere, &result)
	return result, err
}

// countOut counts records that have neither a row nor a letter: as not kept if their event has a letter that counts such
// records, else as a difference.
func countOut(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, nowhere []suspect, result *domain.PageComparison,
) error {
	if len(nowhere) == 0 {
		return nil
	}
	ids := make([]domain.EventID, len(nowhere))
	for i, s := range nowhere {
		ids[i] = s.id
	}
	counted, err := q.ReturnedOthers(ctx, dbsqlc.ReturnedOthersParams{Stream: stream.String(), Ids: ids})
	for _, s := range nowhere {
		difference := domain.Difference{Event: s.id, What: s.what}
		switch {
		case slices.Contains(counted, s.id):
			result.NotKept++
		case s.conflict:
			result.Differences = append(result.Differences, difference)
		default:
			result.Missing = append(result.Missing, difference)
		}
	}
	return err
}

// A match is what a suspect's letters come to.
type match struct {
	parked  bool  // one is the suspect's
	stands  bool  // one stands for it
	altered int64 // the id of one that has its key, and whose bytes say something else; 0 if there is none
}

// among looks for the suspect's letters. The bytes of a letter say what the record says, or they are not those that were
// parked.
func (s suspect) among(page domain.ReadPage, letters map[domain.LetterKey]dbsqlc.ReturnedParkedRow) (m match) {
	said := page.HashOf(s.record)
	for _, key := range s.keys {
		letter, there := letters[key]
		switch {
		case !there || s.conflict && !letter.Conflict:
		case page.HashOf(domain.Record{Payload: letter.Payload}) != said:
			m.altered = letter.ID
		default:
			m.parked, m.stands = true, m.stands || letter.Stands
		}
	}
	for _, key := range s.former {
		if letter, there := letters[key]; there && (letter.Conflict || !s.conflict) && page.HashOf(domain.Record{Payload: letter.Payload}) == said {
			m.parked, m.stands = true, m.stands || letter.Stands
		}
	}
	return m
}

// lettersOf is the letters that the suspects may be.
func lettersOf(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, suspects []suspect,
) (map[domain.LetterKey]dbsqlc.ReturnedParkedRow, error) {
	var keys []string
	for _, s := range suspects {
		for _, key := range slices.Concat(s.keys, s.former) {
			keys = append(keys, string(key))
		}
	}
	rows, err := q.ReturnedParked(ctx, dbsqlc.ReturnedParkedParams{Stream: stream.String(), Keys: keys})
	letters := make(map[domain.LetterKey]dbsqlc.ReturnedParkedRow, len(rows))
	for _, r := range rows {
		letters[domain.LetterKey(r.Key)] = r
	}
	return letters, err
}

// storedOf is those ids that are as good as a letter and are stored.
func storedOf(ctx context.Context, q *dbsqlc.Queries, suspects []suspect) (map[domain.EventID]bool, error) {
	var ids []domain.EventID
	for _, s := range suspects {
		if s.orByID && s.id != (domain.EventID{}) {
			ids = append(ids, s.id)
		}
	}
	rows, err := q.ReturnedStored(ctx, ids)
	stored := make(map[domain.EventID]bool, len(rows))
	for _, id := range rows {
		stored[id] = true
	}
	return stored, err
}
