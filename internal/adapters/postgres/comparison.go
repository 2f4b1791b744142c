package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/db"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/conn"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A Comparison implements verify.Comparison. It compares the records that the API returns with one stream in the database. It
// needs the SELECT privilege and the right to create temporary tables. Only one goroutine may use it at a time.
//
// A walk of the API may take hours, so a Comparison holds no connection between its calls. It remembers the ids of the returned
// records, which take 16 bytes of memory per record.
type Comparison struct {
	pool     *pgxpool.Pool
	returned []domain.EventID         // the ids of all records that the walk returned so far
	notKept  map[domain.EventID]int64 // by event, the number of returned records that a run counted and did not store
}

// NewComparison returns a comparison that uses the pool. It is ready for the first walk without a call of Begin.
func NewComparison(pool *pgxpool.Pool) *Comparison {
	return &Comparison{pool: pool, notKept: map[domain.EventID]int64{}}
}

const opCompare = "compare with the database"

// Begin implements verify.Comparison. It forgets what the previous walk returned.
func (c *Comparison) Begin() {
	c.returned = nil
	c.notKept = map[domain.EventID]int64{}
}

// Compare implements verify.Comparison.
func (c *Comparison) Compare(ctx context.Context, stream domain.StreamID, page domain.DecodedPage) (domain.PageComparison, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	q := dbsqlc.New(c.pool)
	var unstorable []domain.Reject // the events that PostgreSQL refuses to compare
	mismatches, err := findMismatches(ctx, q, page.Events)
	if domain.KindOf(err) == domain.Unstorable {
		mismatches, unstorable, err = c.bisectMismatches(ctx, page.Events)
	}
	if err != nil {
		return domain.PageComparison{}, conn.Classify(opCompare, err)
	}
	result, unaccounted, err := matchDeadLetters(ctx, q, stream, page, newCandidates(page, mismatches, unstorable))
	if err != nil {
		return domain.PageComparison{}, conn.Classify(opCompare, err)
	}
	notKept, err := addUnaccounted(ctx, q, stream, unaccounted, c.notKept, &result)
	if err != nil {
		return domain.PageComparison{}, conn.Classify(opCompare, err)
	}
	for id, records := range notKept {
		c.notKept[id] += records
	}
	c.returned = append(c.returned, recordIDs(page)...)
	return result, nil
}

// bisectMismatches finds the mismatches if PostgreSQL refuses some of the events. It returns the refused events as unstorable.
func (c *Comparison) bisectMismatches(
	ctx context.Context, events []domain.DecodedEvent,
) (mismatches []mismatch, unstorable []domain.Reject, err error) {
	tx, err := c.pool.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // the transaction only reads, and the pool closes a lost connection
	b := bisection{conn: tx.Conn(), makeStatement: compareStatement, progress: func() {}}
	accepted, err := b.findAccepted(ctx, events)
	if err != nil {
		return nil, nil, err
	}
	mismatches, err = findMismatches(ctx, dbsqlc.New(tx), accepted)
	return mismatches, b.refused, err
}

// recordIDs returns the ids of the page's events, and of the rejects that have an id.
func recordIDs(page domain.DecodedPage) []domain.EventID {
	ids := eventIDs(page.Events)
	for _, r := range page.Rejects {
		if r.Why.ID != (domain.EventID{}) {
			ids = append(ids, r.Why.ID)
		}
	}
	return ids
}

// PageCommittedAt implements verify.Comparison.
func (c *Comparison) PageCommittedAt(ctx context.Context, stream domain.StreamID, seq int64) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, conn.CallTimeout)
	defer cancel()
	committed, err := dbsqlc.New(c.pool).PageCommittedAt(ctx, dbsqlc.PageCommittedAtParams{Stream: stream.String(), Seq: seq})
	if errors.Is(err, pgx.ErrNoRows) {
		return time.Time{}, nil
	}
	return committed, conn.Classify(opCompare, err)
}

// maxStatementIDs bounds the number of ids in one statement.
const maxStatementIDs = 50_000

// Unreturned implements verify.Comparison. It writes the returned ids to a temporary table. PostgreSQL drops the table when the
// transaction ends.
func (c *Comparison) Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+conn.CallTimeout)
	defer cancel()
	finding := domain.Finding{Check: domain.CheckUnreturned}
	tx, err := c.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: fmt.Sprintf(beginUnreturned, checkTimeout.Milliseconds())})
	if err != nil {
		return finding, conn.Classify(opCompare, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), conn.CloseTimeout)
		defer cancel()
		_ = tx.Rollback(ctx) // only the temporary table was written, which nobody needs any more
	}()
	q := dbsqlc.New(tx)
	if _, err := tx.Exec(ctx, db.Returned); err != nil {
		return finding, conn.Classify(opCompare, err)
	}
	for ids := range slices.Chunk(c.returned, maxStatementIDs) {
		if err := q.ReturnedInsert(ctx, ids); err != nil {
			return finding, conn.Classify(opCompare, err)
		}
	}
	rows, err := q.ReturnedLacks(ctx, stream.String())
	if err != nil {
		return finding, checkError(domain.CheckUnreturned, checkTimeout, err)
	}
	for _, r := range rows {
		finding.Differences = r.Total
		finding.Shown = append(finding.Shown, domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, Event: r.Event, What: "stored, but not returned by the API",
		})
	}
	return finding, nil
}

// beginUnreturned is the SQL that begins the transaction of Unreturned. It bounds all waits, whatever the role's defaults are. %d
// is the statement timeout in milliseconds.
const beginUnreturned = `BEGIN;
SET LOCAL lock_timeout = '15s';
SET LOCAL statement_timeout = %d;
SET LOCAL idle_in_transaction_session_timeout = '60s'`
