package postgres

import (
	"context"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A parking is what became of rejects.
type parking struct {
	now    []domain.Reject // parked by this page
	before int64           // records that were parked before, by another page or further up in this one
}

// park makes each reject a dead letter, unless one of its key is there: that has been seen once more.
func (w *writer) park(ctx context.Context, rejects []domain.Reject) (parking, error) {
	var p parking
	if len(rejects) == 0 {
		return p, nil
	}
	rows := dbsqlc.DeadLetterParkParams{Stream: w.stream, PageID: w.pageID}
	first := map[domain.LetterKey]int{} // the place of each key in rows
	var firsts []domain.Reject
	for _, r := range rejects {
		key := r.Key()
		if at, again := first[key]; again {
			rows.Seen[at]++
			continue
		}
		first[key] = len(firsts)
		firsts = append(firsts, r)
		addLetter(&rows, key, r)
	}
	answers, err := w.q.DeadLetterPark(ctx, rows)
	if err != nil {
		return p, err
	}
	for _, a := range answers {
		at := first[domain.LetterKey(a.Key)]
		p.before += rows.Seen[at]
		if a.Parked {
			p.before--
			p.now = append(p.now, firsts[at])
		}
	}
	return p, nil
}

func addLetter(rows *dbsqlc.DeadLetterParkParams, key domain.LetterKey, r domain.Reject) {
	rows.Keys = append(rows.Keys, string(key))
	rows.Indexes = append(rows.Indexes, int64(r.Record.Index))
	rows.Reasons = append(rows.Reasons, r.Why.Reason)
	rows.Fields = append(rows.Fields, storable(r.Why.Field))
	rows.Details = append(rows.Details, storable(r.Why.Detail))
	rows.Payloads = append(rows.Payloads, r.Record.Payload)
	rows.EventIds = append(rows.EventIds, r.Why.ID)
	rows.Seen = append(rows.Seen, 1)
}

// storable is a text as PostgreSQL takes it: a letter must not fail for the words about it.
func storable(text string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", "\uFFFD"), "\uFFFD")
}

// supersede resolves the open letters of events that are stored, be it now or before.
func (w *writer) supersede(ctx context.Context, events []domain.ReadEvent, refused []domain.Reject) error {
	ids := idsOf(without(events, refused))
	if len(ids) == 0 {
		return nil
	}
	return w.q.DeadLetterSupersede(ctx, dbsqlc.DeadLetterSupersedeParams{Stream: w.stream, PageID: w.pageID, Ids: ids})
}
