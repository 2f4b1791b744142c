//go:build e2e

package e2e

import (
	"context"
	"math/rand/v2"
)

// The attacks of this file return whether they have hit, see attack.

// replayRepaired repairs some dead letters and starts two replays of all dead letters at the same time, while the run works.
// Every repaired dead letter must be stored, and the run must go on.
func replayRepaired(rd *round, r *run, _ *rand.Rand) bool {
	repaired := rd.db.repairDeadLetters(maxRepairs)
	if repaired == 0 {
		return false
	}
	seq := rd.db.seq()
	first, second := rd.replay(), rd.replay()
	rd.expectSuccess(first)
	rd.expectSuccess(second)
	if n := rd.db.countUnreplayed(); n > 0 {
		rd.t.Errorf("got %d of %d repaired dead letters not replayed, want 0", n, repaired)
	}
	return rd.waitForPageAfter(r, seq) // the replays must not make the run lose the stream
}

// killReplay kills a replay whose transaction is open. None of its changes may remain. A later replay stores the repaired dead
// letters.
func killReplay(rd *round, _ *run, _ *rand.Rand) bool {
	if rd.db.repairDeadLetters(maxRepairs) == 0 {
		return false
	}
	const countReplays = "SELECT count(*) FROM pages WHERE kind = 'replay'"
	replaysBefore := rd.db.queryInt(countReplays)
	unlock := rd.db.lockRepaired(rd.databaseURL)
	p := rd.replay()
	// While the replay waits for these locks, it holds the checkpoint's lock, and its transaction is open.
	isReplayWaiting := func() bool {
		return rd.db.queryInt(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'
			AND application_name LIKE 'pawl/%' AND query ILIKE '%dead_letters%FOR UPDATE%'`) > 0
	}
	eventually(rd.t, "the replay waits for the locks of its dead letters", func() bool {
		return isReplayWaiting() || !p.isRunning()
	})
	p.kill()
	unlock()
	if !p.wasKilled() {
		rd.t.Errorf("the replay ended before it could be killed: %s%s", p.stdout.String(), p.stderr.String())
		return false
	}
	if n := rd.db.queryInt(countReplays); n != replaysBefore {
		rd.t.Errorf("got %d replays in the ledger after the kill, want %d", n, replaysBefore)
	}
	return true
}

// replayRest replays the open dead letters after the stream is complete.
func (rd *round) replayRest() {
	rd.t.Helper()
	rd.expectSuccess(rd.replay())
	if n := rd.db.countUnreplayed(); n > 0 {
		rd.t.Errorf("got %d repaired dead letters not replayed after a replay of all, want 0", n)
	}
}

// replay starts `pawl dlq replay --all`.
func (rd *round) replay() *process {
	rd.t.Helper()
	p := start(rd.t, rd.env, "pawl", "dlq", "replay", "--all")
	rd.processes = append(rd.processes, p)
	return p
}

// expectSuccess waits until the process ends. It fails the test if the process does not exit with exitDone.
func (rd *round) expectSuccess(p *process) {
	rd.t.Helper()
	ctx, cancel := context.WithTimeout(rd.t.Context(), roundTimeout)
	defer cancel()
	if code := p.wait(ctx); code != exitDone {
		rd.t.Errorf("%v: exit %d, want %d: %s%s", p.cmd.Args[1:], code, exitDone, p.stdout.String(), p.stderr.String())
	}
}

// maxRepairs is the maximum number of dead letters that one attack repairs.
const maxRepairs = 5

// repairDeadLetters repairs up to limit open dead letters and returns how many it has repaired. It replaces each payload by a
// valid event with the same id, so that a replay can store it, as after an update of pawl's decoder. It also updates the
// truth: these records must now become rows.
func (d *database) repairDeadLetters(limit int) (repaired int) {
	d.t.Helper()
	d.exec("CREATE TABLE IF NOT EXISTS repaired (index int PRIMARY KEY, id uuid)")
	err := d.conn.QueryRow(d.ctx, `
		WITH chosen AS (
			SELECT l.id AS letter, l.event_id AS event, min(t.index) AS index
			FROM dead_letters AS l JOIN truth AS t ON t.outcome = 'parked' AND t.sha256 = encode(sha256(l.payload), 'hex')
			WHERE l.resolved_at IS NULL AND l.event_id IS NOT NULL AND l.reason <> 'conflict'
			GROUP BY l.id, l.event_id ORDER BY l.id LIMIT $1
		), noted AS (
			INSERT INTO repaired (index, id) SELECT c.index, c.event FROM chosen AS c RETURNING id
		), rewritten AS (
			UPDATE dead_letters AS l SET payload = n.payload, payload_sha256 = sha256(n.payload)
			FROM chosen AS c CROSS JOIN LATERAL (SELECT convert_to(replace(
				'{"id":"ID","sessionId":"ID","userId":"ID","type":"click","name":"repaired","properties":{"n":1},'
				'"timestamp":"2026-01-02T03:04:05.678Z","session":{"id":"ID","deviceType":"mobile","browser":"Safari"}}',
				'ID', c.event::text), 'UTF8') AS payload) AS n
			WHERE l.id = c.letter
		)
		SELECT count(*) FROM noted`, limit).Scan(&repaired)
	if err != nil {
		d.t.Fatalf("repair dead letters: %v", err)
	}
	d.applyRepairs()
	return repaired
}

// applyRepairs updates the truth of all records whose dead letters were repaired, which are listed in the table repaired. A new
// connection has to load the truth again, because the truth is a temporary table. The table repaired is not temporary.
func (d *database) applyRepairs() {
	d.t.Helper()
	if d.queryInt("SELECT count(*) FROM pg_class WHERE relname = 'repaired'") == 0 {
		return
	}
	d.exec(`UPDATE truth AS t SET outcome = 'repaired', id = r.id, session_id = r.id, user_id = r.id, type = 'click', name = 'repaired',
		properties = '{"n": 1}', occurred_at = '2026-01-02T03:04:05.678Z', device_type = 'mobile', browser = 'Safari'
		FROM repaired AS r WHERE t.index = r.index`)
}

// countUnreplayed counts the repaired dead letters that were not resolved by a replay that stored their event.
func (d *database) countUnreplayed() int {
	d.t.Helper()
	return d.queryInt(`SELECT count(*) FROM truth AS t JOIN dead_letters AS l ON l.event_id = t.id AND l.reason <> 'conflict'
		LEFT JOIN events AS e ON e.id = t.id LEFT JOIN pages AS p ON p.id = e.page_id
		WHERE t.outcome = 'repaired' AND (l.resolution IS DISTINCT FROM 'replayed' OR p.kind IS DISTINCT FROM 'replay'
			OR p.id IS DISTINCT FROM l.resolved_page_id)`)
}

// lockRepaired locks the rows of the repaired dead letters until unlock is called. Only replays wait for these locks, runs do
// not.
func (d *database) lockRepaired(databaseURL string) (unlock func()) {
	d.t.Helper()
	return d.lockInTransaction(databaseURL, "SELECT FROM dead_letters AS l JOIN repaired AS r ON r.id = l.event_id FOR UPDATE OF l")
}
