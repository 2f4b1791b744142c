//go:build e2e

package e2e

import (
	"context"
	"strconv"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

const driftedEvents = 100_000

// startDrifted starts a mock in which more than a quarter of the records have some drift.
func startDrifted(t *testing.T) *mock {
	t.Helper()
	args := []string{"--events", strconv.Itoa(driftedEvents), "--seed", "11", "--rate-limit", "0"}
	for _, drift := range allDrifts() {
		args = append(args, "--drift", drift)
	}
	return startMockAs(t, withoutRace+"/mockapi", args...)
}

// TestDrift checks that every record of an API with all kinds of drift becomes what the truth says: a row, column by
// column, or a dead letter, byte by byte. A second pass, with other page boundaries and so with other time formats of the
// same events, adds nothing.
func TestDrift(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*testTimeout)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startDrifted(t)
	db := connect(t, databaseURL)
	db.loadTruth(m)
	stored, deadLetters := db.wantStored(), db.wantDeadLetters()
	// Some records come twice, so fewer are stored than announced, and pawl requests the last page once more.
	for pass, want := range []summary{
		{Pass: 1, Pages: 100, Received: driftedEvents, Inserted: stored, Duplicate: driftedEvents - stored - deadLetters, Parked: deadLetters, Requests: 101},
		{Pass: 2, Pages: 129, Received: driftedEvents, Duplicate: driftedEvents, Requests: 130},
	} {
		args := [][]string{{"--page-size", "1000"}, {"--page-size", "777", "--new-pass"}}[pass]
		p := start(t, m.environment(databaseURL), withoutRace+"/pawl", append([]string{"run", "--json"}, args...)...)
		if code := p.wait(ctx); code != 0 {
			t.Fatalf("pass %d: exit %d: %s", pass+1, code, p.stderr.String())
		}
		want.Stream, want.Done, want.Announced = "datasync", true, driftedEvents
		if got := p.summary(); got != want {
			t.Errorf("pass %d: got %+v, want %+v", pass+1, got, want)
		}
		db.checkLoadedTruth()
		db.checkLedger()
		db.checkDrift(pass + 1)
		if n := db.count("SELECT coalesce(sum(seen), 0) FROM dead_letters"); n != (pass+1)*db.count("SELECT count(*) FROM truth WHERE outcome = 'parked'") {
			t.Errorf("pass %d: sum of seen: got %d, want once for each parked record and pass", pass+1, n)
		}
	}
	db.checkPayloads(m)

	// A replay with the same decoder resolves nothing, and verify finds no difference to the API.
	for _, args := range [][]string{{"dlq", "replay", "--all"}, {"verify", "--against-api"}} {
		p := start(t, m.environment(databaseURL), withoutRace+"/pawl", args...)
		if code := p.wait(ctx); code != 0 {
			t.Errorf("pawl %v: exit %d: %s%s", args, code, p.stdout.String(), p.stderr.String())
		}
	}
	db.checkLoadedTruth()
	if n := db.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL AND replays = 1"); n != deadLetters {
		t.Errorf("got %d open dead letters after the replay, want %d", n, deadLetters)
	}
}

// TestDriftAfterKills checks that the result is the same if the run is killed twenty times.
func TestDriftAfterKills(t *testing.T) {
	t.Parallel()
	const kills = 20
	databaseURL := pgtest.Database(t)
	m := startDrifted(t)
	db := connect(t, databaseURL)
	ctx, cancel := context.WithTimeout(t.Context(), 3*testTimeout)
	defer cancel()
	run := func() *process {
		return start(t, m.environment(databaseURL), withoutRace+"/pawl", "run", "--page-size", "1000")
	}
	for hits := 0; hits < kills; {
		p, before := run(), db.pages()
		eventually(t, "pages are stored", func() bool { return db.pages() >= before+3 || !p.isRunning() })
		p.kill()
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() {
			t.Fatalf("the run ended by itself after %d kills: %s", hits, p.stderr.String())
		}
		hits++
	}
	if p := run(); p.wait(ctx) != 0 {
		t.Fatalf("the last run: %s", p.stderr.String())
	}
	db.loadTruth(m)
	db.checkLoadedTruth()
	db.checkLedger()
	p := start(t, m.environment(databaseURL), withoutRace+"/pawl", "verify")
	if code := p.wait(ctx); code != 0 && !hasOnlyAnnounced(code, p) {
		t.Errorf("pawl verify: %s%s", p.stdout.String(), p.stderr.String())
	}
	if lost := db.count("SELECT count(*) FROM pages WHERE duplicate > received / 10"); lost > 0 {
		t.Errorf("%d pages were stored twice", lost)
	}
}

// checkDrift compares the drift register with the truth: the path and kind of each drift, and how often it was received
// in this number of passes. Parked records count as no drift.
func (d *database) checkDrift(passes int) {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, `
		SELECT coalesce(r.path, t.path) || ': ' || coalesce(r.kind, t.kind), coalesce(r.count, 0), coalesce(t.records, 0) * $1
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
		d.t.Errorf("drift %s: registered %d times, sent %d times", what, registered, sent)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
}

// checkPayloads checks that the payload of each dead letter is, to the byte, a record that the mock has sent.
func (d *database) checkPayloads(m *mock) {
	d.t.Helper()
	served := map[string]bool{}
	for _, e := range m.journal(0) {
		for _, r := range e.Drifted {
			served[r.SHA256] = true
		}
	}
	rows, err := d.conn.Query(d.ctx, "SELECT encode(sha256(payload), 'hex') FROM dead_letters")
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	deadLetters := 0
	for ; rows.Next(); deadLetters++ {
		var sum string
		if err := rows.Scan(&sum); err != nil {
			d.t.Fatal(err)
		}
		if !served[sum] {
			d.t.Errorf("a dead letter has bytes that the API never sent: SHA-256 %s", sum)
		}
	}
	if err := rows.Err(); err != nil || deadLetters == 0 {
		d.t.Fatalf("read %d dead letters: %v", deadLetters, err)
	}
}
