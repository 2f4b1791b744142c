package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

func newComparison(t *testing.T, databaseURL string) *postgres.Comparison {
	t.Helper()
	comparison := postgres.NewComparison(poolOn(t, databaseURL))
	t.Cleanup(comparison.Close)
	if err := comparison.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	return comparison
}

func compare(t *testing.T, c *postgres.Comparison, events ...domain.ReadEvent) []domain.Difference {
	t.Helper()
	compared, err := c.Compare(t.Context(), domain.StreamID{Source: "s"}, domain.ReadPage{Events: events})
	if err != nil {
		t.Fatal(err)
	}
	return compared.Differences
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
		if err != nil || int(finding.Differences) != len(finding.Shown) || finding.Check != domain.Unreturned {
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
	if _, err := c.Compare(t.Context(), domain.StreamID{Source: "s"}, domain.ReadPage{Events: decoded(t, 3, 1, 3), Rejects: rejects}); err != nil {
		t.Fatal(err)
	}
	if ids := unreturned(); len(ids) != 1 || ids[0] != domaintest.EventID(5) {
		t.Errorf("not returned: %s", ids)
	}
	if err := c.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
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

// TestAComparisonLeavesNothing: the temporary table ends with its connection, and Begin replaces a lost one.
func TestAComparisonLeavesNothing(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	fill(t, url)
	c := newComparison(t, url)
	sever(t, url, "pawl/s")
	if _, err := c.Compare(t.Context(), domain.StreamID{Source: "s"}, domain.ReadPage{Events: decoded(t, 1)}); domain.KindOf(err) != domain.Transient {
		t.Errorf("over a lost connection: %v", err)
	}
	if err := c.Begin(t.Context()); err != nil {
		t.Errorf("a new beginning: %v", err)
	}
	c.Close()
	c.Close()
	for ticker := time.NewTicker(10 * time.Millisecond); ; { // the server notices a little later
		if queryOne[int](t, url, "SELECT count(*) FROM pg_class WHERE relname = 'pawl_returned'") == 0 {
			ticker.Stop()
			return
		}
		select {
		case <-ticker.C:
		case <-t.Context().Done():
			t.Fatal("the temporary table is left")
		}
	}
}

func TestNoComparisonBehindAPooler(t *testing.T) {
	t.Parallel()
	c := postgres.NewComparison(poolOn(t, through(t, pgtest.Database(t), pool)))
	defer c.Close()
	if err := c.Begin(t.Context()); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "pooler") {
		t.Errorf("it was answered %v", err)
	}
}
