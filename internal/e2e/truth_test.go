//go:build e2e

package e2e

import (
	"bufio"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
)

// A truth contains what must become of one record of the mock. The mock computes it from its seed. Outcome is "stored" or
// "drifted" if the record must become a row, and "parked" if it must become a dead letter. It is "repaired" if the record was
// parked and must now become a row, because the test has repaired its dead letter (see repairDeadLetters).
type truth struct {
	Index      int             `json:"index"` // the record's offset from the head
	Outcome    string          `json:"outcome"`
	Drift      string          `json:"drift"`
	Reason     string          `json:"reason"`
	SHA256     string          `json:"sha256"` // the hash of the record's bytes; "" if the record has no drift
	ID         *string         `json:"id"`
	SessionID  *string         `json:"session_id"`
	UserID     *string         `json:"user_id"`
	Type       *string         `json:"type"`
	Name       *string         `json:"name"`
	Properties json.RawMessage `json:"properties"`
	OccurredAt *time.Time      `json:"occurred_at"`
	DeviceType *string         `json:"device_type"`
	Browser    *string         `json:"browser"`
	Extra      json.RawMessage `json:"extra"`
}

// loadTruth copies the mock's truth into the temporary table truth. Only this connection can read the table.
func (d *database) loadTruth(m *mock) {
	d.t.Helper()
	d.exec(`CREATE TEMP TABLE truth (index int PRIMARY KEY, outcome text, drift text, reason text, sha256 text, id uuid UNIQUE,
		session_id uuid, user_id uuid, type text, name text, properties jsonb, occurred_at timestamptz, device_type text,
		browser text, extra jsonb)`)
	body := m.admin(d.ctx, "/truth")
	defer body.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(body)
	const maxLineBytes = 1 << 20
	lines.Buffer(nil, maxLineBytes)
	rows := pgx.CopyFromFunc(func() ([]any, error) {
		if !lines.Scan() {
			return nil, lines.Err()
		}
		var r truth
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, err
		}
		if string(r.Extra) == "null" {
			r.Extra = nil // the column is NULL, and not the JSON value null
		}
		return []any{
			r.Index, r.Outcome, r.Drift, r.Reason, r.SHA256, r.ID, r.SessionID, r.UserID, r.Type, r.Name, r.Properties, r.OccurredAt,
			r.DeviceType, r.Browser, r.Extra,
		}, nil
	})
	columns := []string{
		"index", "outcome", "drift", "reason", "sha256", "id", "session_id", "user_id", "type", "name", "properties", "occurred_at",
		"device_type", "browser", "extra",
	}
	if n, err := d.conn.CopyFrom(d.ctx, pgx.Identifier{"truth"}, columns, rows); err != nil || n == 0 {
		d.t.Fatalf("copy the truth: got %d rows and error %v, want at least 1 row", n, err)
	}
	d.applyRepairs()
}

// A rowComparison counts the differences between the stored rows and the truth.
type rowComparison struct {
	lost     int // records that have no row
	doubled  int // rows whose id another row has, too
	invented int // rows of no record
	altered  int // rows whose values differ from the record's
}

// compareRows compares every column of every row with the truth, in SQL and without any code of pawl. It compares JSON values as
// text, because jsonb considers 19.90 and 19.9 equal.
func (d *database) compareRows() (c rowComparison) {
	d.t.Helper()
	err := d.conn.QueryRow(d.ctx, `
		SELECT count(*) FILTER (WHERE e.id IS NULL) AS lost, count(*) FILTER (WHERE t.id IS NULL) AS invented,
			count(*) FILTER (WHERE t.id IS NOT NULL AND e.id IS NOT NULL AND
				(t.session_id, t.user_id, t.type, t.name, t.properties::text, t.occurred_at, t.device_type, t.browser, t.extra::text)
				IS DISTINCT FROM
				(e.session_id, e.user_id, e.type, e.name, e.properties::text, e.occurred_at, e.device_type, e.browser, e.extra::text)) AS altered,
			count(*) FILTER (WHERE e.id IS NOT NULL) - count(DISTINCT e.id) AS doubled
		FROM truth AS t FULL JOIN events AS e USING (id)
		WHERE t.outcome IS NULL OR t.outcome IN ('stored', 'drifted', 'repaired')`).
		Scan(&c.lost, &c.invented, &c.altered, &c.doubled)
	if err != nil {
		d.t.Fatalf("compare with the truth: %v", err)
	}
	return c
}

// lostRecords finds the records that are neither stored nor parked, although a committed page ends after them. For each such
// record, it returns a description with the first of these pages.
func (d *database) lostRecords() []string {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, `
		SELECT format('record %s, id %s, must be %s, drift %s, missing after page %s (pass %s, seq %s)',
			t.index, coalesce(t.id::text, 'none'), t.outcome, t.drift, p.id, p.pass, p.seq)
		FROM truth AS t
		CROSS JOIN LATERAL (SELECT p.id, p.pass, p.seq FROM pages AS p
			WHERE p.kind = 'page' AND p.position > t.index ORDER BY p.id LIMIT 1) AS p
		WHERE t.outcome IN ('stored', 'drifted') AND NOT EXISTS (SELECT FROM events AS e WHERE e.id = t.id)
		   OR t.outcome = 'parked' AND t.sha256 NOT IN (SELECT encode(sha256(payload), 'hex') FROM dead_letters)
		ORDER BY t.index`)
	if err != nil {
		d.t.Fatalf("find lost records: %v", err)
	}
	lost, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		d.t.Fatalf("find lost records: %v", err)
	}
	return lost
}

// A deadLetterComparison counts the differences between the dead letters and the truth.
type deadLetterComparison struct {
	lost     int // records that have no dead letter with the right reason
	invented int // dead letters of no record, or with another reason than the record's
	unseen   int // dead letters whose count seen is less than the number of records with these bytes
}

// compareDeadLetters compares every dead letter with the truth, by the hash of its bytes. Records with the same bytes and no id
// are one dead letter.
func (d *database) compareDeadLetters() (c deadLetterComparison) {
	d.t.Helper()
	err := d.conn.QueryRow(d.ctx, `
		SELECT count(*) FILTER (WHERE l.seen IS NULL) AS lost, count(*) FILTER (WHERE t.records IS NULL) AS invented,
			count(*) FILTER (WHERE l.seen < t.records) AS unseen
		FROM (SELECT sha256, reason, count(*) AS records FROM truth WHERE outcome = 'parked' GROUP BY sha256, reason) AS t
		FULL JOIN (SELECT encode(sha256(l.payload), 'hex') AS sha256, l.reason, l.seen FROM dead_letters AS l
			WHERE NOT EXISTS (SELECT FROM truth AS t WHERE t.outcome = 'repaired' AND t.id = l.event_id)) AS l USING (sha256, reason)`).
		Scan(&c.lost, &c.invented, &c.unseen)
	if err != nil {
		d.t.Fatalf("compare dead letters with the truth: %v", err)
	}
	return c
}

// checkAgainstMock loads the mock's truth and checks that the stored rows and the dead letters are as the truth says.
func (d *database) checkAgainstMock(m *mock) {
	d.t.Helper()
	d.loadTruth(m)
	d.checkAgainstTruth()
}

// checkAgainstTruth checks that the stored rows and the dead letters are as the truth says, which the caller has loaded.
func (d *database) checkAgainstTruth() {
	d.t.Helper()
	if rows := d.compareRows(); rows != (rowComparison{}) {
		d.t.Errorf("rows: got differences from the truth %+v, want none", rows)
	}
	if deadLetters := d.compareDeadLetters(); deadLetters != (deadLetterComparison{}) {
		d.t.Errorf("dead letters: got differences from the truth %+v, want none", deadLetters)
	}
}

// countWantedRows returns the number of rows that must be stored according to the truth.
func (d *database) countWantedRows() int {
	d.t.Helper()
	return d.queryInt("SELECT count(*) FROM truth WHERE outcome IN ('stored', 'drifted')")
}

// countWantedDeadLetters returns the number of dead letters that must exist according to the truth.
func (d *database) countWantedDeadLetters() int {
	d.t.Helper()
	return d.queryInt("SELECT count(DISTINCT (sha256, reason)) FROM truth WHERE outcome = 'parked'")
}
