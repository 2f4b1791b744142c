package postgres_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// selectRunner selects the row of the runner as text.
const selectRunner = `SELECT concat_ws(' | ', r.stream, host, pid, version, state, last_error, state_until IS NOT NULL,
	last_error_at IS NOT NULL, r.token = c.token, since <= alive_at, not_before IS NOT NULL)
	FROM runners AS r LEFT JOIN checkpoints AS c USING (stream)`

// claimProfiled returns a store that has claimed the stream s. Its runner has the version v1 and the process id 7 on the machine m.
func claimProfiled(t *testing.T, databaseURL string, warn func(string, error)) (*postgres.Store, domain.Checkpoint) {
	t.Helper()
	store := postgres.NewStore(newPool(t, databaseURL), postgres.RunnerProfile{
		RunnerIdentity: domain.RunnerIdentity{Host: "m", PID: 7, Version: "v1"}, Warn: warn,
	})
	t.Cleanup(store.Close)
	checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	return store, checkpoint
}

// expectRunner waits until the row of the runner is want.
func expectRunner(t *testing.T, databaseURL, want string) {
	t.Helper()
	got := ""
	pgtest.Eventually(t, "the row "+want, func() bool {
		got = pgtest.QueryOne[string](t, databaseURL, "SELECT coalesce(("+selectRunner+"), 'none')")
		return got == want
	})
}

// TestRunnerRow checks what a runner reports about itself, from its claim to its end: over a direct connection, behind a pooler, where it
// has no connection with a lock, and after it has lost all its connections.
func TestRunnerRow(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(net.Conn, string){"direct": nil, "behind a pooler": servePooler} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			runnerURL := databaseURL
			if serve != nil {
				runnerURL = startProxy(t, databaseURL, serve)
			}
			store, checkpoint := claimProfiled(t, runnerURL, nil)
			expectRunner(t, databaseURL, "s | m | 7 | v1 | working |  | f | f | t | t | f")

			until := time.Now().Add(time.Hour)
			if err := store.Hold(t.Context(), checkpoint, until); err != nil {
				t.Fatal(err)
			}
			store.SetState(domain.RunnerState{Activity: domain.ActivityRateLimited, Until: until})
			expectRunner(t, databaseURL, "s | m | 7 | v1 | waiting for the rate limit |  | t | f | t | t | t")

			terminateSessions(t, databaseURL, applicationOfS)
			failed := domain.RunnerState{
				Activity: domain.ActivityWaitingToStore, Until: until, LastError: "bad \x00\xff text", LastErrorAt: time.Now(),
			}
			store.SetState(failed)
			expectRunner(t, databaseURL, "s | m | 7 | v1 | waiting for the database | bad  text | t | t | t | t | t")

			failed.Activity, failed.Until = domain.ActivityEnded, time.Time{}
			store.SetState(failed)
			store.Close()
			expectRunner(t, databaseURL, "s | m | 7 | v1 | ended | bad  text | f | t | t | t | t")
		})
	}
}

// TestRunnerRowOfOther checks that a runner that was replaced does not change the row of its successor.
func TestRunnerRowOfOther(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	replaced, _ := claimProfiled(t, startProxy(t, databaseURL, servePooler), nil)
	waitForReport(t, databaseURL)
	endLease(t, databaseURL)
	successor := postgres.NewStoreWithIntervals(newPool(t, databaseURL), time.Hour, time.Hour) // only reports changes
	t.Cleanup(successor.Close)
	if _, err := successor.Claim(t.Context(), streamS, sourceURL); err != nil {
		t.Fatal(err)
	}
	expectRunner(t, databaseURL, "s |  | 0 |  | working |  | f | f | t | t | f")
	replaced.SetState(domain.RunnerState{Activity: domain.ActivityRateLimited})
	replaced.Close() // sends a last report
	const want = "s |  | 0 |  | working |  | f | f | t | t | f"
	if got := pgtest.QueryOne[string](t, databaseURL, selectRunner); got != want {
		t.Errorf("after the end of the replaced runner: got row %q, want %q", got, want)
	}
	successor.SetState(domain.RunnerState{Activity: domain.ActivityEnded})
	successor.Close()
	expectRunner(t, databaseURL, "s |  | 0 |  | ended |  | f | f | t | t | f")
}

// TestRunnerRowBlocked checks that a session that locks the table of runners delays no page.
func TestRunnerRowBlocked(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	unlock := holdLock(t, databaseURL, "LOCK TABLE runners IN ACCESS EXCLUSIVE MODE")
	store, checkpoint := claimProfiled(t, databaseURL, nil)
	for range 3 {
		store.SetState(domain.RunnerState{Activity: domain.ActivityWorking})
		res, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint)))
		if err != nil {
			t.Fatal(err)
		}
		checkpoint = res.Checkpoint
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM pages"); n != 3 {
		t.Errorf("got %d pages while the table is locked, want 3", n)
	}
	unlock()
	store.SetState(domain.RunnerState{Activity: domain.ActivityEnded})
	store.Close()
	expectRunner(t, databaseURL, "s | m | 7 | v1 | ended |  | f | f | t | t | f")
}

// TestRunnerRowRefused checks that a runner works without the privilege to report itself, and that it warns once.
func TestRunnerRowRefused(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pgtest.Exec(t, databaseURL, "ALTER TABLE runners RENAME TO gone")
	warnings := make(chan string, 10)
	store, checkpoint := claimProfiled(t, databaseURL, func(problem string, cause error) { warnings <- problem + ": " + cause.Error() })
	if got := <-warnings; !strings.Contains(got, "runners") {
		t.Errorf("got warning %q, want the table's name in it", got)
	}
	if _, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
		t.Fatal(err)
	}
	store.Close()
	if len(warnings) > 0 {
		t.Errorf("got a second warning %q, want one", <-warnings)
	}
}

// TestFailedFirstRun checks which streams are forgotten when a run ends: those of a failed run that has stored no page. The reader's error
// about such a stream says why the run failed.
func TestFailedFirstRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name     string
		activity domain.Activity // the last state
		act      func(t *testing.T, databaseURL string, store *postgres.Store, checkpoint domain.Checkpoint)
		stays    bool
	}{
		{name: "failed", activity: domain.ActivityFailed},
		{name: "stopped", activity: domain.ActivityEnded, stays: true},
		{
			name: "failed after a page", activity: domain.ActivityFailed, stays: true,
			act: func(t *testing.T, _ string, store *postgres.Store, checkpoint domain.Checkpoint) {
				t.Helper()
				if _, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "failed while the rate limit holds", activity: domain.ActivityFailed, stays: true,
			act: func(t *testing.T, _ string, store *postgres.Store, checkpoint domain.Checkpoint) {
				t.Helper()
				if err := store.Hold(t.Context(), checkpoint, time.Now().Add(time.Hour)); err != nil {
					t.Fatal(err)
				}
			},
		},
		{
			name: "failed after another claim", activity: domain.ActivityFailed, stays: true,
			act: func(t *testing.T, databaseURL string, _ *postgres.Store, _ domain.Checkpoint) {
				t.Helper()
				takeOver(t, databaseURL)
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			store, checkpoint := claimProfiled(t, databaseURL, nil)
			if tt.act != nil {
				tt.act(t, databaseURL, store, checkpoint)
			}
			store.SetState(domain.RunnerState{Activity: tt.activity, LastError: "bad key"})
			store.Close()
			streams := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM checkpoints")
			if stays := streams == 1; stays != tt.stays {
				t.Errorf("got %d streams, want the stream to stay: %t", streams, tt.stays)
			}
			reader := postgres.NewReader(newPool(t, databaseURL))
			_, err := reader.Status(t.Context(), streamS)
			failed, failedErr := reader.FailedStarts(t.Context())
			if hasOne := len(failed) == 1 && failed[0].Stream == streamS && failed[0].Error == "bad key"; hasOne == tt.stays || failedErr != nil {
				t.Errorf("got failed starts %+v, %v, want one: %t", failed, failedErr, !tt.stays)
			}
			if tt.stays {
				if err != nil {
					t.Errorf("got error %v, want the status", err)
				}
				return
			}
			if domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "its first run failed at 20") ||
				!strings.HasSuffix(err.Error(), "before it stored a page: bad key") {
				t.Errorf("got error %v, want one that says why the first run failed", err)
			}
		})
	}
}
