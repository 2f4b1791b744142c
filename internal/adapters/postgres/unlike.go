package postgres

import (
	"context"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// An unlike is an event whose row has other values, or that has no row.
type unlike struct {
	domain.ReadEvent

	missing bool
	columns string // that differ, of one that has a row
	hash    string // of the event's values
}

// compare gives those of the events that are unlike their rows, in order. If the database refuses a value of one, the
// error is Unstorable.
func compare(ctx context.Context, q *dbsqlc.Queries, events []domain.ReadEvent) ([]unlike, error) {
	if len(events) == 0 {
		return nil, nil
	}
	rows, err := q.EventCompare(ctx, toComparison(events))
	var all []unlike
	for _, r := range rows {
		all = append(all, unlike{events[r.Place-1], r.Missing, strings.Join(r.Columns, ", "), r.Hash})
	}
	return all, classifyRow(err)
}

func toComparison(events []domain.ReadEvent) dbsqlc.EventCompareParams {
	c := toColumns(0, events)
	return dbsqlc.EventCompareParams{
		Ids: c.Ids, SessionIds: c.SessionIds, UserIds: c.UserIds, Types: c.Types, Names: c.Names,
		Properties: c.Properties, OccurredAts: c.OccurredAts, DeviceTypes: c.DeviceTypes,
		Browsers: c.Browsers, Extras: c.Extras,
	}
}

// conflict is the reject of an event that is not stored because its row has other values.
func (u unlike) conflict() domain.Reject {
	return domain.Reject{Record: u.Record, Values: u.hash, Why: domain.Rejection{
		ID: u.ID, Reason: domain.ReasonConflict, Field: u.columns,
		Detail: "the event of this id is stored with another value; the first one stays",
	}}
}
