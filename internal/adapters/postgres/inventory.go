package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// checkTimeout bounds one check. A check reads each table once or twice.
const checkTimeout = 15 * time.Minute

// An Inventory checks what is stored. It takes no lock that a run would notice, writes nothing and needs SELECT only.
type Inventory struct {
	pool    *pgxpool.Pool
	timeout time.Duration // of one check
}

// NewInventory returns an inventory on the pool.
func NewInventory(pool *pgxpool.Pool) *Inventory { return &Inventory{pool, checkTimeout} }

// Inspect makes all the checks of domain.InventoryChecks in order, whatever they find, each told to began first. All
// that they see is of one moment: what a run commits meanwhile is not seen. A stream that was never claimed is Invalid;
// the error names those there are. With any other error the inspection has the findings until then. It makes one attempt.
func (i *Inventory) Inspect(
	ctx context.Context, stream domain.StreamID, began func(domain.Check),
) (domain.Inspection, error) {
	const op = "inspect the database"
	var inspection domain.Inspection
	tx, err := i.begin(ctx)
	if err != nil {
		return inspection, classify(op, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // nothing was written
	}()
	q := dbsqlc.New(tx)
	if inspection.Stream, err = report(ctx, q, stream); err != nil {
		return inspection, err
	}
	holdings, err := q.InventoryHoldings(ctx, stream.String())
	if err != nil {
		return inspection, classify(op, err)
	}
	inspection.Stored, inspection.Parked = holdings.Stored, holdings.Parked
	inspection.EndAccepted, inspection.Shared = holdings.EndAccepted, holdings.Shared
	for _, check := range domain.InventoryChecks() {
		began(check)
		finding, err := i.check(ctx, q, check, stream.String())
		if err != nil {
			return inspection, failed(check, i.timeout, err)
		}
		inspection.Findings = append(inspection.Findings, finding)
	}
	return inspection, nil
}

// look begins a transaction that sees one moment and whose waits are bounded, whatever the role's defaults say. Its queries
// hold whole tables against each other: where statistics are older than a stream, the planner takes it to have a row or
// two, and nested loops over it take the square of its pages. (What is discouraged counts as dear, hence no JIT.)
const look = `BEGIN READ ONLY, ISOLATION LEVEL REPEATABLE READ;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = %d;
SET LOCAL enable_nestloop = off;
SET LOCAL jit = off;
SET LOCAL idle_in_transaction_session_timeout = '60s'`

func (i *Inventory) begin(ctx context.Context) (pgx.Tx, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	return i.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: fmt.Sprintf(look, i.timeout.Milliseconds())})
}

// check makes one check. Should the server not answer, not even that it timed out, the wait ends a little later.
func (i *Inventory) check(ctx context.Context, q *dbsqlc.Queries, check domain.Check, stream string) (domain.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, i.timeout+callTimeout)
	defer cancel()
	rows, err := differences(ctx, q, check, stream)
	finding := domain.Finding{Check: check}
	for _, row := range rows {
		finding.Differences = row.Total
		finding.Shown = append(finding.Shown, row.Difference)
	}
	return finding, err
}

// failed says which check an error ended, and what can be done where it was the time.
func failed(check domain.Check, timeout time.Duration, err error) error {
	op := "check " + check.String()
	answer, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || answer.Code != "57014" { // query_canceled; the caller's own cancelling is no answer of the server's
		return classify(op, err)
	}
	return &domain.Error{
		Kind: domain.Transient, Op: op, Err: fmt.Errorf("PostgreSQL did not end it within %s", timeout),
		Hint: "nothing was proven or disproven by it; run it again when the database has less to do",
	}
}
