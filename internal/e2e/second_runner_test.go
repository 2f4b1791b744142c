//go:build e2e

package e2e

import (
	"strings"
	"syscall"
	"testing"
)

// TestSecondRunner starts a second runner beside one that works: it ends 5, and the first does not notice.
func TestSecondRunner(t *testing.T) {
	t.Parallel()
	m := startMock(t, "--events", "60000", "--rate-limit", "0", "--latency", "100ms")
	f := newFixture(t, m.environment)
	first := f.start("run", "--json", "--page-size", "500")
	eventually(t, "the first has committed a page", func() bool { return f.db.pages() > 0 })

	second := f.runPawl(5, "run", "--json", "--page-size", "500")
	if second.stdout.String() != "" || !strings.Contains(second.stderr.String(), "another runner") {
		t.Errorf("the second prints %q: %s", second.stdout.String(), second.stderr.String())
	}
	if epoch := f.db.count("SELECT epoch FROM checkpoints"); epoch != 1 || !first.isRunning() {
		t.Errorf("the second took epoch %d; the first runs: %v", epoch, first.isRunning())
	}
	f.expectExit(first, 0)
	if s := m.summary(); s.Requests != 120 {
		t.Errorf("%d requests for 120 pages", s.Requests)
	}
	f.db.checkTruth(m)
	f.db.checkLedger()
}

// TestFrozenRunner stops a runner, ends its connections on the server, and lets another take over. When the first wakes
// it must write nothing.
func TestFrozenRunner(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// freeze stops the runner in a state, and returns what lets the database go on.
		freeze         func(p *process, m *mock, f *fixture) (unlock func())
		whileNextWorks bool // it wakes beside the next runner, else after that has finished
	}{
		{"while it fetches", freezeFetching, false},
		{"while it fetches, awake beside the next", freezeFetching, true},
		{"in a transaction", freezeInTransaction, false},
		{"in a transaction, awake beside the next", freezeInTransaction, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := startMock(t, "--events", "8000", "--rate-limit", "0", "--latency", "100ms")
			f := newFixture(t, m.environment)
			run := []string{"run", "--json", "--page-size", "200"}
			frozen := f.start(run...)
			eventually(t, "pages are committed", func() bool { return f.db.pages() >= 2 })
			unlock := tt.freeze(frozen, m, f)

			f.runPawl(5, run...) // while the first is frozen and connected
			unlock()
			f.db.terminatePawl()

			before := f.db.pages()
			next := f.start(run...)
			eventually(t, "the next runner has committed a page", func() bool { return f.db.pages() > before })
			if !tt.whileNextWorks {
				f.expectExit(next, 0)
			}
			frozen.signal(syscall.SIGCONT)
			f.expectExit(frozen, 5)
			f.expectExit(next, 0)
			if epoch := f.db.count("SELECT epoch FROM checkpoints"); epoch != 2 {
				t.Errorf("epoch %d at the end", epoch)
			}
			if n := f.db.count("SELECT duplicate FROM checkpoints"); n != 0 {
				t.Errorf("%d duplicates: both have written", n)
			}
			f.db.checkTruth(m)
			f.db.checkLedger()
		})
	}
}

func freezeFetching(p *process, m *mock, _ *fixture) func() {
	p.t.Helper()
	eventually(p.t, "it is stopped while a request is under way", func() bool {
		if m.summary().InFlight != 1 {
			return false
		}
		p.signal(syscall.SIGSTOP)
		if m.summary().InFlight == 1 {
			return true
		}
		p.signal(syscall.SIGCONT) // the answer was faster
		return false
	})
	return func() {}
}

func freezeInTransaction(p *process, _ *mock, f *fixture) func() {
	p.t.Helper()
	unlock := f.db.lockLedger(f.databaseURL)
	eventually(p.t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 })
	p.signal(syscall.SIGSTOP)
	return unlock
}
