package postgres_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestInspectUndamagedDatabase checks that an inspection finds no differences in a database that pawl alone has written.
func TestInspectUndamagedDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	// In stream s, the first pass stores events 1 to 4 in 2 pages. The second pass has 2 pages with events 1 to 5, so it repeats
	// events 1 to 4.
	storeTwoStreams(t, url)
	inspection := inspect(t.Context(), t, url)
	if got := describe(inspection); got != "" {
		t.Errorf("got differences:\n%swant none", got)
	}
	if n := len(inspection.Findings); n != len(domain.InventoryChecks()) {
		t.Errorf("got %d findings, want %d (one of each check)", n, len(domain.InventoryChecks()))
	}
	s := inspection.Stream
	hasRightCounts := s.Pages == 4 && s.Checkpoint.Inserted == 5 && s.Checkpoint.Duplicate == 4
	if !hasRightCounts || !s.Checkpoint.Done {
		t.Errorf("got stream %+v, want it done with 4 pages, 5 inserted and 4 duplicate", s)
	}
}

// TestInspectBatches checks that an inspection finds no differences if each transaction has stored several pages. There are two
// passes, each in two transactions.
func TestInspectBatches(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s")
	// commitBatch commits all its pages in one transaction. Each argument is one page, as the numbers of its events. nil is an empty
	// page that ends the pass.
	commitBatch := func(pages ...[]int) {
		var batch []domain.DecodedPage
		from := s.from
		for _, numbers := range pages {
			next := endCursor
			if len(numbers) > 0 {
				next = domain.Cursor(fmt.Sprintf("cursor after record %d of pass %d", from.Offset+int64(len(numbers)), from.Pass))
			}
			page := s.makePage(from, next, numbers...)
			batch, from = append(batch, page), page.To
		}
		s.commit(batch...)
	}
	commitBatch([]int{1, 2}, []int{3}, []int{2, 4})
	commitBatch([]int{5}, []int{6, 7, 8})
	s.startPass()
	commitBatch([]int{1, 2, 3}, []int{4}, []int{9, 5})
	commitBatch([]int{10, 11}, []int{6}, nil)
	inspection := inspect(t.Context(), t, url)
	if got := describe(inspection); got != "" {
		t.Errorf("got differences:\n%swant none", got)
	}
	// Events 1 to 11 are inserted. The duplicates are event 2 in the first pass, and events 1 to 6 in the second pass.
	got := inspection.Stream
	hasRightCounts := got.Pages == 11 && got.Checkpoint.Inserted == 11 && got.Checkpoint.Duplicate == 7
	if !hasRightCounts || !got.Checkpoint.Done {
		t.Errorf("got stream %+v, want it done with 11 pages, 11 inserted and 7 duplicate", got)
	}
	// The last page is empty. The page before it has only event 6.
	if want := makeEvents(t, 6)[0].OccurredAt; !s.checkpoint.LastEventAt.Equal(want) {
		t.Errorf("got last event at %s, want %s", s.checkpoint.LastEventAt, want)
	}
}

// TestInspectStreamWithoutPages checks that an inspection finds no differences in a stream that was only claimed.
func TestInspectStreamWithoutPages(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	newPageWriter(t, url, "s") // claims the stream
	if got := describe(inspect(t.Context(), t, url)); got != "" {
		t.Errorf("got differences:\n%swant none", got)
	}
}

// TestInspectUnknownStream checks that an inspection of a stream that was never claimed is Invalid and begins no check.
func TestInspectUnknownStream(t *testing.T) {
	t.Parallel()
	inventory := postgres.NewInventory(newPool(t, pgtest.Database(t)))
	_, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) { t.Error("a check began, want none") })
	if domain.KindOf(err) != domain.Invalid {
		t.Errorf("got error %v, want Invalid", err)
	}
}

// TestInspectSnapshot checks that all checks of an inspection see the database as it was when the first check began. The test
// changes pages, checkpoints and events at that moment.
func TestInspectSnapshot(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s").commitPage("cursor-a", 1, 2)
	other := newPageWriter(t, url, "other")
	hasChanged := false
	inspection, err := postgres.NewInventory(newPool(t, url)).Inspect(t.Context(), streamS, func(domain.Check) {
		if hasChanged { // only the first check makes the changes
			return
		}
		hasChanged = true
		s.commitPage("cursor-b", 3, 4)
		other.commitPage("cursor-b", 5, 6)
		pgtest.Exec(t, url, `UPDATE checkpoints SET seq = 9, done = true, announced_first = 9, announced_last = 9;
			UPDATE pages SET cursor_in = 'x', position = 9; UPDATE events SET page_id = 99`)
	})
	if err != nil || inspection.Stream.Pages != 1 {
		t.Errorf("got %d pages, error %v, want 1 page and no error", inspection.Stream.Pages, err)
	}
	if got := describe(inspection); got != "" {
		t.Errorf("got differences:\n%swant none", got)
	}
	got := map[domain.Check]int64{} // the number of differences that the next inspection finds
	next := inspect(t.Context(), t, url)
	for _, f := range next.Findings {
		if f.Differences > 0 {
			got[f.Check] = f.Differences
		}
	}
	want := map[domain.Check]int64{
		domain.CheckCheckpoint: 4, // seq, done, position and furthest
		domain.CheckChain:      4, // cursor_in and position of both pages
		domain.CheckPageEvents: 2, // no event names one of the two pages
		domain.CheckEventPages: 1, // all events name page 99, which does not exist
		domain.CheckAnnounced:  1, // the pass is done at 4 of 9 records
	}
	if !maps.Equal(got, want) {
		t.Errorf("next inspection: got differences %v:\n%swant %v", got, describe(next), want)
	}
}

// TestInspectDuringRun checks that an inspection finds no differences while a run commits pages.
func TestInspectDuringRun(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s").commitPage("cursor-a", 1)
	inventory := postgres.NewInventory(newPool(t, url))
	var run sync.WaitGroup
	defer run.Wait()
	const pages, inspections = 60, 20
	run.Go(func() {
		for n := range pages {
			// Each page has two new events, from event 10 on, and event 1 as a duplicate.
			s.commitPage(domain.Cursor(strconv.Itoa(n)), 10+2*n, 11+2*n, 1)
		}
	})
	for range inspections {
		inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
		if err != nil || describe(inspection) != "" {
			t.Fatalf("got error %v and differences:\n%swant neither", err, describe(inspection))
		}
	}
}

// TestInspectTimeout checks that Inspect ends when a check exceeds its time limit, and that it then returns the findings of the
// checks before. It also checks that Inspect does not report a time limit if the caller's context ends.
func TestInspectTimeout(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	tx, err := newPool(t, url).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background()) //nolint:errcheck // the transaction only holds the lock
	if _, err := tx.Exec(t.Context(), "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	inventory := postgres.NewInventoryWithTimeout(newPool(t, url), 300*time.Millisecond)
	inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "check events: PostgreSQL did not end it within 300ms") {
		t.Errorf("got error %v, want a Transient error that names the check and its time limit", err)
	}
	const checksBefore = 3 // balance, checkpoint and chain do not read the locked table events
	if n := len(inspection.Findings); n != checksBefore {
		t.Errorf("got %d findings, want %d", n, checksBefore)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = postgres.NewInventory(newPool(t, url)).Inspect(ctx, streamS, func(domain.Check) {})
	if err == nil || strings.Contains(err.Error(), "PostgreSQL did not end it") {
		t.Errorf("context of the caller ended: got error %v, want an error that does not blame PostgreSQL", err)
	}
}

// TestInspectManyDifferences checks that a finding counts all differences and shows the first MaxShownDifferences (20) of them.
func TestInspectManyDifferences(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s")
	const pages = 25
	const pagesWithStrays = pages - 3 // both numbers are greater than MaxShownDifferences
	for n := range pages {
		s.commitPage(domain.Cursor(strconv.Itoa(n)), 2*n, 2*n+1)
	}
	// Each page has two events, but its row counts only one as inserted. From page 4 on, the events name pages that do not exist.
	pgtest.Exec(t, url, "UPDATE pages SET inserted = 1, duplicate = 1; UPDATE events SET page_id = page_id + 1000 WHERE page_id > 3")
	for _, f := range inspect(t.Context(), t, url).Findings {
		switch f.Check {
		case domain.CheckPageEvents:
			if f.Differences != pages || len(f.Shown) != domain.MaxShownDifferences {
				t.Errorf("%s: got %d differences, %d shown, want %d differences, %d shown",
					f.Check, f.Differences, len(f.Shown), pages, domain.MaxShownDifferences)
				continue
			}
			// The pages from seq 1 to seq MaxShownDifferences are shown.
			if last := f.Shown[len(f.Shown)-1]; last.Seq != domain.MaxShownDifferences {
				t.Errorf("%s: got seq %d of the last shown difference, want %d", f.Check, last.Seq, domain.MaxShownDifferences)
			}
		case domain.CheckEventPages:
			if f.Differences != pagesWithStrays || len(f.Shown) != domain.MaxShownDifferences {
				t.Errorf("%s: got %d differences, %d shown, want %d differences, %d shown",
					f.Check, f.Differences, len(f.Shown), pagesWithStrays, domain.MaxShownDifferences)
			}
		default: // the other checks are not of interest here
		}
	}
}

// TestInspectStaleStatistics checks that an inspection of 20,000 pages ends within its time limit even if PostgreSQL's statistics
// are older than the pages. It also checks that the inspection reads the first, a middle and the last page.
func TestInspectStaleStatistics(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	// The statistics must know the tables, but not the pages of stream s. So another stream stores one event ("1") and one dead
	// letter ("x") before ANALYZE, and stream s is only claimed.
	newPageWriter(t, url, "other").commitPayloads("cursor-c", "1", "x")
	newPageWriter(t, url, "s")
	pgtest.Exec(t, url, "ANALYZE")
	// Stream s gets 20,000 pages. Each of them has parked one record, whose dead letter is superseded.
	pgtest.Exec(t, url, `
		INSERT INTO pages (kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT 'page', 's', 1, n, n - 1, CASE n WHEN 1 THEN '' ELSE 'c' || n - 1 END, concat('c', n), n, 1, 0, 0, 1,
			0, '', 1, 0, 0, 0, now(), ''
		FROM generate_series(1, 20000) AS n;
		INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen,
			resolved_at, resolution, resolved_page_id)
		SELECT 's', concat('k', id), id, 0, 'r', '', '', '', sha256(''), 1, now(), 'superseded', id FROM pages WHERE stream = 's';
		UPDATE checkpoints SET seq = 20000, position = 20000, furthest = 20000, cursor = 'c20000', received = 20000, parked = 20000
		WHERE stream = 's'`)
	inventory := postgres.NewInventoryWithTimeout(newPool(t, url), 15*time.Second)
	inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
	if err != nil || describe(inspection) != "" {
		t.Errorf("got error %v and differences:\n%swant neither", err, describe(inspection))
	}
	for _, seq := range []string{"1", "10000", "20000"} {
		// These changes damage the page and its dead letter.
		pgtest.Exec(t, url, "UPDATE pages SET cursor_in = 'x', inserted = 1, parked = 0 WHERE stream = 's' AND seq = "+seq+`;
			UPDATE dead_letters SET payload = 'x' WHERE key = (SELECT 'k' || id FROM pages WHERE stream = 's' AND seq = `+seq+")")
		inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range []domain.Check{domain.CheckChain, domain.CheckPageEvents, domain.CheckDeadLetters, domain.CheckPayloads} {
			index := slices.IndexFunc(inspection.Findings, func(f domain.Finding) bool { return f.Check == check })
			finding := inspection.Findings[index]
			if !slices.ContainsFunc(finding.Shown, func(d domain.Difference) bool { return strconv.FormatInt(d.Seq, 10) == seq }) {
				t.Errorf("%s after changes of page %s: got finding %+v, want a difference of this page", check, seq, finding)
			}
		}
	}
}

// TestFewerThanAnnounced checks what an inspection finds in a stream that is done with fewer records than the API announced. At
// first the stream has five events in two pages, and the API has announced five records. Then each test changes this by SQL.
func TestFewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const announced6 = "UPDATE checkpoints SET announced_first = 6; "
	difference := func(what, value string) string { return what + ": " + value }
	endedEarly := difference("position of the pass that is done", "5") // 5 of 6 records
	notAccounted := func(accounted string) string {
		return difference(accounted+" of 5 announced records are stored or parked: "+
			"the API returned a record twice, or left one out; `pawl run --new-pass` finds out", "")
	}
	tests := []struct {
		name, sql string
		want      string // all differences; "" if there are none
	}{
		{name: "as many as announced", sql: "", want: ""},
		{name: "the API has grown since", sql: "UPDATE checkpoints SET announced_last = 45", want: ""},
		{name: "fewer received than announced first", sql: announced6, want: endedEarly},
		{name: "the user accepted this end", sql: announced6 + "UPDATE pages SET end_accepted = true WHERE seq = 2", want: ""},
		{name: "the user accepted another end", sql: announced6 + "UPDATE pages SET end_accepted = true WHERE seq = 1", want: endedEarly},
		{name: "fewer stored than received", sql: storeTwoFewer, want: notAccounted("3")},
		{
			name: "fewer stored, pages of an earlier version",
			sql:  storeTwoFewer + "UPDATE pages SET ids_hash = NULL", want: notAccounted("3"),
		},
		{name: "fewer stored, another stream shares the table", sql: storeTwoFewer + addStream, want: ""},
		{
			name: "fewer stored, another stream has received nothing",
			sql:  storeTwoFewer + addStream + "UPDATE checkpoints SET received = 0, inserted = 0 WHERE stream = 'other'",
			want: notAccounted("3"),
		},
		{name: "fewer stored, a later pass found nothing new", sql: storeTwoFewer + addPass(0), want: ""},
		{name: "fewer stored, a later pass found one new event", sql: storeTwoFewer + addPass(1), want: notAccounted("4")},
		{
			name: "fewer stored, a later pass of another stream found nothing new",
			sql: storeTwoFewer + addPass(0) +
				`UPDATE pages SET stream = 'other' WHERE seq = 3; UPDATE checkpoints SET pass = 1, seq = 2, received = 5, duplicate = 2`,
			want: notAccounted("3"),
		},
		{
			name: "fewer stored, the pass before the last was not complete",
			sql:  storeTwoFewer + addPass(0) + "UPDATE pages SET cursor_out = 'b' WHERE seq = 2", want: notAccounted("3"),
		},
		{
			name: "not done",
			sql:  announced6 + `UPDATE checkpoints SET done = false, cursor = 'c'; UPDATE pages SET cursor_out = 'c' WHERE seq = 2`, want: "",
		},
		{name: "nothing announced", sql: "UPDATE checkpoints SET announced_first = NULL, announced_last = NULL", want: ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.Database(t)
			newPageWriter(t, url, "s").commitPage("cursor-a", 1, 2).commitPage(endCursor, 3, 4, 5)
			if tt.sql != "" {
				pgtest.Exec(t, url, tt.sql)
			}
			var found []string
			for _, f := range inspect(t.Context(), t, url).Findings {
				for _, d := range f.Shown {
					found = append(found, difference(d.What, d.Value))
				}
			}
			if got := strings.Join(found, ", "); got != tt.want {
				t.Errorf("got differences %q, want %q", got, tt.want)
			}
		})
	}
}

// storeTwoFewer is SQL that makes the records of events 4 and 5 duplicates of other events, so that the stream has stored three
// events.
const storeTwoFewer = `DELETE FROM events WHERE name IN ('event_4', 'event_5');
	UPDATE pages SET inserted = 1, duplicate = 2 WHERE seq = 2; UPDATE checkpoints SET inserted = 3, duplicate = 2; `

// addStream is SQL that adds another stream, which stores its events in the same table.
const addStream = `INSERT INTO checkpoints (stream, source_url, epoch, received, inserted) VALUES ('other', 'u', 1, 1, 1); `

// addPass returns SQL that adds a second pass with one page. The page has five records. inserted of them are new events, and the
// others are duplicates.
func addPass(inserted int) string {
	return fmt.Sprintf(`INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position,
			received, inserted, duplicate, parked, body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT nextval(pg_get_serial_sequence('pages', 'id')), kind, stream, 2, 3, 0, '', '', 5,
			5, %[1]d, 5 - %[1]d, 0, 0, '', 1, 0, 0, 0, now(), ''
		FROM pages WHERE seq = 2;
		INSERT INTO events SELECT gen_random_uuid(), session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, p.id
		FROM (TABLE events LIMIT %[1]d) AS e, pages AS p WHERE p.seq = 3;
		UPDATE checkpoints SET pass = 2, seq = 3, received = 10, inserted = inserted + %[1]d, duplicate = duplicate + 5 - %[1]d; `, inserted)
}

// inspect inspects stream s. An error ends the test.
func inspect(ctx context.Context, t *testing.T, databaseURL string) domain.Inspection {
	t.Helper()
	inspection, err := postgres.NewInventory(newPool(t, databaseURL)).
		Inspect(ctx, streamS, func(domain.Check) {})
	if err != nil {
		t.Fatal(err)
	}
	return inspection
}

// describe describes the shown differences, one per line, in the form "check: 7/3/1 inserted=2 events=1". The numbers before the
// first value are the id, the seq and the pass of the page. In this example, page 7 counts 2 inserted events, but the inspection
// has found 1 event.
func describe(inspection domain.Inspection) string {
	var b strings.Builder
	for _, f := range inspection.Findings {
		for _, d := range f.Shown {
			fmt.Fprintf(&b, "%s: %d/%d/%d %s=%s %s=%s\n", f.Check, d.PageID, d.Seq, d.Pass, d.What, d.Value, d.OtherName, d.OtherValue)
		}
	}
	return b.String()
}
