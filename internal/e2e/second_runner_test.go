//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// TestSecondRunner checks that a second runner exits with exitFenced while the first one holds the stream, and that it does not
// disturb the first runner.
func TestSecondRunner(t *testing.T) {
	t.Parallel()
	const pages = 120 // so that the first runner still works when the second one has given up
	const pageSize = 500
	m := startMock(t, "--events", strconv.Itoa(pages*pageSize), "--rate-limit", "0", "--latency", "100ms")
	f := newFixture(t, m.environment)
	run := []string{"run", "--json", "--page-size", strconv.Itoa(pageSize)}
	first := f.start(run...)
	eventually(t, "the first runner has committed a page", func() bool { return f.db.countPages() > 0 })

	second := f.runPawl(exitFenced, run...)
	if out := second.stdout.String(); out != "" {
		t.Errorf("standard output of the second runner: got %q, want none", out)
	}
	log := second.stderr.String()
	whoHasIt := "another runner holds stream datasync: pid " + strconv.Itoa(first.cmd.Process.Pid) + " on "
	if !strings.Contains(log, whoHasIt) || !strings.Contains(log, ", since 20") {
		t.Errorf("standard error of the second runner: got %q, want it to contain %q and since when", log, whoHasIt)
	}
	if strings.Contains(log, "--stream") { // this would read the same events once more
		t.Errorf("standard error of the second runner: got %q, want no advice to use another stream", log)
	}
	if epoch := f.db.epoch(); epoch != 1 {
		t.Errorf("epoch after the second runner: got %d, want 1", epoch)
	}
	if !first.isRunning() {
		t.Error("the first runner has ended during the second one")
	}
	f.expectExit(first, exitDone)
	if s := m.summary(); s.Requests != pages { // the second runner has sent none
		t.Errorf("requests: got %d, want %d, which is one for each page", s.Requests, pages)
	}
	f.db.checkAgainstMock(m)
	f.db.checkLedger()
}

// TestFrozenRunner checks that a runner writes nothing if it continues after another runner has replaced it. The test stops the
// first runner with SIGSTOP and ends its database connections on the server. Then the next runner claims the stream, and the
// first runner continues.
func TestFrozenRunner(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// freeze stops the runner with SIGSTOP in a certain state. unlock releases the lock that was needed for this state.
		freeze func(p *process, m *mock, f *fixture) (unlock func())
		// continuesEarly is true if the frozen runner continues while the next runner works, and false if it continues after
		// the next runner has finished.
		continuesEarly bool
	}{
		{name: "while fetching", freeze: freezeFetching, continuesEarly: false},
		{name: "while fetching, continues while the next runner works", freeze: freezeFetching, continuesEarly: true},
		{name: "in a transaction", freeze: freezeInTransaction, continuesEarly: false},
		{name: "in a transaction, continues while the next runner works", freeze: freezeInTransaction, continuesEarly: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			// The stream has 40 pages, so that it is not complete before the runner is replaced.
			m := startMock(t, "--events", "8000", "--rate-limit", "0", "--latency", "100ms")
			f := newFixture(t, m.environment)
			run := []string{"run", "--json", "--page-size", "200"}
			frozen := f.start(run...)
			eventually(t, "pages are committed", func() bool { return f.db.countPages() >= 2 })
			unlock := tt.freeze(frozen, m, f)

			f.runPawl(exitFenced, run...) // must not take over while the frozen runner is connected
			unlock()
			f.db.terminatePawl()

			pagesBefore := f.db.countPages()
			next := f.start(run...)
			eventually(t, "the next runner has committed a page", func() bool { return f.db.countPages() > pagesBefore })
			if !tt.continuesEarly {
				f.expectExit(next, exitDone)
			}
			frozen.signal(syscall.SIGCONT)
			f.expectExit(frozen, exitFenced)
			f.expectExit(next, exitDone)
			if epoch := f.db.epoch(); epoch != 2 {
				t.Errorf("epoch: got %d, want 2, which is one for each runner that claimed the stream", epoch)
			}
			if n := f.db.queryInt("SELECT duplicate FROM checkpoints"); n != 0 {
				t.Errorf("duplicates: got %d, want 0, because only one runner may write each page", n)
			}
			f.db.checkAgainstMock(m)
			f.db.checkLedger()
		})
	}
}

// freezeFetching stops the runner while the API has not answered its request.
func freezeFetching(p *process, m *mock, _ *fixture) func() {
	p.t.Helper()
	eventually(p.t, "the runner is stopped while a request is in flight", func() bool {
		if m.summary().InFlight != 1 {
			return false
		}
		p.signal(syscall.SIGSTOP)
		if m.summary().InFlight == 1 {
			return true
		}
		p.signal(syscall.SIGCONT) // the answer arrived before the stop
		return false
	})
	return func() {}
}

// freezeInTransaction stops the runner while its transaction has written the events and waits for the ledger.
func freezeInTransaction(p *process, _ *mock, f *fixture) func() {
	p.t.Helper()
	unlock := f.db.lockLedger(f.databaseURL)
	eventually(p.t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 })
	p.signal(syscall.SIGSTOP)
	return unlock
}
