package postgres_test

import (
	"context"
	"fmt"
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

func TestInspectSoundDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	inspection := inspect(t.Context(), t, url)
	if got := describe(inspection); got != "" {
		t.Errorf("got differences:\n%s", got)
	}
	if n := len(inspection.Findings); n != len(domain.InventoryChecks()) {
		t.Errorf("got %d findings, want %d", n, len(domain.InventoryChecks()))
	}
	if s := inspection.Stream; s.Pages != 4 || s.Checkpoint.Inserted != 5 || s.Checkpoint.Duplicate != 4 || !s.Checkpoint.Done {
		t.Errorf("got stream %+v", s)
	}
}

// TestInspectBatches inspects two passes with several pages in each transaction.
func TestInspectBatches(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s")
	write := func(pages ...[]int) {
		var batch []domain.DecodedPage
		from := s.from
		for i, numbers := range pages {
			next := domain.Cursor(fmt.Sprintf("behind %d of pass %d", from.Offset+int64(len(numbers)), from.Pass))
			if i == len(pages)-1 && len(numbers) == 0 {
				next = ""
			}
			page := s.makePage(from, next, numbers...)
			batch, from = append(batch, page), page.To
		}
		s.commit(batch...)
	}
	write([]int{1, 2}, []int{3}, []int{2, 4})
	write([]int{5}, []int{6, 7, 8})
	s.startPass()
	write([]int{1, 2, 3}, []int{4}, []int{9, 5})
	write([]int{10, 11}, []int{6}, nil)
	inspection := inspect(t.Context(), t, url)
	if got := describe(inspection); got != "" {
		t.Errorf("got differences:\n%s", got)
	}
	if checkpoint := inspection.Stream.Checkpoint; inspection.Stream.Pages != 11 || checkpoint.Inserted != 11 || checkpoint.Duplicate != 7 || !checkpoint.Done {
		t.Errorf("got stream %+v", inspection.Stream)
	}
	if want := makeEvents(t, 6)[0].OccurredAt; !s.checkpoint.LastEventAt.Equal(want) {
		t.Errorf("got last event at %s, want %s", s.checkpoint.LastEventAt, want)
	}
}

func TestInspectStreamWithoutPages(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	newPageWriter(t, url, "s")
	if got := describe(inspect(t.Context(), t, url)); got != "" {
		t.Errorf("got differences:\n%s", got)
	}
}

func TestInspectUnknownStream(t *testing.T) {
	t.Parallel()
	inventory := postgres.NewInventory(newPool(t, pgtest.Database(t)))
	_, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) { t.Error("a check began") })
	if domain.KindOf(err) != domain.Invalid {
		t.Errorf("got %v, want Invalid", err)
	}
}

// TestInspectSnapshot changes everything when the first check begins, and tests that no check sees it.
func TestInspectSnapshot(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, other := newPageWriter(t, url, "s").commitPage("cursor-a", 1, 2), newPageWriter(t, url, "other")
	began := 0
	inspection, err := postgres.NewInventory(newPool(t, url)).Inspect(t.Context(), s.checkpoint.Stream, func(domain.Check) {
		if began++; began > 1 {
			return
		}
		s.commitPage("cursor-b", 3, 4)
		other.commitPage("cursor-b", 5, 6)
		pgtest.Exec(t, url, `UPDATE checkpoints SET seq = 9, done = true, announced_first = 9, announced_last = 9;
			UPDATE pages SET cursor_in = 'x', position = 9; UPDATE events SET page_id = 99`)
	})
	if err != nil || describe(inspection) != "" || inspection.Stream.Pages != 1 {
		t.Errorf("got %d pages, %v, want 1\n%s", inspection.Stream.Pages, err, describe(inspection))
	}
	if after := describe(inspect(t.Context(), t, url)); strings.Count(after, "\n") < 8 {
		t.Errorf("next inspection: got only\n%s", after)
	}
}

// TestInspectDuringRun inspects a stream while pages are committed.
func TestInspectDuringRun(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s").commitPage("cursor-a", 1)
	inventory := postgres.NewInventory(newPool(t, url))
	var run sync.WaitGroup
	defer run.Wait()
	run.Go(func() {
		for n := range 60 {
			s.commitPage(domain.Cursor(strconv.Itoa(n)), 2*n+10, 2*n+11, 1)
		}
	})
	for range 20 {
		inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
		if err != nil || describe(inspection) != "" {
			t.Fatalf("got %v\n%s", err, describe(inspection))
		}
	}
}

func TestInspectTimeout(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	holder := newPool(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background()) //nolint:errcheck // it only holds the lock
	if _, err := tx.Exec(t.Context(), "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	inventory := postgres.NewInventoryWithTimeout(newPool(t, url), 300*time.Millisecond)
	inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "check events: PostgreSQL did not end it within 300ms") {
		t.Errorf("got %v, want Transient", err)
	}
	if n := len(inspection.Findings); n != 3 {
		t.Errorf("got %d findings, want 3", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = postgres.NewInventory(newPool(t, url)).Inspect(ctx, streamS, func(domain.Check) {})
	if err == nil || strings.Contains(err.Error(), "PostgreSQL did not end it") {
		t.Errorf("canceled by the caller: got %v", err)
	}
}

func TestInspectManyDifferences(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPageWriter(t, url, "s")
	for n := range 25 {
		s.commitPage(domain.Cursor(strconv.Itoa(n)), 2*n, 2*n+1)
	}
	pgtest.Exec(t, url, "UPDATE pages SET inserted = 1, duplicate = 1; UPDATE events SET page_id = page_id + 1000 WHERE page_id > 3")
	for _, f := range inspect(t.Context(), t, url).Findings {
		switch f.Check {
		case domain.CheckPageEvents:
			if f.Differences != 25 || len(f.Shown) != domain.MaxShownDifferences || f.Shown[19].Seq != 20 {
				t.Errorf("%s: got %d differences, %d shown", f.Check, f.Differences, len(f.Shown))
			}
		case domain.CheckEventPages:
			if f.Differences != 22 || len(f.Shown) != domain.MaxShownDifferences {
				t.Errorf("%s: got %d differences, %d shown", f.Check, f.Differences, len(f.Shown))
			}
		default:
		}
	}
}

// TestInspectStaleStatistics tests that the checks of 20,000 pages are fast although the statistics are older than the pages.
func TestInspectStaleStatistics(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	newPageWriter(t, url, "other").commitPayloads("cursor-c", "1", "x")
	newPageWriter(t, url, "s")
	pgtest.Exec(t, url, "ANALYZE")
	pgtest.Exec(t, url, `
		INSERT INTO pages (kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT 'page', 's', 1, (n), n - 1, CASE n WHEN 1 THEN '' ELSE 'c' || n - 1 END, 'c' || n, (n), 1, 0, 0, 1, 0, '', 1, 0, 0, 0, now(), ''
		FROM generate_series(1, 20000) AS n;
		INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen, resolved_at, resolution, resolved_page_id)
		SELECT 's', 'k' || id, (id), 0, 'r', '', '', '', sha256(''), 1, now(), 'superseded', id FROM pages WHERE stream = 's';
		UPDATE checkpoints SET seq = 20000, position = 20000, furthest = 20000, cursor = 'c20000', received = 20000, parked = 20000 WHERE stream = 's'`)
	inventory := postgres.NewInventoryWithTimeout(newPool(t, url), 15*time.Second)
	inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
	if err != nil || describe(inspection) != "" {
		t.Errorf("got %v\n%s", err, describe(inspection))
	}
	// Every check of the pages reads all of them.
	for _, seq := range []string{"1", "10000", "20000"} {
		pgtest.Exec(t, url, "UPDATE pages SET cursor_in = 'x', inserted = 1, parked = 0 WHERE stream = 's' AND seq = "+seq+`;
			UPDATE dead_letters SET payload = 'x' WHERE key = (SELECT 'k' || id FROM pages WHERE stream = 's' AND seq = `+seq+")")
		inspection, err := inventory.Inspect(t.Context(), streamS, func(domain.Check) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range []domain.Check{domain.CheckChain, domain.CheckPageEvents, domain.CheckDeadLetters, domain.CheckPayloads} {
			found := inspection.Findings[slices.IndexFunc(inspection.Findings, func(f domain.Finding) bool { return f.Check == check })]
			if !slices.ContainsFunc(found.Shown, func(d domain.Difference) bool { return strconv.FormatInt(d.Seq, 10) == seq }) {
				t.Errorf("changes of page %s: %s got %+v", seq, check, found)
			}
		}
	}
}

// TestFewerThanAnnounced inspects streams that are done with fewer records than the API announced: five events, in two pages.
func TestFewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const short = "3 of 5 announced records are stored or parked: the API returned a record twice, or left one out; `pawl run --new-pass` finds out"
	tests := []struct {
		name, sql, want string
	}{
		{"as many as announced", "", ""},
		{"the API has grown since", "UPDATE checkpoints SET announced_last = 45", ""},
		{"fewer received than announced first", "UPDATE checkpoints SET announced_first = 6", "position of the pass that is done=5"},
		{"the user accepted it", "UPDATE checkpoints SET announced_first = 6; UPDATE pages SET end_accepted = true WHERE seq = 2", ""},
		{"the user accepted another end", "UPDATE checkpoints SET announced_first = 6; UPDATE pages SET end_accepted = true WHERE seq = 1", "position of the pass that is done=5"},
		{"fewer stored than received", fewerStored, short + "="},
		{"the same, in pages of an earlier version", fewerStored + "; UPDATE pages SET ids_hash = NULL", short + "="},
		{"the same, and another stream shares the table", fewerStored + otherStream, ""},
		{"the same, and another stream has received nothing", fewerStored + otherStream + "; UPDATE checkpoints SET received = 0, inserted = 0 WHERE stream = 'other'", short + "="},
		{"the same, and a later pass found nothing new", fewerStored + laterPass(0), ""},
		{"the same, and a later pass found something new", fewerStored + laterPass(1), "4 of 5" + short[len("3 of 5"):] + "="},
		{"the same, and a later pass of another stream found nothing new", fewerStored + laterPass(0) + "; UPDATE pages SET stream = 'other' WHERE seq = 3; UPDATE checkpoints SET pass = 1, seq = 2, received = 5, duplicate = 2", short + "="},
		{"the same, and the pass before was not complete", fewerStored + laterPass(0) + "; UPDATE pages SET cursor_out = 'b' WHERE seq = 2", short + "="},
		{"not done", "UPDATE checkpoints SET announced_first = 6, done = false; UPDATE pages SET cursor_out = 'c' WHERE seq = 2; UPDATE checkpoints SET cursor = 'c'", ""},
		{"nothing announced", "UPDATE checkpoints SET announced_first = NULL, announced_last = NULL", ""},
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
					found = append(found, d.What+"="+d.Value)
				}
			}
			if got := strings.Join(found, ", "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// fewerStored makes two of the records duplicates of others.
const fewerStored = `DELETE FROM events WHERE name IN ('event_4', 'event_5');
	UPDATE pages SET inserted = 1, duplicate = 2 WHERE seq = 2; UPDATE checkpoints SET inserted = 3, duplicate = 2`

// laterPass reads the five records again in one page, which inserts this number of events.
func laterPass(inserted int) string {
	return fmt.Sprintf(`; INSERT INTO pages (id, kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT nextval(pg_get_serial_sequence('pages', 'id')), kind, stream, 2, 3, 0, '', '', 5, 5, %[1]d, 5 - %[1]d, 0, 0, '', 1, 0, 0, 0, now(), ''
		FROM pages WHERE seq = 2;
		INSERT INTO events SELECT gen_random_uuid(), session_id, user_id, type, name, properties, occurred_at, device_type, browser, extra, p.id
		FROM (TABLE events LIMIT %[1]d) AS e, pages AS p WHERE p.seq = 3;
		UPDATE checkpoints SET pass = 2, seq = 3, received = 10, inserted = inserted + %[1]d, duplicate = duplicate + 5 - %[1]d`, inserted)
}

// otherStream adds another stream that stores into the same table.
const otherStream = `; INSERT INTO checkpoints (stream, source_url, epoch, received, inserted) VALUES ('other', 'u', 1, 1, 1)`

// inspect returns the inspection of stream s.
func inspect(ctx context.Context, t *testing.T, databaseURL string) domain.Inspection {
	t.Helper()
	inspection, err := postgres.NewInventory(newPool(t, databaseURL)).
		Inspect(ctx, streamS, func(domain.Check) {})
	if err != nil {
		t.Fatal(err)
	}
	return inspection
}

// describe returns all differences as text, each in the form "check: page/seq/pass what=value against=found".
func describe(inspection domain.Inspection) string {
	var b strings.Builder
	for _, f := range inspection.Findings {
		for _, d := range f.Shown {
			fmt.Fprintf(&b, "%s: %d/%d/%d %s=%s %s=%s\n", f.Check, d.PageID, d.Seq, d.Pass, d.What, d.Value, d.Against, d.Found)
		}
	}
	return b.String()
}
