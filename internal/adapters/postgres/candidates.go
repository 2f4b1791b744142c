package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A candidate is a record that no row holds with its values: either a dead letter accounts for it, or it is a difference.
type candidate struct {
	record     domain.Record
	id         domain.EventID         // zero if the record has none
	keys       []domain.DeadLetterKey // under which it may be parked
	legacyKeys []domain.DeadLetterKey // under which an earlier version may have parked it, if the letter has the same bytes
	difference string                 // what is wrong if no dead letter accounts for it

	isEvent  bool // a row could hold it, so a resolved dead letter does not account for it
	conflict bool // its id is stored with other values, so only a conflict's dead letter accounts for it
}

// newCandidates returns the candidates among a page's records: its rejects, its mismatches and its unstorable events.
func newCandidates(page domain.DecodedPage, mismatches []mismatch, unstorable []domain.Reject) (all []candidate) {
	for _, r := range page.Rejects {
		all = append(all, newCandidate(page, r, fmt.Sprintf("record at index %d is neither stored nor parked: %s", r.Record.Index, r.Why.Error())))
	}
	for _, m := range mismatches {
		c := newCandidate(page, m.conflict(), "neither stored nor parked")
		c.isEvent = true
		if !m.missing {
			c.conflict, c.difference = true, "stored with another "+m.columns
		}
		all = append(all, c)
	}
	for _, r := range unstorable {
		all = append(all, newCandidate(page, r, "not parked: "+r.Why.Detail))
	}
	return all
}

// newCandidate returns a candidate with all keys under which its record may be parked. A dead letter keeps its key even if the
// decoder has changed since: a record that is a conflict today may have been parked as a reject, and without its id.
func newCandidate(page domain.DecodedPage, r domain.Reject, difference string) candidate {
	asReject, withoutID := domain.Reject{Record: r.Record, Why: r.Why}, domain.Reject{Record: r.Record}
	return candidate{
		record: r.Record, id: r.Why.ID, difference: difference,
		keys:       []domain.DeadLetterKey{page.KeyOf(r), page.KeyOf(asReject), page.KeyOf(withoutID)},
		legacyKeys: []domain.DeadLetterKey{asReject.LegacyKey(), withoutID.LegacyKey()},
	}
}

// matchDeadLetters counts the candidates that dead letters account for, and reports altered dead letters as differences. It
// returns the candidates that neither a row nor a dead letter accounts for as unaccounted.
func matchDeadLetters(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, page domain.DecodedPage, candidates []candidate,
) (result domain.PageComparison, unaccounted []candidate, err error) {
	if len(candidates) == 0 {
		return result, nil, nil
	}
	letters, err := findDeadLetters(ctx, q, stream, candidates)
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
		case m.valid:
			result.Parked++
		case m.parked && !c.isEvent:
		default:
			unaccounted = append(unaccounted, c)
		}
	}
	return result, unaccounted, nil
}

// A letterMatch says which dead letters a candidate has.
type letterMatch struct {
	parked  bool  // it has one
	valid   bool  // it has one that is open or discarded, which accounts for it
	altered int64 // the id of one that has its key but other bytes, 0 if there is none
}

// match finds the candidate's dead letters among letters. A letter that has a key of the candidate must have the record's
// bytes, or bytes with the same hash. Otherwise it was altered after it was parked.
func (c candidate) match(page domain.DecodedPage, letters map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow) (m letterMatch) {
	hash := page.HashOf(c.record)
	for _, key := range c.keys {
		letter, exists := letters[key]
		switch {
		case !exists || c.conflict && !letter.Conflict:
		case page.HashOf(domain.Record{Payload: letter.Payload}) != hash:
			m.altered = letter.ID
		default:
			m.parked, m.valid = true, m.valid || letter.Accounts
		}
	}
	for _, key := range c.legacyKeys {
		letter, exists := letters[key]
		if exists && (letter.Conflict || !c.conflict) && page.HashOf(domain.Record{Payload: letter.Payload}) == hash {
			m.parked, m.valid = true, m.valid || letter.Accounts
		}
	}
	return m
}

// findDeadLetters returns the dead letters that have a key of a candidate.
func findDeadLetters(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, candidates []candidate,
) (map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow, error) {
	var keys []string
	for _, c := range candidates {
		for _, key := range slices.Concat(c.keys, c.legacyKeys) {
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

// mayBeSurplus reports whether a run may have only counted the record, because [domain.MaxOpenDeadLetters] dead letters of its
// event were open: it is a reject or a conflict, and has an id.
func (c candidate) mayBeSurplus() bool {
	return c.id != (domain.EventID{}) && (!c.isEvent || c.conflict)
}

// addUnaccounted adds candidates that neither a row nor a dead letter accounts for to result. The open dead letters of an event
// count records that were not stored: as many of its candidates are added as not kept. All others are added as differences.
//
// before has the number of records of each event that earlier pages of the walk added as not kept. The returned map has the
// same of this page.
func addUnaccounted(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, unaccounted []candidate,
	before map[domain.EventID]int64, result *domain.PageComparison,
) (notKept map[domain.EventID]int64, err error) {
	var ids []domain.EventID
	for _, c := range unaccounted {
		if c.mayBeSurplus() {
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
		difference := domain.Difference{Event: c.id, What: c.difference}
		switch {
		case c.mayBeSurplus() && before[c.id]+notKept[c.id] < counted[c.id]:
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
