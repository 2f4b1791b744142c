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

// startDrifted serves a collection in which more than a quarter of the records is not as it should be.
func startDrifted(t *testing.T) *mock {
	t.Helper()
	args := []string{"--events", strconv.Itoa(driftedEvents), "--seed", "11", "--rate-limit", "0"}
	for _, drift := range allDrifts() {
		args = append(args, "--drift", drift)
	}
	return startMockAs(t, withoutRace+"/mockapi", args...)
}

// TestEveryRecordIsAccountedFor reads all kinds of drift at once, in two passes whose pages begin at other places, so that
// the same event comes with its time in the other form. Each record is what the truth says: a row, column by column, or a
// dead letter, byte by byte; the second pass adds neither.
func TestDrift(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 3*testTimeout)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startDrifted(t)
	db := connect(t, databaseURL)
	db.loadTruth(m)
	stored, letters := db.wantStored(), db.wantDeadLetters()
	// Some records come twice, so that fewer are stored than announced: the last page is asked for once more.
	for pass, want := range []summary{
		{Pass: 1, Pages: 100, Received: driftedEvents, Inserted: stored, Duplicate: driftedEvents - stored - letters, Parked: letters, Requests: 101},
		{Pass: 2, Pages: 129, Received: driftedEvents, Duplicate: driftedEvents, Requests: 130},
	} {
		args := [][]string{{"--page-size", "1000"}, {"--page-size", "777", "--new-pass"}}[pass]
		p := start(t, m.environment(databaseURL), withoutRace+"/pawl", append([]string{"run", "--json"}, args...)...)
		if code := p.wait(ctx); code != 0 {
			t.Fatalf("pass %d: exit %d: %s", pass+1, code, p.stderr.String())
		}
		want.Stream, want.Done, want.Announced = "datasync", true, driftedEvents
		if got := p.summary(); got != want {
			t.Errorf("pass %d: %+v, want %+v", pass+1, got, want)
		}
		db.checkLoadedTruth()
		db.checkLedger()
		db.checkDrift(pass + 1)
		if n := db.count("SELECT coalesce(sum(seen), 0) FROM dead_letters"); n != (pass+1)*db.count("SELECT count(*) FROM truth WHERE outcome = 'parked'") {
			t.Errorf("pass %d: the letters were seen %d times", pass+1, n)
		}
	}
	db.checkPayloads(m)

	// A replay by the same decoder parks all of it again, and both what is here and what the API returns are accounted for.
	for _, args := range [][]string{{"dlq", "replay", "--all"}, {"verify", "--against-api"}} {
		p := start(t, m.environment(databaseURL), withoutRace+"/pawl", args...)
		if code := p.wait(ctx); code != 0 {
			t.Errorf("pawl %v: exit %d: %s%s", args, code, p.stdout.String(), p.stderr.String())
		}
	}
	db.checkLoadedTruth()
	if n := db.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL AND replays = 1"); n != letters {
		t.Errorf("%d letters are open after a replay, want %d", n, letters)
	}
}

// TestEveryRecordIsAccountedForAfterKills reads the same with a run that is killed twenty times.
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
			t.Fatalf("it ended by itself after %d kills: %s", hits, p.stderr.String())
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

// registersDrift holds the register against the truth: what each kind of drift is called there, and how often it came in so
// many passes. What is parked is none.
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
		d.t.Errorf("%s is registered %d times and was sent %d times", what, registered, sent)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
}

// sameBytes holds the letters against the mock's journal: what it has sent of each record that must be parked is what is
// kept, to the byte.
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
	letters := 0
	for ; rows.Next(); letters++ {
		var sum string
		if err := rows.Scan(&sum); err != nil {
			d.t.Fatal(err)
		}
		if !served[sum] {
			d.t.Errorf("a letter has bytes that were never sent: %s", sum)
		}
	}
	if err := rows.Err(); err != nil || letters == 0 {
		d.t.Fatalf("%d letters, %v", letters, err)
	}
}
