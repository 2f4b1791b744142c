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

func TestFirstOpensAtOnceShareOneServer(t *testing.T) {
	needPrograms(t)
	dir := filepath.Join(passable(t), "data")
	var users []*visitor
	for range 6 {
		users = append(users, startVisitor(t, dir, nil))
	}
	url := users[0].mustOpen(t)
	for _, u := range users[1:] {
		if other := u.mustOpen(t); other != url {
			t.Errorf("%s and %s", other, url)
		}
	}
	for i, u := range users {
		if !answers(t.Context(), url) {
			t.Fatalf("the server has gone, and %d users are left", len(users)-i)
		}
		u.leave(t)
	}
	if answers(t.Context(), url) {
		t.Error("the server stayed after its last user")
	}
}

func TestServerOfAKilledUserIsAttachedToAndStopped(t *testing.T) {
	o, dir := testSetup(t), filepath.Join(passable(t), "data")
	victim := startVisitor(t, dir, nil)
	url := victim.mustOpen(t)
	victim.kill(t)
	if !answers(t.Context(), url) {
		t.Fatal("the server went with its user: it was to stay for the next")
	}

	srv := o.mustOpen(t, dir)
	if srv.URL() != url {
		t.Errorf("another server: %s after %s", srv.URL(), url)
	}
	mustClose(t, srv)
	if answers(t.Context(), url) {
		t.Error("the server stayed after its last user")
	}
}

// The kills are spread over all that a first Open does.
func TestKilledAnywhereInAFirstOpen(t *testing.T) {
	o := testSetup(t)
	type moment struct {
		said  string
		after time.Duration
	}
	moments := []moment{{"", 0}}
	for ms := 0; ms <= 800; ms += 200 {
		moments = append(moments, moment{"say making a database", time.Duration(ms) * time.Millisecond})
	}
	for _, ms := range []int{0, 5, 10, 20, 40, 80} {
		moments = append(moments, moment{"say starting PostgreSQL", time.Duration(ms) * time.Millisecond})
	}
	for _, m := range moments {
		t.Run(m.said+" "+m.after.String(), func(t *testing.T) {
			dir := filepath.Join(passable(t), "data")
			victim := startVisitor(t, dir, nil)
			victim.awaitLine(t, m.said)
			<-time.After(m.after)
			victim.kill(t)

			srv := o.mustOpen(t, dir)
			mustQuery(t, srv.URL(), "CREATE TABLE t ()")
			url := srv.URL()
			mustClose(t, srv)
			if answers(t.Context(), url) {
				t.Error("the server stayed")
			}
			srv = o.mustOpen(t, dir)
			if left, _ := filepath.Glob(filepath.Join(srv.home.dir, unfinished+"*")); len(left) > 0 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestKilledServerIsRecoveredWhileItIsInUse(t *testing.T) {
	o, dir := testSetup(t), filepath.Join(passable(t), "data")
	other := startVisitor(t, dir, nil)
	url := other.mustOpen(t)
	mustQuery(t, url, "CREATE TABLE kept AS SELECT generate_series(1, 1000) AS n")
	conn := busy(t, url)
	h := homeIn(t, o, dir)
	pm, err := h.postmaster(t.Context())
	if err != nil || !pm.runs {
		t.Fatalf("%+v, %v", pm, err)
	}
	if err := syscall.Kill(pm.pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}

	srv := o.mustOpen(t, dir)
	if n := mustQuery(t, srv.URL(), "SELECT count(*) FROM kept"); n != 1000 {
		t.Errorf("%d rows", n)
	}
	if srv.URL() != url {
		t.Errorf("the other user's %s doesn't lead to the new server %s", url, srv.URL())
	}
	conn()
	other.leave(t)
	if !answers(t.Context(), srv.URL()) {
		t.Error("the server went while it had a user")
	}
}

// busy keeps a connection at work, whose process outlives the killed server for a while.
func busy(t *testing.T, url string) (wait func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = query(t.Context(), url, "SELECT count(*) FROM generate_series(1, 5000000) a") // it may be cut off
	}()
	within(t, "the query runs", func() bool {
		n, err := query(t.Context(), url, "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%5000000%' AND pid <> pg_backend_pid()")
		return err == nil && n == 1
	})
	return func() { <-done }
}

func homeIn(t *testing.T, o setup, dir string) *home {
	t.Helper()
	h, err := o.settle(t.Context(), dir, func(line string) { t.Log(line) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	return h
}

func TestCancelledOpenLeavesNothingRunning(t *testing.T) {
	o, dir := testSetup(t), passable(t)
	for i := range 8 {
		after := time.Duration(i) * 150 * time.Millisecond
		t.Run(after.String(), func(t *testing.T) {
			dir := filepath.Join(dir, strconv.Itoa(i))
			ctx, cancel := context.WithTimeout(t.Context(), after)
			defer cancel()
			srv, err := o.open(ctx, dir, func(string) {})
			if err == nil {
				mustClose(t, srv)
				return
			}
			if kind := domain.KindOf(err); kind != domain.Stopped || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("kind %v: %v", kind, err)
			}
			h := homeIn(t, o, dir)
			if pm, err := h.postmaster(t.Context()); err != nil || pm.pid != 0 {
				t.Errorf("a server is left: %+v, %v", pm, err)
			}
		})
	}
}
