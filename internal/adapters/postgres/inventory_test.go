package postgres_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// A pen writes a stream page by page, as a run does.
type pen struct {
	t     *testing.T
	store *postgres.Store
	at    domain.Checkpoint
	from  domain.Position // where the next page begins
}

func newPen(t *testing.T, databaseURL, stream string) *pen {
	t.Helper()
	p := &pen{t: t, store: open(t, databaseURL)}
	at, err := p.store.Claim(t.Context(), domain.StreamID{Source: stream}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	p.at, p.from = at, at.Position
	return p
}

// page commits a page of the events with these numbers that leads to next; empty is the end.
func (p *pen) page(next domain.Cursor, numbers ...int) *pen {
	p.t.Helper()
	return p.commit(p.read(p.from, next, numbers...))
}

// read returns the page at a place that holds the events with these numbers and leads to next.
func (p *pen) read(at domain.Position, next domain.Cursor, numbers ...int) domain.DecodedPage {
	p.t.Helper()
	page := domain.Page{Next: next, Last: next == "", Total: domain.Total{N: 5, Known: true}}
	for i, n := range numbers {
		page.Records = append(page.Records, domain.Record{Payload: []byte(strconv.Itoa(n)), Index: i})
	}
	return domain.DecodedPage{
		From: at, To: at.After(page), Received: len(page.Records), Events: decoded(p.t, numbers...),
		Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
}

// commit stores pages in one transaction.
func (p *pen) commit(pages ...domain.DecodedPage) *pen {
	p.t.Helper()
	for i := range pages {
		pages[i].End.Confirmed = true
	}
	res, err := p.store.Commit(p.t.Context(), domain.Batch{At: p.at, Pages: pages})
	if err != nil {
		p.t.Fatal(err)
	}
	p.at, p.from = res.Checkpoint, res.Checkpoint.Position
	return p
}

// newPass goes back to the head, as after a cursor that expired.
func (p *pen) newPass() *pen {
	p.from = p.from.NextPass()
	return p
}

func decoded(t *testing.T, numbers ...int) (events []domain.DecodedEvent) {
	t.Helper()
	for i, n := range numbers {
		record := domain.Record{Payload: []byte(strconv.Itoa(n)), Index: i}
		event, _, err := domaintest.LineDecoder{}.Decode(record)
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, domain.DecodedEvent{Event: event, Record: record})
	}
	return events
}

// fill writes two streams: s, whose pages have ids 1 to 5, in two passes, and other, between them.
func fill(t *testing.T, databaseURL string) {
	t.Helper()
	s := newPen(t, databaseURL, "s").page("a", 1, 2).page("b", 3, 4)
	newPen(t, databaseURL, "other").page("", 101, 102, 103, 104, 105)
	s.newPass().page("c", 1, 2, 3).page("", 4, 5)
	givePageIDs(t, databaseURL, 1, 2, 3, 4, 5)
}

func poolOn(t *testing.T, databaseURL string) *pgxpool.Pool {
	t.Helper()
	pool, err := postgres.Open(t.Context(), databaseURL, domain.StreamID{Source: "s"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closePool(t, pool) })
	return pool
}

func inspect(ctx context.Context, t *testing.T, databaseURL string) domain.Inspection {
	t.Helper()
	inspection, err := postgres.NewInventory(poolOn(t, databaseURL)).
		Inspect(ctx, domain.StreamID{Source: "s"}, func(domain.Check) {})
	if err != nil {
		t.Fatal(err)
	}
	return inspection
}

// told is every difference in words, by check.
func told(inspection domain.Inspection) string {
	var b strings.Builder
	for _, f := range inspection.Findings {
		for _, d := range f.Shown {
			fmt.Fprintf(&b, "%s: %d/%d/%d %s=%s %s=%s\n", f.Check, d.PageID, d.Seq, d.Pass, d.What, d.Value, d.Against, d.Found)
		}
	}
	return b.String()
}

func TestInspectionOfASoundDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	inspection := inspect(t.Context(), t, url)
	if got := told(inspection); got != "" {
		t.Errorf("differences:\n%s", got)
	}
	if n := len(inspection.Findings); n != len(domain.InventoryChecks()) {
		t.Errorf("%d findings", n)
	}
	if s := inspection.Stream; s.Pages != 4 || s.Checkpoint.Inserted != 5 || s.Checkpoint.Duplicate != 4 || !s.Checkpoint.Done {
		t.Errorf("stream %+v", s)
	}
}

// TestInspectionOfPagesThatWereCommittedTogether is of two passes whose pages were stored several in one transaction.
func TestInspectionOfPagesThatWereCommittedTogether(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPen(t, url, "s")
	write := func(pages ...[]int) {
		var batch []domain.DecodedPage
		at := s.from
		for i, numbers := range pages {
			next := domain.Cursor(fmt.Sprintf("behind %d of pass %d", at.Offset+int64(len(numbers)), at.Pass))
			if i == len(pages)-1 && len(numbers) == 0 {
				next = ""
			}
			page := s.read(at, next, numbers...)
			batch, at = append(batch, page), page.To
		}
		s.commit(batch...)
	}
	write([]int{1, 2}, []int{3}, []int{2, 4})
	write([]int{5}, []int{6, 7, 8})
	s.newPass()
	write([]int{1, 2, 3}, []int{4}, []int{9, 5})
	write([]int{10, 11}, []int{6}, nil)
	inspection := inspect(t.Context(), t, url)
	if got := told(inspection); got != "" {
		t.Errorf("differences:\n%s", got)
	}
	if at := inspection.Stream.Checkpoint; inspection.Stream.Pages != 11 || at.Inserted != 11 || at.Duplicate != 7 || !at.Done {
		t.Errorf("stream %+v", inspection.Stream)
	}
	if want := decoded(t, 6)[0].OccurredAt; !s.at.LastEventAt.Equal(want) {
		t.Errorf("the last event is of %s, want %s", s.at.LastEventAt, want)
	}
}

// TestInspectionOfAStreamWithoutPages is one that was claimed and went no further.
func TestInspectionOfAStreamWithoutPages(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	newPen(t, url, "s")
	if got := told(inspect(t.Context(), t, url)); got != "" {
		t.Errorf("differences:\n%s", got)
	}
}

func TestInspectionOfAStreamThatIsNotThere(t *testing.T) {
	t.Parallel()
	inventory := postgres.NewInventory(poolOn(t, pgtest.Database(t)))
	_, err := inventory.Inspect(t.Context(), domain.StreamID{Source: "s"}, func(domain.Check) { t.Error("a check began") })
	if domain.KindOf(err) != domain.Invalid {
		t.Errorf("it was answered %v", err)
	}
}

// TestAnInspectionSeesOneMoment changes everything at the first check: pages are committed, and what was sound is spoiled,
// so that a check which saw any of it would tell.
func TestAnInspectionSeesOneMoment(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, other := newPen(t, url, "s").page("a", 1, 2), newPen(t, url, "other")
	began := 0
	inspection, err := postgres.NewInventory(poolOn(t, url)).Inspect(t.Context(), s.at.Stream, func(domain.Check) {
		if began++; began > 1 {
			return
		}
		s.page("b", 3, 4)
		other.page("b", 5, 6)
		exec(t, url, `UPDATE checkpoints SET seq = 9, done = true, announced_first = 9, announced_last = 9;
			UPDATE pages SET cursor_in = 'x', position = 9; UPDATE events SET page_id = 99`)
	})
	if err != nil || told(inspection) != "" || inspection.Stream.Pages != 1 {
		t.Errorf("it saw %d pages, %v\n%s", inspection.Stream.Pages, err, told(inspection))
	}
	if after := told(inspect(t.Context(), t, url)); strings.Count(after, "\n") < 8 {
		t.Errorf("afterwards there is only\n%s", after)
	}
}

// TestInspectionsBesideARun makes one after the other while pages are committed.
func TestInspectionsBesideARun(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPen(t, url, "s").page("a", 1)
	inventory := postgres.NewInventory(poolOn(t, url))
	var run sync.WaitGroup
	defer run.Wait()
	run.Go(func() {
		for n := range 60 {
			s.page(domain.Cursor(strconv.Itoa(n)), 2*n+10, 2*n+11, 1)
		}
	})
	for range 20 {
		inspection, err := inventory.Inspect(t.Context(), domain.StreamID{Source: "s"}, func(domain.Check) {})
		if err != nil || told(inspection) != "" {
			t.Fatalf("%v\n%s", err, told(inspection))
		}
	}
}

func TestACheckThatTakesTooLong(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	holder := poolOn(t, url)
	tx, err := holder.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(context.Background()) //nolint:errcheck // it only holds the lock
	if _, err := tx.Exec(t.Context(), "LOCK TABLE events IN ACCESS EXCLUSIVE MODE"); err != nil {
		t.Fatal(err)
	}
	inventory := postgres.NewImpatientInventory(poolOn(t, url), 300*time.Millisecond)
	inspection, err := inventory.Inspect(t.Context(), domain.StreamID{Source: "s"}, func(domain.Check) {})
	if domain.KindOf(err) != domain.Transient || !strings.Contains(err.Error(), "check events: PostgreSQL did not end it within 300ms") {
		t.Errorf("it ended with %v", err)
	}
	if n := len(inspection.Findings); n != 3 {
		t.Errorf("%d findings until then", n)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = postgres.NewInventory(poolOn(t, url)).Inspect(ctx, domain.StreamID{Source: "s"}, func(domain.Check) {})
	if err == nil || strings.Contains(err.Error(), "PostgreSQL did not end it") {
		t.Errorf("when the caller stops, it ends with %v", err)
	}
}

func TestOnlyTheFirstDifferencesAreShown(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := newPen(t, url, "s")
	for n := range 25 {
		s.page(domain.Cursor(strconv.Itoa(n)), 2*n, 2*n+1)
	}
	exec(t, url, "UPDATE pages SET inserted = 1, duplicate = 1; UPDATE events SET page_id = page_id + 1000 WHERE page_id > 3")
	for _, f := range inspect(t.Context(), t, url).Findings {
		switch f.Check {
		case domain.CheckPageEvents:
			if f.Differences != 25 || len(f.Shown) != domain.MaxShownDifferences || f.Shown[19].Seq != 20 {
				t.Errorf("%s: %d, %d shown", f.Check, f.Differences, len(f.Shown))
			}
		case domain.CheckEventPages:
			if f.Differences != 22 || len(f.Shown) != domain.MaxShownDifferences {
				t.Errorf("%s: %d, %d shown", f.Check, f.Differences, len(f.Shown))
			}
		default:
		}
	}
}
