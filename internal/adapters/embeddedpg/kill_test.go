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

// TestOpen_ConcurrentFirstOpens checks that several processes that open a new folder at the same time use the same server. The server
// must run until the last process has closed it.
func TestOpen_ConcurrentFirstOpens(t *testing.T) {
	requirePrograms(t)
	dir := filepath.Join(makePublicTempDir(t), "data")
	const processes = 6
	var users []*userProcess
	for range processes {
		users = append(users, startUserProcess(t, dir, nil))
	}
	url := users[0].mustOpen(t)
	for _, u := range users[1:] {
		if other := u.mustOpen(t); other != url {
			t.Errorf("got URL %s, want the first user's %s", other, url)
		}
	}
	for closed, u := range users { // closed is the number of users that have closed the server
		if !isAlive(t.Context(), url) {
			t.Fatalf("the server has stopped while it has %d users", processes-closed)
		}
		u.close(t)
	}
	if isAlive(t.Context(), url) {
		t.Error("the server still runs after its last user has closed it")
	}
}

// TestOpen_AfterKilledUser checks that a server continues to run when its only user is killed, and that the next Open uses it.
func TestOpen_AfterKilledUser(t *testing.T) {
	c, dir := testConfig(t), filepath.Join(makePublicTempDir(t), "data")
	victim := startUserProcess(t, dir, nil)
	url := victim.mustOpen(t)
	victim.kill(t)
	if !isAlive(t.Context(), url) {
		t.Fatal("the server has stopped with its killed user, want it to run for the next user")
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

// TestOpen_KilledMeanwhile checks that Open succeeds after another process was killed during the first Open of the folder. The test
// kills such a process at many moments: at its start, while it makes the database, and while it starts the server.
func TestOpen_KilledMeanwhile(t *testing.T) {
	c := testConfig(t)
	type moment struct {
		line  string        // the beginning of the line that the process prints before the moment; empty means the process's start
		after time.Duration // the time from that line to the moment
	}
	moments := []moment{{line: "", after: 0}}
	for _, ms := range []int{0, 200, 400, 600, 800} {
		moments = append(moments, moment{line: "report making a database", after: time.Duration(ms) * time.Millisecond})
	}
	for _, ms := range []int{0, 5, 10, 20, 40, 80} {
		moments = append(moments, moment{line: "report starting PostgreSQL", after: time.Duration(ms) * time.Millisecond})
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
			srv = c.mustOpen(t, dir) // a start of the server also removes the staging folders of the killed process
			if left, _ := filepath.Glob(filepath.Join(srv.dir.path, stagingPrefix+"*")); len(left) > 0 {
				t.Errorf("got staging folders %v, want none", left)
			}
		})
	}
}

// TestOpen_RecoversKilledServerInUse checks that Open starts a killed server again. The server must have the same URL and the same
// data as before. When the server is killed, another process uses it, and a query runs.
func TestOpen_RecoversKilledServerInUse(t *testing.T) {
	c, dir := testConfig(t), filepath.Join(makePublicTempDir(t), "data")
	other := startUserProcess(t, dir, nil)
	url := other.mustOpen(t)
	createStoredTable(t, url)
	waitForQuery := startLongQuery(t, url)
	d := openTestDir(t, c, dir)
	pm, err := d.readPostmaster(t.Context())
	if err != nil || !pm.runs {
		t.Fatalf("got server %+v, %v, want one that runs", pm, err)
	}
	if err := syscall.Kill(pm.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	srv := c.mustOpen(t, dir)
	if n := mustQuery(t, srv.URL(), "SELECT count(*) FROM stored"); n != storedRows {
		t.Errorf("got %d rows after the kill, want %d", n, storedRows)
	}
	if srv.URL() != url {
		t.Errorf("got URL %s after the kill, want the same URL as before, %s", srv.URL(), url)
	}
	waitForQuery()
	other.close(t)
	if !isAlive(t.Context(), srv.URL()) {
		t.Error("the server has stopped while it has a user")
	}
}

// startLongQuery starts a query that takes some seconds, and returns when the query runs. If the server's main process is killed, the
// server's process for this query continues to run for a while. wait waits until the query has ended.
func startLongQuery(t *testing.T, url string) (wait func()) {
	t.Helper()
	const (
		longQuery    = "SELECT count(*) FROM generate_series(1, 5000000)"
		countRunning = "SELECT count(*) FROM pg_stat_activity WHERE query = '" + longQuery + "'"
	)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = query(t.Context(), url, longQuery) // fails if the test kills the server
	}()
	waitFor(t, "the query to run", func() bool {
		n, err := query(t.Context(), url, countRunning)
		return err == nil && n == 1
	})
	return func() { <-done }
}

// openTestDir opens the server's folder in dir and starts no server. It closes the folder at the end of the test.
func openTestDir(t *testing.T, c config, dir string) *serverDir {
	t.Helper()
	d, err := c.openServerDir(t.Context(), dir, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.close)
	return d
}

// TestOpen_CancelledLeavesNoServer checks that no server runs if Open has failed because its context has ended. The test lets the
// context end at several moments of Open.
func TestOpen_CancelledLeavesNoServer(t *testing.T) {
	c, parent := testConfig(t), makePublicTempDir(t)
	for i := range 8 {
		timeout := time.Duration(i) * 150 * time.Millisecond // from 0 to 1.05 s
		t.Run(timeout.String(), func(t *testing.T) {
			dir := filepath.Join(parent, strconv.Itoa(i))
			ctx, cancel := context.WithTimeout(t.Context(), timeout)
			defer cancel()
			srv, err := c.open(ctx, dir, func(string) {})
			if err == nil { // Open was faster than the timeout
				mustClose(t, srv)
				return
			}
			if kind := domain.KindOf(err); kind != domain.Stopped || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got kind %v: %v, want Stopped by the deadline", kind, err)
			}
			d := openTestDir(t, c, dir)
			if pm, err := d.readPostmaster(t.Context()); err != nil || pm.pid != 0 {
				t.Errorf("got server %+v, %v, want none", pm, err)
			}
		})
	}
}
