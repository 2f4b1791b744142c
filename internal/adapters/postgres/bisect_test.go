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

// TestBisectRefusedEvents checks that only the refused events of a page are parked and the other events are stored, for each kind
// of value that PostgreSQL refuses.
func TestBisectRefusedEvents(t *testing.T) {
	t.Parallel()
	const size = 100
	const depth = 20_000 // more than PostgreSQL's stack allows
	nested := strings.Repeat(`{"a":`, depth) + "1" + strings.Repeat("}", depth)
	tests := []struct {
		name     string
		sqlstate string                // with which PostgreSQL refuses the event
		spoil    func(e *domain.Event) // gives the event the value
	}{
		{
			name: "a number outside the range of numeric", sqlstate: "22003",
			spoil: func(e *domain.Event) { e.Properties = []byte(`{"n":1e400000}`) },
		},
		{name: "JSON that is nested too deeply", sqlstate: "54001", spoil: func(e *domain.Event) { e.Extra = []byte(nested) }},
		{name: "a NUL in jsonb", sqlstate: "22P05", spoil: func(e *domain.Event) { e.Properties = []byte(nulInJSON) }},
		{name: "invalid JSON", sqlstate: "22P02", spoil: func(e *domain.Event) { e.Properties = []byte(`{"n":`) }},
		{name: "a NUL in text", sqlstate: "22021", spoil: func(e *domain.Event) { e.Browser = "\x00" }},
		{name: "bytes that are not UTF-8", sqlstate: "22021", spoil: func(e *domain.Event) { e.Name = "\xff" }},
	}
	for _, tt := range tests {
		for _, refused := range [][]int{{0}, {size - 1}, {0, 41, 42, 77, size - 1}} { // the indexes of the refused events
			t.Run(fmt.Sprintf("%s at %v", tt.name, refused), func(t *testing.T) {
				t.Parallel()
				databaseURL := pgtest.Database(t)
				events := makeManyEvents(t, size)
				for _, index := range refused {
					tt.spoil(&events[index].Event)
				}
				res := commitFirst(t, databaseURL, domain.DecodedPage{Events: events})
				stored := size - len(refused)
				want := domain.Counts{Received: size, Inserted: int64(stored), Parked: int64(len(refused))}
				if res.Counts != want {
					t.Errorf("got counts %+v, want %+v", res.Counts, want)
				}
				if n := pgtest.QueryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != stored {
					t.Errorf("got %d events, want %d", n, stored)
				}
				letters := readDeadLetters(t, databaseURL)
				if len(letters) != len(refused) {
					t.Fatalf("got %d dead letters, want %d", len(letters), len(refused))
				}
				for i, l := range letters {
					index := refused[i]
					if l.Index != index || l.Why.ID != events[index].ID || string(l.Payload) != strconv.Itoa(index) {
						t.Errorf("got dead letter %+v, want one of record %d", l, index)
					}
					if l.Why.Reason != domain.ReasonUnstorable || !strings.Contains(l.Why.Detail, tt.sqlstate) {
						t.Errorf("record %d: got %+v, want reason %s with SQLSTATE %s", index, l.Why, domain.ReasonUnstorable, tt.sqlstate)
					}
				}
			})
		}
	}
}

// nulInJSON is a JSON object that PostgreSQL refuses as jsonb.
const nulInJSON = `{"n":"\u0000"}`

// TestBisectEventsRefusedTogether checks two events that a constraint allows alone but not together. The first one must be
// stored, the second one parked.
func TestBisectEventsRefusedTogether(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	// The constraint refuses two events with the same browser.
	pgtest.Exec(t, databaseURL, "ALTER TABLE events ADD EXCLUDE USING hash (browser WITH =)")
	const size, refusedAlone, duplicate, refusedTogether = 40, 20, 21, 39 // the last three are indexes
	events := makeManyEvents(t, size)
	for i := range events {
		events[i].Browser = strconv.Itoa(i)
	}
	events[refusedAlone].Properties = []byte(nulInJSON)
	events[duplicate].Event = events[2].Event
	events[refusedTogether].Browser = events[3].Browser
	res := commitFirst(t, databaseURL, domain.DecodedPage{Events: events})
	if want := (domain.Counts{Received: size, Inserted: size - 3, Duplicate: 1, Parked: 2}); res.Counts != want {
		t.Errorf("got counts %+v, want %+v", res.Counts, want)
	}
	for i, l := range readDeadLetters(t, databaseURL) {
		if want := []int{refusedAlone, refusedTogether}[i]; l.Index != want || l.Why.Reason != domain.ReasonUnstorable {
			t.Errorf("got dead letter %+v, want record %d with reason %s", l, want, domain.ReasonUnstorable)
		}
	}
}

// TestBisectDistantDatabase checks that bisection takes few round trips. With one round trip for each refused event, the
// transaction would take longer than its time limit.
func TestBisectDistantDatabase(t *testing.T) {
	t.Parallel()
	newDistantPage(t, isThreeOfTen).checkParked(t, distantSize*3/10)
}

// isThreeOfTen is true for three of ten successive indexes.
func isThreeOfTen(i int) bool { return i%10 < 3 }

// TestBisectStopsPastRejectLimit checks that bisection stops as soon as the page has more refused events than it may park.
func TestBisectStopsPastRejectLimit(t *testing.T) {
	t.Parallel()
	d := newDistantPage(t, isThreeOfTen)
	const maxParked = 50
	if _, err := d.commit(t, maxParked); domain.KindOf(err) != domain.TooManyRejects || domain.RemedyOf(err) != domain.ParkRejects {
		t.Errorf("got %v, remedy %d, want TooManyRejects and remedy %d", err, domain.RemedyOf(err), domain.ParkRejects)
	}
	const maxStatements = 3000 // the whole bisection takes 18,000
	if n := d.count.statements.Load(); n == 0 || n > maxStatements {
		t.Errorf("got %d statements, want 1 to %d", n, maxStatements)
	}
	d.checkRoundTrips(t)
}

// TestRejectLimitCountsNewLetters checks that a refused event that has a dead letter already does not count towards the limit.
// The first page parks its first 40 events. The second page has the events of the first page again, and ten new ones that PostgreSQL
// refuses.
func TestRejectLimitCountsNewLetters(t *testing.T) {
	t.Parallel()
	const size, parkedBefore, newRefused = 100, 40, 10 // size is that of the second page
	for _, tt := range []struct {
		name      string
		maxParked int
		want      domain.Counts
		wantKind  domain.Kind
	}{
		{
			name: "as many as the page may park", maxParked: newRefused,
			want: domain.Counts{Received: size, Duplicate: size - newRefused, Parked: newRefused},
		},
		{name: "one more than the page may park", maxParked: newRefused - 1, wantKind: domain.TooManyRejects},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			store, checkpoint := claimStore(t, pgtest.Database(t))
			isRefused := func(i int) bool { return i < parkedBefore || i >= size-newRefused } // true for the first 40 and the last 10
			first := makeRefusedEvents(t, size-newRefused, isRefused)
			checkpoint = commitNext(t, store, checkpoint, domain.DecodedPage{Events: first}).Checkpoint
			page := domain.DecodedPage{
				From: checkpoint.NextPass(), To: checkpoint.NextPass(),
				Receipt:  domain.Receipt{FetchedAt: time.Now()},
				Received: size, MaxParked: tt.maxParked,
				Events: makeRefusedEvents(t, size, isRefused),
			}
			res, err := store.Commit(t.Context(), batchOf(checkpoint, page))
			if domain.KindOf(err) != tt.wantKind {
				t.Errorf("got %v, want kind %s", err, tt.wantKind)
			}
			if res.Counts != tt.want {
				t.Errorf("got counts %+v, want %+v", res.Counts, tt.want)
			}
		})
	}
}

// distantSize is the number of events in a distantPage.
const distantSize = 5000

// A distantPage is a page for a database to which a message takes 5 ms, see serveDistant.
type distantPage struct {
	store      *postgres.Store
	checkpoint domain.Checkpoint
	page       domain.DecodedPage
	count      *requestCounter
}

// newDistantPage claims a stream and makes its first page, see makeRefusedEvents.
func newDistantPage(t *testing.T, isRefused func(i int) bool) *distantPage {
	t.Helper()
	d := &distantPage{count: &requestCounter{}}
	databaseURL := pgtest.WithParam(t, pgtest.Database(t), "sslmode", "disable") // the counter cannot read TLS
	d.store, d.checkpoint = claimStore(t, startProxy(t, databaseURL, serveDistant(5*time.Millisecond, d.count)))
	d.page = domain.DecodedPage{
		From: d.checkpoint.Position, To: d.checkpoint.Position,
		Receipt: domain.Receipt{FetchedAt: time.Now()},
		Events:  makeRefusedEvents(t, distantSize, isRefused), Received: distantSize,
	}
	return d
}

// commit commits the page, which may park at most maxParked records. It counts the requests to the server and logs their number.
func (d *distantPage) commit(t *testing.T, maxParked int) (domain.CommitResult, error) {
	t.Helper()
	d.page.MaxParked = maxParked
	d.count.reset()
	began := time.Now()
	res, err := d.store.Commit(t.Context(), batchOf(d.checkpoint, d.page))
	t.Logf("%s, %s", d.count, time.Since(began).Round(time.Millisecond))
	return res, err
}

// checkParked commits the page and checks that it parks this number of records, stores the others, and takes few round trips.
func (d *distantPage) checkParked(t *testing.T, parked int64) {
	t.Helper()
	res, err := d.commit(t, distantSize)
	want := domain.Counts{Received: distantSize, Inserted: distantSize - parked, Parked: parked}
	if err != nil || res.Counts != want {
		t.Errorf("got counts %+v, %v, want %+v", res.Counts, err, want)
	}
	d.checkRoundTrips(t)
}

// checkRoundTrips checks that the commit took few round trips, although at least 1500 events are refused.
func (d *distantPage) checkRoundTrips(t *testing.T) {
	t.Helper()
	const maxRoundTrips = 80
	if n := d.count.roundTrips.Load(); n == 0 || n > maxRoundTrips {
		t.Errorf("got %d round trips, want 1 to %d", n, maxRoundTrips)
	}
}

// makeRefusedEvents returns events with the numbers 0 to size-1. PostgreSQL refuses event i if isRefused(i) is true.
func makeRefusedEvents(t *testing.T, size int, isRefused func(i int) bool) []domain.DecodedEvent {
	t.Helper()
	events := makeManyEvents(t, size)
	for i := range events {
		if isRefused(i) {
			events[i].Properties = []byte(nulInJSON)
		}
	}
	return events
}
