//go:build e2e

package e2e

import (
	"context"
	"strconv"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// kills is how many times the run below is killed; each kind gets its third.
const kills = 24

// TestKills ends a run with SIGKILL again and again, at states that are seen and not waited for, and lets the last one
// finish. A kill counts only if the API had handed out a page since the last one and the stream was not complete.
func TestKills(t *testing.T) {
	t.Parallel()
	const events, pageSize = 100_000, 1000
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", strconv.Itoa(events), "--rate-limit", "0", "--latency", "10ms",
		"--fault", "500@17", "--fault", "503@31", "--fault", "reset@47", "--fault", "429@59")
	db := connect(t, databaseURL)
	run := func() *process {
		return start(t, m.environment(databaseURL), "pawl", "run", "--json", "--page-size", strconv.Itoa(pageSize))
	}

	inOpenTransaction := 0
	for n, served := 0, 0; n < kills; n++ {
		committed := db.pages()
		switch n % 3 {
		case 0: // with a page's rows written and its transaction open
			letGo := db.holdLedger(databaseURL)
			p := run()
			eventually(t, "a transaction is open", func() bool { return db.openTransactions() == 1 })
			p.kill()
			letGo()
			inOpenTransaction++
		case 1: // as soon as a commit is seen
			p := run()
			eventually(t, "a page is committed", func() bool { return db.pages() > committed })
			p.kill()
		case 2: // while it waits for an answer, with a page committed
			p := run()
			eventually(t, "a page is committed", func() bool { return db.pages() > committed })
			eventually(t, "a request is under way", func() bool { return m.summary().InFlight == 1 })
			p.kill()
		}
		now := m.summary().Pages
		if now <= served || db.count("SELECT count(*) FROM checkpoints WHERE done") > 0 {
			t.Fatalf("kill %d does not count: %d pages served before, %d after", n, served, now)
		}
		served = now
	}
	if inOpenTransaction < 5 {
		t.Errorf("only %d kills hit an open transaction", inOpenTransaction)
	}

	last := run()
	if code := last.wait(ctx); code != 0 {
		t.Fatalf("the last run ends %d: %s", code, last.stderr.String())
	}
	db.equalsTruth(m)
	db.addsUp()
	if duplicates := db.count("SELECT duplicate FROM checkpoints"); duplicates != 0 {
		t.Errorf("%d duplicates: a committed page was read again", duplicates)
	}
	s := m.summary()
	if most := events/pageSize + kills + s.faults(); s.Requests > most {
		t.Errorf("%d requests for %d pages, %d kills and %d faults: it restarts rather than resumes", s.Requests, events/pageSize, kills, s.faults())
	}
	t.Logf("%d kills, %d of them in an open transaction; %d requests for %d pages and %d faults",
		kills, inOpenTransaction, s.Requests, events/pageSize, s.faults())
}
