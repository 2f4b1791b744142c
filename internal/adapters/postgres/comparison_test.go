package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestCompareColumns tests that a changed value in each column is a difference.
func TestCompareColumns(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	c := newComparison(t, url)
	tests := []struct {
		column string // that differs; empty if the value is the same, written in another way
		change func(e *domain.Event)
	}{
		{"", func(*domain.Event) {}},
		{"", func(e *domain.Event) { e.Properties = []byte(`{ "n" : 1.0 }`) }},
		{"", func(e *domain.Event) { e.OccurredAt = e.OccurredAt.In(time.FixedZone("", 3600)) }},
		{"session_id", func(e *domain.Event) { e.SessionID[0]++ }},
		{"user_id", func(e *domain.Event) { e.UserID[0]++ }},
		{"type", func(e *domain.Event) { e.Type = "Click" }},
		{"name", func(e *domain.Event) { e.Name += " " }},
		{"properties", func(e *domain.Event) { e.Properties = []byte(`{"n":"1"}`) }},
		{"occurred_at", func(e *domain.Event) { e.OccurredAt = e.OccurredAt.Add(time.Microsecond) }},
		{"device_type", func(e *domain.Event) { e.DeviceType = "" }},
		{"browser", func(e *domain.Event) { e.Browser = "firefox" }},
		{"extra", func(e *domain.Event) { e.Extra = []byte(`{}`) }},
		{"type, extra", func(e *domain.Event) { e.Type, e.Extra = "", []byte(`{"a":null}`) }},
	}
	for _, tt := range tests {
		changed := makeEvents(t, 1, 2)
		tt.change(&changed[0].Event)
		got := compare(t, c, changed...)
		switch {
		case tt.column == "" && len(got) == 0:
		case tt.column != "" && len(got) == 1 && got[0] == domain.Difference{Event: changed[0].ID, What: "stored with another " + tt.column}:
		default:
			t.Errorf("%s: got %+v", tt.column, got)
		}
	}
}

// TestCompareMissing tests events that only the API returns, and events that only the database has.
func TestCompareMissing(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	c := newComparison(t, url)
	unreturned := func() (ids []domain.EventID) {
		finding, err := c.Unreturned(t.Context(), streamS)
		if err != nil || int(finding.Differences) != len(finding.Shown) || finding.Check != domain.CheckUnreturned {
			t.Fatalf("got %+v, %v", finding, err)
		}
		for _, d := range finding.Shown {
			if d.PageID == 0 || d.Seq == 0 || d.Pass == 0 {
				t.Errorf("got %+v, want a page", d)
			}
			ids = append(ids, d.Event)
		}
		return ids
	}
	got := compare(t, c, makeEvents(t, 1, 77, 2)...)
	if len(got) != 1 || got[0] != (domain.Difference{Event: domaintest.EventID(77), What: "neither stored nor parked"}) {
		t.Errorf("an event that is not stored: got %+v", got)
	}
	if ids := unreturned(); len(ids) != 3 || ids[0] != domaintest.EventID(3) {
		t.Errorf("got unreturned events %s, want 3", ids)
	}
	// A reject counts as returned, too. An event that is returned twice counts once.
	rejects := []domain.Reject{{Why: domain.Rejection{ID: domaintest.EventID(4)}}, {}}
	if _, err := c.Compare(t.Context(), streamS, domain.DecodedPage{Events: makeEvents(t, 3, 1, 3), Rejects: rejects}); err != nil {
		t.Fatal(err)
	}
	if ids := unreturned(); len(ids) != 1 || ids[0] != domaintest.EventID(5) {
		t.Errorf("got unreturned events %s, want 1", ids)
	}
	c.Begin()
	if ids := unreturned(); len(ids) != 5 {
		t.Errorf("after Begin: got unreturned events %s, want 5", ids)
	}
}

func TestCompareEmptyPage(t *testing.T) {
	t.Parallel()
	if got := compare(t, newComparison(t, pgtest.Database(t))); len(got) != 0 {
		t.Errorf("got %+v, want no differences", got)
	}
}

// TestCompareAfterLostConnection tests that a comparison remembers what was returned when it loses its connection, and leaves
// no temporary table.
func TestCompareAfterLostConnection(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	c := newComparison(t, url)
	compare(t, c, makeEvents(t, 1, 2)...)
	terminateSessions(t, url, applicationOfS)
	retry := func(work func() error) {
		t.Helper()
		err := work()
		for domain.KindOf(err) == domain.Transient { // until the pool drops the lost connection
			err = work()
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
	if finding.Differences != 2 {
		t.Errorf("got %d unreturned events, want 2", finding.Differences)
	}
	if pgtest.QueryOne[int](t, url, "SELECT count(*) FROM pg_class WHERE relname = 'pawl_returned'") != 0 {
		t.Error("got a temporary table, want none")
	}
}

func TestCompareBehindPooler(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	storeTwoStreams(t, url)
	c := newComparison(t, startProxy(t, url, servePooler))
	if got := compare(t, c, makeEvents(t, 1, 2, 3, 4)...); len(got) != 0 {
		t.Errorf("got %+v, want no differences", got)
	}
	if finding, err := c.Unreturned(t.Context(), streamS); err != nil || finding.Differences != 1 {
		t.Errorf("got %+v, %v, want 1 difference", finding, err)
	}
}

func newComparison(t *testing.T, databaseURL string) *postgres.Comparison {
	t.Helper()
	return postgres.NewComparison(newPool(t, databaseURL))
}

func compare(t *testing.T, c *postgres.Comparison, events ...domain.DecodedEvent) []domain.Difference {
	t.Helper()
	compared, err := c.Compare(t.Context(), streamS, domain.DecodedPage{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(compared.Missing, compared.Differences)
}
