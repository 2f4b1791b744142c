package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// checkTimeout bounds one check, which reads each table once or twice.
const checkTimeout = 15 * time.Minute

// An Inventory implements verify.Inventory: it checks what is stored. It takes no lock that a run would wait for, writes nothing
// and needs SELECT only.
type Inventory struct {
	pool    *pgxpool.Pool
	timeout time.Duration // of one check, see checkTimeout
}

// NewInventory returns an inventory on the pool.
func NewInventory(pool *pgxpool.Pool) *Inventory { return &Inventory{pool, checkTimeout} }

// Inspect implements verify.Inventory. It makes the checks in one transaction that sees a single snapshot.
func (i *Inventory) Inspect(
	ctx context.Context, stream domain.StreamID, began func(domain.Check),
) (domain.Inspection, error) {
	const op = "inspect the database"
	var inspection domain.Inspection
	tx, err := i.begin(ctx)
	if err != nil {
		return inspection, conn.Classify(op, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), conn.CloseTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // nothing was written
	}()
	q := dbsqlc.New(tx)
	if inspection.Stream, err = readReport(ctx, q, stream); err != nil {
		return inspection, err
	}
	holdings, err := q.InventoryHoldings(ctx, stream.String())
	if err != nil {
		return inspection, conn.Classify(op, err)
	}
	inspection.Stored, inspection.Parked = holdings.Stored, holdings.Parked
	inspection.EndAccepted, inspection.Shared = holdings.EndAccepted, holdings.Shared
	for _, check := range domain.InventoryChecks() {
		began(check)
		finding, err := i.check(ctx, q, check, stream.String())
		if err != nil {
			return inspection, checkError(check, i.timeout, err)
		}
		inspection.Findings = append(inspection.Findings, finding)
	}
	return inspection, nil
}

// beginInspection starts a transaction that sees one snapshot and whose waits are bounded. It does not depend on the role's
// defaults.
//
// Its queries compare whole tables. If the statistics are older than a stream, the planner assumes that the stream has a row
// or two, and plans nested loops that take the square of its pages. enable_nestloop=off adds 1e10 to the cost of such a plan,
// which would trigger JIT; hence jit=off.
const beginInspection = `BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = %d;
SET LOCAL enable_nestloop = off;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '60s'`

func (i *Inventory) begin(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	return i.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: fmt.Sprintf(beginInspection, i.timeout.Milliseconds())})
}

// check makes one check. PostgreSQL ends it after i.timeout. If the server does not answer at all, the wait ends CallTimeout
// later.
func (i *Inventory) check(ctx context.Context, q *dbsqlc.Queries, check domain.Check, stream string) (domain.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout+conn.CallTimeout)
	defer cancel()
	rows, err := findDifferences(ctx, q, check, stream)
	finding := domain.Finding{Check: check}
	for _, row := range rows {
		finding.Differences = row.Total
		finding.Shown = append(finding.Shown, row.Difference)
	}
	return finding, err
}

// checkError returns the error of a check that did not end. If it took longer than timeout, the error is Transient.
func checkError(check domain.Check, timeout time.Duration, err error) error {
	op := "check " + check.String()
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || answer.Code != "57014" { // query_canceled: the server ended it. If the caller cancels, there is no answer.
		return conn.Classify(op, err)
	}
	return &domain.Error{
		Kind: domain.Transient, Op: op, Err: fmt.Errorf("PostgreSQL did not end it within %s", timeout),
		Hint: "nothing was proven or disproven by it; run it again when the database has less to do",
	}
}

// A difference is one row of a check's query, with the number of all its differences.
type difference struct {
	domain.Difference

	Total int64
}

// findDifferences runs the query of a check.
func findDifferences(ctx context.Context, q *dbsqlc.Queries, check domain.Check, stream string) ([]difference, error) {
	switch check {
	case domain.CheckBalance:
		return ledgerDifferences(q.InventoryBalance(ctx, stream))
	case domain.CheckCheckpoint:
		return ledgerDifferences(q.InventoryCheckpoint(ctx, stream))
	case domain.CheckChain:
		return ledgerDifferences(q.InventoryChain(ctx, stream))
	case domain.CheckPageEvents:
		return ledgerDifferences(q.InventoryEvents(ctx, stream))
	case domain.CheckEventPages:
		return strayDifferences(q.InventoryStrays(ctx))
	case domain.CheckDeadLetters:
		return ledgerDifferences(q.InventoryLetters(ctx, stream))
	case domain.CheckPayloads:
		return letterDifferences(q.InventoryPayloads(ctx, stream))
	case domain.CheckResolutions:
		return letterDifferences(q.InventoryResolved(ctx, stream))
	case domain.CheckAnnounced:
		return ledgerDifferences(q.InventoryAnnounced(ctx, stream))
	case domain.CheckReturned, domain.CheckUnreturned: // a Comparison makes these
	}
	return nil, fmt.Errorf("no query for check %s", check)
}

// A ledgerRow is a row of a query about the ledger. sqlc generates a type for each query; all have the same fields.
type ledgerRow interface {
	dbsqlc.InventoryBalanceRow | dbsqlc.InventoryCheckpointRow | dbsqlc.InventoryChainRow | dbsqlc.InventoryEventsRow |
		dbsqlc.InventoryLettersRow | dbsqlc.InventoryAnnouncedRow
}

func ledgerDifferences[R ledgerRow](rows []R, err error) (all []difference, _ error) {
	for _, row := range rows {
		r := dbsqlc.InventoryChainRow(row)
		all = append(all, difference{domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, What: r.What, Value: r.Value, Against: r.Against, Found: r.Found,
		}, r.Total})
	}
	return all, err
}

func strayDifferences(rows []dbsqlc.InventoryStraysRow, err error) (all []difference, _ error) {
	for _, r := range rows {
		all = append(all, difference{domain.Difference{
			PageID: r.PageID, Event: r.Event, What: "events that name the page", Value: r.Value,
			Against: "pages of that id in the ledger", Found: "0",
		}, r.Total})
	}
	return all, err
}

// A letterRow is a row of a query about dead letters.
type letterRow interface {
	dbsqlc.InventoryPayloadsRow | dbsqlc.InventoryResolvedRow
}

func letterDifferences[R letterRow](rows []R, err error) (all []difference, _ error) {
	for _, row := range rows {
		r := dbsqlc.InventoryResolvedRow(row)
		all = append(all, difference{domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, Event: r.Event,
			What: r.What, Value: r.Value, Against: r.Against, Found: r.Found,
		}, r.Total})
	}
	return all, err
}
