package postgres_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// holderPID finds the session that holds a stream's lock.
const holderPID = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// TestASecondRunnerSeesWhetherTheHolderIsAlive by the age of its last statement.
func TestASecondRunnerSeesWhetherTheHolderIsAlive(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	claimed(t, databaseURL)
	role := "blind_" + strings.ReplaceAll(queryOne[string](t, databaseURL, "SELECT current_database()::text"), "-", "_")
	exec(t, databaseURL, "CREATE ROLE "+role)
	t.Cleanup(func() { exec(t, databaseURL, "DROP ROLE "+role) })
	tests := []struct {
		name    string
		url     string
		silence time.Duration
		want    domain.Holder
		hint    string
	}{
		{"it has just said something", databaseURL, time.Hour, domain.HolderAlive, "wait for it to end"},
		{
			"it has not for long", databaseURL, time.Nanosecond, domain.HolderSilent,
			"pg_terminate_backend(" + strconv.Itoa(queryOne[int](t, databaseURL, holderPID)) + ")",
		},
		{"this role may not see it", pgtest.WithParam(t, databaseURL, "role", role), time.Nanosecond, domain.HolderUnknown, "wait for it to end"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := postgres.NewStoreWith(poolOn(t, tt.url), time.Hour, tt.silence)
			_, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
			if domain.KindOf(err) != domain.Fenced || domain.AsError(err).Holder != tt.want || !strings.Contains(domain.HintOf(err), tt.hint) {
				t.Errorf("%v, holder %d, hint %q", err, domain.AsError(err).Holder, domain.HintOf(err))
			}
		})
	}
}

// TestTheIntervalsOfTheLock: a runner that lives must never look silent.
func TestTheIntervalsOfTheLock(t *testing.T) {
	t.Parallel()
	if heartbeat, silence := postgres.NewStore(nil).Intervals(); heartbeat != 5*time.Second || silence != 10*time.Second {
		t.Errorf("a statement every %s, silent after %s", heartbeat, silence)
	}
}

// TestTheHolderOfALockSaysSomethingNowAndThen, also after it has claimed the stream again, and no longer once it is closed.
func TestTheHolderOfALockSaysSomethingNowAndThen(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store := postgres.NewStoreWith(poolOn(t, databaseURL), 10*time.Millisecond, time.Hour)
	defer store.Close()
	for range 3 {
		if _, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example"); err != nil {
			t.Fatal(err)
		}
		const spoke = "SELECT query = 'SELECT 1' AND state = 'idle' FROM pg_stat_activity WHERE pid = (" + holderPID + ")"
		eventually(t, "a heartbeat", func() bool { return queryOne[bool](t, databaseURL, spoke) })
	}
	store.Close()
	eventually(t, "the lock is free", func() bool { return queryOne[int](t, databaseURL, "SELECT count(*) FROM ("+holderPID+") AS h") == 0 })
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	eventuallyWithin(t, 30*time.Second, what, holds)
}

func eventuallyWithin(t *testing.T, limit time.Duration, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("not within %s: %s", limit, what)
		}
	}
}

// TestTheServerWatchesItsClient: of a machine that is gone it knows within half a minute.
func TestTheServerWatchesItsClient(t *testing.T) {
	t.Parallel()
	const settings = `SELECT string_agg(current_setting(n), ' ') FROM unnest(ARRAY['tcp_keepalives_idle', 'tcp_keepalives_interval',
		'tcp_keepalives_count', 'tcp_user_timeout']) AS n`
	database := pgtest.Database(t)
	for name, tt := range map[string]struct{ url, want string }{
		"a direct connection":     {database, "10 5 3 25000"},
		"what the URL sets stays": {pgtest.WithParam(t, database, "tcp_keepalives_idle", "60"), "60 5 3 25000"},
		"behind a pooler":         {through(t, database, pool), queryOne[string](t, database, settings)},
	} {
		var got string // as the kernel has it
		if err := poolOn(t, tt.url).QueryRow(t.Context(), settings).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s: %s, want %s; %v", name, got, tt.want, err)
		}
	}
}

// TestTheKeepaliveTimerOfTheLock looks at the server's socket of the connection that holds the lock.
func TestTheKeepaliveTimerOfTheLock(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Local(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStoreWith(poolOn(t, databaseURL), time.Hour, time.Hour)
	defer store.Close()
	if _, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example"); err != nil {
		t.Fatal(err)
	}
	client := queryOne[int](t, databaseURL, "SELECT client_port FROM pg_stat_activity WHERE pid = ("+holderPID+")")
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	if _, seen := keepaliveTimer(t, port, client); !seen {
		t.Fatal("the server's sockets are not on this machine's list (/proc/net/tcp)")
	}
	eventually(t, "the timer runs down from 10 s", func() bool {
		left, _ := keepaliveTimer(t, port, client)
		return left > 0 && left <= 10*time.Second
	})
}

// keepaliveTimer reads when the kernel next asks a socket's other end whether it is there; 0 if another timer is active.
func keepaliveTimer(t *testing.T, local, remote int) (left time.Duration, seen bool) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // sl local_address rem_address st queues tr:tm->when …
		if len(fields) < 6 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", local)) || !strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", remote)) {
			continue
		}
		timer, when, _ := strings.Cut(fields[5], ":")
		ticks, err := hex.DecodeString(when)
		if err != nil {
			t.Fatal(err)
		}
		if timer != "02" {
			return 0, true
		}
		n := 0
		for _, b := range ticks {
			n = n<<8 | int(b)
		}
		return time.Duration(n) * 10 * time.Millisecond, true // a tick is 1/100 s
	}
	return 0, false
}

// TestAUnixSocketNeedsNoKeepalive: the settings have no effect there, and do no harm.
func TestAUnixSocketNeedsNoKeepalive(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	dir, _, _ := strings.Cut(queryOne[string](t, databaseURL, "SHOW unix_socket_directories"), ",")
	socket := "host=" + dir + " port=" + u.Port() + " dbname=" + strings.TrimPrefix(u.Path, "/") + " user=" + u.User.Username()
	if password, ok := u.User.Password(); ok {
		socket += " password=" + password
	}
	if _, err := os.Stat(dir + "/.s.PGSQL." + u.Port()); dir == "" || err != nil {
		t.Skipf("the server has no Unix socket on this machine (%q)", dir)
	}
	conn, err := pgx.Connect(t.Context(), socket)
	if err != nil {
		t.Skipf("the server does not let this user in by its Unix socket: %v", err)
	}
	_ = conn.Close(t.Context())
	claimed(t, socket)
}
