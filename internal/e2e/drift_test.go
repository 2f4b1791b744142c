//go:build e2e

package e2e

import (
	"context"
	"strconv"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// driftedEvents is the number of records that startDrifted serves.
const driftedEvents = 100_000

// startDrifted starts a mock that serves records with all kinds of drift. More than a quarter of the records have some drift.
func startDrifted(t *testing.T) *mock {
	t.Helper()
	args := []string{"--events", strconv.Itoa(driftedEvents), "--seed", "11", "--rate-limit", "0"}
	for _, drift := range allDrifts() {
		args = append(args, "--drift", drift)
	}
	return startMockProgram(t, noRaceDir+"/mockapi", args...)
}

// TestDrift checks that every record of an API with all kinds of drift becomes what the truth (truth_test.go) says: a row,
// compared column by column, or a dead letter, compared byte by byte. A second pass with another page size must add nothing,
// although the API then writes the times of the same events in other formats.
func TestDrift(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*testTimeout)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startDrifted(t)
	db := connect(t, databaseURL)
	db.loadTruth(m)
	rows, deadLetters := db.countWantedRows(), db.countWantedDeadLetters()
	parkedRecords := db.queryInt("SELECT count(*) FROM truth WHERE outcome = 'parked'")
	for _, pass := range []struct {
		args []string
		want summary
	}{
		{
			args: []string{"--page-size", "1000"},
			want: summary{
				Pass: 1, Pages: 100, Inserted: rows, Parked: deadLetters, Duplicate: driftedEvents - rows - deadLetters,
			},
		},
		{
			args: []string{"--page-size", "777", "--new-pass"},
			want: summary{Pass: 2, Pages: 129, Duplicate: driftedEvents}, // 128 full pages and one of 544 records
		},
	} {
		p := start(t, m.environment(databaseURL), noRaceDir+"/pawl", append([]string{"run", "--json"}, pass.args...)...)
		if code := p.wait(ctx); code != exitDone {
			t.Fatalf("pass %d: exit %d, want %d: %s", pass.want.Pass, code, exitDone, p.stderr.String())
		}
		want := pass.want
		want.Stream, want.Done, want.Received, want.Announced = defaultStream, true, driftedEvents, driftedEvents
		// Some records come twice, so fewer records are stored and parked than announced. Then pawl requests the last page once
		// more.
		want.Requests = want.Pages + 1
		if got := p.summary(); got != want {
			t.Errorf("pass %d: got summary %+v, want %+v", want.Pass, got, want)
		}
		db.checkAgainstTruth()
		db.checkLedger()
		db.checkDrift(want.Pass)
		wantSeen := want.Pass * parkedRecords // each pass has received all these records
		if n := db.queryInt("SELECT coalesce(sum(seen), 0) FROM dead_letters"); n != wantSeen {
			t.Errorf("pass %d: got %d as the sum of seen, want %d", want.Pass, n, wantSeen)
		}
	}
	db.checkPayloads(m)

	// A replay by the same decoder resolves no dead letter, and verify finds no difference between the database and the API.
	for _, args := range [][]string{{"dlq", "replay", "--all"}, {"verify", "--against-api"}} {
		p := start(t, m.environment(databaseURL), noRaceDir+"/pawl", args...)
		if code := p.wait(ctx); code != exitDone {
			t.Errorf("pawl %v: exit %d, want %d: %s%s", args, code, exitDone, p.stdout.String(), p.stderr.String())
		}
	}
	db.checkAgainstTruth()
	if n := db.queryInt("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL AND replays = 1"); n != deadLetters {
		t.Errorf("open dead letters that were replayed once: got %d, want %d", n, deadLetters)
	}
}

// TestDriftAfterKills checks that every record becomes what the truth says although the run is killed twenty times.
func TestDriftAfterKills(t *testing.T) {
	t.Parallel()
	const kills = 20
	databaseURL := pgtest.Database(t)
	m := startDrifted(t)
	db := connect(t, databaseURL)
	ctx, cancel := context.WithTimeout(t.Context(), 3*testTimeout)
	defer cancel()
	run := func() *process {
		// Without pages ahead, a run stores one page at a time. Otherwise it would store too many pages before each kill.
		return start(t, m.environment(databaseURL), noRaceDir+"/pawl", "run", "--page-size", "1000", "--max-buffer-bytes", "0")
	}
	const pagesBetween = 3 // at least so many between two kills; the stream of 100 pages is long enough for 20 kills
	for n := range kills {
		p, pagesBefore := run(), db.countPages()
		eventually(t, "pages are stored", func() bool { return db.countPages() >= pagesBefore+pagesBetween || !p.isRunning() })
		p.kill()
		if !p.wasKilled() {
			t.Fatalf("the run ended by itself after %d kills: %s", n, p.stderr.String())
		}
	}
	last := run()
	if code := last.wait(ctx); code != exitDone {
		t.Fatalf("the last run: exit %d, want %d: %s", code, exitDone, last.stderr.String())
	}
	db.loadTruth(m)
	db.checkAgainstTruth()
	db.checkLedger()
	p := start(t, m.environment(databaseURL), noRaceDir+"/pawl", "verify")
	if code := p.wait(ctx); code != exitDone && !differsOnlyFromAnnounced(p, code) {
		t.Errorf("pawl verify: exit %d: %s%s", code, p.stdout.String(), p.stderr.String())
	}
	// The mock repeats only a few records in a page. A page of which more is duplicate was stored twice.
	if n := db.queryInt("SELECT count(*) FROM pages WHERE duplicate > received / 10"); n > 0 {
		t.Errorf("pages that were stored twice: got %d, want 0", n)
	}
}

// checkDrift compares the table drift, pawl's drift register, with the truth after this number of passes. It compares the path
// and the kind of each drift, and how often the drift was received. The drift of parked records is not in the register. The list
// in the query says which path and kind pawl registers for a drift of the mock.
func (d *database) checkDrift(passes int) {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, `
		SELECT coalesce(r.path, t.path) || ': ' || coalesce(r.kind, t.kind) AS what, coalesce(r.count, 0) AS registered,
			coalesce(t.records, 0) * $1 AS sent
		FROM (
			SELECT n.path, n.kind, count(*) AS records FROM truth AS t JOIN (VALUES
				('new-field', 'referrer', 'new field'), ('new-session-field', 'session.referrer', 'new field'),
				('other-session-id', 'session.id', 'differs from the session id beside it'), ('timestamp-s', 'timestamp', 'in seconds'),
				('timestamp-us', 'timestamp', 'in microseconds'), ('timestamp-ns', 'timestamp', 'in nanoseconds'),
				('timestamp-numeric-string', 'timestamp', 'a number in quotes')
			) AS n (drift, path, kind) USING (drift) WHERE t.outcome = 'drifted' GROUP BY n.path, n.kind
		) AS t FULL JOIN drift AS r USING (path, kind)
		WHERE r.count IS DISTINCT FROM t.records * $1 OR r.sample = '' OR r.first_page_id > r.last_page_id`, passes)
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var what string
		var registered, sent int
		if err := rows.Scan(&what, &registered, &sent); err != nil {
			d.t.Fatal(err)
		}
		d.t.Errorf("drift %s: got %d in the register, want %d", what, registered, sent)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
}

// checkPayloads checks that the bytes of each dead letter's payload are the bytes of a record that the mock has sent.
func (d *database) checkPayloads(m *mock) {
	d.t.Helper()
	served := map[string]bool{} // by SHA-256
	for _, request := range m.journal(0) {
		for _, record := range request.Drifted {
			served[record.SHA256] = true
		}
	}
	rows, err := d.conn.Query(d.ctx, "SELECT encode(sha256(payload), 'hex') FROM dead_letters")
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	deadLetters := 0
	for rows.Next() {
		deadLetters++
		var hash string
		if err := rows.Scan(&hash); err != nil {
			d.t.Fatal(err)
		}
		if !served[hash] {
			d.t.Errorf("a dead letter has bytes that the API never sent: SHA-256 %s", hash)
		}
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	if deadLetters == 0 {
		d.t.Fatal("got 0 dead letters, want at least 1")
	}
}
