package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A candidate is a record of the API that is not stored as an event with the same values. If no dead letter accounts for it, it
// is a difference between the API and the database.
type candidate struct {
	record     domain.Record
	id         domain.EventID         // zero if the record has no event id
	keys       []domain.DeadLetterKey // the keys that the record's dead letter may have
	legacyKeys []domain.DeadLetterKey // the keys that an earlier version of pawl may have given the dead letter, see match
	difference string                 // what is wrong if no dead letter accounts for the record

	isEvent    bool // the record is an event whose row is missing or differs, so a resolved dead letter does not account for it
	isConflict bool // the record's id is stored with other values, so only the dead letter of a conflict accounts for the record
}

// newCandidates returns a candidate for each of the page's rejects, mismatches and unstorable events.
func newCandidates(page domain.DecodedPage, mismatches []mismatch, unstorable []domain.Reject) (all []candidate) {
	for _, r := range page.Rejects {
		difference := fmt.Sprintf("record at index %d is neither stored nor parked: %s", r.Record.Index, r.Why.Error())
		all = append(all, newCandidate(page, r, difference))
	}
	for _, m := range mismatches {
		c := newCandidate(page, m.conflict(), "neither stored nor parked")
		c.isEvent = true
		if !m.missing {
			c.isConflict = true
			c.difference = "stored with another " + m.columns
		}
		all = append(all, c)
	}
	for _, r := range unstorable {
		all = append(all, newCandidate(page, r, "not parked: "+r.Why.Detail))
	}
	return all
}

// newCandidate returns a candidate with all keys that the record's dead letter may have. The key depends on how the record was
// decoded when it was parked. An earlier version of the decoder may have rejected a record that is a conflict today. It may also
// have rejected the record without finding its id.
func newCandidate(page domain.DecodedPage, r domain.Reject, difference string) candidate {
	asReject := domain.Reject{Record: r.Record, Why: r.Why} // not a conflict
	withoutID := domain.Reject{Record: r.Record}
	return candidate{
		record: r.Record, id: r.Why.ID, difference: difference,
		keys:       []domain.DeadLetterKey{page.KeyOf(r), page.KeyOf(asReject), page.KeyOf(withoutID)},
		legacyKeys: []domain.DeadLetterKey{asReject.LegacyKey(), withoutID.LegacyKey()},
	}
}

// matchDeadLetters looks up the dead letters of the candidates. The result counts the candidates with a valid dead letter as
// parked, and has a difference for each altered dead letter; see letterMatch. unaccounted has the candidates for which no dead
// letter accounts.
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
		match := c.match(page, letters)
		isResolved := match.exists && !match.isValid
		switch {
		case match.alteredID != 0:
			result.Differences = append(result.Differences, domain.Difference{
				Event: c.id, What: fmt.Sprintf("dead letter %d holds other bytes than the API returns", match.alteredID),
			})
		case match.isValid:
			result.Parked++
		case isResolved && !c.isEvent: // no difference: a replay or a later page resolved the dead letter and stored the event
		default:
			unaccounted = append(unaccounted, c)
		}
	}
	return result, unaccounted, nil
}

// A letterMatch says which dead letters a candidate has.
type letterMatch struct {
	exists    bool  // the candidate has a dead letter with its content
	isValid   bool  // such a dead letter is open or discarded, so it accounts for the candidate
	alteredID int64 // the id of a dead letter with the candidate's key and another content; 0 if there is none
}

// match finds the candidate's dead letters among letters. A letter has the record's content if the bytes of both have the same
// [domain.RecordHash]. If a letter with one of c.keys has another content, it was altered after it was parked. If a letter with
// one of c.legacyKeys has another content, it belongs to another record, because different records can have the same legacy key.
func (c candidate) match(page domain.DecodedPage, letters map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow) (match letterMatch) {
	hash := page.HashOf(c.record)
	for _, key := range slices.Concat(c.keys, c.legacyKeys) {
		letter, exists := letters[key]
		if !exists {
			continue
		}
		if c.isConflict && !letter.Conflict {
			continue
		}
		hasSameContent := page.HashOf(domain.Record{Payload: letter.Payload}) == hash
		switch {
		case hasSameContent:
			match.exists = true
			match.isValid = match.isValid || letter.Accounts
		case slices.Contains(c.keys, key):
			match.alteredID = letter.ID
		}
	}
	return match
}

// findDeadLetters returns the dead letters that have a key of one of the candidates, by key.
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
	if err != nil {
		return nil, err
	}
	letters := make(map[domain.DeadLetterKey]dbsqlc.ReturnedParkedRow, len(rows))
	for _, r := range rows {
		letters[domain.DeadLetterKey(r.Key)] = r
	}
	return letters, nil
}

// mayBeNotKept reports whether a run may have counted the record without keeping it. A run does so with a reject or a conflict
// whose event has [domain.MaxOpenDeadLetters] open dead letters already.
func (c candidate) mayBeNotKept() bool {
	hasID := c.id != (domain.EventID{})
	isParked := !c.isEvent || c.isConflict
	return hasID && isParked
}

// addUnaccounted adds the candidates without a valid dead letter to result. The open dead letters of an event say how many
// further records of the event were counted and not kept. addUnaccounted adds as many of the event's candidates to
// result.NotKept. It adds the other candidates to result.Missing, or to result.Differences if they are conflicts.
//
// before has, for each event, the number of records that earlier pages of this walk of the API added to NotKept. The returned
// map has the numbers of this page.
func addUnaccounted(
	ctx context.Context, q *dbsqlc.Queries, stream domain.StreamID, unaccounted []candidate,
	before map[domain.EventID]int64, result *domain.PageComparison,
) (notKept map[domain.EventID]int64, err error) {
	var ids []domain.EventID
	for _, c := range unaccounted {
		if c.mayBeNotKept() {
			ids = append(ids, c.id)
		}
	}
	counted := map[domain.EventID]int64{} // number of records that the event's open dead letters count, and that were not kept
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
		alreadyNotKept := before[c.id] + notKept[c.id]
		switch {
		case c.mayBeNotKept() && alreadyNotKept < counted[c.id]:
			notKept[c.id]++
			result.NotKept++
		case c.isConflict:
			result.Differences = append(result.Differences, difference)
		default:
			result.Missing = append(result.Missing, difference)
		}
	}
	return notKept, nil
}
