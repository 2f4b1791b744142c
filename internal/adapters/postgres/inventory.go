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

// checkTimeout bounds the time of one check. A check reads each table once or twice.
const checkTimeout = 15 * time.Minute

// An Inventory implements verify.Inventory. It checks the stored rows of a stream against each other. It takes no lock that a run
// would wait for, writes nothing and needs only the SELECT privilege.
type Inventory struct {
	pool    *pgxpool.Pool
	timeout time.Duration // bounds each check; normally checkTimeout
}

// NewInventory returns an inventory that uses the pool.
func NewInventory(pool *pgxpool.Pool) *Inventory { return &Inventory{pool, checkTimeout} }

// Inspect implements verify.Inventory. It makes all checks in one transaction, so that they see the same snapshot of the database.
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

// beginInspection is the SQL that begins the transaction of Inspect. The transaction sees one snapshot. The SQL bounds all waits,
// whatever the role's defaults are. %d is the statement timeout in milliseconds.
//
// The queries of the checks compare whole tables. PostgreSQL's statistics may be older than a stream. Then the planner assumes
// that the stream has few rows and plans nested loops, whose time grows with the square of the number of pages. So the SQL sets
// enable_nestloop=off. This setting adds 1e10 to the cost of a plan that still has a nested loop. Such a cost would start JIT
// compilation. So the SQL also sets jit=off.
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

// check makes one check. PostgreSQL cancels the check's query after i.timeout. If the server does not answer at all, check
// returns after another [conn.CallTimeout].
func (i *Inventory) check(ctx context.Context, q *dbsqlc.Queries, check domain.Check, stream string) (domain.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout+conn.CallTimeout)
	defer cancel()
	differences, err := findDifferences(ctx, q, check, stream)
	if err != nil {
		return domain.Finding{}, err
	}
	finding := domain.Finding{Check: check}
	for _, d := range differences {
		finding.Differences = d.Total // the same number in each difference
		finding.Shown = append(finding.Shown, d.Difference)
	}
	return finding, nil
}

// checkError classifies the error of a check's query. If PostgreSQL has cancelled the query after timeout, the error is Transient.
func checkError(check domain.Check, timeout time.Duration, err error) error {
	op := "check " + check.String()
	const queryCanceled = "57014"
	answer, ok := errors.AsType[*pgconn.PgError](err) // if pawl itself cancels a query, pgx returns no answer of the server
	if !ok || answer.Code != queryCanceled {
		return conn.Classify(op, err)
	}
	return &domain.Error{
		Kind: domain.Transient, Code: domain.CodeDatabaseBusy, Op: op, Err: fmt.Errorf("PostgreSQL did not end it within %s", timeout),
		Hint: "this check has no result; run it again when the database has less to do",
	}
}

// A difference is one row in the answer to a check's query.
type difference struct {
	domain.Difference

	Total int64 // number of all differences that the query found, also of those that it did not return
}

// findDifferences runs the query of a check and returns the first differences that it found.
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
	case domain.CheckReturned, domain.CheckUnreturned: // a Comparison makes these checks
	}
	return nil, fmt.Errorf("no query for check %s", check)
}

// A ledgerRow is a row in the answer to a query about the ledger. sqlc generates a type for each query, but all of these types
// have the same fields.
type ledgerRow interface {
	dbsqlc.InventoryBalanceRow | dbsqlc.InventoryCheckpointRow | dbsqlc.InventoryChainRow | dbsqlc.InventoryEventsRow |
		dbsqlc.InventoryLettersRow | dbsqlc.InventoryAnnouncedRow
}

// ledgerDifferences converts the answer to a query about the ledger. It passes on the query's error.
func ledgerDifferences[R ledgerRow](rows []R, err error) (all []difference, _ error) {
	for _, row := range rows {
		r := dbsqlc.InventoryChainRow(row)
		all = append(all, difference{Total: r.Total, Difference: domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, What: r.What, Value: r.Value, OtherName: r.Against, OtherValue: r.Found,
		}})
	}
	return all, err
}

// strayDifferences converts the answer to the query for events whose page does not exist. It passes on the query's error.
func strayDifferences(rows []dbsqlc.InventoryStraysRow, err error) (all []difference, _ error) {
	for _, r := range rows {
		all = append(all, difference{Total: r.Total, Difference: domain.Difference{
			PageID: r.PageID, Event: r.Event, What: "events that name the page", Value: r.Value,
			OtherName: "pages of that id in the ledger", OtherValue: "0",
		}})
	}
	return all, err
}

// A letterRow is a row in the answer to a query about dead letters. Both types have the same fields.
type letterRow interface {
	dbsqlc.InventoryPayloadsRow | dbsqlc.InventoryResolvedRow
}

// letterDifferences converts the answer to a query about dead letters. It passes on the query's error.
func letterDifferences[R letterRow](rows []R, err error) (all []difference, _ error) {
	for _, row := range rows {
		r := dbsqlc.InventoryResolvedRow(row)
		all = append(all, difference{Total: r.Total, Difference: domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, Event: r.Event,
			What: r.What, Value: r.Value, OtherName: r.Against, OtherValue: r.Found,
		}})
	}
	return all, err
}
