//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestRecordsThatCannotBeStored reads a collection with one such record on every other page, each of another kind. A run
// ends before such a page: exit 4, and nothing of the page and nothing behind it is stored. Once the API sends the record
// as it should be the next run goes on, and in the end nothing is missing.
func TestRecordsThatCannotBeStored(t *testing.T) {
	t.Parallel()
	const pageSize = 100
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", strconv.Itoa(2*pageSize*len(spoilt)), "--rate-limit", "0")
	db := connect(t, databaseURL)
	run := func() (code int, said string) {
		p := start(t, m.environment(databaseURL), "pawl", "run", "--page-size", strconv.Itoa(pageSize))
		return p.wait(ctx), p.stderr.String()
	}
	var drifts []string
	for i, kind := range spoilt {
		drifts = append(drifts, fmt.Sprintf("%s@%d", kind, (2*i+1)*pageSize+(i+3)%pageSize))
	}
	for i, kind := range spoilt {
		m.play(scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: drifts[i:]})
		if code, said := run(); code != 4 {
			t.Errorf("%s: exit %d, want 4: %s", kind, code, said)
		}
		want := (2*i + 1) * pageSize
		if events, at := db.count("SELECT count(*) FROM events"), db.position(); events != want || at != want || db.pages() != 2*i+1 {
			t.Errorf("%s: %d events in %d pages are stored and the checkpoint is at %d, want %d", kind, events, db.pages(), at, want)
		}
	}
	m.play(scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: []string{}})
	if code, said := run(); code != 0 {
		t.Errorf("exit %d once all records are good: %s", code, said)
	}
	db.equalsTruth(m)
	db.addsUp()
}
