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
	parked     []domain.Reject // rejects that became new dead letters
	surplus    []domain.Reject // rejects that are not stored, because their events have too many open dead letters
	seenBefore int64           // number of records that the dead letter of an earlier record counts, from this page or before
}

// A uniqueReject stands for all rejects of a page that have the same key. It is the first of them.
type uniqueReject struct {
	domain.Reject

	key  domain.DeadLetterKey
	seen int64 // number of these rejects
}

// park makes rejects dead letters. Rejects with the same key become one dead letter, which counts them. A reject becomes no
// dead letter in two cases. If its key has a dead letter already, that letter counts it. If its event has
// [domain.MaxOpenDeadLetters] open dead letters, the newest of them counts it.
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
	toPark, surplus, surplusByKey, err := w.splitByOpenLimit(ctx, unique, known)
	if err != nil {
		return res, err
	}
	res.surplus = surplus
	if err := w.parkUnique(ctx, toPark, &res); err != nil {
		return res, err
	}
	counted, err := w.countSurplus(ctx, surplusByKey)
	res.seenBefore += counted
	return res, err
}

// uniqueRejects returns one reject for each key, in the order of the first reject with this key.
func uniqueRejects(page domain.DecodedPage, rejects []domain.Reject) []uniqueReject {
	var unique []uniqueReject
	indexOf := map[domain.DeadLetterKey]int{} // the index of a key's reject in unique
	for _, r := range rejects {
		key := page.KeyOf(r)
		i, repeated := indexOf[key]
		if !repeated {
			i = len(unique)
			indexOf[key] = i
			unique = append(unique, uniqueReject{Reject: r, key: key})
		}
		unique[i].seen++
	}
	return unique
}

// matchKnownLetters finds the rejects that have a dead letter already. known[i] reports whether rejects[i] has one. An earlier
// version of pawl may have parked the letter with another key, the legacy key. Then matchKnownLetters gives rejects[i] this key. Several
// rejects can have the same legacy key, so a letter with this key belongs to a reject only if the hash of the bytes is equal too.
func (w *writer) matchKnownLetters(ctx context.Context, rejects []uniqueReject) (known []bool, err error) {
	query := dbsqlc.DeadLetterKnownParams{Stream: w.stream}
	for _, r := range rejects {
		hash := sha256.Sum256(r.Record.Payload)
		legacy := r.LegacyKey()
		isConflict := r.Values != "" // only conflicts have Values
		if isConflict {              // earlier versions gave a conflict the same key as this version
			legacy = r.key
		}
		query.Keys = append(query.Keys, string(r.key))
		query.LegacyKeys = append(query.LegacyKeys, string(legacy))
		query.Hashes = append(query.Hashes, hash[:])
	}
	rows, err := w.q.DeadLetterKnown(ctx, query)
	known = make([]bool, len(rejects))
	for _, row := range rows {
		i := row.Place - 1
		if known[i] { // DeadLetterKnown returns the letter with the reject's own key first
			continue
		}
		known[i] = true
		rejects[i].key = domain.DeadLetterKey(row.Key)
	}
	return known, err
}

// splitByOpenLimit splits the rejects into those to park and the surplus. A reject is surplus if it has no dead letter yet, and
// its event has [domain.MaxOpenDeadLetters] open ones. surplusByKey has the key of each dead letter that must count surplus
// records, and the number of these records.
func (w *writer) splitByOpenLimit(
	ctx context.Context, rejects []uniqueReject, known []bool,
) (toPark []uniqueReject, surplus []domain.Reject, surplusByKey map[string]int64, err error) {
	openOf, err := w.countOpenLetters(ctx, rejects, known)
	if err != nil {
		return nil, nil, nil, err
	}
	surplusByKey = map[string]int64{}
	for i, r := range rejects {
		id := r.Why.ID
		hasID := id != (domain.EventID{})
		if known[i] || !hasID { // the limit does not apply; for a known reject, parking only counts it in its dead letter
			toPark = append(toPark, r)
			continue
		}
		open := openOf[id]
		if open.Letters >= domain.MaxOpenDeadLetters {
			surplus = append(surplus, r.Reject)
			surplusByKey[open.Last] += r.seen
			continue
		}
		openOf[id] = dbsqlc.DeadLetterOpenOfRow{Letters: open.Letters + 1, Last: string(r.key)}
		toPark = append(toPark, r)
	}
	return toPark, surplus, surplusByKey, nil
}

// countOpenLetters returns the number of open dead letters of an event and the key of the newest one, by the event's id. It does so
// for the event of each reject that is not known. An event without open dead letters is not in the map.
func (w *writer) countOpenLetters(
	ctx context.Context, rejects []uniqueReject, known []bool,
) (map[domain.EventID]dbsqlc.DeadLetterOpenOfRow, error) {
	var ids []domain.EventID
	included := map[domain.EventID]bool{}
	for i, r := range rejects {
		id := r.Why.ID
		hasID := id != (domain.EventID{})
		if known[i] || !hasID || included[id] {
			continue
		}
		included[id] = true
		ids = append(ids, id)
	}
	openOf := map[domain.EventID]dbsqlc.DeadLetterOpenOfRow{}
	if len(ids) == 0 {
		return openOf, nil
	}
	rows, err := w.q.DeadLetterOpenOf(ctx, dbsqlc.DeadLetterOpenOfParams{Stream: w.stream, Ids: ids})
	for _, row := range rows {
		openOf[row.ID] = row
	}
	return openOf, err
}

// parkUnique parks the rejects, with as few statements as their size allows, and adds the result to res.
func (w *writer) parkUnique(ctx context.Context, rejects []uniqueReject, res *parkResult) error {
	for chunk := range chunkBySize(rejects, uniqueReject.size) {
		if err := w.parkChunk(ctx, chunk, res); err != nil {
			return err
		}
		w.progress() // each chunk gets the whole time limit
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
		if row.Parked { // the dead letter is new
			res.parked = append(res.parked, r.Reject)
			res.seenBefore += r.seen - 1 // one record is parked, the others are counted in its dead letter
		} else {
			res.seenBefore += r.seen
		}
	}
	return nil
}

// size returns the approximate number of bytes that the reject takes in a statement.
func (r uniqueReject) size() int {
	const fixed = 128 // for the event's id, the numbers and the lengths of the values
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

// storableText replaces NUL and invalid UTF-8, which PostgreSQL refuses in a text. The text that describes a rejection may have both,
// and parking must not fail because of it.
func storableText(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// countSurplus counts surplus records in existing dead letters, see splitByOpenLimit. It returns the number of these records.
func (w *writer) countSurplus(ctx context.Context, surplusByKey map[string]int64) (counted int64, err error) {
	if len(surplusByKey) == 0 {
		return 0, nil
	}
	params := dbsqlc.DeadLetterCountOthersParams{Stream: w.stream}
	for key, records := range surplusByKey {
		params.Keys = append(params.Keys, key)
		params.Records = append(params.Records, records)
		counted += records
	}
	updated, err := w.q.DeadLetterCountOthers(ctx, params)
	if err == nil && updated != int64(len(surplusByKey)) {
		err = balanceError("only %d of %d dead letters counted the records that were not parked", updated, len(surplusByKey))
	}
	return counted, err
}

// findNewRejects returns the rejects that have no dead letter yet, one for each key. It sorts the given rejects by index. It
// writes nothing to the database.
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

// sortByIndex sorts rejects by the index of their record in the page.
func sortByIndex(rejects []domain.Reject) {
	slices.SortFunc(rejects, func(a, b domain.Reject) int { return a.Record.Index - b.Record.Index })
}

// supersede resolves the open dead letters of events whose ids are stored, as superseded. It leaves the dead letters of conflicts open,
// because their values are not stored.
func (w *writer) supersede(ctx context.Context, events []domain.DecodedEvent) error {
	if len(events) == 0 {
		return nil
	}
	return w.q.DeadLetterSupersede(ctx, dbsqlc.DeadLetterSupersedeParams{
		Stream: w.stream, PageID: w.pageID, Ids: eventIDs(events),
	})
}
