//go:build e2e

package postgres_test

import (
	"context"
	"net/url"
	"os"
	osexec "os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestSlowStoreInOwnSchema runs the conformance suite where search_path names the schema, as beside another program's tables.
func TestSlowStoreInOwnSchema(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "search_path", "pawl")
		if _, err := migrate.Up(t.Context(), databaseURL); err != nil {
			t.Fatal(err)
		}
		return storeUnderTest(t, databaseURL)
	})
}

// TestSlowPageOfRefusedRecords parks a page of which PostgreSQL refuses every event.
func TestSlowPageOfRefusedRecords(t *testing.T) {
	t.Parallel()
	newDistantPage(t, func(int) bool { return true }).checkParked(t, distantSize)
}

// TestSlowVanishedMachine drops all packets between the runner that holds the lock and the server, as if the runner's machine had
// lost its power. Half a minute later another runner must get the stream. Stopping a process would not show this, because its
// kernel still answers.
func TestSlowVanishedMachine(t *testing.T) {
	t.Parallel()
	iptables, err := osexec.LookPath("iptables")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("dropping packets needs root and iptables")
	}
	databaseURL := pgtest.Local(t) // the proxy of a container's port would still answer
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	claimStore(t, databaseURL)
	client := strconv.Itoa(pgtest.QueryOne[int](t, databaseURL, "SELECT client_port FROM pg_stat_activity WHERE pid = ("+selectHolderPID+")"))
	ctx := context.WithoutCancel(t.Context()) // the clean-up needs it, too
	for _, rule := range [][]string{
		{"OUTPUT", "-o", "lo", "-p", "tcp", "--sport", client, "--dport", u.Port(), "-j", "DROP"},
		{"OUTPUT", "-o", "lo", "-p", "tcp", "--sport", u.Port(), "--dport", client, "-j", "DROP"},
	} {
		if out, err := osexec.CommandContext(ctx, iptables, append([]string{"-w", "-I"}, rule...)...).CombinedOutput(); err != nil {
			t.Skipf("iptables refuses a rule: %v, %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := osexec.CommandContext(ctx, iptables, append([]string{"-w", "-D"}, rule...)...).CombinedOutput(); err != nil {
				t.Errorf("rule %v was not deleted: %v, %s", rule, err, out)
			}
		})
	}
	vanished := time.Now()
	store := newStore(t, databaseURL)
	silent := false
	pgtest.EventuallyWithin(t, time.Minute, "another runner gets the stream", func() bool {
		_, err := store.Claim(t.Context(), streamS, sourceURL)
		if domain.KindOf(err) == domain.Fenced {
			silent = silent || domain.AsError(err).Holder == domain.HolderSilent
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	if !silent {
		t.Error("the vanished runner was never reported as silent")
	}
	t.Logf("the stream was free after %s", time.Since(vanished).Round(time.Second))
}
