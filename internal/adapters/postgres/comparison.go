package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/db"
	"github.com/pawldata/pawl/internal/adapters/postgres/internal/dbsqlc"
	"github.com/pawldata/pawl/internal/domain"
)

// A Comparison holds what an upstream returns against one stream's rows. What was returned is kept in a temporary table,
// so memory is bounded by a page; it needs SELECT, and the right to make temporary tables. It has a connection of its own
// from Begin to Close, and no transaction: a walk may take hours. It is used by one goroutine at a time.
type Comparison struct {
	pool *pgxpool.Pool
	conn *pgxpool.Conn
}

// NewComparison returns a comparison on the pool. Close must be called before the pool is closed.
func NewComparison(pool *pgxpool.Pool) *Comparison { return &Comparison{pool: pool} }

const opCompare = "compare with the database"

// Begin makes ready, with nothing returned yet; a second call forgets what was returned. It makes one attempt. Behind a
// connection pooler, where a temporary table is anybody's, it is Invalid.
func (c *Comparison) Begin(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	c.end(ctx)
	conn, err := acquireDirect(ctx, c.pool)
	if err != nil {
		return classify(opCompare, err)
	}
	if conn == nil {
		return &domain.Error{
			Kind: domain.Invalid, Op: opCompare, Err: errors.New("a connection pooler stands before the database"),
			Hint: "set DATABASE_URL to the server's own address for this command",
		}
	}
	c.conn = conn
	if _, err := conn.Exec(ctx, fmt.Sprintf("SET statement_timeout = %d", checkTimeout.Milliseconds())); err != nil {
		return classify(opCompare, err)
	}
	_, err = conn.Exec(ctx, db.Returned)
	return classify(opCompare, err)
}

// Compare finds what of a page is neither stored with its values nor parked, and notes the ids of its events and rejects
// as returned. Begin comes first, and after an error comes first again.
func (c *Comparison) Compare(ctx context.Context, stream domain.StreamID, page domain.ReadPage) (domain.PageComparison, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	q := dbsqlc.New(c.conn)
	if err := q.ReturnedInsert(ctx, idsIn(page)); err != nil {
		return domain.PageComparison{}, classify(opCompare, err)
	}
	var refused []domain.Reject
	others, err := compare(ctx, q, page.Events)
	if domain.KindOf(err) == domain.Unstorable {
		others, refused, err = c.compareAccepted(ctx, page.Events)
	}
	if err != nil {
		return domain.PageComparison{}, classify(opCompare, err)
	}
	result, err := settle(ctx, q, stream, suspectsOf(page.Rejects, others, refused))
	return result, classify(opCompare, err)
}

// compareAccepted is compare without the events of which PostgreSQL refuses a value, which it returns beside.
func (c *Comparison) compareAccepted(
	ctx context.Context, events []domain.ReadEvent,
) (others []unlike, refused []domain.Reject, err error) {
	tx, err := c.conn.Begin(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer tx.Rollback(ctx) //nolint:errcheck // it only read; a connection that is lost shows at the next call
	b := bisection{conn: tx.Conn(), statement: compareStatement, progress: func() {}}
	accepted, err := b.accepted(ctx, events)
	if err != nil {
		return nil, nil, err
	}
	others, err = compare(ctx, dbsqlc.New(tx), accepted)
	return others, b.refused, err
}

// idsIn is the ids of all of a page's records that have one.
func idsIn(page domain.ReadPage) []domain.EventID {
	ids := idsOf(page.Events)
	for _, r := range page.Rejects {
		if r.Why.ID != (domain.EventID{}) {
			ids = append(ids, r.Why.ID)
		}
	}
	return ids
}

// Unreturned finds the stream's events that were not returned since Begin.
func (c *Comparison) Unreturned(ctx context.Context, stream domain.StreamID) (domain.Finding, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout+callTimeout)
	defer cancel()
	finding := domain.Finding{Check: domain.Unreturned}
	rows, err := dbsqlc.New(c.conn).ReturnedLacks(ctx, stream.String())
	for _, r := range rows {
		finding.Differences = r.Total
		finding.Shown = append(finding.Shown, domain.Difference{
			PageID: r.PageID, Seq: r.Seq, Pass: r.Pass, Event: r.Event, What: "stored, but not returned by the API",
		})
	}
	if err != nil {
		return finding, failed(domain.Unreturned, checkTimeout, err)
	}
	return finding, nil
}

// Close ends the connection, and with it the temporary table. A second call does nothing.
func (c *Comparison) Close() { c.end(context.Background()) }

func (c *Comparison) end(ctx context.Context) {
	if c.conn == nil {
		return
	}
	conn := c.conn.Hijack()
	c.conn = nil
	closeConn(ctx, conn)
}
