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

func replaysOn(t *testing.T, databaseURL string) *postgres.Replays {
	t.Helper()
	return postgres.NewReplays(poolOn(t, databaseURL))
}

func TestReplays(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ReplayChecks(), func(t *testing.T) domaintest.ReplayUnderTest {
		t.Helper()
		databaseURL := pgtest.Database(t)
		return domaintest.ReplayUnderTest{StoreUnderTest: storeOn(t, databaseURL), Replays: replaysOn(t, databaseURL)}
	})
}

// today is a decoder that has learnt one kind of record more, "no. 17".
var today = domaintest.LineDecoder{Accepts: "no."} //nolint:gochecknoglobals // a constant that Go cannot have

// receive stores a page of payloads in stream s, as the decoder of yesterday read them.
func receive(t *testing.T, databaseURL string, payloads ...string) {
	t.Helper()
	store := open(t, databaseURL)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	at, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
	for domain.KindOf(err) == domain.Fenced { // the server needs a moment to see that who received before is gone
		<-tick.C
		at, err = store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
	}
	if err != nil {
		t.Fatal(err)
	}
	receiveNext(t, store, at, payloads...)
	store.Close()
}

func receiveNext(t *testing.T, store domain.EventStore, at domain.Checkpoint, payloads ...string) domain.Checkpoint {
	t.Helper()
	page := domain.Page{Next: "next", Receipt: domain.Receipt{FetchedAt: time.Now()}}
	for i, payload := range payloads {
		page.Records = append(page.Records, domain.Record{Payload: []byte(payload), Index: i})
	}
	read, err := domain.FetchedPage{From: at.Position, To: at.After(page), Page: page}.Decode(t.Context(), domaintest.LineDecoder{})
	if err != nil {
		t.Fatal(err)
	}
	read.MaxParked = read.Received
	res, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{read}})
	if err != nil {
		t.Fatal(err)
	}
	return res.Checkpoint
}

// unread is payloads of the numbers from one to another, which only today's decoder reads, each followed by one that none
// reads.
func unread(from, to int) (payloads []string) {
	for n := from; n <= to; n++ {
		payloads = append(payloads, fmt.Sprintf("no.%d", n), fmt.Sprintf("never %d", n))
	}
	return payloads
}

// silent is an observer that nobody asks.
type silent struct{ replay.Observer }

func (silent) Surveyed(domain.SelectionCount) {}
func (silent) Waiting(retry.Wait)             {}
func (silent) Replayed(replay.Report)         {}

func replayAll(ctx context.Context, store replay.Store, decoder domain.Decoder) (replay.Report, error) {
	return replay.New(store, decoder, silent{}, replay.Options{
		Stream: domain.StreamID{Source: "s"}, Letters: domain.DeadLetterSelection{All: true},
		Retry: retry.Policy{Tries: 5, Jitter: func() float64 { return 0 }},
	}).Run(ctx)
}

// ledgerIsSound fails unless all that a replay may leave behind adds up, by SQL that is not verify's, and verify says so.
func ledgerIsSound(t *testing.T, databaseURL string) {
	t.Helper()
	if differences := told(inspect(t.Context(), t, databaseURL)); differences != "" {
		t.Errorf("verify finds\n%s", differences)
	}
	for what, query := range map[string]string{
		"rows of the ledger that say otherwise than their events": `SELECT count(*) FROM pages p
			WHERE p.inserted <> (SELECT count(*) FROM events e WHERE e.page_id = p.id)`,
		"replays that say otherwise than their letters": `SELECT count(*) FROM pages p WHERE p.kind = 'replay' AND
			(p.inserted, p.duplicate) IS DISTINCT FROM (SELECT (count(*) FILTER (WHERE resolution = 'replayed'), count(*) FILTER (WHERE resolution = 'duplicate'))
			FROM dead_letters l WHERE l.resolved_page_id = p.id)`,
		"replays that the ledger does not know": `SELECT (SELECT coalesce(sum(replays), 0) FROM dead_letters)
			- (SELECT coalesce(sum(received), 0) FROM pages WHERE kind = 'replay')`,
		"counts by which the checkpoint is not the sum of its pages": `SELECT count(*) FROM checkpoints c
			WHERE (c.seq, c.received, c.inserted, c.duplicate, c.parked)::text IS DISTINCT FROM
			(SELECT (count(*), sum(received), sum(inserted), sum(duplicate), sum(parked))::text FROM pages p WHERE p.stream = c.stream AND p.kind = 'page')`,
		"rows of the ledger out of the order of commits": `SELECT count(*) FROM
			(SELECT committed_at < lag(committed_at) OVER (ORDER BY id) AS earlier FROM pages) p WHERE p.earlier`,
		"replays that stand in no place": `SELECT count(*) FROM pages r WHERE r.kind = 'replay' AND (r.parent_seq <> 0 OR r.cursor_in <> '' OR
			r.cursor_out <> '' OR r.request_id <> '' OR r.requests <> 0 OR NOT EXISTS
			(SELECT FROM pages p WHERE p.kind = 'page' AND (p.stream, p.seq, p.pass, p.position) = (r.stream, r.seq, r.pass, r.position)))`,
	} {
		query = "SELECT (" + query + ")::bigint"
		if n := queryOne[int64](t, databaseURL, query); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
}

// TestOneKindMore: after a replay with a decoder that accepts one kind of record more, exactly those move, once.
func TestOneKindMore(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	receive(t, databaseURL, append(unread(1, 400), "1001", "1002")...)
	store := replaysOn(t, databaseURL)
	for _, tt := range []struct {
		decoder domain.Decoder
		want    domain.Counts
	}{
		{domaintest.LineDecoder{}, domain.Counts{Received: 800, Parked: 800}},
		{today, domain.Counts{Received: 800, Inserted: 400, Parked: 400}},
		{today, domain.Counts{Received: 400, Parked: 400}},
	} {
		report, err := replayAll(t.Context(), store, tt.decoder)
		if err != nil || report.Counts != tt.want || report.Again["not a number"] != tt.want.Parked {
			t.Errorf("%+v, %v; want %+v", report, err, tt.want)
		}
		ledgerIsSound(t, databaseURL)
	}
	if n := queryOne[int](t, databaseURL, `SELECT count(*) FROM events e JOIN dead_letters l ON l.event_id = e.id AND l.resolution = 'replayed'
		WHERE convert_from(l.payload, 'UTF8') = 'no.' || substr(e.name, 7) AND l.resolved_why <> '' AND l.resolved_page_id = e.page_id`); n != 400 {
		t.Errorf("%d events stored by way of a letter", n)
	}
}

// TestTheSizeOfABatch is bounded in letters and in bytes, but for a letter that is larger by itself.
func TestTheSizeOfABatch(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	receive(t, databaseURL, unread(1, 251)...)
	exec(t, databaseURL, `UPDATE dead_letters SET payload = convert_to(repeat('x', CASE id WHEN 501 THEN 17 ELSE 9 END << 20), 'UTF8') WHERE id > 500`)
	exec(t, databaseURL, `INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen)
		SELECT 's', 'k' || n, 1, 0, 'r', '', '', convert_to(repeat('x', (7 << 20) + n - 1), 'UTF8'), '', 1 FROM generate_series(1, 2) n`)
	store := replaysOn(t, databaseURL)
	after := int64(0)
	for _, want := range []int{500, 1, 2, 1} {
		letters, err := store.Open(t.Context(), domain.StreamID{Source: "s"}, domain.DeadLetterSelection{All: true}, after, 1<<40)
		if err != nil || len(letters) != want {
			t.Fatalf("%d letters behind %d, want %d: %v", len(letters), after, want, err)
		}
		after = letters[len(letters)-1].ID
	}
}

// TestAKilledReplay leaves nothing behind, and the next one finds all that is open.
func TestAKilledReplay(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	receive(t, databaseURL, unread(1, 10)...)
	store := replaysOn(t, pgtest.WithParam(t, databaseURL, "application_name", "victim"))
	stream := domain.StreamID{Source: "s"}
	letters, err := store.Open(t.Context(), stream, domain.DeadLetterSelection{All: true}, 0, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	unlock := lock(t, databaseURL, "LOCK TABLE pages IN SHARE MODE") // the ledger row is written last
	ended := make(chan error, 1)
	go func() {
		_, err := store.Replay(t.Context(), domain.Redecode(stream, letters, time.Now(), today))
		ended <- err
	}()
	until(t, databaseURL, "SELECT count(*) = 1 FROM pg_stat_activity WHERE application_name = 'victim' AND wait_event_type = 'Lock'")
	sever(t, databaseURL, "victim")
	if err := <-ended; domain.KindOf(err) != domain.Transient {
		t.Errorf("it ended with %v", err)
	}
	unlock()
	if n := queryOne[int](t, databaseURL, "SELECT count(*) + (SELECT sum(replays) FROM dead_letters) FROM events"); n != 0 {
		t.Errorf("%d traces of it", n)
	}
	report, err := replayAll(t.Context(), store, today)
	if want := (domain.Counts{Received: 20, Inserted: 10, Parked: 10}); err != nil || report.Counts != want {
		t.Errorf("%+v, %v", report, err)
	}
	ledgerIsSound(t, databaseURL)
}
