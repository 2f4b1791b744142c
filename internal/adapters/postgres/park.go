package postgres

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A parkResult says what happened to rejects.
type parkResult struct {
	parked     []domain.Reject // parked by this page
	surplus    []domain.Reject // not stored, because their events have too many open dead letters
	seenBefore int64           // number of records counted in a dead letter that exists, or that this page parks for another record
}

// A uniqueReject is a reject with its key, and how often the page has a record of that key.
type uniqueReject struct {
	domain.Reject

	key  domain.DeadLetterKey
	seen int64
}

// park makes each reject a dead letter, each key once. It counts a record in an existing dead letter if there is one of its
// key, or if [domain.MaxOpenDeadLetters] dead letters of its event are open.
func (w *writer) park(ctx context.Context, page domain.DecodedPage, rejects []domain.Reject) (parkResult, error) {
	var res parkResult
	if len(rejects) == 0 {
		return res, nil
	}
	unique := uniqueRejects(page, rejects)
	known, err := w.matchKnownLetters(ctx, unique)
	if err != nil {
		return res, err
	}
	toPark, surplus, counts, err := w.splitByOpenLimit(ctx, unique, known)
	if err != nil {
		return res, err
	}
	res.surplus = surplus
	if err := w.parkUnique(ctx, toPark, &res); err != nil {
		return res, err
	}
	counted, err := w.countSurplus(ctx, counts)
	res.seenBefore += counted
	return res, err
}

// uniqueRejects returns the rejects with each key once, in the order of their first records.
func uniqueRejects(page domain.DecodedPage, rejects []domain.Reject) []uniqueReject {
	var unique []uniqueReject
	index := map[domain.DeadLetterKey]int{} // in unique
	for _, r := range rejects {
		key := page.KeyOf(r)
		at, repeated := index[key]
		if !repeated {
			at = len(unique)
			index[key] = at
			unique = append(unique, uniqueReject{Reject: r, key: key})
		}
		unique[at].seen++
	}
	return unique
}

// matchKnownLetters finds the rejects that have a dead letter already, and gives each of them the key of that letter, which an
// earlier version may have chosen. known says for each reject whether it has one.
func (w *writer) matchKnownLetters(ctx context.Context, rejects []uniqueReject) (known []bool, err error) {
	query := dbsqlc.DeadLetterKnownParams{Stream: w.stream}
	for _, r := range rejects {
		hash := sha256.Sum256(r.Record.Payload)
		legacy := r.LegacyKey()
		if r.Values != "" {
			legacy = r.key // earlier versions gave conflicts the same key
		}
		query.Keys = append(query.Keys, string(r.key))
		query.LegacyKeys = append(query.LegacyKeys, string(legacy))
		query.Hashes = append(query.Hashes, hash[:])
	}
	rows, err := w.q.DeadLetterKnown(ctx, query)
	known = make([]bool, len(rejects))
	for _, row := range rows {
		if at := row.Place - 1; !known[at] {
			known[at], rejects[at].key = true, domain.DeadLetterKey(row.Key)
		}
	}
	return known, err
}

// splitByOpenLimit splits the rejects into those to park and the surplus: rejects without a dead letter, of events that have
// [domain.MaxOpenDeadLetters] open ones. counts is the number of surplus records to count in the dead letter of each key.
func (w *writer) splitByOpenLimit(
	ctx context.Context, rejects []uniqueReject, known []bool,
) (toPark []uniqueReject, surplus []domain.Reject, counts map[string]int64, err error) {
	open, err := w.openLetters(ctx, rejects, known)
	if err != nil {
		return nil, nil, nil, err
	}
	counts = map[string]int64{}
	for i, r := range rejects {
		of := open[r.Why.ID]
		switch {
		case known[i] || r.Why.ID == domain.EventID{}:
		case of.Letters >= domain.MaxOpenDeadLetters:
			surplus = append(surplus, r.Reject)
			counts[of.Last] += r.seen
			continue
		default:
			open[r.Why.ID] = dbsqlc.DeadLetterOpenOfRow{Letters: of.Letters + 1, Last: string(r.key)}
		}
		toPark = append(toPark, r)
	}
	return toPark, surplus, counts, nil
}

// openLetters returns the number of open dead letters, and the newest of them, for the events of rejects that are not known.
func (w *writer) openLetters(
	ctx context.Context, rejects []uniqueReject, known []bool,
) (map[domain.EventID]dbsqlc.DeadLetterOpenOfRow, error) {
	var ids []domain.EventID
	seen := map[domain.EventID]bool{{}: true} // records without an id are of no event
	for i, r := range rejects {
		if id := r.Why.ID; !known[i] && !seen[id] {
			seen[id] = true
			ids = append(ids, id)
		}
	}
	open := map[domain.EventID]dbsqlc.DeadLetterOpenOfRow{}
	if len(ids) == 0 {
		return open, nil
	}
	rows, err := w.q.DeadLetterOpenOf(ctx, dbsqlc.DeadLetterOpenOfParams{Stream: w.stream, Ids: ids})
	for _, row := range rows {
		open[row.ID] = row
	}
	return open, err
}

// parkUnique parks the rejects, with as few statements as their size allows, and adds the result to res.
func (w *writer) parkUnique(ctx context.Context, rejects []uniqueReject, res *parkResult) error {
	for chunk := range chunkBySize(rejects, uniqueReject.size) {
		if err := w.parkChunk(ctx, chunk, res); err != nil {
			return err
		}
		w.progress()
	}
	return nil
}

// parkChunk parks the rejects with one statement, and adds the result to res.
func (w *writer) parkChunk(ctx context.Context, rejects []uniqueReject, res *parkResult) error {
	params := dbsqlc.DeadLetterParkParams{Stream: w.stream, PageID: w.pageID}
	byKey := make(map[string]uniqueReject, len(rejects))
	for _, r := range rejects {
		byKey[string(r.key)] = r
		addParkRow(&params, r)
	}
	rows, err := w.q.DeadLetterPark(ctx, params)
	if err != nil {
		return err
	}
	for _, row := range rows {
		r := byKey[row.Key]
		res.seenBefore += r.seen
		if row.Parked {
			res.seenBefore--
			res.parked = append(res.parked, r.Reject)
		}
	}
	return nil
}

// size returns the approximate number of bytes that the reject takes in a statement.
func (r uniqueReject) size() int {
	const fixed = 128 // the event's id, numbers, and the lengths of the values
	return fixed + len(r.key) + len(r.Why.Reason) + len(r.Why.Field) + len(r.Why.Detail) + len(r.Record.Payload)
}

func addParkRow(params *dbsqlc.DeadLetterParkParams, r uniqueReject) {
	params.Keys = append(params.Keys, string(r.key))
	params.Indexes = append(params.Indexes, int64(r.Record.Index))
	params.Reasons = append(params.Reasons, r.Why.Reason)
	params.Fields = append(params.Fields, storableText(r.Why.Field))
	params.Details = append(params.Details, storableText(r.Why.Detail))
	params.Payloads = append(params.Payloads, r.Record.Payload)
	params.EventIds = append(params.EventIds, r.Why.ID)
	params.Seen = append(params.Seen, r.seen)
}

// storableText replaces what PostgreSQL refuses in a text: parking must not fail because of the text about a record.
func storableText(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// countSurplus counts records in the dead letters of the given keys, and returns the number of records.
func (w *writer) countSurplus(ctx context.Context, counts map[string]int64) (counted int64, err error) {
	if len(counts) == 0 {
		return 0, nil
	}
	params := dbsqlc.DeadLetterCountOthersParams{Stream: w.stream}
	for key, records := range counts {
		params.Keys = append(params.Keys, key)
		params.Records = append(params.Records, records)
		counted += records
	}
	updated, err := w.q.DeadLetterCountOthers(ctx, params)
	if err == nil && updated != int64(len(counts)) {
		err = balanceError("%d of %d letters count further records", updated, len(counts))
	}
	return counted, err
}

// findNewRejects returns the rejects that have no dead letter yet. It sorts the rejects and writes nothing.
func (w *writer) findNewRejects(ctx context.Context, page domain.DecodedPage, rejects []domain.Reject) ([]domain.Reject, error) {
	sortByIndex(rejects)
	unique := uniqueRejects(page, rejects)
	known, err := w.matchKnownLetters(ctx, unique)
	if err != nil {
		return nil, err
	}
	var added []domain.Reject
	for i, r := range unique {
		if !known[i] {
			added = append(added, r.Reject)
		}
	}
	return added, nil
}

// sortByIndex sorts rejects by their place in the page.
func sortByIndex(rejects []domain.Reject) {
	slices.SortFunc(rejects, func(a, b domain.Reject) int { return a.Record.Index - b.Record.Index })
}

// supersede resolves the open dead letters of stored events, except conflicts.
func (w *writer) supersede(ctx context.Context, events []domain.DecodedEvent) error {
	if len(events) == 0 {
		return nil
	}
	return w.q.DeadLetterSupersede(ctx, dbsqlc.DeadLetterSupersedeParams{
		Stream: w.stream, PageID: w.pageID, Ids: eventIDs(events),
	})
}
