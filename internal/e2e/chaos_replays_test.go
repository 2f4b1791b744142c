//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
	"syscall"
)

// replayMended lets dead letters be replayed beside the run, by two at once, some of which can be stored now.
func replayMended(l *lap, r *run, _ *rand.Rand) bool {
	mended := l.db.mendLetters(mendedAtOnce)
	if mended == 0 {
		return false
	}
	seq := l.db.seq()
	both := []*process{l.replay(), l.replay()}
	for _, p := range both {
		l.endsWell(p)
	}
	if n := l.db.unreplayed(); n > 0 {
		l.t.Errorf("%d of %d mended letters are still open", n, mended)
	}
	return l.until(r, "the run goes on", func() bool { return l.db.seq() > seq }) // and is not fenced
}

// killReplay kills a replay whose transaction is open: nothing of it may stay. The next one does it all.
func killReplay(l *lap, _ *run, _ *rand.Rand) bool {
	if l.db.mendLetters(mendedAtOnce) == 0 {
		return false
	}
	before := l.db.count("SELECT count(*) FROM pages WHERE kind = 'replay'")
	letGo := l.db.holdMended(l.direct)
	p := l.replay()
	waits := func() bool {
		return l.db.count(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
			AND application_name LIKE 'pawl/%' AND query ILIKE '%dead_letters%FOR UPDATE%'`) > 0
	}
	eventually(l.t, "a replay holds the checkpoint and waits for its letters", func() bool { return waits() || !p.running() })
	p.kill()
	letGo()
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		l.t.Errorf("the replay ended before it was killed: %s%s", p.stdout.String(), p.stderr.String())
		return false
	}
	if n := l.db.count("SELECT count(*) FROM pages WHERE kind = 'replay'"); n != before {
		l.t.Errorf("a replay that was killed stands in the ledger")
	}
	return true
}

// replayTheRest replays what is left when the stream is complete.
func (l *lap) replayTheRest() {
	l.t.Helper()
	l.endsWell(l.replay())
	if n := l.db.unreplayed(); n > 0 {
		l.t.Errorf("%d mended letters are still open after a replay of all", n)
	}
}

func (l *lap) replay() *process {
	l.t.Helper()
	p := start(l.t, l.env, "pawl", "dlq", "replay", "--all")
	l.started = append(l.started, p)
	return p
}

func (l *lap) endsWell(p *process) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(l.t.Context(), lapPatience)
	defer cancel()
	if code := p.wait(ctx); code != 0 {
		l.t.Errorf("%v ends %d: %s%s", p.cmd.Args[1:], code, p.stdout.String(), p.stderr.String())
	}
}

// mendedAtOnce is how many letters one attack makes storable.
const mendedAtOnce = 5

// mendLetters gives some open letters the bytes of a sound event of their id, which is what a decoder that accepts more would
// make of them, and tells the truth of it.
func (d *database) mendLetters(most int) (mended int) {
	d.t.Helper()
	d.exec("CREATE TABLE IF NOT EXISTS mended (index int PRIMARY KEY, id uuid)")
	err := d.conn.QueryRow(d.ctx, `
		WITH chosen AS (
			SELECT l.id AS letter, l.event_id AS id, min(t.index) AS index
			FROM dead_letters AS l JOIN truth AS t ON t.outcome = 'parked' AND t.sha256 = encode(sha256(l.payload), 'hex')
			WHERE l.resolved_at IS NULL AND l.event_id IS NOT NULL AND l.reason <> 'conflict'
			GROUP BY l.id, l.event_id ORDER BY l.id LIMIT $1
		), noted AS (
			INSERT INTO mended SELECT c.index, c.id FROM chosen AS c RETURNING id
		), rewritten AS (
			UPDATE dead_letters AS l SET payload = n.payload, payload_sha256 = sha256(n.payload)
			FROM chosen AS c CROSS JOIN LATERAL (SELECT convert_to(replace(
				'{"id":"ID","sessionId":"ID","userId":"ID","type":"click","name":"mended","properties":{"n":1},'
				'"timestamp":"2026-01-02T03:04:05.678Z","session":{"id":"ID","deviceType":"mobile","browser":"Safari"}}',
				'ID', c.id::text), 'UTF8') AS payload) AS n
			WHERE l.id = c.letter RETURNING l.id
		)
		SELECT count(*) FROM noted, (SELECT count(*) FROM rewritten) AS r`, most).Scan(&mended)
	if err != nil {
		d.t.Fatalf("mend letters: %v", err)
	}
	d.tellOfMended()
	return mended
}

// tellOfMended has the truth know of the letters that were mended, here or before a crash took the truth away.
func (d *database) tellOfMended() {
	d.t.Helper()
	if d.count("SELECT count(*) FROM pg_class WHERE relname = 'mended'") == 0 {
		return
	}
	d.exec(`UPDATE truth AS t SET outcome = 'mended', id = m.id, session_id = m.id, user_id = m.id, type = 'click', name = 'mended',
		properties = '{"n": 1}', occurred_at = '2026-01-02T03:04:05.678Z', device_type = 'mobile', browser = 'Safari'
		FROM mended AS m WHERE t.index = m.index`)
}

// unreplayed counts mended letters that are open, or that did not become an event of a replay.
func (d *database) unreplayed() int {
	d.t.Helper()
	return d.count(`SELECT count(*) FROM truth AS t JOIN dead_letters AS l ON l.event_id = t.id AND l.reason <> 'conflict'
		LEFT JOIN events AS e ON e.id = t.id LEFT JOIN pages AS p ON p.id = e.page_id
		WHERE t.outcome = 'mended' AND (l.resolution IS DISTINCT FROM 'replayed' OR p.kind IS DISTINCT FROM 'replay'
			OR p.id IS DISTINCT FROM l.resolved_page_id)`)
}

// holdMended keeps everybody from locking a mended letter until the returned function is called. A run has nothing to do with
// those.
func (d *database) holdMended(databaseURL string) (letGo func()) {
	d.t.Helper()
	return d.hold(databaseURL, "SELECT FROM dead_letters AS l JOIN mended AS m ON m.id = l.event_id FOR UPDATE OF l")
}
