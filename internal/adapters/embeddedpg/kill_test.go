package embeddedpg

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestOpen_ConcurrentFirstOpens checks that processes that open a new folder at once use the same server.
func TestOpen_ConcurrentFirstOpens(t *testing.T) {
	requirePrograms(t)
	dir := filepath.Join(makePublicTempDir(t), "data")
	var users []*userProcess
	for range 6 {
		users = append(users, startUserProcess(t, dir, nil))
	}
	url := users[0].mustOpen(t)
	for _, u := range users[1:] {
		if other := u.mustOpen(t); other != url {
			t.Errorf("got URL %s, want %s as the first user", other, url)
		}
	}
	for i, u := range users {
		if !isAlive(t.Context(), url) {
			t.Fatalf("the server has stopped while it has %d users", len(users)-i)
		}
		u.close(t)
	}
	if isAlive(t.Context(), url) {
		t.Error("the server still runs after its last user has closed it")
	}
}

func TestOpen_AfterKilledUser(t *testing.T) {
	c, dir := testConfig(t), filepath.Join(makePublicTempDir(t), "data")
	victim := startUserProcess(t, dir, nil)
	url := victim.mustOpen(t)
	victim.kill(t)
	if !isAlive(t.Context(), url) {
		t.Fatal("the server has stopped with its killed user, want it to stay for the next one")
	}

	srv := c.mustOpen(t, dir)
	if srv.URL() != url {
		t.Errorf("got URL %s, want the killed user's %s", srv.URL(), url)
	}
	mustClose(t, srv)
	if isAlive(t.Context(), url) {
		t.Error("the server still runs after its last user has closed it")
	}
}

// TestOpen_KilledMeanwhile kills a process at many moments of its first Open. The next Open must always succeed.
func TestOpen_KilledMeanwhile(t *testing.T) {
	c := testConfig(t)
	type moment struct {
		line  string // that Open has reported
		after time.Duration
	}
	moments := []moment{{"", 0}}
	for ms := 0; ms <= 800; ms += 200 {
		moments = append(moments, moment{"report making a database", time.Duration(ms) * time.Millisecond})
	}
	for _, ms := range []int{0, 5, 10, 20, 40, 80} {
		moments = append(moments, moment{"report starting PostgreSQL", time.Duration(ms) * time.Millisecond})
	}
	for _, m := range moments {
		t.Run(m.line+" "+m.after.String(), func(t *testing.T) {
			dir := filepath.Join(makePublicTempDir(t), "data")
			victim := startUserProcess(t, dir, nil)
			victim.waitForLine(t, m.line)
			<-time.After(m.after)
			victim.kill(t)

			srv := c.mustOpen(t, dir)
			mustQuery(t, srv.URL(), "CREATE TABLE t ()")
			url := srv.URL()
			mustClose(t, srv)
			if isAlive(t.Context(), url) {
				t.Error("the server still runs after its last user has closed it")
			}
			srv = c.mustOpen(t, dir)
			if left, _ := filepath.Glob(filepath.Join(srv.dir.path, stagingPrefix+"*")); len(left) > 0 {
				t.Errorf("got unfinished folders %v, want none", left)
			}
		})
	}
}

func TestOpen_RecoversKilledServerInUse(t *testing.T) {
	c, dir := testConfig(t), filepath.Join(makePublicTempDir(t), "data")
	other := startUserProcess(t, dir, nil)
	url := other.mustOpen(t)
	mustQuery(t, url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	waitForQuery := startLongQuery(t, url)
	d := openTestDir(t, c, dir)
	pm, err := d.readPostmaster(t.Context())
	if err != nil || !pm.runs {
		t.Fatalf("%+v, %v", pm, err)
	}
	if err := syscall.Kill(pm.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	srv := c.mustOpen(t, dir)
	if n := mustQuery(t, srv.URL(), "SELECT count(*) FROM kept"); n != 1000 {
		t.Errorf("got %d rows, want 1000", n)
	}
	if srv.URL() != url {
		t.Errorf("got URL %s, want %s as before the crash", srv.URL(), url)
	}
	waitForQuery()
	other.close(t)
	if !isAlive(t.Context(), srv.URL()) {
		t.Error("the server has stopped while it has a user")
	}
}

// startLongQuery keeps a connection busy. Its process survives a kill of the server for a while. wait returns when the
// query has ended.
func startLongQuery(t *testing.T, url string) (wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = query(t.Context(), url, "SELECT count(*) FROM generate_series(1, 5000000) a") // it may be cut off
	}()
	waitFor(t, "the query to run", func() bool {
		n, err := query(t.Context(), url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%5000000%' AND pid <> pg_backend_pid()")
		return err == nil && n == 1
	})
	return func() { <-done }
}

func openTestDir(t *testing.T, c config, dir string) *serverDir {
	t.Helper()
	d, err := c.openServerDir(t.Context(), dir, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

func TestOpen_CancelledLeavesNoServer(t *testing.T) {
	c, dir := testConfig(t), makePublicTempDir(t)
	for i := range 8 {
		after := time.Duration(i) * 150 * time.Millisecond
		t.Run(after.String(), func(t *testing.T) {
			dir := filepath.Join(dir, strconv.Itoa(i))
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			srv, err := c.open(ctx, dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
				return
			}
			if kind := domain.KindOf(err); kind != domain.Stopped || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got kind %v: %v, want Stopped by the deadline", kind, err)
			}
			d := openTestDir(t, c, dir)
			if pm, err := d.readPostmaster(t.Context()); err != nil || pm.pid != 0 {
				t.Errorf("got server %+v, %v; want none", pm, err)
			}
		})
	}
}
