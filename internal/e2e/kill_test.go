//go:build e2e

package e2e

import (
	"context"
	"strconv"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// killsOfEachKind is how often the run below is killed in each of three states.
const killsOfEachKind = 8

// A target is a run that is killed again and again.
type target struct {
	t           *testing.T
	mock        *mock
	db          *database
	databaseURL string
	pageSize    int
}

func (k target) run() *process {
	return start(k.t, k.mock.environment(k.databaseURL), "pawl", "run", "--json", "--page-size", strconv.Itoa(k.pageSize))
}

// inTransaction kills a run that has written a page's rows and not committed them.
func (k target) inTransaction() (hit bool) {
	letGo := k.db.holdLedger(k.databaseURL)
	p := k.run()
	eventually(k.t, "a transaction is open", func() bool { return k.db.openTransactions() == 1 })
	p.kill()
	hit = k.db.openTransactions() == 1 // the server has not noticed: it waits for the lock that is held here
	letGo()
	return hit
}

// afterCommit kills a run as soon as a commit of its is seen.
func (k target) afterCommit() (hit bool) {
	committed := k.db.pages()
	p := k.run()
	eventually(k.t, "a page is committed", func() bool { return k.db.pages() > committed })
	p.kill()
	return true
}

// whileFetching kills a run that has committed a page and waits for the next.
func (k target) whileFetching() (hit bool) {
	committed := k.db.pages()
	p := k.run()
	eventually(k.t, "a page is committed", func() bool { return k.db.pages() > committed })
	var seen journalSummary
	eventually(k.t, "a request is under way", func() bool {
		seen = k.mock.summary()
		return seen.InFlight == 1
	})
	p.kill()
	eventually(k.t, "the request is over", func() bool { return k.mock.summary().InFlight == 0 })
	return k.mock.summary().Pages == seen.Pages // it was not answered before the kill
}

// TestKills ends a run with SIGKILL again and again, at states that are seen and not waited for, and lets the last one
// finish. A kill counts only if it hit the state it was meant for, if the API had handed out a page since the last one,
// and if the stream was not complete.
func TestKills(t *testing.T) {
	t.Parallel()
	const events, pageSize = 100_000, 1000
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Database(t)
	k := target{
		t: t, databaseURL: databaseURL, db: connect(t, databaseURL), pageSize: pageSize,
		mock: startMock(t, "--events", strconv.Itoa(events), "--rate-limit", "0", "--latency", "50ms",
			"--fault", "500@17", "--fault", "503@31", "--fault", "reset@47", "--fault", "429@59"),
	}
	kinds := []struct {
		name string
		kill func() bool
		hits int
	}{{"in an open transaction", k.inTransaction, 0}, {"after COMMIT", k.afterCommit, 0}, {"while fetching", k.whileFetching, 0}}
	kills, served := 0, 0
	for kills < 2*killsOfEachKind*len(kinds) { // twice as often at most: some miss their state
		kind := &kinds[kills%len(kinds)]
		hit := kind.kill()
		kills++
		now := k.mock.summary().Pages
		if hit && now > served && k.db.count("SELECT count(*) FROM checkpoints WHERE done") == 0 {
			kind.hits++
		}
		served = now
		if kinds[0].hits >= killsOfEachKind && kinds[1].hits >= killsOfEachKind && kinds[2].hits >= killsOfEachKind {
			break
		}
	}
	for _, kind := range kinds {
		if kind.hits < killsOfEachKind {
			t.Errorf("%d kills %s count, want %d", kind.hits, kind.name, killsOfEachKind)
		}
	}

	last := k.run()
	if code := last.wait(ctx); code != 0 {
		t.Fatalf("the last run ends %d: %s", code, last.stderr.String())
	}
	k.db.equalsTruth(k.mock)
	k.db.addsUp()
	if duplicates := k.db.count("SELECT duplicate FROM checkpoints"); duplicates != 0 {
		t.Errorf("%d duplicates: a committed page was read again", duplicates)
	}
	s := k.mock.summary()
	if most := events/pageSize + kills + s.faults(); s.Requests > most {
		t.Errorf("%d requests for %d pages, %d kills and %d faults: it restarts rather than resumes",
			s.Requests, events/pageSize, kills, s.faults())
	}
	t.Logf("%d kills, of which count %d in an open transaction, %d after COMMIT, %d while fetching; %d requests for %d pages and %d faults",
		kills, kinds[0].hits, kinds[1].hits, kinds[2].hits, s.Requests, events/pageSize, s.faults())
}
