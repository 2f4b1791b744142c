package postgres

import (
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

func toLetter(row dbsqlc.DeadLetter) domain.DeadLetter {
	letter := domain.DeadLetter{
		ID: row.ID, Key: domain.DeadLetterKey(row.Key), PageID: row.PageID, Index: int(row.IndexInPage),
		Why:     domain.Rejection{Reason: row.Reason, Field: row.Field, Detail: row.Detail, ID: orZero(row.EventID)},
		Payload: row.Payload, Seen: row.Seen, Others: row.Others, Replays: row.Replays, ParkedAt: row.ParkedAt,
	}
	if row.ResolvedAt != nil {
		letter.Resolved = &domain.Resolution{
			How: orZero(row.Resolution), Why: orZero(row.ResolvedWhy), At: *row.ResolvedAt, PageID: orZero(row.ResolvedPageID),
		}
	}
	return letter
}

func withoutPayload(row dbsqlc.DeadLetterListRow) dbsqlc.DeadLetter {
	return dbsqlc.DeadLetter{
		ID: row.ID, Key: row.Key, PageID: row.PageID, IndexInPage: row.IndexInPage, Reason: row.Reason, Field: row.Field,
		Detail: row.Detail, EventID: row.EventID, Seen: row.Seen, Others: row.Others, Replays: row.Replays, ParkedAt: row.ParkedAt,
		ResolvedAt: row.ResolvedAt, Resolution: row.Resolution, ResolvedWhy: row.ResolvedWhy, ResolvedPageID: row.ResolvedPageID,
	}
}

func orZero[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
