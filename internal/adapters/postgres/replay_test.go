package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

func TestReplayStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ReplayChecks(), func(t *testing.T) domaintest.ReplayUnderTest {
		t.Helper()
		databaseURL := pgtest.Database(t)
		return domaintest.ReplayUnderTest{StoreUnderTest: storeUnderTest(t, databaseURL), Replays: newReplayStore(t, databaseURL)}
	})
}

// TestReplayWithLaterDecoder tests that a replay stores exactly those records that the decoder accepts meanwhile, once.
func TestReplayWithLaterDecoder(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, append(undecodedPayloads(1, 400), "1001", "1002")...)
	store := newReplayStore(t, databaseURL)
	for _, tt := range []struct {
		decoder domain.Decoder
		want    domain.Counts
	}{
		{domaintest.LineDecoder{}, domain.Counts{Received: 800, Parked: 800}},
		{laterDecoder, domain.Counts{Received: 800, Inserted: 400, Parked: 400}},
		{laterDecoder, domain.Counts{Received: 400, Parked: 400}},
	} {
		report, err := replayAll(t.Context(), store, tt.decoder)
		if err != nil || report.Counts != tt.want || report.Again["not a number"] != tt.want.Parked {
			t.Errorf("got %+v, %v, want %+v", report, err, tt.want)
		}
		checkLedger(t, databaseURL)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, `SELECT count(*) FROM events e
		JOIN dead_letters l ON l.event_id = e.id AND l.resolution = 'replayed'
		WHERE convert_from(l.payload, 'UTF8') = 'no.' || substr(e.name, 7) AND l.resolved_why <> ''
		AND l.resolved_page_id = e.page_id`); n != 400 {
		t.Errorf("got %d events stored by a replay, want 400", n)
	}
}

// TestReplayBatchSize tests that a batch is bounded in letters and bytes, except for a single letter that is larger.
func TestReplayBatchSize(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 251)...)
	pgtest.Exec(t, databaseURL, `UPDATE dead_letters
		SET payload = convert_to(repeat('x', CASE id WHEN 501 THEN 17 ELSE 9 END << 20), 'UTF8') WHERE id > 500`)
	pgtest.Exec(t, databaseURL, `INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen)
		SELECT 's', 'k' || n, 1, 0, 'r', '', '', convert_to(repeat('x', (7 << 20) + n - 1), 'UTF8'), '', 1 FROM generate_series(1, 2) n`)
	store := newReplayStore(t, databaseURL)
	after := int64(0)
	for _, want := range []int{500, 1, 2, 1} {
		letters, err := store.Open(t.Context(), streamS, domain.DeadLetterSelection{All: true}, after, 1<<40)
		if err != nil || len(letters) != want {
			t.Fatalf("got %d dead letters after %d, want %d: %v", len(letters), after, want, err)
		}
		after = letters[len(letters)-1].ID
	}
}

// TestReplayKilled tests that a replay whose connection is ended writes nothing, and that the next one replays all letters.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 10)...)
	store := newReplayStore(t, pgtest.WithParam(t, databaseURL, "application_name", "victim"))
	stream := streamS
	letters, err := store.Open(t.Context(), stream, domain.DeadLetterSelection{All: true}, 0, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	unlock := lockRows(t, databaseURL, "LOCK TABLE pages IN SHARE MODE") // the ledger row is written last
	ended := make(chan error, 1)
	go func() {
		_, err := store.Replay(t.Context(), domain.Redecode(stream, letters, time.Now(), laterDecoder))
		ended <- err
	}()
	waitForLock(t, databaseURL, "victim", 1)
	terminateSessions(t, databaseURL, "victim")
	if err := <-ended; domain.KindOf(err) != domain.Transient {
		t.Errorf("got %v, want Transient", err)
	}
	unlock()
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) + (SELECT sum(replays) FROM dead_letters) FROM events"); n != 0 {
		t.Errorf("got %d events and replays, want 0", n)
	}
	report, err := replayAll(t.Context(), store, laterDecoder)
	if want := (domain.Counts{Received: 20, Inserted: 10, Parked: 10}); err != nil || report.Counts != want {
		t.Errorf("next replay: got %+v, %v, want %+v", report.Counts, err, want)
	}
	checkLedger(t, databaseURL)
}

// TestReplayConcurrently tests that each letter is resolved by one of two replays. Both have read letters before either may
// write.
func TestReplayConcurrently(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 700)...)
	unlock := lockRows(t, databaseURL, "SELECT FROM checkpoints FOR UPDATE")
	reports := make(chan replay.Report, 2)
	for range 2 {
		store := newReplayStore(t, pgtest.WithParam(t, databaseURL, "application_name", "replay"))
		go func() {
			report, err := replayAll(t.Context(), store, laterDecoder)
			if err != nil {
				t.Error(err)
			}
			reports <- report
		}()
	}
	waitForLock(t, databaseURL, "replay", 2)
	unlock()
	one, two := <-reports, <-reports
	both := one.Counts.Add(two.Counts)
	if both.Inserted != 700 || both.Duplicate != 0 || !one.Balanced() || !two.Balanced() || one.Skipped+two.Skipped < 250 {
		t.Errorf("got %+v and %+v, want 700 inserted together", one, two)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE resolution = 'replayed' AND replays = 1"); n != 700 {
		t.Errorf("got %d dead letters replayed once, want 700", n)
	}
	checkLedger(t, databaseURL)
}

// TestReplayDuringRun tests that a replay does not fence a run that commits pages meanwhile. The letters that the run parks are
// left to the next replay.
func TestReplayDuringRun(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	runner, at := claimStore(t, databaseURL)
	at = storeNextPayloads(t, runner, at, undecodedPayloads(1, 1100)...)
	store := newReplayStore(t, databaseURL)
	replayed := make(chan replay.Report, 1)
	go func() {
		report, err := replayAll(t.Context(), store, laterDecoder)
		if err != nil {
			t.Error(err)
		}
		replayed <- report
	}()
	pages := 0
	var report replay.Report
	for done := false; !done || pages < 20; pages++ {
		at = storeNextPayloads(t, runner, at, undecodedPayloads(10_000+10*pages, 10_009+10*pages)...)
		select {
		case report = <-replayed:
			done = true
		default:
		}
	}
	if report.Received < 2200 || report.Inserted < 1100 || report.Skipped != 0 {
		t.Errorf("got %+v, want at least 2200 received and 1100 inserted", report)
	}
	if between := pgtest.QueryOne[int](t, databaseURL, `SELECT count(*) FROM pages r WHERE kind = 'replay' AND
		EXISTS (SELECT FROM pages p WHERE p.kind = 'page' AND p.id > r.id)`); between == 0 {
		t.Errorf("got no replay between the %d pages", pages)
	}
	checkLedger(t, databaseURL)
}

// TestReplayPageIDAfterWait tests that a replay gets its page id after it has waited for the checkpoint: readers follow the ids.
func TestReplayPageIDAfterWait(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 1)...)
	unlock := lockRows(t, databaseURL, "SELECT FROM checkpoints FOR UPDATE")
	store := newReplayStore(t, pgtest.WithParam(t, databaseURL, "application_name", "replay"))
	ended := make(chan error, 1)
	go func() {
		_, err := replayAll(t.Context(), store, laterDecoder)
		ended <- err
	}()
	waitForLock(t, databaseURL, "replay", 1)
	taken := pgtest.QueryOne[int64](t, databaseURL, "SELECT nextval(pg_get_serial_sequence('pages', 'id'))") // as the holder of the row does
	unlock()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if id := pgtest.QueryOne[int64](t, databaseURL, "SELECT id FROM pages WHERE kind = 'replay'"); id <= taken {
		t.Errorf("got page id %d, want more than %d", id, taken)
	}
}

// TestReplayLostAnswer tests that a replay continues with the open letters, whether its COMMIT was carried out or not.
func TestReplayLostAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delivers bool
		want     domain.Counts
	}{
		"before the server received it": {false, domain.Counts{Received: 6, Inserted: 3, Parked: 3}},
		"after it was carried out":      {true, domain.Counts{Received: 3, Parked: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			storePayloads(t, databaseURL, undecodedPayloads(1, 3)...)
			c := &commitCutter{delivers: tt.delivers}
			store := newReplayStore(t, startProxy(t, databaseURL, c.serve))
			c.armed.Store(true)
			report, err := replayAll(t.Context(), store, laterDecoder)
			if err != nil || report.Counts != tt.want || report.Unanswered != 1 {
				t.Errorf("got %+v, %v, want %+v and 1 unanswered", report, err, tt.want)
			}
			if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != 3 {
				t.Errorf("got %d events, want 3", n)
			}
			checkLedger(t, databaseURL)
		})
	}
}

func newReplayStore(t *testing.T, databaseURL string) *postgres.ReplayStore {
	t.Helper()
	return postgres.NewReplayStore(newPool(t, databaseURL))
}

// laterDecoder also decodes records like "no. 17", which the decoder that parked them did not.
var laterDecoder = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // a constant that Go cannot have

// storePayloads claims stream s and commits a page of payloads, decoded by the earlier decoder.
func storePayloads(t *testing.T, databaseURL string, payloads ...string) {
	t.Helper()
	store := newStore(t, databaseURL)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	at, err := store.Claim(t.Context(), streamS, sourceURL)
	for domain.KindOf(err) == domain.Fenced { // the server needs a moment to notice that the last runner is gone
		<-tick.C
		at, err = store.Claim(t.Context(), streamS, sourceURL)
	}
	if err != nil {
		t.Fatal(err)
	}
	storeNextPayloads(t, store, at, payloads...)
	store.Close()
}

// storeNextPayloads commits a page of payloads and returns the checkpoint.
func storeNextPayloads(t *testing.T, store domain.EventStore, at domain.Checkpoint, payloads ...string) domain.Checkpoint {
	t.Helper()
	page := domain.Page{Next: "next", Receipt: domain.Receipt{FetchedAt: time.Now()}}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	decoded, err := domain.FetchedPage{From: at.Position, To: at.After(page), Page: page}.Decode(t.Context(), domaintest.LineDecoder{})
	if err != nil {
		t.Fatal(err)
	}
	decoded.MaxParked = decoded.Received
	res, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{decoded}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Checkpoint
}

// undecodedPayloads returns two payloads for each number: one that only laterDecoder decodes, and one that no decoder does.
func undecodedPayloads(from, to int) (payloads []string) {
	for n := from; n <= to; n++ {
		payloads = append(payloads, fmt.Sprintf("no.%d", n), fmt.Sprintf("never %d", n))
	}
	return payloads
}

func replayAll(ctx context.Context, store replay.Store, decoder domain.Decoder) (replay.Report, error) {
	return replay.New(store, decoder, noObserver{}, replay.Options{
		Stream: streamS, Letters: domain.DeadLetterSelection{All: true},
		Retry: retry.Policy{Tries: 5, Jitter: func() float64 { return 0 }},
	}).Run(ctx)
}

// A noObserver ignores the events of a replay.
type noObserver struct{ replay.Observer }

func (noObserver) Surveyed(domain.SelectionCount) {}

func (noObserver) Waiting(retry.Wait) {}

func (noObserver) Replayed(replay.Report) {}

// checkLedger tests that all that replays write adds up: by SQL that is independent of verify, and by verify.
func checkLedger(t *testing.T, databaseURL string) {
	t.Helper()
	if differences := describe(inspect(t.Context(), t, databaseURL)); differences != "" {
		t.Errorf("got differences\n%s", differences)
	}
	for what, query := range map[string]string{
		"ledger rows with another number of events": `SELECT count(*) FROM pages p
			WHERE p.inserted <> (SELECT count(*) FROM events e WHERE e.page_id = p.id)`,
		"replays with another number of dead letters": `SELECT count(*) FROM pages p WHERE p.kind = 'replay' AND
			(p.inserted, p.duplicate) IS DISTINCT FROM (SELECT (count(*) FILTER (WHERE resolution = 'replayed'), count(*) FILTER (WHERE resolution = 'duplicate'))
			FROM dead_letters l WHERE l.resolved_page_id = p.id)`,
		"replays that are not in the ledger": `SELECT (SELECT coalesce(sum(replays), 0) FROM dead_letters)
			- (SELECT coalesce(sum(received), 0) FROM pages WHERE kind = 'replay')`,
		"checkpoints that are not the sum of their pages": `SELECT count(*) FROM checkpoints c
			WHERE (c.seq, c.received, c.inserted, c.duplicate, c.parked)::text IS DISTINCT FROM
			(SELECT (count(*), sum(received), sum(inserted), sum(duplicate), sum(parked))::text FROM pages p WHERE p.stream = c.stream AND p.kind = 'page')`,
		"ledger rows out of the order of commits": `SELECT count(*) FROM
			(SELECT committed_at < lag(committed_at) OVER (ORDER BY id) AS earlier FROM pages) p WHERE p.earlier`,
		"replays at no page's position": `SELECT count(*) FROM pages r WHERE r.kind = 'replay' AND (r.parent_seq <> 0 OR r.cursor_in <> '' OR
			r.cursor_out <> '' OR r.request_id <> '' OR r.requests <> 0 OR NOT EXISTS
			(SELECT FROM pages p WHERE p.kind = 'page' AND (p.stream, p.seq, p.pass, p.position) = (r.stream, r.seq, r.pass, r.position)))`,
	} {
		query = "SELECT (" + query + ")::bigint"
		if n := pgtest.QueryOne[int64](t, databaseURL, query); n != 0 {
			t.Errorf("got %d %s, want 0", n, what)
		}
	}
}
