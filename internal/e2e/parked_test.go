//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strconv"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// TestRecordsThatTheAPIMends reads a collection with one record of each kind that must be parked, and then the same when the
// API sends all of them as they should be: nothing is missing then, and the letters that name their event are superseded.
func TestRecordsThatTheAPIMends(t *testing.T) {
	t.Parallel()
	const pageSize = 100
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", strconv.Itoa(pageSize*len(spoilt)), "--rate-limit", "0")
	db := connect(t, databaseURL)
	run := func(args ...string) {
		t.Helper()
		p := start(t, m.environment(databaseURL), "pawl", append([]string{"run", "--page-size", strconv.Itoa(pageSize)}, args...)...)
		if code := p.wait(ctx); code != 0 {
			t.Fatalf("exit %d: %s", code, p.stderr.String())
		}
	}
	var drifts []string
	for i, kind := range spoilt {
		drifts = append(drifts, fmt.Sprintf("%s@%d", kind, i*pageSize+(i+3)%pageSize))
	}
	m.play(scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: drifts})
	run()
	db.equalsTruth(m)
	if n := db.count("SELECT count(*) FROM dead_letters WHERE resolved_at IS NULL"); n != len(spoilt) {
		t.Errorf("%d letters are open, want %d", n, len(spoilt))
	}

	m.play(scenario{RateWindow: "1s", CursorTTL: "2m0s", Latency: "0s", Faults: []string{}, Drifts: []string{}})
	run("--new-pass")
	db.exec("DROP TABLE truth")
	db.layDownTruth(m)
	if c := db.compare(); c != (comparison{}) {
		t.Errorf("once all records are good the rows are %+v", c)
	}
	db.addsUp()
	if wrong := db.count(`SELECT count(*) FROM dead_letters
		WHERE (resolution IS NOT DISTINCT FROM 'superseded') <> (event_id IS NOT NULL AND reason <> 'conflict')`); wrong > 0 {
		t.Errorf("%d letters are superseded and should not be, or the reverse", wrong)
	}
}
