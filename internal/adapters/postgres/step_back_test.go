package postgres_test

import (
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestInspectSteppedBack checks that the checks of verify accept the ledger of a pass that has stepped back twice, and that they still find a
// page with the wrong parent.
func TestInspectSteppedBack(t *testing.T) {
	t.Parallel()
	databaseURL := pgtest.Database(t)
	w := newPageWriter(t, databaseURL, "s")
	w.commitPage("a", 1).commitPage("b", 2).commitPage("c", 3) // seq 1 to 3
	stepBack := func(pages int) {
		t.Helper()
		start, ok, err := w.store.StepBack(t.Context(), streamS, 1, pages)
		if err != nil || !ok {
			t.Fatalf("got %+v, %t, error %v; want a place to step back to", start, ok, err)
		}
		w.from = w.checkpoint.StepBack(start)
	}
	stepBack(1)
	w.commitPage("c2", 3) // seq 4, after seq 2
	stepBack(2)
	w.commitPage("b2", 2).commitPage("c3", 3).commitPage("d", 4).commitPage(endCursor, 5) // seq 5, after seq 1, to seq 8
	inspect := func() string {
		t.Helper()
		inspection, err := postgres.NewInventory(newPool(t, databaseURL)).Inspect(t.Context(), streamS, func(domain.Check) {})
		if err != nil {
			t.Fatal(err)
		}
		return describe(inspection)
	}
	if got := inspect(); got != "" {
		t.Errorf("got differences, want none:\n%s", got)
	}
	parents := pgtest.QueryOne[string](t, databaseURL, "SELECT string_agg(seq || '<' || parent_seq, ' ' ORDER BY seq) FROM pages")
	if want := "1<0 2<1 3<2 4<2 5<1 6<5 7<6 8<7"; parents != want {
		t.Errorf("got parents %s, want %s", parents, want)
	}
	for seq, parent := range map[string]string{"4": "1", "5": "2", "6": "1", "7": "3"} {
		pgtest.Exec(t, databaseURL, "UPDATE pages SET parent_seq = "+parent+" WHERE seq = "+seq)
		if got := inspect(); !strings.Contains(got, "chain: ") {
			t.Errorf("seq %s with parent %s: got differences %q, want one of the chain", seq, parent, got)
		}
		pgtest.Exec(t, databaseURL, "UPDATE pages SET parent_seq = CASE seq WHEN 4 THEN 2 WHEN 5 THEN 1 ELSE seq - 1 END WHERE seq > 1")
	}
}
