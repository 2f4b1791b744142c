package postgres

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/db"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A Comparison compares what an upstream returns with one stream's rows. Between its calls it holds no connection, since a
// walk may take hours, and of what was returned only the ids: 16 bytes of memory for each record. It needs SELECT, and the
// right to make temporary tables. It is used by one goroutine at a time.
type Comparison struct {
	pool     *pgxpool.Pool
	returned []domain.EventID
	notKept  map[domain.EventID]int64 // returned records that count as not kept, by event
}

// NewComparison returns a comparison on the pool, with nothing returned yet.
func NewComparison(pool *pgxpool.Pool) *Comparison {
	return &Comparison{pool: pool, notKept: map[domain.EventID]int64{}}
}

const opCompare = "compare with the database"

// Begin implements verify.Comparison.
func (c *Comparison) Begin() { c.returned, c.notKept = nil, map[domain.EventID]int64{} }

// Compare implements verify.Comparison.
func (c *Comparison) Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := dbsqlc.New(c.pool)
	var refused []domain.Reject
	others, err := compare(ctx, q, page.Events)
	if domain.KindOf(err) == domain.Unstorable {
		others, refused, err = c.compareAccepted(ctx, page.Events)
	}
	if err != nil {
		return domain.PageComparison{}, classify(opCompare, err)
	}
	result, unaccounted, err := matchDeadLetters(ctx, q, stream, page, candidatesIn(page, others, refused))
	if err != nil {
		return domain.PageComparison{}, classify(opCompare, err)
	}
	notKept, err := addUnaccounted(ctx, q, stream, unaccounted, c.notKept, &result)
	if err != nil {
		return domain.PageComparison{}, classify(opCompare, err)
	}
	for id, records := range notKept {
		c.notKept[id] += records
	}
	c.returned = append(c.returned, idsIn(page)...)
	return result, nil
}

// compareAccepted compares the events that PostgreSQL accepts, and returns the refused ones.
func (c *Comparison) compareAccepted(
	ctx context.Context, events []domain.DecodedEvent,
) (others []unlike, refused []domain.Reject, err error) {
	tx, err := c.pool.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it only read; a connection that is lost is closed
	b := bisection{conn: tx.Conn(), statement: compareStatement, progress: func() {}}
	accepted, err := b.accepted(ctx, events)
	if err != nil {
		return nil, nil, err
	}
	others, err = compare(ctx, dbsqlc.New(tx), accepted)
	return others, b.refused, err
}

// idsIn is the ids of all of a page's records that have one.
func idsIn(page domain.DecodedPage) []domain.EventID {
	ids := idsOf(page.Events)
	for _, r := range page.Rejects {
		if r.Why.ID != (domain.EventID{}) {
			ids = append(ids, r.Why.ID)
		}
	}
	return ids
}

// idsInStatement is how many ids one statement carries.
const idsInStatement = 50_000

// Unreturned implements verify.Comparison. The ids go into a temporary table that ends with the transaction.
func (c *Comparison) Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+callTimeout)
	defer cancel()
	finding := domain.Finding{Check: domain.CheckUnreturned}
	tx, err := c.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: fmt.Sprintf(beginUnreturned, checkTimeout.Milliseconds())})
	if err != nil {
		return finding, classify(opCompare, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // nothing is to stay
	}()
	q := dbsqlc.New(tx)
	if _, err := tx.Exec(ctx, db.Returned); err != nil {
		return finding, classify(opCompare, err)
	}
	for ids := range slices.Chunk(c.returned, idsInStatement) {
		if err := q.ReturnedInsert(ctx, ids); err != nil {
			return finding, classify(opCompare, err)
		}
	}
	rows, err := q.ReturnedLacks(ctx, stream.String())
	if err != nil {
		return finding, failed(domain.CheckUnreturned, checkTimeout, err)
	}
	for _, r := range rows {
		finding.Differences = r.Total
		finding.Shown = append(finding.Shown, domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, Event: r.Event, What: "stored, but not returned by the API",
		})
	}
	return finding, nil
}

// beginUnreturned opens a transaction whose waits are bounded, whatever the role's defaults say.
const beginUnreturned = `BEGIN;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = %d;
SET LOCAL idle_in_transaction_session_timeout = '60s'`
