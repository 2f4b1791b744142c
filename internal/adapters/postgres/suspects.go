package postgres

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A suspect is a record that no row holds as it is: it is parked, or is a difference.
type suspect struct {
	id   domain.EventID     // zero if it cannot be told
	keys []domain.LetterKey // it would be parked under one of them
	what string             // what is wrong if it is not

	fits     bool // a row could hold it, so that a letter which was resolved no longer stands for it
	conflict bool // its id is stored, so that only a letter which says so stands for it
	orByID   bool // if its id is stored, that is as good as a letter
}

// suspectsOf is the suspects among a page's records: its rejects, the events that are unlike their rows, and those that
// the database refuses to compare.
func suspectsOf(rejects []domain.Reject, others []unlike, refused []domain.Reject) (all []suspect) {
	for _, r := range rejects {
		all = append(all, suspect{
			id: r.Why.ID, keys: keysOf(r), orByID: true,
			what: fmt.Sprintf("record at index %d is neither stored nor parked: %s", r.Record.Index, r.Why.Error()),
		})
	}
	for _, u := range others {
		what := "neither stored nor parked"
		if !u.missing {
			what = "stored with another " + u.columns
		}
		all = append(all, suspect{id: u.ID, keys: keysOf(u.conflict()), fits: true, conflict: !u.missing, what: what})
	}
	for _, r := range refused {
		all = append(all, suspect{id: r.Why.ID, keys: keysOf(r), what: "not parked: " + r.Why.Detail})
	}
	return all
}

// keysOf is the keys under which a record may be parked: a letter keeps its key, whatever a decoder learns afterwards, so
// that what is a conflict now may be there under its id, and what has an id now under its bytes.
func keysOf(r domain.Reject) []domain.LetterKey {
	return []domain.LetterKey{
		r.Key(), domain.Reject{Record: r.Record, Why: r.Why}.Key(), domain.Reject{Record: r.Record}.Key(),
	}
}

// settle tells the suspects that are parked from the differences.
func settle(ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, suspects []suspect) (domain.PageComparison, error) {
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
	for _, s := range suspects {
		parked, stands := s.among(letters)
		switch {
		case stands:
			result.Parked++
		case parked && !s.fits, s.orByID && stored[s.id]:
		default:
			result.Differences = append(result.Differences, domain.Difference{Event: s.id, What: s.what})
		}
	}
	return result, nil
}

// among tells whether one of the letters is the suspect's, and whether one stands for it.
func (s suspect) among(letters map[domain.LetterKey]dbsqlc.ReturnedParkedRow) (parked, stands bool) {
	for _, key := range s.keys {
		if letter, there := letters[key]; there && (letter.Conflict || !s.conflict) {
			parked, stands = true, stands || letter.Stands
		}
	}
	return parked, stands
}

// lettersOf is the letters that the suspects may be.
func lettersOf(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, suspects []suspect,
) (map[domain.LetterKey]dbsqlc.ReturnedParkedRow, error) {
	var keys []string
	for _, s := range suspects {
		for _, key := range s.keys {
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
