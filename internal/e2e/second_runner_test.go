//go:build e2e

package e2e

import (
	"context"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestSecondRunner starts a second runner beside one that works: it ends 5, and the first does not notice.
func TestSecondRunner(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", "60000", "--rate-limit", "0", "--latency", "100ms")
	db := connect(t, databaseURL)
	first := start(t, m.environment(databaseURL), "pawl", "run", "--json", "--page-size", "500")
	eventually(t, "the first has committed a page", func() bool { return db.pages() > 0 })

	second := start(t, m.environment(databaseURL), "pawl", "run", "--json", "--page-size", "500")
	if code := second.wait(ctx); code != 5 || second.stdout.String() != "" || !strings.Contains(second.stderr.String(), "another runner") {
		t.Errorf("the second ends %d, %q: %s", code, second.stdout.String(), second.stderr.String())
	}
	if epoch := db.count("SELECT epoch FROM checkpoints"); epoch != 1 || !first.running() {
		t.Errorf("the second took epoch %d; the first runs: %v", epoch, first.running())
	}
	if code := first.wait(ctx); code != 0 {
		t.Fatalf("the first ends %d: %s", code, first.stderr.String())
	}
	if s := m.summary(); s.Requests != 120 {
		t.Errorf("%d requests for 120 pages", s.Requests)
	}
	db.equalsTruth(m)
	db.addsUp()
}

// TestFrozenRunner stops a runner, ends its connections on the server, and lets another take over. When the first wakes
// it must write nothing.
func TestFrozenRunner(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		// freeze stops the runner in a state, and returns what lets the database go on.
		freeze         func(p *process, m *mock, db *database, databaseURL string) (letGo func())
		whileNextWorks bool // it wakes beside the next runner, else after that has finished
	}{
		{"while it fetches", frozenFetching, false},
		{"while it fetches, awake beside the next", frozenFetching, true},
		{"in a transaction", frozenInTransaction, false},
		{"in a transaction, awake beside the next", frozenInTransaction, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			databaseURL := pgtest.Database(t)
			m := startMock(t, "--events", "8000", "--rate-limit", "0", "--latency", "100ms")
			db := connect(t, databaseURL)
			run := func() *process {
				return start(t, m.environment(databaseURL), "pawl", "run", "--json", "--page-size", "200")
			}
			frozen := run()
			eventually(t, "pages are committed", func() bool { return db.pages() >= 2 })
			letGo := tt.freeze(frozen, m, db, databaseURL)

			if code := run().wait(ctx); code != 5 {
				t.Errorf("while the first is frozen and connected another ends %d", code)
			}
			letGo()
			db.terminatePawl()

			before := db.pages()
			next := run()
			eventually(t, "the next runner has committed a page", func() bool { return db.pages() > before })
			if !tt.whileNextWorks {
				if code := next.wait(ctx); code != 0 {
					t.Fatalf("the next ends %d: %s", code, next.stderr.String())
				}
			}
			frozen.signal(syscall.SIGCONT)
			if code := frozen.wait(ctx); code != 5 {
				t.Errorf("the frozen runner wakes and ends %d: %s", code, frozen.stderr.String())
			}
			if code := next.wait(ctx); code != 0 {
				t.Fatalf("the next ends %d: %s", code, next.stderr.String())
			}
			if epoch := db.count("SELECT epoch FROM checkpoints"); epoch != 2 {
				t.Errorf("epoch %d at the end", epoch)
			}
			if n := db.count("SELECT duplicate FROM checkpoints"); n != 0 {
				t.Errorf("%d duplicates: both have written", n)
			}
			db.equalsTruth(m)
			db.addsUp()
		})
	}
}

func frozenFetching(p *process, m *mock, _ *database, _ string) func() {
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

func frozenInTransaction(p *process, _ *mock, db *database, databaseURL string) func() {
	p.t.Helper()
	letGo := db.holdLedger(databaseURL)
	eventually(p.t, "a transaction is open", func() bool { return db.openTransactions() == 1 })
	p.signal(syscall.SIGSTOP)
	return letGo
}
