package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/adapters/postgres/migrate"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

func TestReaderReport(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), pgtest.Database(t)
	reader := postgres.NewReader(newPool(t, url))

	if _, err := reader.Report(ctx, streamS); domain.KindOf(err) != domain.Invalid {
		t.Errorf("a stream that was never claimed: got %v, want Invalid", err)
	}
	store, checkpoint := claimStore(t, url)
	if report, err := reader.Report(ctx, streamS); err != nil || report.Pages != 0 || report.Elapsed != 0 || report.Checkpoint.Epoch != 1 {
		t.Errorf("a stream without pages: got %+v, %v", report, err)
	}
	fetched := time.Now().Add(-time.Minute)
	for range 2 {
		res, err := store.Commit(ctx, domain.Batch{At: checkpoint, Pages: []domain.DecodedPage{{
			From: checkpoint.Position, To: checkpoint.Position,
			Receipt: domain.Receipt{FetchedAt: fetched, Traffic: domain.Traffic{Requests: 3, Retries: 1, RateLimited: 1, Waited: 1500 * time.Millisecond}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		checkpoint = res.Checkpoint
	}
	report, err := reader.Report(ctx, streamS)
	if err != nil {
		t.Fatal(err)
	}
	want := domain.Traffic{Requests: 6, Retries: 2, RateLimited: 2, Waited: 3 * time.Second}
	if report.Pages != 2 || report.Traffic != want || report.Elapsed < time.Minute || report.Checkpoint.Seq != 2 {
		t.Errorf("got %+v, want 2 pages with %+v", report, want)
	}
}

// TestDriftRegister tests that repeated drift is counted and that the register has a maximum size.
func TestDriftRegister(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	repeated := domain.DriftCount{Path: "known", Kind: "new field", Count: 2, Value: []byte(`"\u00e9` + strings.Repeat("é", 150) + `"`)}
	added := 0
	for page := range 12 {
		drift := []domain.DriftCount{repeated}
		for i := range domain.MaxDriftEntries {
			drift = append(drift, domain.DriftCount{Path: fmt.Sprintf("%d/%d", page, i), Kind: "new field", Count: 1, Value: []byte("1")})
		}
		res := commitNext(t, store, checkpoint, domain.DecodedPage{Drift: drift})
		checkpoint, added = res.Checkpoint, added+len(res.NewDrift)
	}
	const maxEntries = 10 * domain.MaxDriftEntries
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM drift"); n != maxEntries+1 || added != n {
		t.Errorf("got %d entries, %d of them reported as new, want %d", n, added, maxEntries+1)
	}
	further := pgtest.QueryOne[int](t, databaseURL, "SELECT count FROM drift WHERE kind = '"+domain.FurtherDriftKind+"'")
	if want := 12*domain.MaxDriftEntries + 1 - maxEntries; further != want {
		t.Errorf("got %d counted as further drift, want %d", further, want)
	}
	const repeatedCount = "SELECT count FROM drift WHERE path = 'known' AND last_page_id = 12 AND first_page_id = 1"
	if n := pgtest.QueryOne[int](t, databaseURL, repeatedCount); n != 24 {
		t.Errorf("got count %d of the repeated drift, want 24", n)
	}
	sample := pgtest.QueryOne[string](t, databaseURL, "SELECT sample FROM drift WHERE path = 'known'")
	if !strings.HasPrefix(sample, `"\u00e9\u00e9`) || !strings.HasSuffix(sample, "…") {
		t.Errorf("got sample %q", sample)
	}
}

func TestReaderDrift(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	storePayloads(t, databaseURL, "1 colour", "2 colour", "3 size")
	storePayloads(t, databaseURL, "1 colour")
	entries, err := postgres.NewReader(newPool(t, databaseURL)).Drift(t.Context(), streamS)
	want := []domain.DriftEntry{
		{Path: "colour", Kind: "new field", Count: 3, FirstPageID: 1, LastPageID: 2, Sample: "true"},
		{Path: "size", Kind: "new field", Count: 1, FirstPageID: 1, LastPageID: 1, Sample: "true"},
	}
	if err != nil || !slices.Equal(entries, want) {
		t.Errorf("got %+v, %v, want %+v", entries, err, want)
	}
}

func TestReaderDeadLetters(t *testing.T) {
	t.Parallel()
	reader := parkSeven(t, pgtest.Database(t))
	type (
		dlFilter = domain.DeadLetterFilter
		dlRange  = domain.DeadLetterRange
	)
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	for _, tt := range []struct {
		name    string
		filter  dlFilter
		part    dlRange
		want    []int64
		more    bool
		reasons string
	}{
		{"all", dlFilter{}, dlRange{Limit: 9}, []int64{1, 2, 3, 4, 5, 6, 7}, false, "not a number 6 (1), other 1 (7)"},
		{"open", dlFilter{State: domain.DeadLettersOpen}, dlRange{Limit: 6}, []int64{1, 2, 3, 4, 6, 7}, false, "not a number 5 (1), other 1 (7)"},
		{"resolved", dlFilter{State: domain.DeadLettersResolved}, dlRange{Limit: 9}, []int64{5}, false, "not a number 1 (5)"},
		{"of a reason", dlFilter{Reason: "other"}, dlRange{Limit: 9}, []int64{7}, false, "other 1 (7)"},
		{"of a page", dlFilter{PageID: 2}, dlRange{Limit: 9}, []int64{4, 5, 6, 7}, false, "not a number 3 (4), other 1 (7)"},
		{"of a time", dlFilter{Since: day(2), Until: day(3)}, dlRange{Limit: 9}, []int64{4, 5, 6}, false, "not a number 3 (4)"},
		{"a range", dlFilter{}, dlRange{After: 2, Limit: 2}, []int64{3, 4}, true, "not a number 6 (1), other 1 (7)"},
		{"the last range", dlFilter{}, dlRange{After: 5, Limit: 2}, []int64{6, 7}, false, "not a number 6 (1), other 1 (7)"},
		{"none", dlFilter{Reason: "x"}, dlRange{Limit: 2}, nil, false, ""},
	} {
		list, more, err := reader.DeadLetters(t.Context(), streamS, tt.filter, tt.part)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, l := range list {
			ids = append(ids, l.ID)
			if l.Payload != nil || l.Why.Reason == "" || l.Key == "" || l.PageID == 0 || l.ParkedAt.IsZero() || (l.Resolved != nil) != (l.ID == 5) {
				t.Errorf("%s: got %+v", tt.name, l)
			}
		}
		if !slices.Equal(ids, tt.want) || more != tt.more {
			t.Errorf("%s: got %v, more %v, want %v, more %v", tt.name, ids, more, tt.want, tt.more)
		}
		counts, err := reader.DeadLetterReasons(t.Context(), streamS, tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var reasons []string
		for _, c := range counts {
			reasons = append(reasons, fmt.Sprintf("%s %d (%d)", c.Reason, c.Count, c.Sample.ID))
		}
		if got := strings.Join(reasons, ", "); got != tt.reasons {
			t.Errorf("%s: got reasons %q, want %q", tt.name, got, tt.reasons)
		}
	}
}

func TestReaderDeadLetter(t *testing.T) {
	t.Parallel()
	reader := parkSeven(t, pgtest.Database(t))
	l, err := reader.DeadLetter(t.Context(), streamS, 5)
	want := domain.Resolution{How: domain.ResolvedAsSuperseded, Why: "it came", At: time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC), PageID: 2}
	if err != nil || string(l.Payload) != "e" || l.Index != 1 || l.Seen != 1 || *l.Resolved != want {
		t.Errorf("got %+v, %v", l, err)
	}
	if l, err := reader.DeadLetter(t.Context(), streamS, 7); err != nil || l.Why.ID != (domain.UUID{15: 7}) || l.Resolved != nil {
		t.Errorf("got %+v, %v", l, err)
	}
	// Letter 8 is of another stream.
	if _, err := reader.DeadLetter(t.Context(), streamS, 8); !isInvalid(err, "8") {
		t.Errorf("got %v, want Invalid", err)
	}
}

// TestDeadLetterBytes tests that a parked payload is shown and replayed with exactly the same bytes.
func TestDeadLetterBytes(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	payload := "{ \"id\" :\t\"\\u0061\",\r\n \"n\": [ 1.00 , 1e2 ]\xff\x00}\r\n "
	reject := domain.Reject{Record: domain.Record{Payload: []byte(payload)}, Why: domain.Rejection{Reason: "r"}}
	commitFirst(t, databaseURL, domain.DecodedPage{Rejects: []domain.Reject{reject}})
	pool := newPool(t, databaseURL)
	shown, err := postgres.NewReader(pool).DeadLetter(t.Context(), streamS, 1)
	if err != nil || string(shown.Payload) != payload {
		t.Errorf("DeadLetter: got %q, %v, want %q", shown.Payload, err, payload)
	}
	open, err := postgres.NewReplayStore(pool).Open(t.Context(), streamS, domain.DeadLetterSelection{All: true}, 0, 1)
	if err != nil || len(open) != 1 || string(open[0].Payload) != payload {
		t.Errorf("Open: got %+v, %v, want %q", open, err, payload)
	}
}

// TestUnknownStream tests that every operation on a stream that was never claimed names the streams there are.
func TestUnknownStream(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	reader, nobody := parkSeven(t, databaseURL), domain.StreamID{Source: "nobody"}
	ctx := t.Context()
	_, _, listErr := reader.DeadLetters(ctx, nobody, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
	_, reasonsErr := reader.DeadLetterReasons(ctx, nobody, domain.DeadLetterFilter{})
	_, letterErr := reader.DeadLetter(ctx, nobody, 1)
	_, replayErr := newReplayStore(t, databaseURL).Replay(ctx, domain.Replay{Stream: nobody})
	_, surveyErr := newReplayStore(t, databaseURL).Survey(ctx, nobody, domain.DeadLetterSelection{All: true})
	_, driftErr := reader.Drift(ctx, nobody)
	discardErr := postgres.NewAdmin(newPool(t, databaseURL)).DiscardDeadLetter(ctx, nobody, 1, "why")
	for what, err := range map[string]error{
		"list": listErr, "reasons": reasonsErr, "letter": letterErr, "discard": discardErr,
		"replay": replayErr, "survey": surveyErr, "drift": driftErr,
	} {
		if !isInvalid(err, "no stream named nobody") || domain.HintOf(err) != "this database knows: other, s" {
			t.Errorf("%s: got %v, hint %q", what, err, domain.HintOf(err))
		}
	}
}

// TestReaderOlderSchema tests that read-only commands on an older schema ask the user to migrate it.
func TestReaderOlderSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	newPageWriter(t, databaseURL, "s").commitPage(endCursor, 1, 2, 3, 4, 5)
	rollBack(t, databaseURL, "dead_letters")
	pool := newPool(t, databaseURL)
	reader := postgres.NewReader(pool)
	_, inspectErr := postgres.NewInventory(pool).Inspect(t.Context(), streamS, func(domain.Check) {})
	_, reportErr := reader.Report(t.Context(), streamS)
	_, _, listErr := reader.DeadLetters(t.Context(), streamS, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
	for what, err := range map[string]error{"verify": inspectErr, "status": reportErr, "dlq list": listErr} {
		if domain.KindOf(err) != domain.Invalid || domain.RemedyOf(err) != domain.MigrateDatabase {
			t.Errorf("%s: got %v, remedy %d, want Invalid and remedy %d", what, err, domain.RemedyOf(err), domain.MigrateDatabase)
		}
	}
}

// TestLedgerOfOlderSchema tests that a migration of an older database fills parent_seq and kind of its pages.
func TestLedgerOfOlderSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	newPageWriter(t, databaseURL, "s").commitPage("cursor-a", 1, 2).commitPage("cursor-b", 3).startPass().commitPage("cursor-c", 1).commitPage(endCursor, 2, 3, 4, 5)
	const links = "SELECT string_agg(seq || '<' || parent_seq || ' ' || kind, ', ' ORDER BY seq) FROM pages"
	want := pgtest.QueryOne[string](t, databaseURL, links)
	if want != "1<0 page, 2<1 page, 3<0 page, 4<3 page" {
		t.Errorf("got a ledger with %s", want)
	}
	// A replay has the same seq as the page before it. The older schema has UNIQUE (stream, seq), so the rollback must delete the
	// replay.
	pgtest.Exec(t, databaseURL, `INSERT INTO pages SELECT (jsonb_populate_record(p, '{"id": 99, "kind": "replay"}')).* FROM pages AS p WHERE seq = 4`)
	rollBack(t, databaseURL, "dead_letters")
	if _, err := migrate.Up(t.Context(), databaseURL); err != nil {
		t.Fatal(err)
	}
	if got := pgtest.QueryOne[string](t, databaseURL, links); got != want {
		t.Errorf("after the migration: got %s, want %s", got, want)
	}
}

// rollBack rolls back the newest migrations, including the one that creates the table.
func rollBack(t *testing.T, databaseURL, table string) {
	t.Helper()
	db := pgtest.Dbmate(t, databaseURL)
	for pgtest.QueryOne[bool](t, databaseURL, "SELECT to_regclass('"+table+"') IS NOT NULL") {
		if err := db.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// parkSeven parks seven dead letters in stream s: 1 to 3 on page 1 on January 1, 4 to 6 on page 2 on January 2, and 7 for another
// reason on January 3. Letter 5 is resolved. Letter 8 is of another stream.
func parkSeven(t *testing.T, databaseURL string) *postgres.Reader {
	t.Helper()
	storePayloads(t, databaseURL, "a", "b", "c")
	storePayloads(t, databaseURL, "d", "e", "f", "g")
	pgtest.Exec(t, databaseURL, `UPDATE dead_letters SET parked_at = CASE WHEN id <= 3 THEN '2026-01-01Z' WHEN id <= 6 THEN '2026-01-02Z' ELSE '2026-01-03Z' END::timestamptz;
		UPDATE dead_letters SET reason = 'other', event_id = '00000000-0000-0000-0000-000000000007' WHERE id = 7;
		UPDATE dead_letters SET resolved_at = '2026-01-04Z', resolution = 'superseded', resolved_page_id = 2, resolved_why = 'it came' WHERE id = 5;
		INSERT INTO checkpoints (stream, source_url, epoch) VALUES ('other', 'u', 1);
		INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen) VALUES ('other', 'k', 1, 0, 'r', '', '', '', sha256(''), 1)`)
	return postgres.NewReader(newPool(t, databaseURL))
}
