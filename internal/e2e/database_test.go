//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A database is a connection to a database that pawl writes to. The tests read pawl's tables over it with SQL, without any code
// of pawl.
type database struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // without cancellation, since clean-ups use the database too
	conn *pgx.Conn
}

// connect opens a connection, and closes it when the test ends.
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

// queryInt returns the integer that the query selects.
func (d *database) queryInt(sql string) (n int) {
	d.t.Helper()
	if err := d.conn.QueryRow(d.ctx, sql).Scan(&n); err != nil {
		d.t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// countPages returns the number of pages in the ledger, or 0 if the table does not exist yet.
func (d *database) countPages() int {
	d.t.Helper()
	if d.queryInt("SELECT count(*) FROM pg_class WHERE relname = 'pages'") == 0 {
		return 0
	}
	return d.queryInt("SELECT count(*) FROM pages")
}

// lockLedger makes every transaction of pawl wait until unlock is called. A waiting transaction has written its events. It waits
// to insert its row into the ledger, which is the table pages.
func (d *database) lockLedger(databaseURL string) (unlock func()) {
	d.t.Helper()
	return d.lockInTransaction(databaseURL, "LOCK TABLE pages IN SHARE MODE")
}

// lockInTransaction runs lockStatement in a transaction on a connection of its own. The transaction stays open until unlock is
// called.
func (d *database) lockInTransaction(databaseURL, lockStatement string) (unlock func()) {
	d.t.Helper()
	other := connect(d.t, databaseURL)
	other.exec("BEGIN")
	other.exec(lockStatement)
	return func() {
		other.exec("ROLLBACK")
		_ = other.conn.Close(other.ctx)
	}
}

// seq returns the seq of the last committed page, or 0 if there is none.
func (d *database) seq() int {
	d.t.Helper()
	return d.queryInt("SELECT coalesce(max(seq), 0) FROM pages")
}

// offset returns the offset that the current pass has reached, or 0 if there is no checkpoint.
func (d *database) offset() int {
	d.t.Helper()
	return d.queryInt("SELECT coalesce(max(position), 0) FROM checkpoints")
}

// epoch returns the checkpoint's epoch, which counts the claims of the stream, or 0 if there is no checkpoint.
func (d *database) epoch() int {
	d.t.Helper()
	return d.queryInt("SELECT coalesce(max(epoch), 0) FROM checkpoints")
}

// lastRequestID returns the id of the request that fetched the last stored page, or "" if there is none.
func (d *database) lastRequestID() (id string) {
	d.t.Helper()
	const query = "SELECT coalesce((SELECT request_id FROM pages WHERE kind = 'page' ORDER BY seq DESC LIMIT 1), '')"
	if err := d.conn.QueryRow(d.ctx, query).Scan(&id); err != nil {
		d.t.Fatal(err)
	}
	return id
}

// countOpenTransactions counts pawl's transactions that have written their events and wait to insert their ledger row.
func (d *database) countOpenTransactions() int {
	d.t.Helper()
	return d.queryInt(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND xact_start IS NOT NULL AND wait_event_type = 'Lock'
		AND query ILIKE '%INSERT INTO pages%'`)
}

// terminatePawl ends all of pawl's database sessions on the server.
func (d *database) terminatePawl() {
	d.t.Helper()
	d.exec(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'pawl/%'`)
}

// checkLedger checks that the checkpoints, the ledger, the events and the dead letters agree (invariant I5, see package
// domain). It also checks that each page was requested with the cursor that the page before it contained.
func (d *database) checkLedger() {
	d.t.Helper()
	if wrong := d.queryInt(`SELECT count(*) FROM checkpoints AS c
		CROSS JOIN LATERAL (SELECT coalesce(sum(p.received), 0) AS received, coalesce(sum(p.inserted), 0) AS inserted,
			coalesce(sum(p.duplicate), 0) AS duplicate, coalesce(sum(p.parked), 0) AS parked, count(*) AS seq
			FROM pages AS p WHERE p.stream = c.stream AND p.kind = 'page') AS ledger
		WHERE (c.received, c.inserted, c.duplicate, c.parked, c.seq)
		IS DISTINCT FROM (ledger.received, ledger.inserted, ledger.duplicate, ledger.parked, ledger.seq)`); wrong > 0 {
		d.t.Error("the checkpoint is not the sum of the ledger")
	}
	if wrong := d.queryInt(`SELECT count(*) FROM pages AS p WHERE p.inserted <>
		(SELECT count(*) FROM events AS e WHERE e.page_id = p.id)`); wrong > 0 {
		d.t.Errorf("pages with another number of events than their ledger row says: got %d, want 0", wrong)
	}
	if wrong := d.queryInt(`SELECT count(*) FROM pages AS p
		LEFT JOIN pages AS parent ON parent.stream = p.stream AND parent.kind = 'page' AND parent.pass = p.pass AND parent.seq = p.parent_seq
		WHERE p.kind = 'page' AND p.cursor_in IS DISTINCT FROM CASE p.parent_seq WHEN 0 THEN '' ELSE parent.cursor_out END`); wrong > 0 {
		d.t.Errorf("pages that were not requested with the cursor of the page before: got %d, want 0", wrong)
	}
	if wrong := d.queryInt(`SELECT count(*) FROM pages AS p WHERE p.kind = 'page' AND p.parked <>
		(SELECT count(*) FROM dead_letters AS l WHERE l.page_id = p.id AND l.stream = p.stream)`); wrong > 0 {
		d.t.Errorf("pages with another number of dead letters than their ledger row says: got %d, want 0", wrong)
	}
}

// checkPasses checks every page against the truth, which the caller has loaded with loadTruth. Each pass must start at the head
// and leave no gap. A page must insert or park the records that no earlier page had reached, and no others.
//
// A page contains the records from the offset start to the offset position. end_before is the end of the page before in the same
// pass. max_end is the furthest end of all earlier pages. So the new records of a page begin at the greater of start and max_end.
func (d *database) checkPasses() {
	d.t.Helper()
	if wrong := d.queryInt(`SELECT count(*) FROM (
			SELECT *, position - received AS start,
				coalesce(lag(position) OVER (PARTITION BY pass ORDER BY seq), 0) AS end_before,
				coalesce(max(position) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS max_end
			FROM pages WHERE kind = 'page') AS p
		WHERE start <> end_before OR (end_before = 0 AND cursor_in <> '') OR inserted <> (SELECT count(*) FROM truth AS t
			WHERE t.outcome IN ('stored', 'drifted') AND t.index >= greatest(start, max_end) AND t.index < position)
		OR parked <> (SELECT count(DISTINCT t.sha256) FROM truth AS t
			WHERE t.outcome IN ('parked', 'repaired') AND t.index >= greatest(start, max_end) AND t.index < position AND NOT EXISTS
				(SELECT FROM truth AS earlier WHERE earlier.sha256 = t.sha256 AND earlier.index < greatest(start, max_end)))`); wrong > 0 {
		d.t.Errorf("pages that leave a gap, or did not insert and park exactly their new records: got %d, want 0", wrong)
	}
}

// checkEnd checks the stream after a run that has exited with exitCode. After exitDone, the stream must be done and have
// wantEvents events. After any other code, it must not be done.
func (d *database) checkEnd(exitCode, wantEvents int) {
	d.t.Helper()
	done, wantDone := d.queryInt("SELECT count(*) FROM checkpoints WHERE done") == 1, exitCode == exitDone
	if done != wantDone {
		d.t.Errorf("after exit %d: got stream done %v, want %v", exitCode, done, wantDone)
	}
	if events := d.queryInt("SELECT count(*) FROM events"); done && events != wantEvents {
		d.t.Errorf("the stream is done: got %d stored events, want %d", events, wantEvents)
	}
}
