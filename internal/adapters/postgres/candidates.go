package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A candidate is a record that no row holds as it is: it has a dead letter, or is a difference.
type candidate struct {
	record domain.Record
	id     domain.EventID         // zero if it cannot be told
	keys   []domain.DeadLetterKey // it would be parked under one of them
	former []domain.DeadLetterKey // or, by an earlier version, under one of these, if that letter has the record's bytes
	what   string                 // what is wrong if it has no letter

	fits     bool // a row could hold it, so that a letter which was resolved no longer stands for it
	conflict bool // its id is stored, so that only a letter which says so stands for it
	orByID   bool // if its id is stored, that is as good as a letter
}

// candidatesIn returns the candidates among a page's records: its rejects, the events whose rows differ or are missing, and
// those that PostgreSQL refuses to compare.
func candidatesIn(page domain.DecodedPage, others []unlike, refused []domain.Reject) (all []candidate) {
	for _, r := range page.Rejects {
		c := newCandidate(page, r, fmt.Sprintf("record at index %d is neither stored nor parked: %s", r.Record.Index, r.Why.Error()))
		c.orByID = true
		all = append(all, c)
	}
	for _, u := range others {
		c := newCandidate(page, u.conflict(), "neither stored nor parked")
		c.fits = true
		if !u.missing {
			c.conflict, c.what = true, "stored with another "+u.columns
		}
		all = append(all, c)
	}
	for _, r := range refused {
		all = append(all, newCandidate(page, r, "not parked: "+r.Why.Detail))
	}
	return all
}

// newCandidate returns a candidate with all the keys under which its record may be parked: a letter keeps its key, whatever
// a decoder learns afterwards, so that what is a conflict now may be there as a reject, and what has an id now without one.
func newCandidate(page domain.DecodedPage, r domain.Reject, what string) candidate {
	asReject, withoutID := domain.Reject{Record: r.Record, Why: r.Why}, domain.Reject{Record: r.Record}
	return candidate{
		record: r.Record, id: r.Why.ID, what: what,
		keys:   []domain.DeadLetterKey{page.KeyOf(r), page.KeyOf(asReject), page.KeyOf(withoutID)},
		former: []domain.DeadLetterKey{asReject.LegacyKey(), withoutID.LegacyKey()},
	}
}

// matchDeadLetters tells the candidates that are parked from the differences. It returns the candidates that have neither a
// row nor a letter separately.
func matchDeadLetters(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, page domain.DecodedPage, candidates []candidate,
) (result domain.PageComparison, unaccounted []candidate, err error) {
	if len(candidates) == 0 {
		return result, nil, nil
	}
	letters, err := findLetters(ctx, q, stream, candidates)
	if err != nil {
		return result, nil, err
	}
	stored, err := findStored(ctx, q, candidates)
	if err != nil {
		return result, nil, err
	}
	for _, c := range candidates {
		m := c.match(page, letters)
		switch {
		case m.altered != 0:
			result.Differences = append(result.Differences, domain.Difference{
				Event: c.id, What: fmt.Sprintf("dead letter %d holds other bytes than the API returns", m.altered),
			})
		case m.stands:
			result.Parked++
		case m.parked && !c.fits, c.orByID && stored[c.id]:
		default:
			unaccounted = append(unaccounted, c)
		}
	}
	return result, unaccounted, nil
}

// A letterMatch tells what a candidate's letters come to.
type letterMatch struct {
	parked  bool  // one is the candidate's
	stands  bool  // one stands for it
	altered int64 // the id of one that has its key, and whose bytes say something else; 0 if there is none
}

// match looks for the candidate's letters. The bytes of a letter say what the record says, or they are not those that were
// parked.
func (c candidate) match(page domain.DecodedPage, letters map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow) (m letterMatch) {
	hash := page.HashOf(c.record)
	for _, key := range c.keys {
		letter, there := letters[key]
		switch {
		case !there || c.conflict && !letter.Conflict:
		case page.HashOf(domain.Record{Payload: letter.Payload}) != hash:
			m.altered = letter.ID
		default:
			m.parked, m.stands = true, m.stands || letter.Stands
		}
	}
	for _, key := range c.former {
		if letter, there := letters[key]; there && (letter.Conflict || !c.conflict) && page.HashOf(domain.Record{Payload: letter.Payload}) == hash {
			m.parked, m.stands = true, m.stands || letter.Stands
		}
	}
	return m
}

// findLetters returns the letters that the candidates may have.
func findLetters(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, candidates []candidate,
) (map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow, error) {
	var keys []string
	for _, c := range candidates {
		for _, key := range slices.Concat(c.keys, c.former) {
			keys = append(keys, string(key))
		}
	}
	rows, err := q.ReturnedParked(ctx, dbsqlc.ReturnedParkedParams{Stream: stream.String(), Keys: keys})
	letters := make(map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow, len(rows))
	for _, r := range rows {
		letters[domain.DeadLetterKey(r.Key)] = r
	}
	return letters, err
}

// findStored returns which ids are stored, of the candidates for which that is as good as a letter.
func findStored(ctx context.Context, q *dbsqlc.Queries, candidates []candidate) (map[domain.EventID]bool, error) {
	var ids []domain.EventID
	for _, c := range candidates {
		if c.orByID && c.id != (domain.EventID{}) {
			ids = append(ids, c.id)
		}
	}
	rows, err := q.ReturnedStored(ctx, ids)
	stored := make(map[domain.EventID]bool, len(rows))
	for _, id := range rows {
		stored[id] = true
	}
	return stored, err
}

// mayBeCounted reports whether a run would have counted the record in another letter of its event, if that has
// domain.MaxOpenDeadLetters open ones: it is a reject or a conflict. An event that a row can hold is stored.
func (c candidate) mayBeCounted() bool { return c.id != (domain.EventID{}) && (!c.fits || c.conflict) }

// addUnaccounted adds candidates that have neither a row nor a letter to the result: as not kept, as far as open letters of
// their event count records that were not kept, else as differences. It returns how many of each event are not kept, in
// this page and by before in earlier pages of the walk.
func addUnaccounted(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, unaccounted []candidate,
	before map[domain.EventID]int64, result *domain.PageComparison,
) (notKept map[domain.EventID]int64, err error) {
	var ids []domain.EventID
	for _, c := range unaccounted {
		if c.mayBeCounted() {
			ids = append(ids, c.id)
		}
	}
	counted := map[domain.EventID]int64{}
	if len(ids) > 0 {
		rows, err := q.ReturnedOthers(ctx, dbsqlc.ReturnedOthersParams{Stream: stream.String(), Ids: ids})
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			counted[r.Event] = r.Others
		}
	}
	notKept = map[domain.EventID]int64{}
	for _, c := range unaccounted {
		difference := domain.Difference{Event: c.id, What: c.what}
		switch {
		case c.mayBeCounted() && before[c.id]+notKept[c.id] < counted[c.id]:
			notKept[c.id]++
			result.NotKept++
		case c.conflict:
			result.Differences = append(result.Differences, difference)
		default:
			result.Missing = append(result.Missing, difference)
		}
	}
	return notKept, nil
}
