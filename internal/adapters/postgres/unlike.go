package postgres

import (
	"context"
	"strings"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// An unlike is an event whose row has other values, or that has no row.
type unlike struct {
	domain.DecodedEvent

	missing bool
	columns string // that differ, of one that has a row
	hash    string // of the event's values
}

// compare returns those of the events that are unlike their rows, in order. An error is Unstorable if the database
// refuses a value of an event.
func compare(ctx context.Context, q *dbsqlc.Queries, events []domain.DecodedEvent) (all []unlike, err error) {
	for run := range chunked(events, sizeOf) {
		rows, err := q.EventCompare(ctx, toComparison(run))
		if err != nil {
			return nil, classifyRow(err)
		}
		for _, r := range rows {
			all = append(all, unlike{run[r.Place-1], r.Missing, strings.Join(r.Columns, ", "), r.Hash})
		}
	}
	return all, nil
}

func toComparison(events []domain.DecodedEvent) dbsqlc.EventCompareParams {
	c := toColumns(0, events)
	return dbsqlc.EventCompareParams{
		Ids: c.Ids, SessionIds: c.SessionIds, UserIds: c.UserIds, Types: c.Types, Names: c.Names,
		Properties: c.Properties, OccurredAts: c.OccurredAts, DeviceTypes: c.DeviceTypes,
		Browsers: c.Browsers, Extras: c.Extras,
	}
}

// conflict returns the reject of an event that is not stored because its row has other values.
func (u unlike) conflict() domain.Reject {
	return domain.Reject{Record: u.Record, Values: u.hash, Why: domain.Rejection{
		ID: u.ID, Reason: domain.ReasonConflict, Field: u.columns,
		Detail: "the event of this id is stored with another value; the first one stays",
	}}
}
