package postgres

import (
	"context"
	"fmt"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A difference is one that a query names, with the number of all there are.
type difference struct {
	domain.Difference

	Total int64
}

// differences makes a check in SQL.
func differences(
	ctx context.Context, q *dbsqlc.Queries, check domain.Check, stream string,
) ([]difference, error) {
	switch check {
	case domain.CheckBalance:
		return each(q.InventoryBalance(ctx, stream))(func(r dbsqlc.InventoryBalanceRow) difference {
			return fromLedger(dbsqlc.InventoryChainRow(r))
		})
	case domain.CheckCheckpoint:
		return each(q.InventoryCheckpoint(ctx, stream))(func(r dbsqlc.InventoryCheckpointRow) difference {
			return fromLedger(dbsqlc.InventoryChainRow(r))
		})
	case domain.CheckChain:
		return each(q.InventoryChain(ctx, stream))(fromLedger)
	case domain.CheckPageEvents:
		return each(q.InventoryEvents(ctx, stream))(func(r dbsqlc.InventoryEventsRow) difference {
			return fromLedger(dbsqlc.InventoryChainRow(r))
		})
	case domain.CheckEventPages:
		return each(q.InventoryStrays(ctx))(fromStray)
	case domain.CheckDeadLetters:
		return each(q.InventoryLetters(ctx, stream))(func(r dbsqlc.InventoryLettersRow) difference {
			return fromLedger(dbsqlc.InventoryChainRow(r))
		})
	case domain.CheckPayloads:
		return each(q.InventoryPayloads(ctx, stream))(func(r dbsqlc.InventoryPayloadsRow) difference {
			return fromLetter(dbsqlc.InventoryResolvedRow(r))
		})
	case domain.CheckResolutions:
		return each(q.InventoryResolved(ctx, stream))(fromLetter)
	case domain.CheckAnnounced:
		return each(q.InventoryAnnounced(ctx, stream))(func(r dbsqlc.InventoryAnnouncedRow) difference {
			return fromLedger(dbsqlc.InventoryChainRow(r))
		})
	case domain.CheckReturned, domain.CheckUnreturned: // a Comparison's
	}
	return nil, fmt.Errorf("no query for check %s", check)
}

// each passes a query's answer on, row by row.
func each[R any](rows []R, err error) func(convert func(R) difference) ([]difference, error) {
	return func(convert func(R) difference) ([]difference, error) {
		var all []difference
		for _, row := range rows {
			all = append(all, convert(row))
		}
		return all, err
	}
}

func fromLedger(r dbsqlc.InventoryChainRow) difference {
	return difference{domain.Difference{
		PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, What: r.What, Value: r.Value, Against: r.Against, Found: r.Found,
	}, r.Total}
}

func fromStray(r dbsqlc.InventoryStraysRow) difference {
	return difference{domain.Difference{
		PageID: r.PageID, Event: r.Event, What: "events that name the page", Value: r.Value,
		Against: "pages of that id in the ledger", Found: "0",
	}, r.Total}
}

func fromLetter(r dbsqlc.InventoryResolvedRow) difference {
	return difference{domain.Difference{
		PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, Event: r.Event, What: r.What, Value: r.Value, Against: r.Against, Found: r.Found,
	}, r.Total}
}
