package postgres_test

import (
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

// TestClaimReportsHolder tests that a second runner learns from the age of the holder's last statement whether the holder is
// alive.
func TestClaimReportsHolder(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	claimStore(t, databaseURL)
	role := "blind_" + strings.ReplaceAll(pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()::text"), "-", "_")
	pgtest.Exec(t, databaseURL, "CREATE ROLE "+role)
	t.Cleanup(func() { pgtest.Exec(t, databaseURL, "DROP ROLE "+role) })
	tests := []struct {
		name    string
		url     string
		silence time.Duration
		want    domain.Holder
		remedy  domain.Remedy
		hint    string
	}{
		{"ran a statement", databaseURL, time.Hour, domain.HolderAlive, domain.OtherStream, ""},
		{
			"silent", databaseURL, time.Nanosecond, domain.HolderSilent, 0,
			"pg_terminate_backend(" + strconv.Itoa(pgtest.QueryOne[int](t, databaseURL, selectHolderPID)) + ")",
		},
		{"not visible to this role", pgtest.WithParam(t, databaseURL, "role", role), time.Nanosecond, domain.HolderUnknown, domain.OtherStream, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store := postgres.NewStoreWith(newPool(t, tt.url), time.Hour, tt.silence)
			_, err := store.Claim(t.Context(), streamS, sourceURL)
			if domain.KindOf(err) != domain.Fenced {
				t.Fatalf("got %v, want Fenced", err)
			}
			if got := domain.AsError(err).Holder; got != tt.want {
				t.Errorf("got holder %d, want %d", got, tt.want)
			}
			if hint := domain.HintOf(err); domain.RemedyOf(err) != tt.remedy || !strings.Contains(hint, tt.hint) {
				t.Errorf("got remedy %d and hint %q, want %d and %q", domain.RemedyOf(err), hint, tt.remedy, tt.hint)
			}
		})
	}
}

// TestLockIntervals tests that a living runner never looks silent.
func TestLockIntervals(t *testing.T) {
	t.Parallel()
	if heartbeat, silence := postgres.NewStore(nil).Intervals(); heartbeat != 5*time.Second || silence != 10*time.Second {
		t.Errorf("got a heartbeat every %s and silence after %s, want 5s and 10s", heartbeat, silence)
	}
}

// TestLockHeartbeat tests that the holder runs statements, also after it has claimed the stream again, and stops when it is
// closed.
func TestLockHeartbeat(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store := postgres.NewStoreWith(newPool(t, databaseURL), 10*time.Millisecond, time.Hour)
	defer store.Close()
	for range 3 {
		if _, err := store.Claim(t.Context(), streamS, sourceURL); err != nil {
			t.Fatal(err)
		}
		const hasBeaten = "SELECT query = 'SELECT 1' AND state = 'idle' FROM pg_stat_activity WHERE pid = (" + selectHolderPID + ")"
		pgtest.Eventually(t, "a heartbeat", func() bool { return pgtest.QueryOne[bool](t, databaseURL, hasBeaten) })
	}
	store.Close()
	pgtest.Eventually(t, "the lock is free", func() bool {
		return pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM ("+selectHolderPID+") AS h") == 0
	})
}

// TestClaimBehindPooler tests that token and epoch alone fence the older runner where there is no session lock.
func TestClaimBehindPooler(t *testing.T) {
	t.Parallel()
	pooled := startProxy(t, pgtest.Database(t), servePooler)
	older, checkpoint := claimStore(t, pooled)
	claimStore(t, pooled)
	page := domain.DecodedPage{From: checkpoint.Position, To: checkpoint.Position, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	_, err := older.Commit(t.Context(), batchOf(checkpoint, page))
	if domain.KindOf(err) != domain.Fenced {
		t.Errorf("commit of the older claim: got %v, want Fenced", err)
	}
}

// TestKeepaliveSettings tests the settings by which the server notices within half a minute that a client's machine is gone.
func TestKeepaliveSettings(t *testing.T) {
	t.Parallel()
	const settings = `SELECT string_agg(current_setting(n), ' ') FROM unnest(ARRAY['tcp_keepalives_idle', 'tcp_keepalives_interval',
		'tcp_keepalives_count', 'tcp_user_timeout']) AS n`
	database := pgtest.Database(t)
	for name, tt := range map[string]struct{ url, want string }{
		"a direct connection":       {database, "10 5 3 25000"},
		"with a setting in the URL": {pgtest.WithParam(t, database, "tcp_keepalives_idle", "60"), "60 5 3 25000"},
		"behind a pooler":           {startProxy(t, database, servePooler), pgtest.QueryOne[string](t, database, settings)},
	} {
		var got string
		if err := newPool(t, tt.url).QueryRow(t.Context(), settings).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s: got %s, want %s; %v", name, got, tt.want, err)
		}
	}
}

// TestLockKeepaliveTimer reads the keepalive timer of the server's socket for the connection that holds the lock.
func TestLockKeepaliveTimer(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Local(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	store := postgres.NewStoreWith(newPool(t, databaseURL), time.Hour, time.Hour)
	defer store.Close()
	if _, err := store.Claim(t.Context(), streamS, sourceURL); err != nil {
		t.Fatal(err)
	}
	client := pgtest.QueryOne[int](t, databaseURL, "SELECT client_port FROM pg_stat_activity WHERE pid = ("+selectHolderPID+")")
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	if _, found := readKeepaliveTimer(t, port, client); !found {
		t.Fatal("/proc/net/tcp does not have the server's sockets")
	}
	pgtest.Eventually(t, "the timer is active and below 10 s", func() bool {
		left, _ := readKeepaliveTimer(t, port, client)
		return left > 0 && left <= 10*time.Second
	})
}

// TestClaimOverUnixSocket tests that the keepalive settings, which have no effect there, do no harm.
func TestClaimOverUnixSocket(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	dir, _, _ := strings.Cut(pgtest.QueryOne[string](t, databaseURL, "SHOW unix_socket_directories"), ",")
	socket := "host=" + dir + " port=" + u.Port() + " dbname=" + strings.TrimPrefix(u.Path, "/") + " user=" + u.User.Username()
	if password, ok := u.User.Password(); ok {
		socket += " password=" + password
	}
	if _, err := os.Stat(dir + "/.s.PGSQL." + u.Port()); dir == "" || err != nil {
		t.Skipf("the server has no Unix socket on this machine (%q)", dir)
	}
	conn, err := pgx.Connect(t.Context(), socket)
	if err != nil {
		t.Skipf("the server refuses this user on its Unix socket: %v", err)
	}
	_ = conn.Close(t.Context())
	claimStore(t, socket)
}

// selectHolderPID selects the process id of the session that holds a stream's lock.
const selectHolderPID = `SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1 AND granted
	AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

// readKeepaliveTimer reads from the kernel's table when a socket sends its next keepalive probe, 0 if another timer is active.
// found reports whether the table has the socket.
func readKeepaliveTimer(t *testing.T, local, remote int) (left time.Duration, found bool) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // the columns: sl local_address rem_address st queues tr:tm->when …
		if len(fields) < 6 || !strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", local)) ||
			!strings.HasSuffix(fields[2], fmt.Sprintf(":%04X", remote)) {
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
