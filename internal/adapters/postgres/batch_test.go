package postgres_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestBatchLikePages checks that a batch of pages has the same effect as the same pages one after the other. It stores random pages in
// two databases and compares all tables. Most batches of one database tell the store which pages follow, and for some of these other pages
// follow. The pages have duplicates and conflicts, within a page and between pages, rejects, refused
// values, drift, and events with open dead letters.
func TestBatchLikePages(t *testing.T) {
	t.Parallel()
	const seeds = 4
	for seed := range uint64(seeds) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			generator := newPageGenerator(seed)
			asBatches := newPageWriter(t, pgtest.Database(t), "s")
			asPages := newPageWriter(t, pgtest.Database(t), "s")
			const batches = 25
			next := makeBatch(generator, asBatches.from)
			for range batches {
				pages := next
				next = makeBatch(generator, pages[len(pages)-1].To)
				announced := next
				switch generator.random.IntN(6) {
				case 0:
					announced = nil
				case 1:
					announced = makeBatch(generator, pages[len(pages)-1].To)
				}
				together := asBatches.commitWithNext(pages, announced)
				var apart domain.CommitResult
				for _, page := range pages {
					res := asPages.commitPages(page)
					apart.Counts = apart.Counts.Add(res.Counts)
					apart.NewDrift = append(apart.NewDrift, res.NewDrift...)
				}
				if together.Counts != apart.Counts {
					t.Fatalf("got counts %+v, want %+v, for\n%s", together.Counts, apart.Counts, describePages(pages))
				}
				if got, want := describeDrift(together.NewDrift), describeDrift(apart.NewDrift); !slices.Equal(got, want) {
					t.Fatalf("got new drift %q, want %q, for\n%s", got, want, describePages(pages))
				}
			}
			for table, query := range tableContents {
				got := pgtest.QueryOne[string](t, asBatches.databaseURL, query)
				if want := pgtest.QueryOne[string](t, asPages.databaseURL, query); got != want {
					t.Errorf("%s: got\n%s\nwant\n%s", table, got, want)
				}
			}
		})
	}
}

// tableContents has for each table a query that returns its rows as text. The queries replace the ids of pages by their seqs, because
// a transaction that is rolled back uses ids, too. They leave out the times of the transactions and the claim.
var tableContents = map[string]string{
	"checkpoints": `SELECT string_agg((stream, seq, pass, position, furthest, cursor, cursor_expires_at, done, announced_first,
		announced_last, received, inserted, duplicate, parked, last_event_at)::text, E'\n') FROM checkpoints`,
	"pages": `SELECT string_agg((stream, kind, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate,
		parked, fetched_at, trace_id, ids_hash)::text, E'\n' ORDER BY id) FROM pages`,
	"events": `SELECT string_agg((e.id, e.session_id, e.user_id, e.type, e.name, e.properties, e.occurred_at, e.device_type, e.browser,
		e.extra, p.seq)::text, E'\n' ORDER BY e.id) FROM events AS e JOIN pages AS p ON p.id = e.page_id`,
	"dead_letters": `SELECT string_agg((l.key, p.seq, l.index_in_page, l.reason, l.field, l.detail, l.payload, l.event_id, l.seen,
		l.others, l.resolution, l.resolved_why, r.seq)::text, E'\n' ORDER BY l.id)
		FROM dead_letters AS l JOIN pages AS p ON p.id = l.page_id LEFT JOIN pages AS r ON r.id = l.resolved_page_id`,
	"drift": `SELECT string_agg((d.path, d.kind, d.count, d.sample, f.seq, l.seq)::text, E'\n' ORDER BY f.seq, d.path)
		FROM drift AS d JOIN pages AS f ON f.id = d.first_page_id JOIN pages AS l ON l.id = d.last_page_id`,
}

// describeDrift returns the entries as text, without the ids of pages.
func describeDrift(entries []domain.DriftEntry) (texts []string) {
	for _, e := range entries {
		texts = append(texts, fmt.Sprintf("%s %s %d", e.Path, e.Kind, e.Count))
	}
	return texts
}

// makeBatch returns one to eight consecutive pages. Some batches have events only, and some of these have no conflicts of names. So
// each way to store a batch is tested, see Store.Commit.
func makeBatch(g *pageGenerator, from domain.Position) (pages []domain.DecodedPage) {
	kindsOfBatch := [][]string{allKinds, {unnamedEvent, otherName}, {unnamedEvent}}
	g.kinds = kindsOfBatch[g.random.IntN(len(kindsOfBatch))]
	recordsOfPage := []int{0, 3, manyRecords}
	const maxPages = 8
	for range 1 + g.random.IntN(maxPages) {
		page := g.makePage(from, recordsOfPage[g.random.IntN(len(recordsOfPage))])
		for i := range page.Events {
			page.Events[i].Properties, page.Events[i].Extra = makeProperties(g.random), makeExtra(g.random)
		}
		hasDrift := g.random.IntN(4) == 0
		if hasDrift {
			path := strconv.Itoa(g.random.IntN(3))
			page.Drift = []domain.DriftCount{{Path: path, Kind: "kind", Count: 1 + g.random.Int64N(3), Value: []byte(path)}}
		}
		pages, from = append(pages, page), page.To
	}
	return pages
}

// makeProperties returns one of several texts of the same JSON object, and rarely another object.
func makeProperties(random *rand.Rand) []byte {
	texts := []string{
		`{"bb":[1,"x"],"a":{"c":10}}`, `{"a":{"c":10},"bb":[1,"x"]}`, ` { "a" : {"c":1e1}, "bb": [1.0, "\u0078"] } `,
	}
	if random.IntN(20) == 0 {
		return []byte(`{"a":{"c":11},"bb":[1,"x"]}`)
	}
	return []byte(texts[random.IntN(len(texts))])
}

// makeExtra returns nil in most cases, and rarely an object.
func makeExtra(random *rand.Rand) []byte {
	if random.IntN(20) == 0 {
		return []byte(`{"further":true}`)
	}
	return nil
}

// TestCommitRoundTrips checks that an ordinary batch takes three round trips, however many pages it has. With stored ids it takes one
// more, to fetch the stored rows.
func TestCommitRoundTrips(t *testing.T) {
	t.Parallel()
	count := &requestCounter{}
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable") // the counter cannot read TLS
	const noDelay = 0
	writer := newPageWriter(t, startProxy(t, databaseURL, serveDistant(noDelay, count)), "s")
	// commit commits a page of three events for each number of a first event.
	commit := func(firstEvents ...int) {
		t.Helper()
		var pages []domain.DecodedPage
		from := writer.from
		for i, first := range firstEvents {
			next := domain.Cursor(fmt.Sprintf("cursor %d.%d", writer.checkpoint.Seq, i))
			page := writer.makePage(from, next, first, first+1, first+2)
			pages, from = append(pages, page), page.To
		}
		writer.commitPages(pages...)
	}
	check := func(what string, want int64) {
		t.Helper()
		if got := count.roundTrips.Load(); got != want {
			t.Errorf("%s: got %s, want %d round trips", what, count, want)
		}
		count.reset()
	}
	commit(100, 10, 20) // pgx prepares the statements of a first commit
	commit(99, 30)      // events 100 and 101 are duplicates; pgx prepares the statement that fetches stored rows
	count.reset()
	commit(40, 50, 60, 70)
	check("new events after duplicates", 4)
	for i := range postgres.LookUpsAfterDuplicate {
		commit(200 + 10*i)
	}
	count.reset() // from here on Commit expects no duplicates
	commit(1000, 1010, 1020, 1030)
	check("new events", 3)
	commit(2000)
	check("a page of new events", 3)
}

// TestHoldDuringCommit checks that Hold may be called while Commit runs.
func TestHoldDuringCommit(t *testing.T) {
	t.Parallel()
	writer := newPageWriter(t, pgtest.Database(t), "s")
	held := writer.checkpoint // Hold compares only the claim, so an old checkpoint will do
	const commits = 5
	done := make(chan error, commits)
	for i := range commits {
		go func() { done <- writer.store.Hold(t.Context(), held, time.Now().Add(time.Minute)) }()
		writer.commitPage(domain.Cursor(strconv.Itoa(i)), 2*i, 2*i+1)
	}
	for range commits {
		if err := <-done; err != nil {
			t.Errorf("got %v, want no error", err)
		}
	}
	if got := pgtest.QueryOne[int](t, writer.databaseURL, "SELECT count(*) FROM events"); got != 2*commits {
		t.Errorf("got %d events, want %d", got, 2*commits)
	}
}

// TestBatchSupersedesOwnLetter checks that an event resolves a dead letter that an earlier page of the same batch has parked.
func TestBatchSupersedesOwnLetter(t *testing.T) {
	t.Parallel()
	writer := newPageWriter(t, pgtest.Database(t), "s")
	first := decodePayloads(writer.from, "cursor-a", "1", "3!") // the pickyDecoder rejects "3!", with the id of event 3
	second := decodePayloads(first.To, "cursor-b", "2", "3")
	writer.commitPages(first, second)
	letters := readDeadLetters(t, writer.databaseURL)
	if len(letters) != 1 || letters[0].Resolved == nil || letters[0].Resolved.How != domain.ResolvedAsSuperseded {
		t.Errorf("got dead letters %+v, want one that is superseded", letters)
	}
}
