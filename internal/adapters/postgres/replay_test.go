package postgres_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestReplayStore runs the checks of the contract of replay.Store.
func TestReplayStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ReplayChecks(), func(t *testing.T) domaintest.ReplayUnderTest {
		t.Helper()
		databaseURL := pgtest.Database(t)
		return domaintest.ReplayUnderTest{StoreUnderTest: storeUnderTest(t, databaseURL, databaseURL), ReplayStore: newReplayStore(t, databaseURL)}
	})
}

// TestReplayWithLaterDecoder checks that a replay stores exactly the records that its decoder accepts, and each of them once. A
// later decoder accepts records that an earlier decoder rejected.
func TestReplayWithLaterDecoder(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	decodable := []string{"1001", "1002"} // the earlier decoder decodes these: they become events, not dead letters
	// These are 800 dead letters. The later decoder decodes 400 of them.
	storePayloads(t, databaseURL, append(undecodedPayloads(1, 400), decodable...)...)
	store := newReplayStore(t, databaseURL)
	earlierDecoder := domaintest.LineDecoder{}
	for _, tt := range []struct {
		decoder domain.Decoder
		want    domain.Counts
	}{
		{decoder: earlierDecoder, want: domain.Counts{Received: 800, Parked: 800}},
		{decoder: laterDecoder, want: domain.Counts{Received: 800, Inserted: 400, Parked: 400}},
		{decoder: laterDecoder, want: domain.Counts{Received: 400, Parked: 400}},
	} {
		report, err := replayAll(t.Context(), store, tt.decoder)
		if err != nil || report.Counts != tt.want {
			t.Errorf("got %+v, %v, want counts %+v", report, err, tt.want)
		}
		if n := report.ParkedAgain["not a number"]; n != tt.want.Parked {
			t.Errorf("got %d records rejected again as \"not a number\", want %d", n, tt.want.Parked)
		}
		checkLedger(t, databaseURL)
	}
	// The payload "no.17" must be the event with the name "event_17".
	n := pgtest.QueryOne[int](t, databaseURL, `SELECT count(*) FROM events e
		JOIN dead_letters l ON l.event_id = e.id AND l.resolution = 'replayed'
		WHERE convert_from(l.payload, 'UTF8') = 'no.' || substr(e.name, 1 + length('event_')) AND l.resolved_why <> ''
		AND l.resolved_page_id = e.page_id`)
	if n != 400 {
		t.Errorf("got %d events that agree with their replayed dead letter, want 400", n)
	}
}

// TestReplayBatchSize checks that Open returns at most 500 dead letters and at most 16 MiB of payloads. A single letter may be
// larger.
func TestReplayBatchSize(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 251)...) // letters 1 to 502, each of a few bytes
	// Letter 501 gets 17 MiB, and letter 502 gets 9 MiB. The new letter 503 has 7 MiB, and 504 has 7 MiB and one byte.
	pgtest.Exec(t, databaseURL, `UPDATE dead_letters
		SET payload = convert_to(repeat('x', CASE id WHEN 501 THEN 17 ELSE 9 END << 20), 'UTF8') WHERE id > 500`)
	pgtest.Exec(t, databaseURL, `INSERT INTO dead_letters
			(stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen)
		SELECT 's', 'k' || n, 1, 0, 'r', '', '', convert_to(repeat('x', (7 << 20) + n - 1), 'UTF8'), '', 1 FROM generate_series(1, 2) n`)
	store := newReplayStore(t, databaseURL)
	after := int64(0)
	for _, want := range []struct{ first, last int64 }{ // the ids of each batch
		{first: 1, last: 500},   // 500 letters
		{first: 501, last: 501}, // a single letter above 16 MiB
		{first: 502, last: 503}, // 9 MiB + 7 MiB = 16 MiB
		{first: 504, last: 504}, // letter 504 would make the batch before larger than 16 MiB
	} {
		letters := openLettersAfter(t, store, after)
		if len(letters) == 0 {
			t.Fatalf("got no dead letters after letter %d, want letters %d to %d", after, want.first, want.last)
		}
		first, last := letters[0].ID, letters[len(letters)-1].ID
		hasAllBetween := int64(len(letters)) == last-first+1
		if first != want.first || last != want.last || !hasAllBetween {
			t.Fatalf("got %d dead letters from %d to %d, want all from %d to %d", len(letters), first, last, want.first, want.last)
		}
		after = last
	}
}

// TestReplayKilled checks that a replay writes nothing if its connection is lost, and that the next replay replays all letters.
func TestReplayKilled(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 10)...) // 20 dead letters, of which laterDecoder decodes 10
	store := newReplayStore(t, pgtest.WithParam(t, databaseURL, "application_name", "victim"))
	letters := openLettersAfter(t, store, 0)
	unlock := holdLock(t, databaseURL, "LOCK TABLE pages IN SHARE MODE") // stops Replay before its last statement, the ledger row
	ended := make(chan error, 1)
	go func() {
		_, err := store.Replay(t.Context(), domain.Redecode(streamS, letters, time.Now(), laterDecoder))
		ended <- err
	}()
	waitForLock(t, databaseURL, "victim", 1)
	terminateSessions(t, databaseURL, "victim")
	if err := <-ended; domain.KindOf(err) != domain.Transient {
		t.Errorf("got %v, want Transient", err)
	}
	unlock()
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != 0 {
		t.Errorf("got %d events, want 0", n)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT sum(replays) FROM dead_letters"); n != 0 {
		t.Errorf("got %d replays of dead letters, want 0", n)
	}
	report, err := replayAll(t.Context(), store, laterDecoder)
	if want := (domain.Counts{Received: 20, Inserted: 10, Parked: 10}); err != nil || report.Counts != want {
		t.Errorf("next replay: got counts %+v, %v, want %+v", report.Counts, err, want)
	}
	checkLedger(t, databaseURL)
}

// TestReplayConcurrently checks that only one of two concurrent replays resolves a letter. A lock makes both replays read the
// same letters before one of them can write.
func TestReplayConcurrently(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 700)...) // 1400 dead letters, of which laterDecoder decodes 700
	unlock := holdLock(t, databaseURL, "SELECT FROM checkpoints FOR UPDATE")
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
	if sum := one.Counts.Add(two.Counts); sum.Inserted != 700 || sum.Duplicate != 0 {
		t.Errorf("got %d inserted and %d duplicate by both replays, want 700 and 0", sum.Inserted, sum.Duplicate)
	}
	if !one.Balanced() || !two.Balanced() {
		t.Errorf("got reports %+v and %+v, want balanced counts", one, two)
	}
	// Both replays have read the same first batch of 500 letters. The replay that writes later must skip the 250 letters that the
	// other replay has resolved.
	if skipped := one.Skipped + two.Skipped; skipped < 250 {
		t.Errorf("got %d letters skipped, want at least 250", skipped)
	}
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE resolution = 'replayed' AND replays = 1"); n != 700 {
		t.Errorf("got %d dead letters replayed once, want 700", n)
	}
	checkLedger(t, databaseURL)
}

// TestReplayDuringRun checks that a replay does not fence a run that commits pages at the same time. The replay does not touch
// the letters that the run parks meanwhile.
func TestReplayDuringRun(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	runner, checkpoint := claimStore(t, databaseURL)
	checkpoint = storeNextPayloads(t, runner, checkpoint, undecodedPayloads(1, 1100)...)
	store := newReplayStore(t, databaseURL)
	replayed := make(chan replay.Report, 1)
	go func() {
		report, err := replayAll(t.Context(), store, laterDecoder)
		if err != nil {
			t.Error(err)
		}
		replayed <- report
	}()
	const minPages, numbersPerPage = 20, 10
	pages := 0
	var report replay.Report
	for isReplayed := false; !isReplayed || pages < minPages; pages++ {
		first := 10_000 + numbersPerPage*pages // greater than the 1100 numbers of the first page
		checkpoint = storeNextPayloads(t, runner, checkpoint, undecodedPayloads(first, first+numbersPerPage-1)...)
		select {
		case report = <-replayed:
			isReplayed = true
		default:
		}
	}
	// The first page has two letters for each of its 1100 numbers. The replay may also see letters of the next pages.
	if report.Received < 2200 || report.Inserted < 1100 || report.Skipped != 0 {
		t.Errorf("got %+v, want at least 2200 received, at least 1100 inserted and 0 skipped", report)
	}
	if between := pgtest.QueryOne[int](t, databaseURL, `SELECT count(*) FROM pages r WHERE kind = 'replay' AND
		EXISTS (SELECT FROM pages p WHERE p.kind = 'page' AND p.id > r.id)`); between == 0 {
		t.Errorf("got no replay before the last of %d pages, want at least 1", pages)
	}
	checkLedger(t, databaseURL)
}

// TestReplayPageIDAfterWait checks that a replay takes its page id after it has waited for the lock of the checkpoint. Otherwise
// it could commit an id that is smaller than ids committed before, and a reader that follows the ids would miss it.
func TestReplayPageIDAfterWait(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, undecodedPayloads(1, 1)...)
	unlock := holdLock(t, databaseURL, "SELECT FROM checkpoints FOR UPDATE")
	store := newReplayStore(t, pgtest.WithParam(t, databaseURL, "application_name", "replay"))
	ended := make(chan error, 1)
	go func() {
		_, err := replayAll(t.Context(), store, laterDecoder)
		ended <- err
	}()
	waitForLock(t, databaseURL, "replay", 1)
	// The holder of the lock takes a page id while the replay waits.
	taken := pgtest.QueryOne[int64](t, databaseURL, "SELECT nextval(pg_get_serial_sequence('pages', 'id'))")
	unlock()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if id := pgtest.QueryOne[int64](t, databaseURL, "SELECT id FROM pages WHERE kind = 'replay'"); id <= taken {
		t.Errorf("got page id %d of the replay, want more than %d", id, taken)
	}
}

// TestReplayLostAnswer checks a replay whose COMMIT gets no answer: it continues with the letters that are still open in the
// database. The connection is cut before the server receives the COMMIT, or after the server has carried it out.
func TestReplayLostAnswer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		delivers bool          // whether the server receives the COMMIT, see commitCutter
		want     domain.Counts // of the attempts whose result is known
	}{
		"before the server received it": {delivers: false, want: domain.Counts{Received: 6, Inserted: 3, Parked: 3}},
		"after it was carried out":      {delivers: true, want: domain.Counts{Received: 3, Parked: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			databaseURL := pgtest.Database(t)
			storePayloads(t, databaseURL, undecodedPayloads(1, 3)...) // 6 dead letters, of which laterDecoder decodes 3
			c := &commitCutter{}
			c.delivers.Store(tt.delivers)
			store := newReplayStore(t, startProxy(t, databaseURL, c.serve))
			c.armed.Store(true)
			report, err := replayAll(t.Context(), store, laterDecoder)
			if err != nil || report.Counts != tt.want || report.UnansweredCommits != 1 {
				t.Errorf("got %+v, %v, want counts %+v and 1 unanswered", report, err, tt.want)
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

// openLettersAfter returns the first batch of open dead letters of stream s that have a greater id than after.
func openLettersAfter(t *testing.T, store replay.Store, after int64) []domain.DeadLetter {
	t.Helper()
	letters, err := store.Open(t.Context(), streamS, domain.DeadLetterSelection{All: true}, after, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// laterDecoder decodes records such as "17" and "no.17". The earlier decoder, with which storePayloads stores records, rejects
// "no.17".
var laterDecoder = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // a constant that Go cannot have

// storePayloads claims stream s and commits a page of payloads, decoded by the earlier decoder. Then it releases the stream.
func storePayloads(t *testing.T, databaseURL string, payloads ...string) {
	t.Helper()
	store := newStore(t, databaseURL)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	checkpoint, err := store.Claim(t.Context(), streamS, sourceURL)
	for domain.KindOf(err) == domain.Fenced { // the server has not noticed yet that the last runner is gone
		<-tick.C
		checkpoint, err = store.Claim(t.Context(), streamS, sourceURL)
	}
	if err != nil {
		t.Fatal(err)
	}
	storeNextPayloads(t, store, checkpoint, payloads...)
	store.Close()
}

// storeNextPayloads commits a page of payloads and returns the checkpoint.
func storeNextPayloads(t *testing.T, store domain.EventStore, checkpoint domain.Checkpoint, payloads ...string) domain.Checkpoint {
	t.Helper()
	page := domain.Page{Next: "next", Receipt: domain.Receipt{FetchedAt: time.Now()}}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	fetched := domain.FetchedPage{From: checkpoint.Position, To: checkpoint.After(page), Page: page}
	decoded, err := fetched.Decode(t.Context(), domaintest.LineDecoder{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	decoded.MaxParked = decoded.Received
	res, err := store.Commit(t.Context(), batchOf(checkpoint, decoded))
	if err != nil {
		t.Fatal(err)
	}
	return res.Checkpoint
}

// undecodedPayloads returns two payloads for each number from first to last. Only laterDecoder decodes the first of the two. No
// decoder decodes the second.
func undecodedPayloads(first, last int) (payloads []string) {
	for n := first; n <= last; n++ {
		payloads = append(payloads, fmt.Sprintf("no.%d", n), fmt.Sprintf("never %d", n))
	}
	return payloads
}

// replayAll replays the open dead letters of stream s.
func replayAll(ctx context.Context, store replay.Store, decoder domain.Decoder) (replay.Report, error) {
	return replay.New(store, decoder, noObserver{}, replay.Options{
		Stream: streamS, Letters: domain.DeadLetterSelection{All: true},
		Outage: retry.Policy{Tries: 5, Jitter: func() float64 { return 0 }},
	}).Run(ctx)
}

// A noObserver ignores the events of a replay.
type noObserver struct{ replay.Observer }

func (noObserver) Surveyed(domain.SelectionCount) {}

func (noObserver) Waiting(retry.Wait) {}

func (noObserver) Replayed(replay.Report) {}

// checkLedger checks that the counts in the ledger agree with the events and the dead letters. It uses an inspection as verify
// does, and SQL statements that do not depend on the code of the inspection.
func checkLedger(t *testing.T, databaseURL string) {
	t.Helper()
	if differences := describe(inspect(t.Context(), t, databaseURL)); differences != "" {
		t.Errorf("inspection: got differences\n%swant none", differences)
	}
	for what, query := range map[string]string{
		"ledger rows whose count of inserted events is wrong": `SELECT count(*) FROM pages p
			WHERE p.inserted <> (SELECT count(*) FROM events e WHERE e.page_id = p.id)`,
		"replays whose count of resolved dead letters is wrong": `SELECT count(*) FROM pages p WHERE p.kind = 'replay' AND
			(p.inserted, p.duplicate) IS DISTINCT FROM
			(SELECT (count(*) FILTER (WHERE resolution = 'replayed'), count(*) FILTER (WHERE resolution = 'duplicate'))
			FROM dead_letters l WHERE l.resolved_page_id = p.id)`,
		"replays of dead letters that the ledger does not count": `SELECT (SELECT coalesce(sum(replays), 0) FROM dead_letters)
			- (SELECT coalesce(sum(received), 0) FROM pages WHERE kind = 'replay')`,
		"checkpoints that are not the sum of their pages": `SELECT count(*) FROM checkpoints c
			WHERE (c.seq, c.received, c.inserted, c.duplicate, c.parked)::text IS DISTINCT FROM
			(SELECT (count(*), sum(received), sum(inserted), sum(duplicate), sum(parked))::text
			FROM pages p WHERE p.stream = c.stream AND p.kind = 'page')`,
		"ledger rows with a greater id than a row that was committed later": `SELECT count(*) FROM
			(SELECT committed_at < lag(committed_at) OVER (ORDER BY id) AS earlier FROM pages) p WHERE p.earlier`,
		"replays that are not at the position of a page, or have a value that only pages have": `SELECT count(*)
			FROM pages r WHERE r.kind = 'replay' AND (r.parent_seq <> 0 OR r.cursor_in <> '' OR
			r.cursor_out <> '' OR r.request_id <> '' OR r.requests <> 0 OR NOT EXISTS
			(SELECT FROM pages p WHERE p.kind = 'page' AND (p.stream, p.seq, p.pass, p.position) = (r.stream, r.seq, r.pass, r.position)))`,
	} {
		query = "SELECT (" + query + ")::bigint"
		if n := pgtest.QueryOne[int64](t, databaseURL, query); n != 0 {
			t.Errorf("got %d %s, want 0", n, what)
		}
	}
}
