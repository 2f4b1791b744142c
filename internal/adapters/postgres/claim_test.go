package postgres_test

import (
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

// TestClaimReportsHolder checks that Claim reports whether the runner that holds the stream is alive. Claim decides this by the
// age of the last statement on the connection of the holder.
func TestClaimReportsHolder(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	claimProfiled(t, databaseURL, nil)
	expectRunner(t, databaseURL, "s | m | 7 | v1 | working |  | f | f | t | t | f")
	since := pgtest.QueryOne[time.Time](t, databaseURL, "SELECT since FROM runners").Local().Format(time.DateTime + " MST")
	databaseName := pgtest.QueryOne[string](t, databaseURL, "SELECT current_database()::text")
	blindRole := "blind_" + strings.ReplaceAll(databaseName, "-", "_") // it may not see the sessions of other roles
	pgtest.Exec(t, databaseURL, "CREATE ROLE "+blindRole)
	t.Cleanup(func() { pgtest.Exec(t, databaseURL, "DROP ROLE "+blindRole) })
	holderPID := strconv.Itoa(pgtest.QueryOne[int](t, databaseURL, selectHolderPID))
	tests := []struct {
		name       string
		url        string
		silence    time.Duration // the age of the last statement from which the holder counts as silent
		want       domain.Holder
		wantRemedy domain.Remedy // 0 if there is none
		wantText   string        // a part of the error
		wantHint   string        // a part of the hint
	}{
		{
			name: "holder ran a statement", url: databaseURL, silence: time.Hour,
			want: domain.HolderAlive, wantText: "stream s: pid 7 on m, since " + since, wantRemedy: domain.WaitForRunner,
		},
		{
			name: "silent holder", url: databaseURL, silence: time.Nanosecond,
			want: domain.HolderSilent, wantText: "stream s: pid 7 on m, since " + since + "; it has sent nothing", wantHint: "pg_terminate_backend(" + holderPID + ")",
		},
		{
			name: "holder not visible to this role", url: pgtest.WithParam(t, databaseURL, "role", blindRole), silence: time.Nanosecond,
			want: domain.HolderUnknown, wantText: "another runner holds stream s", wantRemedy: domain.WaitForRunner,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const heartbeat = time.Hour // never in this test
			store := postgres.NewStoreWithIntervals(newPool(t, tt.url), heartbeat, tt.silence)
			_, err := store.Claim(t.Context(), streamS, sourceURL)
			if domain.KindOf(err) != domain.Fenced {
				t.Fatalf("got %v, want Fenced", err)
			}
			if got := domain.AsError(err).Holder; got != tt.want {
				t.Errorf("got holder %d, want %d", got, tt.want)
			}
			if !strings.Contains(err.Error(), tt.wantText) {
				t.Errorf("got error %q, want %q in it", err, tt.wantText)
			}
			if got := domain.RemedyOf(err); got != tt.wantRemedy {
				t.Errorf("got remedy %d, want %d", got, tt.wantRemedy)
			}
			if got := domain.HintOf(err); !strings.Contains(got, tt.wantHint) {
				t.Errorf("got hint %q, want %q in it", got, tt.wantHint)
			}
		})
	}
}

// TestLockIntervals checks that a holder counts as silent only after it has missed two heartbeats.
func TestLockIntervals(t *testing.T) {
	t.Parallel()
	if heartbeat, silence := postgres.NewStore(nil, postgres.RunnerProfile{}).Intervals(); heartbeat != 5*time.Second || silence != 10*time.Second {
		t.Errorf("got a heartbeat every %s and silence after %s, want 5s and 10s", heartbeat, silence)
	}
}

// TestLockHeartbeat checks that the holder of the lock runs a statement at each heartbeat. It must do so after every claim, and it
// must release the lock when its store is closed.
func TestLockHeartbeat(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	const heartbeat, silence = 10 * time.Millisecond, time.Hour
	store := postgres.NewStoreWithIntervals(newPool(t, databaseURL), heartbeat, silence)
	defer store.Close()
	const claims = 3
	for range claims {
		if _, err := store.Claim(t.Context(), streamS, sourceURL); err != nil {
			t.Fatal(err)
		}
		const ranHeartbeat = "SELECT query LIKE '%INSERT INTO runners%' AND state = 'idle' FROM pg_stat_activity WHERE pid = (" + selectHolderPID + ")"
		pgtest.Eventually(t, "a heartbeat", func() bool { return pgtest.QueryOne[bool](t, databaseURL, ranHeartbeat) })
	}
	store.Close()
	pgtest.Eventually(t, "the lock is free", func() bool {
		return pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM ("+selectHolderPID+") AS holders") == 0
	})
}

// TestKeepaliveSettings checks the settings of the server's sockets. With them the server notices within half a minute that the
// machine of a client has vanished. A setting in the URL has priority, and a connection behind a pooler gets no settings.
func TestKeepaliveSettings(t *testing.T) {
	t.Parallel()
	const readSettings = `SELECT string_agg(current_setting(n), ' ') FROM unnest(ARRAY['tcp_keepalives_idle', 'tcp_keepalives_interval',
		'tcp_keepalives_count', 'tcp_user_timeout']) AS n`
	database := pgtest.Database(t)
	serverDefaults := pgtest.QueryOne[string](t, database, readSettings)
	for name, tt := range map[string]struct{ url, want string }{
		"a direct connection":       {url: database, want: "10 5 3 25000"}, // 10 s + 3 probes at intervals of 5 s = 25,000 ms
		"with a setting in the URL": {url: pgtest.WithParam(t, database, "tcp_keepalives_idle", "60"), want: "60 5 3 25000"},
		"behind a pooler":           {url: startProxy(t, database, servePooler), want: serverDefaults},
	} {
		var got string
		if err := newPool(t, tt.url).QueryRow(t.Context(), readSettings).Scan(&got); err != nil || got != tt.want {
			t.Errorf("%s: got settings %q, %v, want %q", name, got, err, tt.want)
		}
	}
}

// TestLockKeepaliveTimer checks that the server's socket of the connection that holds the lock has an active keepalive timer. The
// test reads the timer from the kernel.
func TestLockKeepaliveTimer(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Local(t)
	u, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	const heartbeat, silence = time.Hour, time.Hour // no heartbeat in this test
	store := postgres.NewStoreWithIntervals(newPool(t, databaseURL), heartbeat, silence)
	defer store.Close()
	if _, err := store.Claim(t.Context(), streamS, sourceURL); err != nil {
		t.Fatal(err)
	}
	clientPort := pgtest.QueryOne[int](t, databaseURL, "SELECT client_port FROM pg_stat_activity WHERE pid = ("+selectHolderPID+")")
	serverPort, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	if _, found := readKeepaliveTimer(t, serverPort, clientPort); !found {
		t.Fatal("/proc/net/tcp does not have the server's sockets")
	}
	pgtest.Eventually(t, "the timer is active and sends the next probe within 10 s", func() bool {
		left, _ := readKeepaliveTimer(t, serverPort, clientPort)
		return left > 0 && left <= 10*time.Second
	})
}

// TestClaimOverUnixSocket checks that Claim works over a Unix socket. The keepalive settings have no effect there and must not
// cause an error.
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

// readKeepaliveTimer reads from the kernel's table of sockets how long the socket with these ports waits until its next keepalive
// probe. left is 0 if another timer is active. found reports whether the table has the socket.
func readKeepaliveTimer(t *testing.T, localPort, remotePort int) (left time.Duration, found bool) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(table)) {
		fields := strings.Fields(line) // the columns: sl local_address rem_address st queues tr:tm->when …
		if len(fields) < 6 {
			continue
		}
		localAddress, remoteAddress, timer := fields[1], fields[2], fields[5]
		hasPorts := strings.HasSuffix(localAddress, fmt.Sprintf(":%04X", localPort)) &&
			strings.HasSuffix(remoteAddress, fmt.Sprintf(":%04X", remotePort))
		if !hasPorts {
			continue
		}
		kind, when, _ := strings.Cut(timer, ":")
		if kind != "02" { // 02 is the keepalive timer
			return 0, true
		}
		ticks, err := strconv.ParseInt(when, 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		return time.Duration(ticks) * 10 * time.Millisecond, true // a tick is 1/100 s
	}
	return 0, false
}

// TestClaimWithoutUniqueID checks that a runner does not claim a stream if the table of events has no key that keeps an id unique, and
// that it does so with another key of this kind.
func TestClaimWithoutUniqueID(t *testing.T) {
	t.Parallel()
	const dropKey = "ALTER TABLE events DROP CONSTRAINT events_pkey; "
	for _, tt := range []struct {
		name, sql string
		want      domain.Kind // of the error; 0 if the claim must succeed
	}{
		{name: "no key", sql: dropKey, want: domain.Invalid},
		{name: "a key with a second column", sql: dropKey + "ALTER TABLE events ADD PRIMARY KEY (id, occurred_at)", want: domain.Invalid},
		{name: "a key for some rows", sql: dropKey + "CREATE UNIQUE INDEX ON events (id) WHERE page_id > 7", want: domain.Invalid},
		{name: "a key that is checked at COMMIT", sql: dropKey + "ALTER TABLE events ADD UNIQUE (id) DEFERRABLE", want: domain.Invalid},
		{name: "another unique index", sql: dropKey + "CREATE UNIQUE INDEX ON events (id) INCLUDE (page_id)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			pgtest.Exec(t, databaseURL, tt.sql)
			_, err := newStore(t, databaseURL).Claim(t.Context(), streamS, sourceURL)
			if tt.want == 0 {
				if err != nil {
					t.Errorf("got error %v, want none", err)
				}
				return
			}
			if domain.KindOf(err) != tt.want || !strings.Contains(err.Error(), "no unique key on id") {
				t.Errorf("got error %v, want kind %s that names the missing key", err, tt.want)
			}
		})
	}
}
