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

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestSlowStoreInASchemaOfItsOwn runs the contract where search_path names the schema, as beside another program's tables.
func TestSlowStoreInASchemaOfItsOwn(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		databaseURL := pgtest.WithParam(t, pgtest.Empty(t), "search_path", "pawl")
		if _, err := postgres.Migrate(t.Context(), databaseURL); err != nil {
			t.Fatal(err)
		}
		return storeOn(t, databaseURL)
	})
}

// TestSlowPageOfRefusedRecords parks a page of which nothing can be stored.
func TestSlowPageOfRefusedRecords(t *testing.T) {
	t.Parallel()
	newDistantPage(t, func(int) bool { return true }).parks(t, 5000)
}

// TestSlowVanishedMachine drops every packet between a runner's lock and the server, as if the runner's machine had lost its
// power: half a minute later another runner gets the stream. A process that is stopped cannot show this, since its kernel
// goes on answering.
func TestSlowVanishedMachine(t *testing.T) {
	t.Parallel()
	iptables, err := osexec.LookPath("iptables")
	if err != nil || os.Geteuid() != 0 {
		t.Skip("it takes root and iptables to drop packets")
	}
	databaseURL := pgtest.Local(t) // the proxy of a container's port would go on answering
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	claimed(t, databaseURL)
	client := strconv.Itoa(queryOne[int](t, databaseURL, "SELECT client_port FROM pg_stat_activity WHERE pid = ("+holderPID+")"))
	ctx := context.WithoutCancel(t.Context()) // cleaning up needs it, too
	for _, rule := range [][]string{
		{"OUTPUT", "-o", "lo", "-p", "tcp", "--sport", client, "--dport", u.Port(), "-j", "DROP"},
		{"OUTPUT", "-o", "lo", "-p", "tcp", "--sport", u.Port(), "--dport", client, "-j", "DROP"},
	} {
		if out, err := osexec.CommandContext(ctx, iptables, append([]string{"-w", "-I"}, rule...)...).CombinedOutput(); err != nil {
			t.Skipf("iptables does not take a rule here: %v, %s", err, out)
		}
		t.Cleanup(func() {
			if out, err := osexec.CommandContext(ctx, iptables, append([]string{"-w", "-D"}, rule...)...).CombinedOutput(); err != nil {
				t.Errorf("the rule %v stays: %v, %s", rule, err, out)
			}
		})
	}
	vanished := time.Now()
	store := open(t, databaseURL)
	silent := false
	eventuallyWithin(t, time.Minute, "another runner gets the stream", func() bool {
		_, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
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
		t.Error("the runner that vanished was never seen to be silent")
	}
	t.Logf("the stream was free after %s", time.Since(vanished).Round(time.Second))
}
