package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// lock holds a lock until the function it returns is called.
func lock(t *testing.T, databaseURL, sql string) (unlock func()) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	end := sync.OnceFunc(func() { _ = conn.Close(context.Background()) })
	t.Cleanup(end)
	if _, err := conn.Exec(t.Context(), "BEGIN; "+sql); err != nil {
		t.Fatal(err)
	}
	return end
}

// until asks the database until it says yes.
func until(t *testing.T, databaseURL, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for tick := time.NewTicker(10 * time.Millisecond); ; {
		if queryOne[bool](t, databaseURL, sql) {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("it does not become true: %s", sql)
		}
	}
}

// TestTwoReplaysAtOnce both come to their end, and each letter is resolved by one of them. Both have read every letter
// before either may write.
func TestTwoReplaysAtOnce(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	receive(t, databaseURL, unread(1, 700)...)
	unlock := lock(t, databaseURL, "SELECT FROM checkpoints FOR UPDATE")
	reports := make(chan replay.Report, 2)
	for range 2 {
		store := replaysOn(t, pgtest.WithParam(t, databaseURL, "application_name", "replay"))
		go func() {
			report, err := replayAll(t.Context(), store, today)
			if err != nil {
				t.Error(err)
			}
			reports <- report
		}()
	}
	until(t, databaseURL, "SELECT count(*) = 2 FROM pg_stat_activity WHERE application_name = 'replay' AND wait_event_type = 'Lock'")
	unlock()
	one, two := <-reports, <-reports
	if both := one.Counts.Add(two.Counts); both.Inserted != 700 || both.Duplicate != 0 || !one.Balanced() || !two.Balanced() || one.Skipped+two.Skipped < 250 {
		t.Errorf("%+v and %+v", one, two)
	}
	if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE resolution = 'replayed' AND replays = 1"); n != 700 {
		t.Errorf("%d letters replayed once", n)
	}
	ledgerIsSound(t, databaseURL)
}

// TestAReplayBesideARun: the run commits page after page while letters are replayed, and is not fenced; the letters it
// parks meanwhile are for the next replay.
func TestAReplayBesideARun(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	stream := domain.StreamID{Source: "s"}
	runner := open(t, databaseURL)
	at, err := runner.Claim(t.Context(), stream, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	at = receiveNext(t, runner, at, unread(1, 1100)...)
	store := replaysOn(t, databaseURL)
	replayed := make(chan replay.Report, 1)
	go func() {
		report, err := replayAll(t.Context(), store, today)
		if err != nil {
			t.Error(err)
		}
		replayed <- report
	}()
	pages := 0
	var report replay.Report
	for done := false; !done || pages < 20; pages++ {
		at = receiveNext(t, runner, at, unread(10_000+10*pages, 10_009+10*pages)...)
		select {
		case report = <-replayed:
			done = true
		default:
		}
	}
	if report.Received < 2200 || report.Inserted < 1100 || report.Skipped != 0 {
		t.Errorf("%+v", report)
	}
	if between := queryOne[int](t, databaseURL, `SELECT count(*) FROM pages r WHERE kind = 'replay' AND
		EXISTS (SELECT FROM pages p WHERE p.kind = 'page' AND p.id > r.id)`); between == 0 {
		t.Errorf("no replay came between the %d pages", pages)
	}
	ledgerIsSound(t, databaseURL)
}

// TestAReplayThatWaited has an id behind whatever was committed while it did: readers follow them.
func TestAReplayThatWaited(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	receive(t, databaseURL, unread(1, 1)...)
	unlock := lock(t, databaseURL, "SELECT FROM checkpoints FOR UPDATE")
	store := replaysOn(t, pgtest.WithParam(t, databaseURL, "application_name", "replay"))
	ended := make(chan error, 1)
	go func() {
		_, err := replayAll(t.Context(), store, today)
		ended <- err
	}()
	until(t, databaseURL, "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'replay' AND wait_event_type = 'Lock'")
	taken := queryOne[int64](t, databaseURL, "SELECT nextval(pg_get_serial_sequence('pages', 'id'))") // as whoever holds the row does
	unlock()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if id := queryOne[int64](t, databaseURL, "SELECT id FROM pages WHERE kind = 'replay'"); id <= taken {
		t.Errorf("its id is %d, and %d was taken before", id, taken)
	}
}

// TestAReplayWhoseCommitIsLost goes on from what is open, whether it happened or not.
func TestAReplayWhoseCommitIsLost(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delivers bool
		want     domain.Counts
	}{
		"that the server never saw": {false, domain.Counts{Received: 6, Inserted: 3, Parked: 3}},
		"that was carried out":      {true, domain.Counts{Received: 3, Parked: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			receive(t, databaseURL, unread(1, 3)...)
			c := &cutter{delivers: tt.delivers}
			store := replaysOn(t, through(t, databaseURL, c.serve))
			c.armed.Store(true)
			report, err := replayAll(t.Context(), store, today)
			if err != nil || report.Counts != tt.want || report.Unanswered != 1 {
				t.Errorf("%+v, %v", report, err)
			}
			if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != 3 {
				t.Errorf("%d events", n)
			}
			ledgerIsSound(t, databaseURL)
		})
	}
}
