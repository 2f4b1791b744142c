//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A database is a connection to a database that pawl writes to. It reads the tables as a user does.
type database struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // never cancelled, since clean-ups use the database too
	conn *pgx.Conn
}

func connect(t *testing.T, databaseURL string) *database {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(ctx) })
	return &database{t, ctx, conn}
}

func (d *database) exec(sql string) {
	d.t.Helper()
	if _, err := d.conn.Exec(d.ctx, sql); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
}

func (d *database) count(sql string) (n int) {
	d.t.Helper()
	if err := d.conn.QueryRow(d.ctx, sql).Scan(&n); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// pages returns the number of committed pages, 0 if there is no schema yet.
func (d *database) pages() int {
	d.t.Helper()
	if d.count("SELECT count(*) FROM pg_class WHERE relname = 'pages'") == 0 {
		return 0
	}
	return d.count("SELECT count(*) FROM pages")
}

// lockLedger makes every commit wait at its ledger row until unlock is called: the transaction has written its events and
// stays open.
func (d *database) lockLedger(databaseURL string) (unlock func()) {
	d.t.Helper()
	return d.lockInTransaction(databaseURL, "LOCK TABLE pages IN SHARE MODE")
}

// lockInTransaction runs the statement lock in a transaction of its own, which stays open until unlock is called.
func (d *database) lockInTransaction(databaseURL, lock string) (unlock func()) {
	d.t.Helper()
	other := connect(d.t, databaseURL)
	other.exec("BEGIN")
	other.exec(lock)
	return func() {
		other.exec("ROLLBACK")
		_ = other.conn.Close(other.ctx)
	}
}

// seq returns the seq of the last committed page, 0 if there is none.
func (d *database) seq() int {
	d.t.Helper()
	return d.count("SELECT coalesce(max(seq), 0) FROM pages")
}

// position returns the offset that the current pass has reached.
func (d *database) position() int {
	d.t.Helper()
	return d.count("SELECT coalesce(max(position), 0) FROM checkpoints")
}

// epoch returns how often the stream was claimed.
func (d *database) epoch() int {
	d.t.Helper()
	return d.count("SELECT coalesce(max(epoch), 0) FROM checkpoints")
}

// lastRequestID returns the id of the request that fetched the last stored page, "" if there is none.
func (d *database) lastRequestID() (id string) {
	d.t.Helper()
	if err := d.conn.QueryRow(d.ctx, "SELECT coalesce((SELECT request_id FROM pages WHERE kind = 'page' ORDER BY seq DESC LIMIT 1), '')").Scan(&id); err != nil {
		d.t.Fatal(err)
	}
	return id
}

// countOpenTransactions counts pawl's transactions that have written their events and wait at their ledger row.
func (d *database) countOpenTransactions() int {
	d.t.Helper()
	return d.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND xact_start IS NOT NULL AND wait_event_type = 'Lock'
		AND query ILIKE '%INSERT INTO pages%'`)
}

// terminatePawl ends all of pawl's database sessions on the server.
func (d *database) terminatePawl() {
	d.t.Helper()
	d.exec(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'pawl/%'`)
}

// checkLedger checks I5 over the whole database: checkpoint, ledger, events and dead letters agree, and the cursors of
// consecutive pages form a chain.
func (d *database) checkLedger() {
	d.t.Helper()
	if wrong := d.count(`SELECT count(*) FROM checkpoints AS c
		CROSS JOIN LATERAL (SELECT coalesce(sum(p.received), 0) AS received, coalesce(sum(p.inserted), 0) AS inserted,
			coalesce(sum(p.duplicate), 0) AS duplicate, coalesce(sum(p.parked), 0) AS parked, count(*) AS seq
			FROM pages AS p WHERE p.stream = c.stream AND p.kind = 'page') AS l
		WHERE (c.received, c.inserted, c.duplicate, c.parked, c.seq)
		IS DISTINCT FROM (l.received, l.inserted, l.duplicate, l.parked, l.seq)`); wrong > 0 {
		d.t.Error("the checkpoint is not the sum of the ledger")
	}
	if wrong := d.count(`SELECT count(*) FROM pages AS p WHERE p.inserted <>
		(SELECT count(*) FROM events AS e WHERE e.page_id = p.id)`); wrong > 0 {
		d.t.Errorf("%d pages inserted another number of events than their ledger row says", wrong)
	}
	if wrong := d.count(`SELECT count(*) FROM (SELECT cursor_in, lag(cursor_out) OVER (ORDER BY seq) AS before, pass,
		lag(pass) OVER (ORDER BY seq) AS pass_before FROM pages WHERE kind = 'page') AS chain WHERE pass = pass_before AND cursor_in <> before`); wrong > 0 {
		d.t.Errorf("the chain of cursors is broken at %d pages", wrong)
	}
	if wrong := d.count(`SELECT count(*) FROM pages AS p WHERE p.kind = 'page' AND p.parked <>
		(SELECT count(*) FROM dead_letters AS l WHERE l.page_id = p.id AND l.stream = p.stream)`); wrong > 0 {
		d.t.Errorf("%d pages parked another number of dead letters than their ledger row says", wrong)
	}
}

// checkPasses checks every page against the truth that loadTruth loaded. Each pass starts at the head and leaves no gap.
// A page inserts and parks exactly those records that no earlier pass had reached; its other records are duplicates.
func (d *database) checkPasses() {
	d.t.Helper()
	if wrong := d.count(`SELECT count(*) FROM (
			SELECT *, position - received AS start,
				coalesce(lag(position) OVER (PARTITION BY pass ORDER BY seq), 0) AS before,
				coalesce(max(position) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS furthest
			FROM pages WHERE kind = 'page') AS p
		WHERE start <> before OR (before = 0 AND cursor_in <> '') OR inserted <> (SELECT count(*) FROM truth AS t
			WHERE t.outcome IN ('stored', 'drifted') AND t.index >= greatest(start, furthest) AND t.index < position)
		OR parked <> (SELECT count(DISTINCT t.sha256) FROM truth AS t
			WHERE t.outcome IN ('parked', 'repaired') AND t.index >= greatest(start, furthest) AND t.index < position AND NOT EXISTS
				(SELECT FROM truth AS b WHERE b.sha256 = t.sha256 AND b.index < greatest(start, furthest)))`); wrong > 0 {
		d.t.Errorf("%d pages leave a gap, or did not insert and park exactly their new records", wrong)
	}
}

// checkEnd checks that the stream is done if and only if its run exited with 0, and that then all events are stored.
func (d *database) checkEnd(code, events int) {
	d.t.Helper()
	done := d.count("SELECT count(*) FROM checkpoints WHERE done") == 1
	stored := d.count("SELECT count(*) FROM events")
	if done != (code == 0) || done && stored != events {
		d.t.Errorf("after exit %d: done %v, %d of %d events stored", code, done, stored, events)
	}
}
