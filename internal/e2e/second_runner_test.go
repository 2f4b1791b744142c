//go:build e2e

package e2e

import (
	"strings"
	"syscall"
	"testing"
)

// TestSecondRunner checks that a second runner exits with 5 while the first one holds the stream, and does not disturb it.
func TestSecondRunner(t *testing.T) {
	t.Parallel()
	m := startMock(t, "--events", "60000", "--rate-limit", "0", "--latency", "100ms")
	f := newFixture(t, m.environment)
	first := f.start("run", "--json", "--page-size", "500")
	eventually(t, "the first has committed a page", func() bool { return f.db.pages() > 0 })

	second := f.runPawl(5, "run", "--json", "--page-size", "500")
	if second.stdout.String() != "" || !strings.Contains(second.stderr.String(), "another runner") {
		t.Errorf("the second runner prints %q: %s", second.stdout.String(), second.stderr.String())
	}
	if epoch := f.db.count("SELECT epoch FROM checkpoints"); epoch != 1 || !first.isRunning() {
		t.Errorf("after the second runner: epoch %d, want 1; the first one is running: %v, want true", epoch, first.isRunning())
	}
	f.expectExit(first, 0)
	if s := m.summary(); s.Requests != 120 {
		t.Errorf("got %d requests, want 120, one for each page", s.Requests)
	}
	f.db.checkTruth(m)
	f.db.checkLedger()
}

// TestFrozenRunner checks that a runner that was stopped and then replaced by another runner writes nothing when it
// continues. Its database connections have been ended on the server meanwhile.
func TestFrozenRunner(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// freeze stops the runner in a certain state. unlock lets the database go on.
		freeze         func(p *process, m *mock, f *fixture) (unlock func())
		whileNextWorks bool // it continues while the next runner works; otherwise after that one has finished
	}{
		{"while fetching", freezeFetching, false},
		{"while fetching, continues while the next runner works", freezeFetching, true},
		{"in a transaction", freezeInTransaction, false},
		{"in a transaction, continues while the next runner works", freezeInTransaction, true},
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
				t.Errorf("epoch: got %d, want 2", epoch)
			}
			if n := f.db.count("SELECT duplicate FROM checkpoints"); n != 0 {
				t.Errorf("%d duplicates: both runners have written", n)
			}
			f.db.checkTruth(m)
			f.db.checkLedger()
		})
	}
}

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

func freezeInTransaction(p *process, _ *mock, f *fixture) func() {
	p.t.Helper()
	unlock := f.db.lockLedger(f.databaseURL)
	eventually(p.t, "a transaction is open", func() bool { return f.db.countOpenTransactions() == 1 })
	p.signal(syscall.SIGSTOP)
	return unlock
}
