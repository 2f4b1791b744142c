package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestReaderStreams checks the list of streams, without streams and with several.
func TestReaderStreams(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	reader := postgres.NewReader(newPool(t, databaseURL))
	if streams, err := reader.Streams(t.Context()); err != nil || len(streams) != 0 {
		t.Errorf("an empty database: got %v, %v, want no stream", streams, err)
	}
	newPageWriter(t, databaseURL, "b").commitPage(endCursor, 1, 2, 3, 4, 5)
	newPageWriter(t, databaseURL, "a").commitPage(endCursor, 1, 2, 3, 4, 5)
	want := []domain.StreamID{{Source: "a"}, {Source: "b"}}
	if streams, err := reader.Streams(t.Context()); err != nil || !slices.Equal(streams, want) {
		t.Errorf("got %v, %v, want %v", streams, err, want)
	}
}

// TestReaderStatus checks the parts of a status that the report has not: the runner, the last pages, the dead letters and the drift. What
// belongs to another stream must not be in it.
func TestReaderStatus(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimProfiled(t, databaseURL, nil)
	pages := domain.MaxLastPages + 2
	for range pages {
		res, err := store.Commit(t.Context(), batchOf(checkpoint, emptyPage(checkpoint)))
		if err != nil {
			t.Fatal(err)
		}
		checkpoint = res.Checkpoint
	}
	pgtest.Exec(t, databaseURL, `INSERT INTO dead_letters
		OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(NULL::dead_letters, jsonb_build_object('id', id, 'stream', s, 'key', id, 'page_id', 1, 'index_in_page', 0,
			'reason', r, 'field', '', 'detail', '', 'payload', '', 'payload_sha256', '', 'seen', 1, 'others', 0, 'replays', 0,
			'parked_at', now(), 'resolved_at', a, 'resolution', CASE WHEN a IS NOT NULL THEN 'discarded' END))).*
		FROM (VALUES (1, 's', 'bad id', NULL), (2, 's', 'bad time', NULL), (3, 's', 'bad time', NULL), (4, 's', 'bad id', now()),
			(5, 'other', 'bad id', NULL)) AS v (id, s, r, a);
		INSERT INTO drift (stream, path, kind, first_page_id, last_page_id, count, sample)
		VALUES ('s', 'a', 'new field', 1, 1, 3, ''), ('s', 'b', 'new field', 1, 1, 4, ''), ('other', 'a', 'new field', 1, 1, 5, '')`)
	until := time.Now().Add(time.Minute).Truncate(time.Millisecond)
	store.SetState(domain.RunnerState{
		Activity: domain.ActivityRateLimited, Until: until, LastError: "bad", LastErrorAt: time.Now().Add(-time.Hour),
	})
	expectRunner(t, databaseURL, "s | m | 7 | v1 | waiting for the rate limit | bad | t | t | t | t | f")
	newPageWriter(t, databaseURL, "other").commitPage(endCursor, 1, 2, 3, 4, 5)

	status, err := postgres.NewReader(newPool(t, databaseURL)).Status(t.Context(), streamS)
	if err != nil {
		t.Fatal(err)
	}
	var seqs []int64
	for _, page := range status.LastPages {
		seqs = append(seqs, page.Seq)
	}
	if want := []int64{7, 6, 5, 4, 3}; !slices.Equal(seqs, want) {
		t.Errorf("got last pages %d, want %d", seqs, want)
	}
	wantOpen := []domain.ReasonCount{{Reason: "bad time", Count: 2}, {Reason: "bad id", Count: 1}}
	isSame := func(a, b domain.ReasonCount) bool { return a.Reason == b.Reason && a.Count == b.Count }
	if !slices.EqualFunc(status.Open, wantOpen, isSame) || status.OpenLetters() != 3 {
		t.Errorf("got open dead letters %+v, want %+v", status.Open, wantOpen)
	}
	if want := (domain.DriftTotal{Entries: 2, Records: 7}); status.Drift != want {
		t.Errorf("got drift %+v, want %+v", status.Drift, want)
	}
	runner := status.Runner
	if runner == nil {
		t.Fatal("got no runner, want one")
	}
	const tolerance = 10 * time.Second // for the time from SetState to the report
	isNear := func(a, b time.Time) bool { return a.Sub(b).Abs() < tolerance }
	if !runner.HasLock || !runner.IsAlive(status.Now) || !runner.Waits(status.Now) || !isNear(runner.Until, until) ||
		!isNear(runner.LastErrorAt, time.Now().Add(-time.Hour)) || runner.Token != checkpoint.Token {
		t.Errorf("got runner %+v at %s, want one that is alive and waits until %s", runner, status.Now, until)
	}
	store.SetState(domain.RunnerState{Activity: domain.ActivityEnded})
	store.Close()
	status, err = postgres.NewReader(newPool(t, databaseURL)).Status(t.Context(), streamS)
	if err != nil || status.Runner.HasLock || status.Runner.IsAlive(status.Now) || !status.Runner.HasEnded() {
		t.Errorf("after its end: got runner %+v, %v, want one that has ended", status.Runner, err)
	}
}
