//go:build e2e

package e2e

import (
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// In these tests, runs fetch pages ahead while the database is held, so that the pages wait to be stored. Then the test disturbs the
// run, or lets it store the pages in large batches.
const (
	aheadPageSize = 10
	// aheadPages is the number of pages of a stream from which more pages can be fetched than may wait.
	aheadPages  = 4 * maxPagesAhead
	aheadEvents = aheadPages * aheadPageSize

	// The latencies of the API before and after the database is held. The first one is so long that the stream does not end before.
	startLatency, noLatency = "50ms", "0s"

	longLifetime = "2m0s" // of a cursor, longer than a test takes
)

// runAhead returns the arguments of a run that fetches as many pages ahead as pawl allows, and logs each batch.
func runAhead(args ...string) []string { return runWithBuffer(widestBufferBytes, args...) }

// runWithBuffer returns the arguments of a run in which pages of up to maxBytes may wait to be stored.
func runWithBuffer(maxBytes int, args ...string) []string {
	run := []string{
		"run", "--json", "--log-format", "json", "--log-level", "debug", "--page-size", strconv.Itoa(aheadPageSize),
		"--max-buffer-bytes", strconv.Itoa(maxBytes),
	}
	return append(run, args...)
}

// TestKillWithPagesAhead checks that kill -9 costs the pages that wait to be stored, and nothing else. The next run fetches each of
// them once more, and every record is stored once.
func TestKillWithPagesAhead(t *testing.T) {
	t.Parallel()
	m := startMock(t, "--events", strconv.Itoa(aheadEvents), "--rate-limit", "0")
	f := newFixture(t, m.environment)
	p, unlock := f.startFull(m, longLifetime)
	p.kill()
	unlock()
	// The server commits the open transaction if it has received the COMMIT before the kill.
	eventually(t, "the server has ended the session of the killed run", func() bool { return f.db.countSessions() == 0 })
	dropped := f.pagesInHand(m)
	const minDropped, maxDropped = maxPagesAhead - maxBatchPages, maxPagesAhead + maxBatchPages
	if n := len(dropped); n < minDropped || n > maxDropped {
		t.Errorf("fetched pages that are not stored: got %d, want %d to %d", n, minDropped, maxDropped)
	}
	f.runPawl(exitDone, runAhead()...)
	if n := len(f.pagesInHand(m)); n != len(dropped) {
		t.Errorf("fetched pages that are not stored after the second run: got %d, want %d, as before", n, len(dropped))
	}
	f.runPawl(exitDone, "verify", "--against-api")
	f.db.checkAgainstMock(m)
	f.db.checkPasses()
	f.db.checkLedger()
	f.db.checkSums(map[string]int{
		"seq": aheadPages, "received": aheadEvents, "duplicate": 0,
		"inserted": f.db.countWantedRows(), "parked": f.db.countWantedDeadLetters(),
	})
}

// TestCursorExpiresWithPagesAhead checks what happens if the cursor expires because the database is too slow. The pages that wait
// are stored in their pass. Then a new pass begins, in which the records of these pages are duplicates.
func TestCursorExpiresWithPagesAhead(t *testing.T) {
	t.Parallel()
	m := startMock(t, "--events", strconv.Itoa(aheadEvents), "--rate-limit", "0")
	f := newFixture(t, m.environment)
	const lifetime = 2 * time.Second
	p, unlock := f.startFull(m, lifetime.String())
	eventually(t, "the last cursor has expired", func() bool {
		journal := m.journal(0)
		return time.Since(journal[len(journal)-1].At) > lifetime
	})
	waiting := f.pagesInHand(m)
	m.play(aheadScenario().withLatency(noLatency)) // the cursors of the new pass live long
	unlock()
	f.expectExit(p, exitDone)

	storedInPass := f.db.requestsOfPass(1)
	for _, e := range waiting {
		if !slices.Contains(storedInPass, e.RequestID) {
			t.Errorf("the page of request %s waited when the cursor expired: got not stored in its pass, want stored", e.RequestID)
		}
	}
	if passes := f.db.queryInt("SELECT pass FROM checkpoints"); passes != 2 {
		t.Errorf("passes: got %d, want 2", passes)
	}
	f.db.checkAgainstMock(m)
	f.db.checkPasses()
	f.db.checkLedger()
	endOfPass := f.db.queryInt("SELECT max(position) FROM pages WHERE pass = 1")
	f.db.checkSums(map[string]int{
		"received": endOfPass + aheadEvents, "duplicate": endOfPass,
		"inserted": f.db.countWantedRows(), "parked": f.db.countWantedDeadLetters(),
	})
}

// TestSignalWithPagesAhead checks that a run stores all pages that it has fetched before it exits because of SIGTERM. The request that
// is in flight is given up.
func TestSignalWithPagesAhead(t *testing.T) {
	t.Parallel()
	const fetched = 3*maxBatchPages + 1
	api := serveRecords(t, validEvents(2*fetched*aheadPageSize))
	f := newFixture(t, api.environment)
	unlock := f.db.lockLedger(f.databaseURL)
	p := f.startWithPages(api, fetched, runAhead()...)
	p.signal(syscall.SIGTERM)
	eventually(t, "pawl has received the signal", func() bool { return p.stderr.count(logSignal) > 0 })
	unlock()
	f.expectExit(p, exitRetryLater)
	f.db.checkSums(map[string]int{"seq": fetched, "inserted": fetched * aheadPageSize, "duplicate": 0})

	api.unblock()
	f.runPawl(exitDone, runAhead()...)
	f.db.checkSums(map[string]int{"seq": 2 * fetched, "inserted": 2 * fetched * aheadPageSize, "duplicate": 0})
	f.db.checkLedger()
}

// TestSameIDsInOneBatch checks that records with the same id in several pages become the same rows, dead letters and counts whether the
// pages are stored in one transaction or in one transaction each.
func TestSameIDsInOneBatch(t *testing.T) {
	t.Parallel()
	const pages = 2 * maxBatchPages
	records := validEvents(pages * aheadPageSize)
	invalid := strings.Replace(records[0], validName+",", "", 1) // the id of record 0, without a name
	conflict := strings.Replace(records[25], validProperties, `{"n":2}`, 1)
	otherConflict := strings.Replace(records[25], validProperties, `{"n":3}`, 1)
	// Page 1 is stored alone, and pages 2 to 9 in one batch. Page 3 has records 20 to 29.
	records[31] = records[25]     // page 4: the same values as in page 3
	records[32] = records[0]      // page 4: the same values as in page 1, which is stored before the batch
	records[41] = conflict        // page 5: other values than in page 3
	records[51] = conflict        // page 6: the same conflict
	records[52] = otherConflict   // page 6: another conflict
	records[53] = otherConflict   // page 6: the same conflict in the same page
	records[61] = invalid         // page 7: a reject whose event is stored
	records[62] = records[63]     // page 7: the same values in one page
	records[71] = `{"id":"none"}` // page 8: a reject without a valid id
	records[81] = `{"id":"none"}` // page 9: the same reject
	records[72] = strings.Replace(records[82], validTimestamp, `"yesterday"`, 1)
	// Page 8 has a reject with the id of record 82, which is an event in page 9 and supersedes it.

	api := serveRecords(t, records)
	batched, single := newFixture(t, api.environment), newFixture(t, api.environment)
	unlock := batched.db.lockLedger(batched.databaseURL)
	p := batched.startWithPages(api, pages-1, runAhead()...)
	unlock()
	eventually(t, "the waiting pages are stored", func() bool { return batched.db.seq() >= pages-1 })
	api.unblock()
	batched.expectExit(p, exitDone)
	if n := p.stderr.count(`"msg":"batch committed","pages":` + strconv.Itoa(maxBatchPages)); n != 1 {
		t.Errorf("batches of %d pages: got %d, want 1: %s", maxBatchPages, n, p.stderr.String())
	}
	if n := batched.db.queryInt("SELECT count(DISTINCT xmin::text) FROM pages WHERE seq BETWEEN 2 AND 9"); n != 1 {
		t.Errorf("transactions that stored pages 2 to 9: got %d, want 1", n)
	}
	single.runPawl(exitDone, runWithBuffer(noBufferBytes)...)
	if n := single.db.queryInt("SELECT count(DISTINCT xmin::text) FROM pages"); n != pages {
		t.Errorf("transactions without pages ahead: got %d, want %d", n, pages)
	}
	const deadLetters = 5 // two conflicts, and the rejects in records 61, 71 and 72
	single.db.checkSums(map[string]int{"parked": deadLetters})
	for _, query := range comparedTables {
		got, want := batched.db.rows(query), single.db.rows(query)
		if !slices.Equal(got, want) {
			t.Errorf("%s:\nwith pages ahead got\n%s\nwithout got\n%s", query, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	batched.db.checkLedger()
	batched.runPawl(exitDone, "verify", "--against-api")
}

// comparedTables reads all that a run stores, except ids of pages and times, which differ from run to run.
var comparedTables = []string{
	`SELECT row_to_json(r)::text FROM (SELECT e.id, e.session_id, e.user_id, e.type, e.name, e.properties, e.occurred_at, e.device_type,
		e.browser, e.extra, p.seq FROM events AS e JOIN pages AS p ON p.id = e.page_id ORDER BY e.id) AS r`,
	`SELECT row_to_json(r)::text FROM (SELECT l.key, p.seq, l.index_in_page, l.reason, l.field, l.detail, convert_from(l.payload, 'UTF8'),
		l.event_id, l.seen, l.others, l.resolution, resolved.seq AS resolved_seq FROM dead_letters AS l JOIN pages AS p ON p.id = l.page_id
		LEFT JOIN pages AS resolved ON resolved.id = l.resolved_page_id ORDER BY p.seq, l.index_in_page) AS r`,
	`SELECT row_to_json(r)::text FROM (SELECT pass, seq, kind, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate,
		parked, ids_hash FROM pages ORDER BY seq) AS r`,
	`SELECT row_to_json(r)::text FROM (SELECT path, kind, count, sample FROM drift ORDER BY path, kind) AS r`,
	`SELECT row_to_json(r)::text FROM (SELECT seq, pass, position, furthest, cursor, done, received, inserted, duplicate, parked, last_event_at
		FROM checkpoints) AS r`,
}

// TestTwoStreamsWithSameIDs checks two runs that store batches with the same ids into the same tables at the same time. The API sends
// the ids in opposite orders, so transactions that inserted them in the order of the API would wait for each other. Both runs must
// succeed, and each event is stored once.
func TestTwoStreamsWithSameIDs(t *testing.T) {
	t.Parallel()
	const shared = maxBatchPages * aheadPageSize // the ids of the second batch of both streams
	events := validEvents(shared + 4*aheadPageSize)
	own := slices.Collect(slices.Chunk(events[shared:], aheadPageSize)) // pages with ids that only one stream has
	reversed := slices.Clone(events[:shared])
	slices.Reverse(reversed)
	first := serveRecords(t, slices.Concat(own[0], events[:shared], own[1]))
	second := serveRecords(t, slices.Concat(own[2], reversed, own[3]))
	f := newFixture(t, first.environment)
	other := *f
	other.env = second.environment(f.databaseURL)

	f.db.exec(`CREATE FUNCTION wait_at_page_2() RETURNS trigger LANGUAGE plpgsql AS
		$$ BEGIN IF NEW.seq = 2 THEN PERFORM pg_advisory_xact_lock_shared(` + barrierLock + `); END IF; RETURN NEW; END $$`)
	f.db.exec("CREATE TRIGGER wait_at_page_2 BEFORE INSERT ON pages FOR EACH ROW EXECUTE FUNCTION wait_at_page_2()")
	releaseSecondBatch := f.db.lockInTransaction(f.databaseURL, "SELECT pg_advisory_xact_lock("+barrierLock+")")
	unlock := f.db.lockLedger(f.databaseURL)
	firstRun := f.startWithPages(first, 1+maxBatchPages, runAhead("--stream", "first")...)
	secondRun := other.startWithPages(second, 1+maxBatchPages, runAhead("--stream", "second")...)
	unlock()
	// One transaction waits here after it has inserted ids. The other one waits here too, or for the ids of the first.
	eventually(t, "the transactions of both second batches are open", func() bool {
		return min(f.db.seqOf("first"), f.db.seqOf("second")) == 1 && f.db.countWaitingForLock() == 2
	})
	releaseSecondBatch()
	first.unblock()
	second.unblock()
	f.expectExit(firstRun, exitDone)
	f.expectExit(secondRun, exitDone)
	f.db.checkSums(map[string]int{"received": len(events) + shared, "inserted": len(events), "duplicate": shared, "parked": 0})
	if n := f.db.queryInt("SELECT count(*) FROM events"); n != len(events) {
		t.Errorf("stored events: got %d, want %d", n, len(events))
	}
	f.db.checkLedger()
	f.runPawl(exitDone, "verify", "--against-api", "--stream", "first")
	other.runPawl(exitDone, "verify", "--against-api", "--stream", "second")
}

// TestReplayBesideBatches checks that a program that follows page_id reads each row once, although replays store events between batches
// of several pages. Each replay waits for the transaction of a batch that has reserved the ids of its pages already.
func TestReplayBesideBatches(t *testing.T) {
	t.Parallel()
	m := startMock(t, "--events", strconv.Itoa(aheadEvents), "--rate-limit", "0")
	m.play(aheadScenario())
	f := newFixture(t, m.environment)
	f.db.loadTruth(m)
	reader := follow(t, f.databaseURL)
	p := f.start(runAhead()...)
	const replays = 4
	for range replays {
		seq := f.db.seq()
		eventually(t, "dead letters are stored", func() bool {
			return f.db.seq() > seq && f.db.queryInt("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL") > 0
		})
		unlock := f.db.lockLedger(f.databaseURL)
		eventually(t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 })
		eventually(t, "two batches are fetched", func() bool { return f.countInHand(m) >= 2*maxBatchPages })
		if f.db.repairDeadLetters(maxRepairs) == 0 {
			t.Error("there is no dead letter to repair")
		}
		replay := f.start("dlq", "replay", "--all")
		eventually(t, "the replay waits for the transaction", func() bool {
			return f.db.countWaitingForLock() == 2 // with the transaction of the batch
		})
		unlock()
		f.expectExit(replay, exitDone)
	}
	m.play(aheadScenario().withLatency(noLatency))
	f.expectExit(p, exitDone)
	if n := p.stderr.count(`"msg":"batch committed","pages":` + strconv.Itoa(maxBatchPages)); n < replays {
		t.Errorf("batches of %d pages: got %d, want at least %d", maxBatchPages, n, replays)
	}
	if n := f.db.countUnreplayed(); n > 0 {
		t.Errorf("repaired dead letters that are not replayed: got %d, want 0", n)
	}
	reader.finish(f.db)
	f.db.checkAgainstTruth()
	f.db.checkLedger()
}

// aheadScenario returns a scenario with some records that must become dead letters, and some with drift. The API answers after
// startLatency.
func aheadScenario() scenario {
	return scenario{
		RateWindow: "1s", CursorTTL: longLifetime, Latency: startLatency,
		Faults: []string{}, Drifts: []string{"missing-field:0.05", "new-field:0.05"},
	}
}

// startFull starts a run and holds the database until unlock is called. It returns when the run has stored some pages, a transaction
// is open, and maxPagesAhead pages wait to be stored. The cursors of the waiting pages are valid for cursorTTL.
func (f *fixture) startFull(m *mock, cursorTTL string) (p *process, unlock func()) {
	f.t.Helper()
	m.play(aheadScenario())
	p = f.start(runAhead()...)
	eventually(f.t, "pages are stored", func() bool { return f.db.countPages() > 1 })
	unlock = f.db.lockLedger(f.databaseURL)
	fast := aheadScenario().withLatency(noLatency)
	fast.CursorTTL = cursorTTL
	m.play(fast)
	eventually(f.t, "a transaction is open and the buffer is full", func() bool {
		return f.db.countOpenTransactions() == 1 && f.countInHand(m) > maxPagesAhead
	})
	return p, unlock
}

// pagesInHand returns the requests that the mock has answered with a page that is not stored.
func (f *fixture) pagesInHand(m *mock) (inHand []entry) {
	f.t.Helper()
	stored := f.db.pagesByRequest()
	for _, e := range m.journal(0) {
		if _, isStored := stored[e.RequestID]; e.IsPage && e.Delivered && !isStored {
			inHand = append(inHand, e)
		}
	}
	return inHand
}

// countInHand returns the number of pages that pagesInHand returns, if no run has dropped pages. It is faster.
func (f *fixture) countInHand(m *mock) int { return m.summary().Pages - f.db.countPages() }

// startWithPages starts a run while the caller has locked the ledger. It returns when the run has this number of pages in hand: the
// first one is in an open transaction, and the others wait behind it. The API answers no request for a later page before
// api.unblock is called.
func (f *fixture) startWithPages(api *recordsAPI, pages int, run ...string) *process {
	f.t.Helper()
	open := f.db.countOpenTransactions()
	api.blockRequests(aheadPageSize, block{minOffset: aheadPageSize})
	p := f.start(run...)
	eventually(f.t, "the first page waits in a transaction", func() bool { return f.db.countOpenTransactions() > open })
	api.blockRequests(aheadPageSize, block{minOffset: pages * aheadPageSize})
	eventually(f.t, "the other pages are fetched", func() bool { return api.hasBlocked(aheadPageSize) })
	return p
}

// countSessions counts pawl's sessions on the server.
func (d *database) countSessions() int {
	d.t.Helper()
	return d.queryInt("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name LIKE 'pawl/%'")
}

// countWaitingForLock counts pawl's sessions that wait for a lock.
func (d *database) countWaitingForLock() int {
	d.t.Helper()
	return d.queryInt(`SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
		AND application_name LIKE 'pawl/%' AND wait_event_type = 'Lock'`)
}

// seqOf returns the seq of the last committed page of a stream, or 0 if there is none.
func (d *database) seqOf(stream string) int {
	d.t.Helper()
	return d.queryInt("SELECT coalesce(max(seq), 0) FROM pages WHERE stream = '" + stream + "'")
}

// requestsOfPass returns the ids of the requests whose pages are stored in a pass.
func (d *database) requestsOfPass(pass int) []string {
	d.t.Helper()
	return d.rows("SELECT request_id FROM pages WHERE pass = " + strconv.Itoa(pass))
}

// rows returns the rows of a query for one text column.
func (d *database) rows(query string) []string {
	d.t.Helper()
	rows, err := d.conn.Query(d.ctx, query)
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	texts, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		d.t.Fatalf("%s: %v", query, err)
	}
	return texts
}

// checkSums checks columns of the checkpoints, by their names. Each is the sum over all streams.
func (d *database) checkSums(want map[string]int) {
	d.t.Helper()
	for column, n := range want {
		if got := d.queryInt("SELECT sum(" + column + ") FROM checkpoints"); got != n {
			d.t.Errorf("%s: got %d, want %d", column, got, n)
		}
	}
}
