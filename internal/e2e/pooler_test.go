//go:build e2e

package e2e

import (
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// newPooledFixture returns a fixture whose programs reach the database through PgBouncer, and only migrations reach it directly.
func newPooledFixture(t *testing.T, m *mock) *fixture {
	t.Helper()
	return newFixture(t, func(databaseURL string) []string {
		return append(m.environment(pgtest.Pooler(t, databaseURL)), "PAWL_MIGRATE_URL="+databaseURL)
	})
}

// TestPooler checks that everything works through PgBouncer without a parameter in DATABASE_URL: a run with faults, drift and duplicates,
// kill -9 and the run after it, which waits for the end of the lease, and the commands that read and change the database.
func TestPooler(t *testing.T) {
	t.Parallel()
	m := startMock(t, "--events", "6000", "--rate-limit", "0", "--latency", "20ms",
		"--fault", "500:0.1", "--drift", "missing-field:0.01", "--drift", "duplicate:0.02")
	f := newPooledFixture(t, m)
	run := []string{"run", "--json", "--page-size", "100"}
	killed := f.start(run...)
	eventually(t, "pages are committed", func() bool { return f.db.countPages() >= 5 })
	killed.kill()

	f.runPawl(exitDone, run...)
	f.db.checkAgainstMock(m)
	f.db.checkLedger()
	if epoch := f.db.epoch(); epoch != 2 {
		t.Errorf("epoch: got %d, want one for each run", epoch)
	}
	status := f.runPawl(exitDone, "status").stdout.String()
	if !strings.Contains(status, "none; the last one ended") {
		t.Errorf("got status\n%s\nwant that the last runner has ended", status)
	}
	f.runPawl(exitDone, "run", "--new-pass", "--page-size", "1000")
	f.runPawl(exitDone, "dlq", "replay", "--all")
	f.runPawl(exitDone, "verify", "--against-api")
	const settings = `SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'pawl/%' AND state = 'idle in transaction'`
	if n := f.db.queryInt(settings); n != 0 {
		t.Errorf("got %d open transactions after the last command, want none", n)
	}
}

// TestTwoSupervisors checks that two supervisors, which restart pawl on one stream again and again, do not disturb each other: the stream
// becomes complete, and no page is fetched twice.
func TestTwoSupervisors(t *testing.T) {
	t.Parallel()
	for _, isPooled := range []bool{false, true} {
		t.Run("pooler "+strconv.FormatBool(isPooled), func(t *testing.T) {
			t.Parallel()
			const pages, pageSize = 60, 50
			m := startMock(t, "--events", strconv.Itoa(pages*pageSize), "--rate-limit", "10", "--rate-window", "3s")
			f := newFixture(t, m.environment)
			f.runPawl(exitDone, "migrate")
			if isPooled {
				f.env = append(f.env, "DATABASE_URL="+pgtest.Pooler(t, f.databaseURL))
			}
			var supervisors sync.WaitGroup
			for range 2 {
				supervisors.Go(func() {
					for {
						p := f.start("run", "--json", "--page-size", strconv.Itoa(pageSize))
						select {
						case <-p.ended:
						case <-f.ctx.Done():
							t.Error("the stream is not complete in time")
							return
						}
						switch code := p.cmd.ProcessState.ExitCode(); code {
						case exitDone:
							return
						case exitFenced: // the supervisor starts it again
						default:
							t.Errorf("got exit code %d, want %d or %d; standard error:\n%s", code, exitDone, exitFenced, p.stderr.String())
							return
						}
					}
				})
			}
			supervisors.Wait()
			if s := m.summary(); s.Pages != pages {
				t.Errorf("got %d pages from the API, want %d", s.Pages, pages)
			}
			f.db.checkAgainstMock(m)
			f.db.checkLedger()
		})
	}
}
