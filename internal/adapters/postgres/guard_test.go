package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// takeOver gives the stream s another claim, as a second runner would that sees no guard.
func takeOver(t *testing.T, databaseURL string) {
	t.Helper()
	pgtest.Exec(t, databaseURL, "UPDATE checkpoints SET epoch = epoch + 1, token = gen_random_uuid() WHERE stream = 's'")
}

// claimByLease returns a store that has claimed the stream s through something like a pooler, with its checkpoint, when it has written its
// first report. It writes no further report before its end.
func claimByLease(t *testing.T, databaseURL string) (*postgres.Store, domain.Checkpoint) {
	t.Helper()
	store := postgres.NewStoreWithIntervals(newPool(t, urlOf(t, databaseURL, true)), time.Hour, time.Hour)
	t.Cleanup(store.Close)
	checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	waitForReport(t, databaseURL)
	return store, checkpoint
}

// waitForReport waits until the last runner that claimed a stream by a lease has reported itself.
func waitForReport(t *testing.T, databaseURL string) {
	t.Helper()
	pgtest.Eventually(t, "a report after the claim", func() bool {
		return pgtest.QueryOne[bool](t, databaseURL, "SELECT coalesce(bool_and(alive_at > since), true) FROM runners")
	})
}

// endLease makes the lease on the stream s end, as if its runner had been killed long ago.
func endLease(t *testing.T, databaseURL string) {
	t.Helper()
	pgtest.Exec(t, databaseURL, "UPDATE runners SET lease_until = now() - interval '1 s' WHERE stream = 's'")
}

// TestGuards checks that a runner keeps its stream until it ends or is gone, for each kind of connection of both runners.
func TestGuards(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                      string
		firstPooled, secondPooled bool
		want                      domain.Holder
	}{
		{name: "both direct", want: domain.HolderAlive},
		{name: "second behind a pooler", secondPooled: true, want: domain.HolderAlive},
		{name: "first behind a pooler", firstPooled: true, want: domain.HolderLeased},
		{name: "both behind a pooler", firstPooled: true, secondPooled: true, want: domain.HolderLeased},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			first, _ := claimStore(t, urlOf(t, databaseURL, tt.firstPooled))
			second := newStore(t, urlOf(t, databaseURL, tt.secondPooled))

			_, err := second.Claim(t.Context(), streamS, sourceURL)
			domaintest.CheckKind(t, err, domain.Fenced)
			if got := domain.AsError(err).Holder; got != tt.want {
				t.Errorf("got holder %d, want %d", got, tt.want)
			}
			checkpoint, err := first.Claim(t.Context(), streamS, sourceURL)
			if err != nil {
				t.Fatalf("second claim of the first runner: got %v, want none", err)
			}
			if _, err = first.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
				t.Errorf("commit of the first runner: got %v, want none", err)
			}
			first.Close()
			pgtest.Eventually(t, "a claim of the second runner", func() bool {
				_, err = second.Claim(t.Context(), streamS, sourceURL)
				return err == nil
			})
		})
	}
}

// urlOf returns the URL of a database, through something like a pooler if isPooled is true.
func urlOf(t *testing.T, databaseURL string, isPooled bool) string {
	t.Helper()
	if isPooled {
		return startProxy(t, databaseURL, servePooler)
	}
	return databaseURL
}

// TestLeaseEnds checks that a runner whose lease has ended is fenced by the next runner, and that it does not get its lease back.
func TestLeaseEnds(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	first, checkpoint := claimByLease(t, databaseURL)
	endLease(t, databaseURL)
	second, _ := claimByLease(t, databaseURL)

	_, err := first.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint)))
	domaintest.CheckKind(t, err, domain.Fenced)
	first.Close()
	const leases = "SELECT count(*) FROM runners WHERE lease_until > now() AND holder IS NOT NULL"
	if n := pgtest.QueryOne[int](t, databaseURL, leases); n != 1 {
		t.Errorf("after the end of the first runner: got %d leases, want that of the second", n)
	}
	second.Close()
	if n := pgtest.QueryOne[int](t, databaseURL, leases); n != 0 {
		t.Errorf("after the end of both: got %d leases, want none", n)
	}
}

// TestLeaseIsExtended checks that each report of a runner extends its lease, and that the error of a second runner says when it ends.
func TestLeaseIsExtended(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	const heartbeat, silence = 10 * time.Millisecond, time.Hour
	store := postgres.NewStoreWithIntervals(newPool(t, urlOf(t, databaseURL, true)), heartbeat, silence)
	t.Cleanup(store.Close)
	if _, err := store.Claim(t.Context(), streamS, sourceURL); err != nil {
		t.Fatal(err)
	}
	const leaseUntil = "SELECT lease_until FROM runners"
	first := pgtest.QueryOne[time.Time](t, databaseURL, leaseUntil)
	pgtest.Eventually(t, "a later end of the lease", func() bool {
		return pgtest.QueryOne[time.Time](t, databaseURL, leaseUntil).After(first)
	})
	_, err := newStore(t, databaseURL).Claim(t.Context(), streamS, sourceURL)
	domaintest.CheckKind(t, err, domain.Fenced)
	if until := domain.AsError(err).Until; until.Before(first) {
		t.Errorf("got the end %s, want one after %s", until, first)
	}
}

// TestLeaseFarAhead checks that a lease counts for nothing if it lasts longer than any lease, because the clock was set back.
func TestLeaseFarAhead(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	claimByLease(t, databaseURL)
	pgtest.Exec(t, databaseURL, "UPDATE runners SET lease_until = now() + interval '1 hour'")
	claimByLease(t, databaseURL)
}

// TestClaimTogether checks that of several runners that claim a stream at the same time, exactly one gets it, and can write.
func TestClaimTogether(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	const runners = 6
	type claim struct {
		store      *postgres.Store
		checkpoint domain.Checkpoint
	}
	claims := make(chan claim, runners)
	var group sync.WaitGroup
	for range runners {
		store := newStore(t, urlOf(t, databaseURL, true))
		group.Go(func() {
			checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
			if err == nil {
				claims <- claim{store, checkpoint}
				return
			}
			if domain.KindOf(err) != domain.Fenced {
				t.Errorf("got %v, want Fenced", err)
			}
		})
	}
	group.Wait()
	if len(claims) != 1 {
		t.Fatalf("got %d claims, want 1", len(claims))
	}
	holder := <-claims
	if _, err := holder.store.Commit(t.Context(), batchOf(holder.checkpoint, emptyPage(holder.checkpoint))); err != nil {
		t.Errorf("commit: got %v, want none", err)
	}
}

// TestPoolerSessionsStayUnchanged checks that a runner changes no setting of the sessions that it shares with other clients of a pooler. For
// example, the limits of its reports switch off the wait for the disk.
func TestPoolerSessionsStayUnchanged(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pooled := pgtest.Pooler(t, databaseURL)
	const heartbeat, silence = 10 * time.Millisecond, time.Hour
	store := postgres.NewStoreWithIntervals(newPool(t, pooled), heartbeat, silence)
	checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
		t.Fatal(err)
	}
	waitForReport(t, databaseURL)
	store.Close()
	const changed = `SELECT count(*) FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', 'client_encoding')`
	const sessions = 4 // more than the runner has used at the same time
	for i := range sessions {
		client, err := pgx.Connect(t.Context(), pgtest.WithParam(t, pooled, "default_query_exec_mode", "exec"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = client.Close(context.Background()) }) // all clients stay open, so that each has another session
		if _, err := client.Exec(t.Context(), "BEGIN"); err != nil { // the pooler reserves a session for the transaction
			t.Fatal(err)
		}
		var n int
		if err := client.QueryRow(t.Context(), changed).Scan(&n); err != nil || n != 0 {
			t.Errorf("session %d: got %d changed settings, %v, want none", i, n, err)
		}
	}
}

// TestResetBesideClaim checks that a reset waits for a claim that is not committed yet, and then sees its lease.
func TestResetBesideClaim(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	first, checkpoint := claimByLease(t, databaseURL)
	if _, err := first.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint))); err != nil {
		t.Fatal(err)
	}
	first.Close()
	claim, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer claim.Close(t.Context()) //nolint:errcheck // a test's connection
	if _, err := claim.Exec(t.Context(), `BEGIN;
		UPDATE checkpoints SET cursor = 'c', epoch = epoch + 1, token = gen_random_uuid();
		UPDATE runners SET state = 'working', holder = gen_random_uuid(), lease_until = clock_timestamp() + interval '30 s'`); err != nil {
		t.Fatal(err)
	}
	result := make(chan error, 1)
	admin := postgres.NewAdmin(newPool(t, databaseURL))
	go func() {
		_, err := admin.ResetCheckpoint(t.Context(), streamS)
		result <- err
	}()
	waitForLock(t, databaseURL, "pawl/s", 1)
	if _, err := claim.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	domaintest.CheckKind(t, <-result, domain.Fenced)
}

// TestLeaseReportTimeout checks that a runner whose report gets no answer can send another one before its lease ends.
func TestLeaseReportTimeout(t *testing.T) {
	t.Parallel()
	const connectTimeout, heartbeat = 10 * time.Second, 5 * time.Second
	if slowest := heartbeat + postgres.LeaseReportTimeout + connectTimeout; slowest >= domain.LeaseDuration {
		t.Errorf("got a second report after %s, want it before the lease of %s ends", slowest, domain.LeaseDuration)
	}
}
