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

// TestSlowStoreInOwnSchema runs the checks of TestStore in a database where pawl's tables are in a schema of their own. The
// parameter search_path of the URL names the schema.
func TestSlowStoreInOwnSchema(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "search_path", "pawl")
		if _, err := migrate.Up(t.Context(), databaseURL); err != nil {
			t.Fatal(err)
		}
		return storeUnderTest(t, databaseURL, databaseURL)
	})
}

// TestSlowPageOfRefusedRecords checks that a page is parked as a whole if PostgreSQL refuses all of its events.
func TestSlowPageOfRefusedRecords(t *testing.T) {
	t.Parallel()
	isRefused := func(int) bool { return true } // every event
	newDistantPage(t, isRefused).checkParked(t, distantSize)
}

// TestSlowVanishedMachine checks that another runner gets the stream within a minute after the machine of its holder has vanished.
// To simulate this, the test drops all packets between the server and the connection that holds the lock. It would not be enough
// to stop a process, because its kernel would still answer the server.
func TestSlowVanishedMachine(t *testing.T) {
	t.Parallel()
	iptables, err := osexec.LookPath("iptables")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("dropping packets needs root and iptables")
	}
	databaseURL := pgtest.Local(t) // a server in a container would be behind a proxy, which would still answer
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	claimStore(t, databaseURL)
	const selectClientPort = "SELECT client_port FROM pg_stat_activity WHERE pid = (" + selectHolderPID + ")"
	clientPort := strconv.Itoa(pgtest.QueryOne[int](t, databaseURL, selectClientPort))
	ctx := context.WithoutCancel(t.Context()) // the test's context ends before the clean-up
	for _, rule := range [][]string{
		{"OUTPUT", "-o", "lo", "-p", "tcp", "--sport", clientPort, "--dport", u.Port(), "-j", "DROP"},
		{"OUTPUT", "-o", "lo", "-p", "tcp", "--sport", u.Port(), "--dport", clientPort, "-j", "DROP"},
	} {
		if out, err := osexec.CommandContext(ctx, iptables, append([]string{"--wait", "--insert"}, rule...)...).CombinedOutput(); err != nil {
			t.Skipf("iptables refuses a rule: %v, %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := osexec.CommandContext(ctx, iptables, append([]string{"--wait", "--delete"}, rule...)...).CombinedOutput(); err != nil {
				t.Errorf("rule %v was not deleted: %v, %s", rule, err, out)
			}
		})
	}
	vanished := time.Now()
	store := newStore(t, databaseURL)
	isSilentReported := false
	pgtest.EventuallyWithin(t, time.Minute, "another runner gets the stream", func() bool {
		_, err := store.Claim(t.Context(), streamS, sourceURL)
		if domain.KindOf(err) == domain.Fenced {
			isSilentReported = isSilentReported || domain.AsError(err).Holder == domain.HolderSilent
			return false
		}
		if err != nil {
			t.Fatal(err)
		}
		return true
	})
	if !isSilentReported {
		t.Error("got no error that reports the vanished runner as silent, want at least one")
	}
	t.Logf("the stream was free after %s", time.Since(vanished).Round(time.Second))
}
