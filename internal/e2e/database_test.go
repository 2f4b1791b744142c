//go:build e2e

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"testing"
	"time"

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
	other := connect(d.t, databaseURL)
	other.exec("BEGIN")
	other.exec("LOCK TABLE pages IN SHARE MODE")
	return func() { other.exec("ROLLBACK") }
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

// A truth is one row that a database must hold, as the mock computes it.
type truth struct {
	ID         string          `json:"id"`
	SessionID  string          `json:"session_id"`
	UserID     string          `json:"user_id"`
	Type       string          `json:"type"`
	Name       string          `json:"name"`
	Properties json.RawMessage `json:"properties"`
	OccurredAt time.Time       `json:"occurred_at"`
	DeviceType string          `json:"device_type"`
	Browser    string          `json:"browser"`
	Extra      json.RawMessage `json:"extra"`
}

// equalsTruth compares every column of every row, in SQL: nothing of pawl's has a say in it. JSON is compared as jsonb
// spells it, since jsonb itself takes 19.90 for 19.9.
func (d *database) equalsTruth(m *mock) {
	d.t.Helper()
	d.exec(`CREATE TEMP TABLE truth (id uuid PRIMARY KEY, session_id uuid, user_id uuid, type text, name text,
		properties jsonb, occurred_at timestamptz, device_type text, browser text, extra jsonb)`)
	body := m.admin(d.ctx, "/truth")
	defer body.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	rows := pgx.CopyFromFunc(func() ([]any, error) {
		if !lines.Scan() {
			return nil, lines.Err()
		}
		var r truth
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		if string(r.Extra) == "null" {
			r.Extra = nil
		}
		return []any{r.ID, r.SessionID, r.UserID, r.Type, r.Name, r.Properties, r.OccurredAt, r.DeviceType, r.Browser, r.Extra}, nil
	})
	columns := []string{"id", "session_id", "user_id", "type", "name", "properties", "occurred_at", "device_type", "browser", "extra"}
	n, err := d.conn.CopyFrom(d.ctx, pgx.Identifier{"truth"}, columns, rows)
	if err != nil || n == 0 {
		d.t.Fatalf("copy the truth: %d rows, %v", n, err)
	}
	if wrong := d.count(`SELECT count(*) FROM truth AS t FULL JOIN events AS e USING (id)
		WHERE (t.session_id, t.user_id, t.type, t.name, t.properties::text, t.occurred_at, t.device_type, t.browser, t.extra::text)
		IS DISTINCT FROM
		(e.session_id, e.user_id, e.type, e.name, e.properties::text, e.occurred_at, e.device_type, e.browser, e.extra::text)`); wrong > 0 {
		d.t.Errorf("%d rows are lost, invented or differ from the truth", wrong)
	}
	if stored := d.count("SELECT count(*) FROM events"); int64(stored) != n {
		d.t.Errorf("%d events stored, the truth has %d", stored, n)
	}
}

// addsUp checks I5 over the whole database: checkpoint, ledger and rows tell the same story.
func (d *database) addsUp() {
	d.t.Helper()
	if wrong := d.count(`SELECT count(*) FROM checkpoints AS c
		CROSS JOIN LATERAL (SELECT coalesce(sum(p.received), 0) AS received, coalesce(sum(p.inserted), 0) AS inserted,
			coalesce(sum(p.duplicate), 0) AS duplicate, coalesce(sum(p.parked), 0) AS parked, count(*) AS seq
			FROM pages AS p WHERE p.stream = c.stream) AS l
		WHERE (c.received, c.inserted, c.duplicate, c.parked, c.seq)
		IS DISTINCT FROM (l.received, l.inserted, l.duplicate, l.parked, l.seq)`); wrong > 0 {
		d.t.Error("the checkpoint is not the sum of the ledger")
	}
	if wrong := d.count(`SELECT count(*) FROM pages AS p WHERE p.inserted <>
		(SELECT count(*) FROM events AS e WHERE e.page_id = p.id)`); wrong > 0 {
		d.t.Errorf("%d pages did not bring the events they say", wrong)
	}
	if wrong := d.count(`SELECT count(*) FROM (SELECT cursor_in, lag(cursor_out) OVER (ORDER BY seq) AS before, pass,
		lag(pass) OVER (ORDER BY seq) AS pass_before FROM pages) AS chain WHERE pass = pass_before AND cursor_in <> before`); wrong > 0 {
		d.t.Errorf("the chain of cursors is broken at %d pages", wrong)
	}
}
