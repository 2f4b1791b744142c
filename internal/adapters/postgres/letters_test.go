package postgres_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// claimed is a store that has claimed a stream, and where that stands.
func claimed(t *testing.T, databaseURL string) (*postgres.Store, domain.Checkpoint) {
	t.Helper()
	store := open(t, databaseURL)
	at, err := store.Claim(t.Context(), domain.StreamID{Source: "s"}, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	return store, at
}

// first claims a stream and commits one page of it.
func first(t *testing.T, databaseURL string, page domain.DecodedPage) domain.CommitResult {
	t.Helper()
	store, at := claimed(t, databaseURL)
	return next(t, store, at, page)
}

// next commits one page more, in a pass of its own: within a pass no page may repeat another.
func next(t *testing.T, store domain.EventStore, at domain.Checkpoint, page domain.DecodedPage) domain.CommitResult {
	t.Helper()
	page.From, page.To, page.Receipt.FetchedAt = at.NextPass(), at.NextPass(), time.Now()
	page.Received = len(page.Events) + len(page.Rejects)
	page.MaxParked = page.Received
	res, err := store.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

func series(t *testing.T, n int) []domain.DecodedEvent {
	t.Helper()
	numbers := make([]int, n)
	for i := range numbers {
		numbers[i] = i
	}
	return decoded(t, numbers...)
}

// TestRefusedEventsAreFound: whatever PostgreSQL refuses, wherever it stands, the rest of the page is stored.
func TestRefusedEventsAreFound(t *testing.T) {
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
		{"what is no JSON", "22P02", func(e *domain.Event) { e.Properties = []byte(`{"n":`) }},
		{"a NUL in text", "22021", func(e *domain.Event) { e.Browser = "\x00" }},
		{"bytes that are no UTF-8", "22021", func(e *domain.Event) { e.Name = "\xff" }},
	}
	for _, tt := range tests {
		for _, places := range [][]int{{0}, {size - 1}, {0, 41, 42, 77, size - 1}} {
			t.Run(fmt.Sprintf("%s at %v", tt.name, places), func(t *testing.T) {
				t.Parallel()
				databaseURL := pgtest.Database(t)
				events := series(t, size)
				for _, at := range places {
					tt.spoil(&events[at].Event)
				}
				res := first(t, databaseURL, domain.DecodedPage{Events: events})
				want := domain.Counts{Received: size, Inserted: int64(size - len(places)), Parked: int64(len(places))}
				if res.Counts != want {
					t.Errorf("tally %+v, want %+v", res.Counts, want)
				}
				if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM events"); n != size-len(places) {
					t.Errorf("%d rows", n)
				}
				letters := letters(t, databaseURL)
				if len(letters) != len(places) {
					t.Fatalf("%d letters", len(letters))
				}
				for i, l := range letters {
					if l.Index != places[i] || l.Why.ID != events[places[i]].ID || string(l.Payload) != strconv.Itoa(places[i]) ||
						l.Why.Reason != domain.ReasonUnstorable || !strings.Contains(l.Why.Detail, tt.sqlstate) {
						t.Errorf("%+v", l)
					}
				}
			})
		}
	}
}

// TestEventsThatAreRefusedOnlyTogether: of two rows that a constraint of the user's excludes from one another, the first in
// the page is stored.
func TestEventsThatAreRefusedOnlyTogether(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	exec(t, databaseURL, "ALTER TABLE events ADD EXCLUDE USING hash (browser WITH =)")
	events := series(t, 40)
	for i := range events {
		events[i].Browser = strconv.Itoa(i)
	}
	events[39].Browser = events[3].Browser
	events[20].Properties = []byte(`{"n":"\u0000"}`) // refused by itself
	events[21].Event = events[2].Event               // the same event twice
	res := first(t, databaseURL, domain.DecodedPage{Events: events})
	if want := (domain.Counts{Received: 40, Inserted: 37, Duplicate: 1, Parked: 2}); res.Counts != want {
		t.Errorf("tally %+v, want %+v", res.Counts, want)
	}
	for i, l := range letters(t, databaseURL) {
		if want := []int{20, 39}[i]; l.Index != want || l.Why.Reason != domain.ReasonUnstorable {
			t.Errorf("%+v", l)
		}
	}
}

func letters(t *testing.T, databaseURL string) []domain.DeadLetter {
	t.Helper()
	letters, err := storeOn(t, databaseURL).Letters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// TestTheWordsAboutARecordAreStored, whatever they quote.
func TestTheWordsAboutARecordAreStored(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	why := domain.Rejection{Reason: "r", Field: "a\x00\xffb", Detail: "c\xc3\x00d"}
	first(t, databaseURL, domain.DecodedPage{Rejects: []domain.Reject{{Record: domain.Record{Payload: []byte("x")}, Why: why}}})
	if got := letters(t, databaseURL)[0].Why; got.Field != "a\uFFFD\uFFFDb" || got.Detail != "c\uFFFD\uFFFDd" {
		t.Errorf("%+q", got)
	}
	if queryOne[int](t, databaseURL, "SELECT count(*) FROM dead_letters WHERE event_id IS NULL") != 1 {
		t.Error("it is about an event, although it has no id")
	}
}

// TestAConflictIsKnownAgain however its values are spelt, and in whatever time zone the server speaks.
func TestAConflictIsKnownAgain(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	e := series(t, 1)[0]
	store, at := claimed(t, databaseURL)
	res := next(t, store, at, domain.DecodedPage{Events: []domain.DecodedEvent{e}})
	e.Extra = []byte(`{"a":1,"b":[2]}`)
	res = next(t, store, res.Checkpoint, domain.DecodedPage{Events: []domain.DecodedEvent{e}})
	if res.Counts.Parked != 1 {
		t.Fatalf("%+v", res.Counts)
	}
	exec(t, databaseURL, `DO $$ BEGIN EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET timezone = "Etc/GMT-9"';
		EXECUTE 'ALTER DATABASE ' || quote_ident(current_database()) || ' SET datestyle = "German"'; END $$`)
	e.Extra = []byte(`{ "b" : [ 2 ], "a" : 1 }`)
	res = next(t, open(t, databaseURL), res.Checkpoint, domain.DecodedPage{Events: []domain.DecodedEvent{e, e}})
	if want := (domain.Counts{Received: 2, Duplicate: 2}); res.Counts != want {
		t.Errorf("%+v, want %+v", res.Counts, want)
	}
	if l := letters(t, databaseURL); len(l) != 1 || l[0].Seen != 3 || l[0].Why.Field != "extra" {
		t.Errorf("%+v", l)
	}
}

// TestEveryValueMakesAConflict of its own, and names its column.
func TestEveryValueMakesAConflict(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, at := claimed(t, databaseURL)
	changes := []struct {
		column string
		change func(e *domain.Event, n int)
	}{
		{"session_id", func(e *domain.Event, n int) { e.SessionID[0] = byte(n) }},
		{"user_id", func(e *domain.Event, n int) { e.UserID[0] = byte(n) }},
		{"type", func(e *domain.Event, n int) { e.Type = strconv.Itoa(n) }},
		{"name", func(e *domain.Event, n int) { e.Name = strconv.Itoa(n) }},
		{"properties", func(e *domain.Event, n int) { e.Properties = fmt.Appendf(nil, `{"other":%d}`, n) }},
		{"occurred_at", func(e *domain.Event, n int) { e.OccurredAt = e.OccurredAt.Add(time.Duration(n) * time.Microsecond) }},
		{"device_type", func(e *domain.Event, n int) { e.DeviceType = strconv.Itoa(n) }},
		{"browser", func(e *domain.Event, n int) { e.Browser = strconv.Itoa(n) }},
		{"extra", func(e *domain.Event, n int) { e.Extra = fmt.Appendf(nil, `{"other":%d}`, n) }},
	}
	originals := series(t, 2) // of one event only so many letters are open
	events := slices.Clone(originals)
	for _, c := range changes {
		for n := range 2 {
			e := originals[n]
			c.change(&e.Event, n+1)
			e.Record.Index = len(events)
			events = append(events, e)
		}
	}
	res := next(t, store, at, domain.DecodedPage{Events: events})
	if want := (domain.Counts{Received: int64(len(events)), Inserted: 2, Parked: int64(len(events) - 2)}); res.Counts != want {
		t.Fatalf("%+v, want %+v", res.Counts, want)
	}
	for i, l := range letters(t, databaseURL) {
		if want := changes[i/2].column; l.Why.Field != want || l.Why.Reason != domain.ReasonConflict {
			t.Errorf("%s: %+v", want, l.Why)
		}
	}
}

// TestTheDriftRegister counts what comes again, and has an end.
func TestTheDriftRegister(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	store, at := claimed(t, databaseURL)
	known := domain.DriftCount{Path: "known", Kind: "new field", Count: 2, Value: []byte(`"\u00e9` + strings.Repeat("é", 150) + `"`)}
	fresh := 0
	for page := range 12 {
		drift := []domain.DriftCount{known}
		for i := range domain.MaxDriftEntries {
			drift = append(drift, domain.DriftCount{Path: fmt.Sprintf("%d/%d", page, i), Kind: "new field", Count: 1, Value: []byte("1")})
		}
		res := next(t, store, at, domain.DecodedPage{Drift: drift})
		at, fresh = res.Checkpoint, fresh+len(res.NewDrift)
	}
	const most = 10 * domain.MaxDriftEntries
	if n := queryOne[int](t, databaseURL, "SELECT count(*) FROM drift"); n != most+1 || fresh != n {
		t.Errorf("%d entries, %d were said to be new", n, fresh)
	}
	further := queryOne[int](t, databaseURL, "SELECT count FROM drift WHERE kind = '"+domain.FurtherDriftKind+"'")
	if further != 12*domain.MaxDriftEntries+1-most {
		t.Errorf("%d are counted together", further)
	}
	if n := queryOne[int](t, databaseURL, "SELECT count FROM drift WHERE path = 'known' AND last_page_id = 12 AND first_page_id = 1"); n != 24 {
		t.Errorf("what came on every page is counted %d times", n)
	}
	sample := queryOne[string](t, databaseURL, "SELECT sample FROM drift WHERE path = 'known'")
	if !strings.HasPrefix(sample, `"\u00e9\u00e9`) || !strings.HasSuffix(sample, "…") {
		t.Errorf("the sample is %q", sample)
	}
}

// TestALetterKeepsItsBytes from being parked to being shown and replayed.
func TestALetterKeepsItsBytes(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	payload := "{ \"id\" :\t\"\\u0061\",\r\n \"n\": [ 1.00 , 1e2 ]\xff\x00}\r\n "
	first(t, databaseURL, domain.DecodedPage{Rejects: []domain.Reject{{Record: domain.Record{Payload: []byte(payload)}, Why: domain.Rejection{Reason: "r"}}}})
	pool, stream := poolOn(t, databaseURL), domain.StreamID{Source: "s"}
	shown, err := postgres.NewLetters(pool).Letter(t.Context(), stream, 1)
	if err != nil || string(shown.Payload) != payload {
		t.Errorf("shown as %q, %v", shown.Payload, err)
	}
	open, err := postgres.NewReplays(pool).Open(t.Context(), stream, domain.DeadLetterSelection{All: true}, 0, 1)
	if err != nil || len(open) != 1 || string(open[0].Payload) != payload {
		t.Errorf("replayed as %+v, %v", open, err)
	}
}
