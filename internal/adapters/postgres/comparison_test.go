package postgres_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestCompareColumns checks that Compare reports an event whose value differs from the stored value, for each column. The same
// value with another text is no difference.
func TestCompareColumns(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url) // stream s stores events 1 to 5
	c := newComparison(t, url)
	tests := []struct {
		columns string // the columns that differ; "" if no difference is expected
		change  func(e *domain.Event)
	}{
		{change: func(*domain.Event) {}},
		{change: func(e *domain.Event) { e.Properties = []byte(`{ "n" : 1.0 }`) }},
		{change: func(e *domain.Event) { e.OccurredAt = e.OccurredAt.In(time.FixedZone("", 3600)) }},
		{columns: "session_id", change: func(e *domain.Event) { e.SessionID[0]++ }},
		{columns: "user_id", change: func(e *domain.Event) { e.UserID[0]++ }},
		{columns: "type", change: func(e *domain.Event) { e.Type = "Click" }},
		{columns: "name", change: func(e *domain.Event) { e.Name += " " }},
		{columns: "properties", change: func(e *domain.Event) { e.Properties = []byte(`{"n":"1"}`) }},
		{columns: "occurred_at", change: func(e *domain.Event) { e.OccurredAt = e.OccurredAt.Add(time.Microsecond) }},
		{columns: "device_type", change: func(e *domain.Event) { e.DeviceType = "" }},
		{columns: "browser", change: func(e *domain.Event) { e.Browser = "firefox" }},
		{columns: "extra", change: func(e *domain.Event) { e.Extra = []byte(`{}`) }},
		{columns: "type, extra", change: func(e *domain.Event) { e.Type, e.Extra = "", []byte(`{"a":null}`) }},
	}
	for _, tt := range tests {
		returned := makeEvents(t, 1, 2) // the page that the API returns
		tt.change(&returned[0].Event)
		var want []domain.Difference
		if tt.columns != "" {
			want = []domain.Difference{{Event: returned[0].ID, What: "stored with another " + tt.columns}}
		}
		if got := compare(t, c, returned...); !slices.Equal(got, want) {
			t.Errorf("changed columns %q: got differences %+v, want %+v", tt.columns, got, want)
		}
	}
}

// TestCompareMissing checks that Compare reports an event that only the API returns, and that Unreturned reports the events that
// only the database has.
func TestCompareMissing(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url) // stream s stores events 1 to 5
	c := newComparison(t, url)
	checkUnreturned := func(when string, numbers ...uint64) {
		t.Helper()
		finding, err := c.Unreturned(t.Context(), streamS)
		if err != nil || int(finding.Differences) != len(finding.Shown) || finding.Check != domain.CheckUnreturned {
			t.Fatalf("%s: got finding %+v, %v, want all unreturned events in it", when, finding, err)
		}
		var got, want []domain.EventID
		for _, d := range finding.Shown {
			if d.PageID == 0 || d.Seq == 0 || d.Pass == 0 {
				t.Errorf("%s: got difference %+v, want one that names a page", when, d)
			}
			got = append(got, d.Event)
		}
		for _, n := range numbers {
			want = append(want, domaintest.EventID(n))
		}
		slices.SortFunc(got, func(a, b domain.EventID) int { return bytes.Compare(a[:], b[:]) })
		if !slices.Equal(got, want) {
			t.Errorf("%s: got unreturned events %s, want %s", when, got, want)
		}
	}
	const notStored = 77
	got := compare(t, c, makeEvents(t, 1, notStored, 2)...)
	want := []domain.Difference{{Event: domaintest.EventID(notStored), What: "neither stored nor parked"}}
	if !slices.Equal(got, want) {
		t.Errorf("an event that is not stored: got differences %+v, want %+v", got, want)
	}
	checkUnreturned("after the first page", 3, 4, 5)
	// The next page returns event 3 twice, and event 4 as a reject. Its second reject has no event id.
	rejects := []domain.Reject{{Why: domain.Rejection{ID: domaintest.EventID(4)}}, {}}
	if _, err := c.Compare(t.Context(), streamS, domain.DecodedPage{Events: makeEvents(t, 3, 1, 3), Rejects: rejects}); err != nil {
		t.Fatal(err)
	}
	checkUnreturned("after the second page", 5)
	c.Begin() // forgets which events were returned
	checkUnreturned("after Begin", 1, 2, 3, 4, 5)
}

// TestCompareEmptyPage checks that a page without records has no differences.
func TestCompareEmptyPage(t *testing.T) {
	t.Parallel()
	if got := compare(t, newComparison(t, pgtest.Database(t))); len(got) != 0 {
		t.Errorf("got %+v, want no differences", got)
	}
}

// TestCompareAfterLostConnection checks that a comparison still knows which events were returned after its connection is lost, and
// that Unreturned leaves no temporary table.
func TestCompareAfterLostConnection(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url) // stream s stores events 1 to 5
	c := newComparison(t, url)
	compare(t, c, makeEvents(t, 1, 2)...)
	terminateSessions(t, url, applicationOfS)
	retry := func(call func() error) {
		t.Helper()
		err := call()
		for domain.KindOf(err) == domain.Transient { // the pool has not dropped the lost connection yet
			err = call()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	retry(func() error {
		_, err := c.Compare(t.Context(), streamS, domain.DecodedPage{Events: makeEvents(t, 3)})
		return err
	})
	terminateSessions(t, url, applicationOfS)
	var finding domain.Finding
	retry(func() (err error) {
		finding, err = c.Unreturned(t.Context(), streamS)
		return err
	})
	if finding.Differences != 2 { // events 4 and 5
		t.Errorf("got %d unreturned events, want 2", finding.Differences)
	}
	if pgtest.QueryOne[int](t, url, "SELECT count(*) FROM pg_class WHERE relname = 'pawl_returned'") != 0 {
		t.Error("got the temporary table pawl_returned, want none")
	}
}

// TestCompareBehindPooler checks that a comparison works behind a connection pooler.
func TestCompareBehindPooler(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url) // stream s stores events 1 to 5
	c := newComparison(t, startProxy(t, url, servePooler))
	if got := compare(t, c, makeEvents(t, 1, 2, 3, 4)...); len(got) != 0 {
		t.Errorf("got %+v, want no differences", got)
	}
	if finding, err := c.Unreturned(t.Context(), streamS); err != nil || finding.Differences != 1 {
		t.Errorf("got unreturned events %+v, %v, want 1 (event 5)", finding, err)
	}
}

func newComparison(t *testing.T, databaseURL string) *postgres.Comparison {
	t.Helper()
	return postgres.NewComparison(newPool(t, databaseURL))
}

// compare compares a page with these events and returns all differences, those of missing events first.
func compare(t *testing.T, c *postgres.Comparison, events ...domain.DecodedEvent) []domain.Difference {
	t.Helper()
	compared, err := c.Compare(t.Context(), streamS, domain.DecodedPage{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(compared.Missing, compared.Differences)
}
