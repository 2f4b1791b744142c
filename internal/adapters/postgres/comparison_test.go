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

func newComparison(t *testing.T, databaseURL string) *postgres.Comparison {
	t.Helper()
	return postgres.NewComparison(poolOn(t, databaseURL))
}

func compare(t *testing.T, c *postgres.Comparison, events ...domain.DecodedEvent) []domain.Difference {
	t.Helper()
	compared, err := c.Compare(t.Context(), domain.StreamID{Source: "s"}, domain.DecodedPage{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return slices.Concat(compared.Missing, compared.Differences)
}

// TestEveryColumnIsCompared changes one value of an event after the other.
func TestEveryColumnIsCompared(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	c := newComparison(t, url)
	tests := []struct {
		column string // empty: the same value, in other words
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
		changed := decoded(t, 1, 2)
		tt.change(&changed[0].Event)
		got := compare(t, c, changed...)
		switch {
		case tt.column == "" && len(got) == 0:
		case tt.column != "" && len(got) == 1 && got[0] == domain.Difference{Event: changed[0].ID, What: "stored with another " + tt.column}:
		default:
			t.Errorf("%s: %+v", tt.column, got)
		}
	}
}

func TestWhatIsMissingOnEitherSide(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	c := newComparison(t, url)
	unreturned := func() (ids []domain.EventID) {
		finding, err := c.Unreturned(t.Context(), domain.StreamID{Source: "s"})
		if err != nil || int(finding.Differences) != len(finding.Shown) || finding.Check != domain.CheckUnreturned {
			t.Fatalf("%+v, %v", finding, err)
		}
		for _, d := range finding.Shown {
			if d.PageID == 0 || d.Seq == 0 || d.Pass == 0 {
				t.Errorf("it names no page: %+v", d)
			}
			ids = append(ids, d.Event)
		}
		return ids
	}
	got := compare(t, c, decoded(t, 1, 77, 2)...)
	if len(got) != 1 || got[0] != (domain.Difference{Event: domaintest.EventID(77), What: "neither stored nor parked"}) {
		t.Errorf("the API returned more: %+v", got)
	}
	if ids := unreturned(); len(ids) != 3 || ids[0] != domaintest.EventID(3) {
		t.Errorf("not returned: %s", ids)
	}
	// What cannot be decoded is returned all the same, and what is returned twice counts once.
	rejects := []domain.Reject{{Why: domain.Rejection{ID: domaintest.EventID(4)}}, {}}
	if _, err := c.Compare(t.Context(), domain.StreamID{Source: "s"}, domain.DecodedPage{Events: decoded(t, 3, 1, 3), Rejects: rejects}); err != nil {
		t.Fatal(err)
	}
	if ids := unreturned(); len(ids) != 1 || ids[0] != domaintest.EventID(5) {
		t.Errorf("not returned: %s", ids)
	}
	c.Begin()
	if ids := unreturned(); len(ids) != 5 {
		t.Errorf("after a new beginning: %s", ids)
	}
}

// TestAnEmptyPageIsCompared: an upstream may send one.
func TestAnEmptyPageIsCompared(t *testing.T) {
	t.Parallel()
	if got := compare(t, newComparison(t, pgtest.Database(t))); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

// TestAComparisonOutlivesItsConnection: what was returned is not forgotten with it, and nothing is left behind.
func TestAComparisonOutlivesItsConnection(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	c := newComparison(t, url)
	compare(t, c, decoded(t, 1, 2)...)
	sever(t, url, "pawl/s")
	again := func(work func() error) {
		t.Helper()
		err := work()
		for domain.KindOf(err) == domain.Transient { // the pool drops the connection that is lost
			err = work()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again(func() error {
		_, err := c.Compare(t.Context(), domain.StreamID{Source: "s"}, domain.DecodedPage{Events: decoded(t, 3)})
		return err
	})
	sever(t, url, "pawl/s")
	var finding domain.Finding
	again(func() (err error) {
		finding, err = c.Unreturned(t.Context(), domain.StreamID{Source: "s"})
		return err
	})
	if finding.Differences != 2 {
		t.Errorf("%d events of 5 were not returned, want 2", finding.Differences)
	}
	if queryOne[int](t, url, "SELECT count(*) FROM pg_class WHERE relname = 'pawl_returned'") != 0 {
		t.Error("the temporary table is left")
	}
}

func TestAComparisonBehindAPooler(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	c := newComparison(t, through(t, url, pool))
	if got := compare(t, c, decoded(t, 1, 2, 3, 4)...); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if finding, err := c.Unreturned(t.Context(), domain.StreamID{Source: "s"}); err != nil || finding.Differences != 1 {
		t.Errorf("%+v, %v", finding, err)
	}
}
