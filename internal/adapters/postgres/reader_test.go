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

// TestReaderReport checks the report of a stream that was never claimed, of a stream without pages, and of a stream with two pages.
func TestReaderReport(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), pgtest.Database(t)
	reader := postgres.NewReader(newPool(t, url))

	if _, err := reader.Status(ctx, streamS); domain.KindOf(err) != domain.Invalid {
		t.Errorf("a stream that was never claimed: got %v, want Invalid", err)
	}
	store, checkpoint := claimStore(t, url)
	if report, err := reader.Status(ctx, streamS); err != nil || report.Pages != 0 || report.Elapsed != 0 || report.Checkpoint.Epoch != 1 {
		t.Errorf("a stream without pages: got report %+v, %v, want 0 pages, elapsed 0 and epoch 1", report, err)
	}
	fetchedAt := time.Now().Add(-time.Minute)
	for range 2 {
		page := emptyPage(checkpoint)
		page.Receipt.FetchedAt = fetchedAt
		page.Receipt.Traffic = domain.Traffic{Requests: 3, Retries: 1, RateLimited: 1, Waited: 1500 * time.Millisecond}
		res, err := store.Commit(ctx, batchOf(checkpoint, page))
		if err != nil {
			t.Fatal(err)
		}
		checkpoint = res.Checkpoint
	}
	report, err := reader.Status(ctx, streamS)
	if err != nil {
		t.Fatal(err)
	}
	want := domain.Traffic{Requests: 6, Retries: 2, RateLimited: 2, Waited: 3 * time.Second}
	if report.Pages != 2 || report.Traffic != want || report.Elapsed < time.Minute || report.Checkpoint.Seq != 2 {
		t.Errorf("got report %+v, want 2 pages with traffic %+v, at least a minute elapsed and seq 2", report, want)
	}
}

// TestDriftRegister checks that the table drift has one row for repeated drift and a maximum number of rows. Drift beyond the
// maximum is counted in a single row. A sample that is too long is cut.
func TestDriftRegister(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, checkpoint := claimStore(t, databaseURL)
	// Each of twelve pages has the repeated drift, and MaxDriftEntries paths of its own.
	const pages = 12
	longText := `"\u00e9` + strings.Repeat("é", 150) + `"` // about 300 bytes; a sample has at most 200
	repeated := domain.DriftCount{Path: "repeated", Kind: "new field", Count: 2, Value: []byte(longText)}
	reportedAsNew := 0
	for page := range pages {
		drift := []domain.DriftCount{repeated}
		for i := range domain.MaxDriftEntries {
			drift = append(drift, domain.DriftCount{Path: fmt.Sprintf("%d/%d", page, i), Kind: "new field", Count: 1, Value: []byte("1")})
		}
		res := commitNext(t, store, checkpoint, domain.DecodedPage{Drift: drift})
		checkpoint = res.Checkpoint
		reportedAsNew += len(res.NewDrift)
	}
	const maxPathRows = 10 * domain.MaxDriftEntries
	const wantRows = maxPathRows + 1 // with the row of further drift
	if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM drift"); n != wantRows || reportedAsNew != n {
		t.Errorf("got %d rows, %d reported as new, want %d of both", n, reportedAsNew, wantRows)
	}
	further := pgtest.QueryOne[int](t, databaseURL, "SELECT count FROM drift WHERE kind = '"+domain.FurtherDriftKind+"'")
	const paths = pages*domain.MaxDriftEntries + 1 // with the repeated drift
	if want := paths - maxPathRows; further != want {
		t.Errorf("got %d counted as further drift, want %d", further, want)
	}
	const repeatedCount = "SELECT count FROM drift WHERE path = 'repeated' AND first_page_id = 1 AND last_page_id = 12"
	if n := pgtest.QueryOne[int](t, databaseURL, repeatedCount); n != 2*pages {
		t.Errorf("got count %d of the repeated drift, want %d", n, 2*pages)
	}
	sample := pgtest.QueryOne[string](t, databaseURL, "SELECT sample FROM drift WHERE path = 'repeated'")
	if !strings.HasPrefix(sample, `"\u00e9\u00e9`) || !strings.HasSuffix(sample, "…") {
		t.Errorf("got sample %q, want the beginning of the value in ASCII, and …", sample)
	}
}

// TestReaderDrift checks that Drift returns the counts, the first and the last page and a sample of each unknown field.
func TestReaderDrift(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	// The word after a number is the name of a field that the decoder does not know.
	storePayloads(t, databaseURL, "1 colour", "2 colour", "3 size")
	storePayloads(t, databaseURL, "1 colour")
	entries, err := postgres.NewReader(newPool(t, databaseURL)).Drift(t.Context(), streamS)
	// The last page is not page 2: Commit stores a batch with duplicates in a further attempt, which takes another page id.
	lastPageID := pgtest.QueryOne[int64](t, databaseURL, "SELECT max(id) FROM pages")
	want := []domain.DriftEntry{
		{Path: "colour", Kind: "new field", Count: 3, FirstPageID: 1, LastPageID: lastPageID, Sample: "true"},
		{Path: "size", Kind: "new field", Count: 1, FirstPageID: 1, LastPageID: 1, Sample: "true"},
	}
	if err != nil || !slices.Equal(entries, want) {
		t.Errorf("got drift %+v, %v, want %+v", entries, err, want)
	}
}

// TestReaderDeadLetters checks which dead letters of parkSeven the filters and ranges select, and the counts of their reasons.
func TestReaderDeadLetters(t *testing.T) {
	t.Parallel()
	reader := parkSeven(t, pgtest.Database(t))
	type (
		letterFilter = domain.DeadLetterFilter
		letterRange  = domain.DeadLetterRange
	)
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	const resolvedID = 5
	for _, tt := range []struct {
		name        string
		filter      letterFilter
		part        letterRange // it does not restrict the counts of reasons
		want        []int64
		wantMore    bool
		wantReasons string // each reason with its count and the id of its first letter, the sample
	}{
		{
			name: "all letters", part: letterRange{Limit: 9},
			want: []int64{1, 2, 3, 4, 5, 6, 7}, wantReasons: "not a number: 6 (sample 1), other: 1 (sample 7)",
		},
		{
			name: "open letters", filter: letterFilter{State: domain.DeadLettersOpen}, part: letterRange{Limit: 6},
			want: []int64{1, 2, 3, 4, 6, 7}, wantReasons: "not a number: 5 (sample 1), other: 1 (sample 7)",
		},
		{
			name: "resolved letters", filter: letterFilter{State: domain.DeadLettersResolved}, part: letterRange{Limit: 9},
			want: []int64{resolvedID}, wantReasons: "not a number: 1 (sample 5)",
		},
		{
			name: "letters of a reason", filter: letterFilter{Reason: "other"}, part: letterRange{Limit: 9},
			want: []int64{7}, wantReasons: "other: 1 (sample 7)",
		},
		{
			name: "letters of a page", filter: letterFilter{PageID: 2}, part: letterRange{Limit: 9},
			want: []int64{4, 5, 6, 7}, wantReasons: "not a number: 3 (sample 4), other: 1 (sample 7)",
		},
		{
			name: "letters of a day", filter: letterFilter{Since: day(2), Until: day(3)}, part: letterRange{Limit: 9},
			want: []int64{4, 5, 6}, wantReasons: "not a number: 3 (sample 4)",
		},
		{
			name: "a range in the middle", part: letterRange{After: 2, Limit: 2},
			want: []int64{3, 4}, wantMore: true, wantReasons: "not a number: 6 (sample 1), other: 1 (sample 7)",
		},
		{
			name: "the last range", part: letterRange{After: 5, Limit: 2},
			want: []int64{6, 7}, wantReasons: "not a number: 6 (sample 1), other: 1 (sample 7)",
		},
		{name: "no letter", filter: letterFilter{Reason: "unknown reason"}, part: letterRange{Limit: 2}},
	} {
		list, more, err := reader.DeadLetters(t.Context(), streamS, tt.filter, tt.part)
		if err != nil {
			t.Fatal(err)
		}
		var ids []int64
		for _, l := range list {
			ids = append(ids, l.ID)
			if l.Payload != nil || l.Why.Reason == "" || l.Key == "" || l.PageID == 0 || l.ParkedAt.IsZero() {
				t.Errorf("%s: got %+v, want all fields but the payload", tt.name, l)
			}
			if isResolved := l.Resolved != nil; isResolved != (l.ID == resolvedID) {
				t.Errorf("%s: letter %d: got resolution %+v, want one only for letter %d", tt.name, l.ID, l.Resolved, resolvedID)
			}
		}
		if !slices.Equal(ids, tt.want) || more != tt.wantMore {
			t.Errorf("%s: got letters %v, more %v, want %v, more %v", tt.name, ids, more, tt.want, tt.wantMore)
		}
		counts, err := reader.DeadLetterReasons(t.Context(), streamS, tt.filter)
		if err != nil {
			t.Fatal(err)
		}
		var reasons []string
		for _, c := range counts {
			reasons = append(reasons, fmt.Sprintf("%s: %d (sample %d)", c.Reason, c.Count, c.Sample.ID))
		}
		if got := strings.Join(reasons, ", "); got != tt.wantReasons {
			t.Errorf("%s: got reasons %q, want %q", tt.name, got, tt.wantReasons)
		}
	}
}

// TestReaderDeadLetter checks a resolved dead letter, an open one, and one of another stream.
func TestReaderDeadLetter(t *testing.T) {
	t.Parallel()
	reader := parkSeven(t, pgtest.Database(t))
	resolved, err := reader.DeadLetter(t.Context(), streamS, 5)
	want := domain.Resolution{
		How: domain.ResolvedAsSuperseded, Why: "the event is stored", At: time.Date(2026, 1, 4, 0, 0, 0, 0, time.UTC), PageID: 2,
	}
	isSecondRecord := string(resolved.Payload) == "e" && resolved.Index == 1 // of page 2
	if err != nil || !isSecondRecord || resolved.Seen != 1 || *resolved.Resolved != want {
		t.Errorf("letter 5: got %+v, %v, want payload e, index 1, seen once, resolution %+v", resolved, err, want)
	}
	eventID := domain.UUID{15: 7} // ends with 7, as parkSeven sets it
	open, err := reader.DeadLetter(t.Context(), streamS, 7)
	if err != nil || open.Why.ID != eventID || open.Resolved != nil {
		t.Errorf("letter 7: got %+v, %v, want an open letter with event id %s", open, err, eventID)
	}
	// Letter 8 is of another stream.
	if _, err := reader.DeadLetter(t.Context(), streamS, 8); !isInvalid(err, "8") {
		t.Errorf("letter 8: got %v, want Invalid that names it", err)
	}
}

// TestDeadLetterBytes checks that DeadLetter and Open return a parked payload with exactly the same bytes.
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
	open := openLettersAfter(t, postgres.NewReplayStore(pool), 0)
	if len(open) != 1 || string(open[0].Payload) != payload {
		t.Errorf("Open: got %+v, want one dead letter with payload %q", open, payload)
	}
}

// TestUnknownStream checks that every operation on a stream that was never claimed fails with a hint at the known streams.
func TestUnknownStream(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	reader, nobody := parkSeven(t, databaseURL), domain.StreamID{Source: "nobody"} // the database has the streams s and other
	ctx := t.Context()
	_, _, listErr := reader.DeadLetters(ctx, nobody, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
	_, reasonsErr := reader.DeadLetterReasons(ctx, nobody, domain.DeadLetterFilter{})
	_, letterErr := reader.DeadLetter(ctx, nobody, 1)
	_, replayErr := newReplayStore(t, databaseURL).Replay(ctx, domain.ReplayBatch{Stream: nobody})
	_, surveyErr := newReplayStore(t, databaseURL).Survey(ctx, nobody, domain.DeadLetterSelection{All: true})
	_, driftErr := reader.Drift(ctx, nobody)
	discardErr := postgres.NewAdmin(newPool(t, databaseURL)).DiscardDeadLetter(ctx, nobody, 1, "why")
	for what, err := range map[string]error{
		"list": listErr, "reasons": reasonsErr, "letter": letterErr, "discard": discardErr,
		"replay": replayErr, "survey": surveyErr, "drift": driftErr,
	} {
		if !isInvalid(err, "no stream named nobody") || domain.HintOf(err) != "this database knows: other, s" {
			t.Errorf("%s: got %v, hint %q, want Invalid and the streams other and s in the hint", what, err, domain.HintOf(err))
		}
	}
}

// TestReaderOlderSchema checks that read-only commands on an older schema return an error with the remedy to migrate the database.
func TestReaderOlderSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	newPageWriter(t, databaseURL, "s").commitPage(endCursor, 1, 2, 3, 4, 5)
	rollBackUntilDropped(t, databaseURL, "dead_letters")
	pool := newPool(t, databaseURL)
	reader := postgres.NewReader(pool)
	_, inspectErr := postgres.NewInventory(pool).Inspect(t.Context(), streamS, func(domain.Check) {})
	_, reportErr := reader.Status(t.Context(), streamS)
	_, _, listErr := reader.DeadLetters(t.Context(), streamS, domain.DeadLetterFilter{}, domain.DeadLetterRange{Limit: 1})
	for what, err := range map[string]error{"verify": inspectErr, "status": reportErr, "dlq list": listErr} {
		if domain.KindOf(err) != domain.Invalid || domain.RemedyOf(err) != domain.MigrateDatabase {
			t.Errorf("%s: got %v, remedy %d, want Invalid and remedy %d", what, err, domain.RemedyOf(err), domain.MigrateDatabase)
		}
	}
}

// TestLedgerOfOlderSchema checks that the migration of an older schema fills the columns parent_seq and kind of the pages.
func TestLedgerOfOlderSchema(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	newPageWriter(t, databaseURL, "s").
		commitPage("cursor-a", 1, 2).commitPage("cursor-b", 3).
		startPass().commitPage("cursor-c", 1).commitPage(endCursor, 2, 3, 4, 5)
	const links = "SELECT string_agg(seq || '<' || parent_seq || ' ' || kind, ', ' ORDER BY seq) FROM pages"
	// Each entry is seq<parent_seq kind. Seq 1 and 3 are the first pages of the two passes.
	const want = "1<0 page, 2<1 page, 3<0 page, 4<3 page"
	if got := pgtest.QueryOne[string](t, databaseURL, links); got != want {
		t.Fatalf("before the rollback: got ledger %q, want %q", got, want)
	}
	// A replay has the same seq as the page before it. The older schema has UNIQUE (stream, seq), so the rollback must delete the
	// replay.
	pgtest.Exec(t, databaseURL, `INSERT INTO pages
		SELECT (jsonb_populate_record(p, '{"id": 99, "kind": "replay"}')).* FROM pages AS p WHERE seq = 4`)
	rollBackUntilDropped(t, databaseURL, "dead_letters")
	if _, err := migrate.Up(t.Context(), databaseURL); err != nil {
		t.Fatal(err)
	}
	if got := pgtest.QueryOne[string](t, databaseURL, links); got != want {
		t.Errorf("after the migration: got ledger %q, want %q", got, want)
	}
}

// rollBackUntilDropped rolls back the newest migrations until the table does not exist.
func rollBackUntilDropped(t *testing.T, databaseURL, table string) {
	t.Helper()
	db := pgtest.Dbmate(t, databaseURL)
	for pgtest.QueryOne[bool](t, databaseURL, "SELECT to_regclass('"+table+"') IS NOT NULL") {
		if err := db.Rollback(); err != nil {
			t.Fatal(err)
		}
	}
}

// parkSeven parks seven dead letters in stream s and returns a reader of the database:
//
//   - 1 to 3 on page 1 on January 1
//   - 4 to 6 on page 2 on January 2; letter 5 is superseded
//   - 7 on page 2 on January 3, with the reason "other"
//
// It also adds letter 8 of the stream other.
func parkSeven(t *testing.T, databaseURL string) *postgres.Reader {
	t.Helper()
	storePayloads(t, databaseURL, "a", "b", "c")
	storePayloads(t, databaseURL, "d", "e", "f", "g")
	pgtest.Exec(t, databaseURL, `
		UPDATE dead_letters SET parked_at = '2026-01-01Z' WHERE id IN (1, 2, 3);
		UPDATE dead_letters SET parked_at = '2026-01-02Z' WHERE id IN (4, 5, 6);
		UPDATE dead_letters SET parked_at = '2026-01-03Z', reason = 'other', event_id = '00000000-0000-0000-0000-000000000007' WHERE id = 7;
		UPDATE dead_letters SET resolved_at = '2026-01-04Z', resolution = 'superseded', resolved_page_id = 2,
			resolved_why = 'the event is stored' WHERE id = 5;
		INSERT INTO checkpoints (stream, source_url, epoch) VALUES ('other', 'u', 1);
		INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen)
		VALUES ('other', 'k', 1, 0, 'r', '', '', '', sha256(''), 1)`)
	return postgres.NewReader(newPool(t, databaseURL))
}
