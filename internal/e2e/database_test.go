//go:build e2e

package e2e

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
)

// A database is the tables as a user sees them.
type database struct {
	t    *testing.T
	ctx  context.Context //nolint:containedctx // the test's; its clean-ups use the database too
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

// pages is the number of committed pages, 0 before there is a schema.
func (d *database) pages() int {
	d.t.Helper()
	if d.count("SELECT count(*) FROM pg_class WHERE relname = 'pages'") == 0 {
		return 0
	}
	return d.count("SELECT count(*) FROM pages")
}

// holdLedger keeps every commit from getting past its ledger row until the returned function is called: a transaction
// with its events written stays open.
func (d *database) holdLedger(databaseURL string) (letGo func()) {
	d.t.Helper()
	return d.hold(databaseURL, "LOCK TABLE pages IN SHARE MODE")
}

// hold has a session of its own take a lock and keep it until the returned function is called.
func (d *database) hold(databaseURL, lock string) (letGo func()) {
	d.t.Helper()
	other := connect(d.t, databaseURL)
	other.exec("BEGIN")
	other.exec(lock)
	return func() {
		other.exec("ROLLBACK")
		_ = other.conn.Close(other.ctx)
	}
}

// seq is that of the page committed last, 0 before there is one.
func (d *database) seq() int {
	d.t.Helper()
	return d.count("SELECT coalesce(max(seq), 0) FROM pages")
}

// position is how far from the head the current pass is stored.
func (d *database) position() int {
	d.t.Helper()
	return d.count("SELECT coalesce(max(position), 0) FROM checkpoints")
}

// epoch is how often a stream was claimed.
func (d *database) epoch() int {
	d.t.Helper()
	return d.count("SELECT coalesce(max(epoch), 0) FROM checkpoints")
}

// lastRequestID is the request that brought the page stored last, "" before there is one.
func (d *database) lastRequestID() (id string) {
	d.t.Helper()
	if err := d.conn.QueryRow(d.ctx, "SELECT coalesce((SELECT request_id FROM pages WHERE kind = 'page' ORDER BY seq DESC LIMIT 1), '')").Scan(&id); err != nil {
		d.t.Fatal(err)
	}
	return id
}

// openTransactions counts pawl's transactions that wait with their events written.
func (d *database) openTransactions() int {
	d.t.Helper()
	return d.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND xact_start IS NOT NULL AND wait_event_type = 'Lock'
		AND query ILIKE '%INSERT INTO pages%'`)
}

// terminatePawl ends the server side of every connection of pawl's.
func (d *database) terminatePawl() {
	d.t.Helper()
	d.exec(`SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'pawl/%'`)
}
