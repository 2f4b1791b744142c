package postgres

import (
	"context"
	"crypto/sha256"
	"slices"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A parking is what became of rejects.
type parking struct {
	now    []domain.Reject // parked by this page
	before int64           // records that are counted in a letter: parked before, or one too many of their event
}

// A parkedRecord is what a page says once, with the number of times it says it.
type parkedRecord struct {
	domain.Reject

	key  domain.DeadLetterKey
	seen int64
}

// park makes each reject a dead letter. A record that has a letter is counted there, and so is one whose event has
// domain.MaxOpenDeadLetters open letters.
func (w *writer) park(ctx context.Context, page domain.DecodedPage, rejects []domain.Reject) (parking, error) {
	var p parking
	if len(rejects) == 0 {
		return p, nil
	}
	records := distinct(page, rejects)
	known, err := w.knownLetters(ctx, records)
	if err != nil {
		return p, err
	}
	kept, others, err := w.limitOpen(ctx, records, known)
	if err != nil {
		return p, err
	}
	if err := w.parkAll(ctx, kept, &p); err != nil {
		return p, err
	}
	counted, err := w.countOthers(ctx, others)
	p.before += counted
	return p, err
}

// parkAll parks records, as many with one statement as fit, and adds what became of them to p.
func (w *writer) parkAll(ctx context.Context, records []parkedRecord, p *parking) error {
	for run := range chunked(records, parkedRecord.size) {
		if err := w.parkTogether(ctx, run, p); err != nil {
			return err
		}
		w.progress()
	}
	return nil
}

// parkTogether parks records with one statement, and adds what became of them to p.
func (w *writer) parkTogether(ctx context.Context, records []parkedRecord, p *parking) error {
	rows := dbsqlc.DeadLetterParkParams{Stream: w.stream, PageID: w.pageID}
	byKey := make(map[string]parkedRecord, len(records))
	for _, r := range records {
		byKey[string(r.key)] = r
		addLetter(&rows, r)
	}
	answers, err := w.q.DeadLetterPark(ctx, rows)
	if err != nil {
		return err
	}
	for _, a := range answers {
		r := byKey[a.Key]
		p.before += r.seen
		if a.Parked {
			p.before--
			p.now = append(p.now, r.Reject)
		}
	}
	return nil
}

// size returns about how many bytes the record takes in a statement.
func (r parkedRecord) size() int {
	const fixed = 128 // the event's id, numbers, and the lengths of the values
	return fixed + len(r.key) + len(r.Why.Reason) + len(r.Why.Field) + len(r.Why.Detail) + len(r.Record.Payload)
}

// distinct returns the records that are to be parked, in the order of the page, each key once.
func distinct(page domain.DecodedPage, rejects []domain.Reject) []parkedRecord {
	var records []parkedRecord
	place := map[domain.DeadLetterKey]int{} // in records
	for _, r := range rejects {
		key := page.KeyOf(r)
		at, again := place[key]
		if !again {
			at = len(records)
			place[key] = at
			records = append(records, parkedRecord{Reject: r, key: key})
		}
		records[at].seen++
	}
	return records
}

// knownLetters gives each record that has a letter the key of that letter, and tells which ones have one.
func (w *writer) knownLetters(ctx context.Context, records []parkedRecord) (known []bool, err error) {
	ask := dbsqlc.DeadLetterKnownParams{Stream: w.stream}
	for _, r := range records {
		hash := sha256.Sum256(r.Record.Payload)
		former := r.LegacyKey()
		if r.Values != "" {
			former = r.key // a conflict never had another
		}
		ask.Keys = append(ask.Keys, string(r.key))
		ask.FormerKeys = append(ask.FormerKeys, string(former))
		ask.Hashes = append(ask.Hashes, hash[:])
	}
	rows, err := w.q.DeadLetterKnown(ctx, ask)
	known = make([]bool, len(records))
	for _, row := range rows {
		if at := row.Place - 1; !known[at] {
			known[at], records[at].key = true, domain.DeadLetterKey(row.Key)
		}
	}
	return known, err
}

// newLetters returns those of the rejects that park would make new letters of. It changes nothing.
func (w *writer) newLetters(ctx context.Context, page domain.DecodedPage, rejects []domain.Reject) (added []domain.Reject, err error) {
	slices.SortFunc(rejects, func(a, b domain.Reject) int { return a.Record.Index - b.Record.Index })
	records := distinct(page, rejects)
	known, err := w.knownLetters(ctx, records)
	if err != nil {
		return nil, err
	}
	var unknown []parkedRecord
	for i, r := range records {
		if !known[i] {
			unknown = append(unknown, r)
		}
	}
	kept, _, err := w.limitOpen(ctx, unknown, make([]bool, len(unknown)))
	for _, r := range kept {
		added = append(added, r.Reject)
	}
	return added, err
}

// limitOpen parts the records that are kept from those that are one too many of their event. These it counts by the key
// of the letter that they are counted in.
func (w *writer) limitOpen(
	ctx context.Context, records []parkedRecord, known []bool,
) (kept []parkedRecord, others map[string]int64, err error) {
	var ids []domain.EventID
	asked := map[domain.EventID]bool{{}: true} // a record without an id has no others
	for i, r := range records {
		if id := r.Why.ID; !known[i] && !asked[id] {
			asked[id] = true
			ids = append(ids, id)
		}
	}
	open := map[domain.EventID]dbsqlc.DeadLetterOpenOfRow{}
	if len(ids) > 0 {
		rows, err := w.q.DeadLetterOpenOf(ctx, dbsqlc.DeadLetterOpenOfParams{Stream: w.stream, Ids: ids})
		if err != nil {
			return nil, nil, err
		}
		for _, row := range rows {
			open[row.ID] = row
		}
	}
	others = map[string]int64{}
	for i, r := range records {
		of := open[r.Why.ID]
		switch {
		case known[i] || r.Why.ID == domain.EventID{}:
		case of.Letters >= domain.MaxOpenDeadLetters:
			others[of.Last] += r.seen
			continue
		default:
			open[r.Why.ID] = dbsqlc.DeadLetterOpenOfRow{Letters: of.Letters + 1, Last: string(r.key)}
		}
		kept = append(kept, r)
	}
	return kept, others, nil
}

// countOthers counts records that are not kept, and returns how many these were.
func (w *writer) countOthers(ctx context.Context, others map[string]int64) (counted int64, err error) {
	if len(others) == 0 {
		return 0, nil
	}
	rows := dbsqlc.DeadLetterCountOthersParams{Stream: w.stream}
	for key, records := range others {
		rows.Keys = append(rows.Keys, key)
		rows.Records = append(rows.Records, records)
		counted += records
	}
	updated, err := w.q.DeadLetterCountOthers(ctx, rows)
	if err == nil && updated != int64(len(others)) {
		err = unbalanced("%d of %d letters count further records", updated, len(others))
	}
	return counted, err
}

func addLetter(rows *dbsqlc.DeadLetterParkParams, r parkedRecord) {
	rows.Keys = append(rows.Keys, string(r.key))
	rows.Indexes = append(rows.Indexes, int64(r.Record.Index))
	rows.Reasons = append(rows.Reasons, r.Why.Reason)
	rows.Fields = append(rows.Fields, storable(r.Why.Field))
	rows.Details = append(rows.Details, storable(r.Why.Detail))
	rows.Payloads = append(rows.Payloads, r.Record.Payload)
	rows.EventIds = append(rows.EventIds, r.Why.ID)
	rows.Seen = append(rows.Seen, r.seen)
}

// storable returns a text as PostgreSQL takes it: a letter must not fail for the words about it.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// supersede resolves the open letters of events that are stored, be it now or before.
func (w *writer) supersede(ctx context.Context, events []domain.DecodedEvent, refused []domain.Reject) error {
	ids := idsOf(without(events, refused))
	if len(ids) == 0 {
		return nil
	}
	return w.q.DeadLetterSupersede(ctx, dbsqlc.DeadLetterSupersedeParams{Stream: w.stream, PageID: w.pageID, Ids: ids})
}
