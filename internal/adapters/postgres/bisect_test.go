package postgres_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestBisectRefusedEvents tests that the rest of a page is stored, for each kind of refused value and at several places.
func TestBisectRefusedEvents(t *testing.T) {
	t.Parallel()
	const size = 100
	nest := strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)
	tests := []struct {
		name, sqlstate string
		spoil          func(e *domain.Event)
	}{
		{"a number beyond numeric", "22003", func(e *domain.Event) { e.Properties = []byte(`{"n":1e400000}`) }},
		{"a depth beyond the stack", "54001", func(e *domain.Event) { e.Extra = []byte(nest) }},
		{"a NUL in jsonb", "22P05", func(e *domain.Event) { e.Properties = []byte(`{"n":"\u0000"}`) }},
		{"invalid JSON", "22P02", func(e *domain.Event) { e.Properties = []byte(`{"n":`) }},
		{"a NUL in text", "22021", func(e *domain.Event) { e.Browser = "\x00" }},
		{"bytes that are not UTF-8", "22021", func(e *domain.Event) { e.Name = "\xff" }},
	}
	for _, tt := range tests {
		for _, indexes := range [][]int{{0}, {size - 1}, {0, 41, 42, 77, size - 1}} {
			t.Run(fmt.Sprintf("%s at %v", tt.name, indexes), func(t *testing.T) {
				t.Parallel()
				databaseURL := pgtest.Database(t)
				events := numberedEvents(t, size)
				for _, at := range indexes {
					tt.spoil(&events[at].Event)
				}
				res := commitFirst(t, databaseURL, domain.DecodedPage{Events: events})
				want := domain.Counts{Received: size, Inserted: int64(size - len(indexes)), Parked: int64(len(indexes))}
				if res.Counts != want {
					t.Errorf("got counts %+v, want %+v", res.Counts, want)
				}
				if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != size-len(indexes) {
					t.Errorf("got %d events, want %d", n, size-len(indexes))
				}
				letters := readDeadLetters(t, databaseURL)
				if len(letters) != len(indexes) {
					t.Fatalf("got %d dead letters, want %d", len(letters), len(indexes))
				}
				for i, l := range letters {
					if l.Index != indexes[i] || l.Why.ID != events[indexes[i]].ID || string(l.Payload) != strconv.Itoa(indexes[i]) ||
						l.Why.Reason != domain.ReasonUnstorable || !strings.Contains(l.Why.Detail, tt.sqlstate) {
						t.Errorf("got %+v, want record %d with SQLSTATE %s", l, indexes[i], tt.sqlstate)
					}
				}
			})
		}
	}
}

// TestBisectEventsRefusedTogether tests two rows that a constraint allows alone but not together: the first one is stored.
func TestBisectEventsRefusedTogether(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	pgtest.Exec(t, databaseURL, "ALTER TABLE events ADD EXCLUDE USING hash (browser WITH =)")
	events := numberedEvents(t, 40)
	for i := range events {
		events[i].Browser = strconv.Itoa(i)
	}
	events[39].Browser = events[3].Browser
	events[20].Properties = []byte(`{"n":"\u0000"}`) // refused alone
	events[21].Event = events[2].Event               // the same event twice
	res := commitFirst(t, databaseURL, domain.DecodedPage{Events: events})
	if want := (domain.Counts{Received: 40, Inserted: 37, Duplicate: 1, Parked: 2}); res.Counts != want {
		t.Errorf("got counts %+v, want %+v", res.Counts, want)
	}
	for i, l := range readDeadLetters(t, databaseURL) {
		if want := []int{20, 39}[i]; l.Index != want || l.Why.Reason != domain.ReasonUnstorable {
			t.Errorf("got %+v, want record %d", l, want)
		}
	}
}

// TestBisectDistantDatabase tests that the number of round trips stays small: with one for each refused event, the transaction
// would take longer than it may.
func TestBisectDistantDatabase(t *testing.T) {
	t.Parallel()
	newDistantPage(t, func(i int) bool { return i%10 < 3 }).checkParked(t, 1500)
}

// TestBisectStopsPastRejectLimit tests that bisection ends as soon as the page is certain to be rejected.
func TestBisectStopsPastRejectLimit(t *testing.T) {
	t.Parallel()
	d := newDistantPage(t, func(i int) bool { return i%10 < 3 })
	const maxParked = 50
	if _, err := d.commit(t, maxParked); domain.KindOf(err) != domain.TooManyRejects || domain.RemedyOf(err) != domain.ParkRejects {
		t.Errorf("got %v, remedy %d, want TooManyRejects and remedy %d", err, domain.RemedyOf(err), domain.ParkRejects)
	}
	if n := d.count.statements.Load(); n == 0 || n > 3000 { // the whole bisection takes 18,000
		t.Errorf("got %d statements, want 1 to 3000", n)
	}
	if n := d.count.roundTrips.Load(); n == 0 || n > 80 {
		t.Errorf("got %d round trips, want 1 to 80", n)
	}
}

// TestRejectLimitCountsNewLetters tests that records which have a dead letter already do not count towards the limit.
func TestRejectLimitCountsNewLetters(t *testing.T) {
	t.Parallel()
	const size, parkedBefore, fresh = 100, 40, 10
	for _, tt := range []struct {
		name      string
		maxParked int
		want      domain.Counts // zero if the page is rejected
	}{
		{"as many as the page may add", fresh, domain.Counts{Received: size, Duplicate: size - fresh, Parked: fresh}},
		{"one more than the page may add", fresh - 1, domain.Counts{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, at := claimStore(t, pgtest.Database(t))
			first := eventsWithRefused(t, size-fresh, func(i int) bool { return i < parkedBefore })
			at = commitNext(t, store, at, domain.DecodedPage{Events: first}).Checkpoint
			page := domain.DecodedPage{
				From: at.NextPass(), To: at.NextPass(), Received: size, MaxParked: tt.maxParked, Receipt: domain.Receipt{FetchedAt: time.Now()},
				Events: eventsWithRefused(t, size, func(i int) bool { return i < parkedBefore || i >= size-fresh }),
			}
			res, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
			rejected := domain.KindOf(err) == domain.TooManyRejects
			if res.Counts != tt.want || rejected != (tt.want == domain.Counts{}) {
				t.Errorf("got counts %+v, want %+v; %v", res.Counts, tt.want, err)
			}
		})
	}
}

// A distantPage is a page of 5,000 events for a database that is 5 ms away.
type distantPage struct {
	store *postgres.Store
	at    domain.Checkpoint
	page  domain.DecodedPage
	count *requestCounter
}

// newDistantPage returns a page of which PostgreSQL refuses the events with isRefused.
func newDistantPage(t *testing.T, isRefused func(i int) bool) *distantPage {
	t.Helper()
	const size = 5000
	d := &distantPage{count: &requestCounter{}}
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable")
	d.store, d.at = claimStore(t, startProxy(t, databaseURL, serveDistant(5*time.Millisecond, d.count)))
	d.page = domain.DecodedPage{
		From: d.at.Position, To: d.at.Position, Events: eventsWithRefused(t, size, isRefused), Received: size,
		Receipt: domain.Receipt{FetchedAt: time.Now()},
	}
	return d
}

// commit stores the page, which may park maxParked records, and logs the number of round trips.
func (d *distantPage) commit(t *testing.T, maxParked int) (domain.CommitResult, error) {
	t.Helper()
	d.page.MaxParked = maxParked
	d.count.reset()
	began := time.Now()
	res, err := d.store.Commit(t.Context(), domain.Batch{At: d.at, Pages: []domain.DecodedPage{d.page}})
	t.Logf("%s, %s", d.count, time.Since(began).Round(time.Millisecond))
	return res, err
}

// checkParked tests that the page is stored and that so many records are parked, with few round trips.
func (d *distantPage) checkParked(t *testing.T, parked int64) {
	t.Helper()
	res, err := d.commit(t, d.page.Received)
	size := int64(d.page.Received)
	if want := (domain.Counts{Received: size, Inserted: size - parked, Parked: parked}); err != nil || res.Counts != want {
		t.Errorf("got counts %+v, want %+v; %v", res.Counts, want, err)
	}
	if n := d.count.roundTrips.Load(); n == 0 || n > 80 {
		t.Errorf("got %d round trips, want 1 to 80", n)
	}
}

// eventsWithRefused returns size events. PostgreSQL refuses those with isRefused.
func eventsWithRefused(t *testing.T, size int, isRefused func(i int) bool) []domain.DecodedEvent {
	t.Helper()
	events := numberedEvents(t, size)
	for i := range events {
		if isRefused(i) {
			events[i].Properties = []byte(`{"n":"\u0000"}`)
		}
	}
	return events
}
