package postgres_test

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestAnInspectionOfWhatThePlannerDoesNotKnow: a stream that grew to 20,000 pages since the statistics were made is still
// read a number of times, not once for each of its pages.
func TestAnInspectionOfWhatThePlannerDoesNotKnow(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	newPen(t, url, "other").records("c", "1", "x")
	newPen(t, url, "s")
	exec(t, url, "ANALYZE")
	exec(t, url, `
		INSERT INTO pages (kind, stream, pass, seq, parent_seq, cursor_in, cursor_out, position, received, inserted, duplicate, parked,
			body_bytes, request_id, requests, retries, rate_limited, waited_ms, fetched_at, trace_id)
		SELECT 'page', 's', 1, (n), n - 1, CASE n WHEN 1 THEN '' ELSE 'c' || n - 1 END, 'c' || n, (n), 1, 0, 0, 1, 0, '', 1, 0, 0, 0, now(), ''
		FROM generate_series(1, 20000) AS n;
		INSERT INTO dead_letters (stream, key, page_id, index_in_page, reason, field, detail, payload, payload_sha256, seen, resolved_at, resolution, resolved_page_id)
		SELECT 's', 'k' || id, (id), 0, 'r', '', '', '', sha256(''), 1, now(), 'superseded', id FROM pages WHERE stream = 's';
		UPDATE checkpoints SET seq = 20000, position = 20000, furthest = 20000, cursor = 'c20000', received = 20000, parked = 20000 WHERE stream = 's'`)
	inventory := postgres.NewImpatientInventory(poolOn(t, url), 15*time.Second)
	inspection, err := inventory.Inspect(t.Context(), domain.StreamID{Source: "s"}, func(domain.Check) {})
	if err != nil || told(inspection) != "" {
		t.Errorf("%v\n%s", err, told(inspection))
	}
	// No page is too old to be looked at, for any check that is made of each.
	for _, seq := range []string{"1", "10000", "20000"} {
		exec(t, url, "UPDATE pages SET cursor_in = 'x', inserted = 1, parked = 0 WHERE stream = 's' AND seq = "+seq+`;
			UPDATE dead_letters SET payload = 'x' WHERE key = (SELECT 'k' || id FROM pages WHERE stream = 's' AND seq = `+seq+")")
		inspection, err := inventory.Inspect(t.Context(), domain.StreamID{Source: "s"}, func(domain.Check) {})
		if err != nil {
			t.Fatal(err)
		}
		for _, check := range []domain.Check{domain.CheckChain, domain.CheckPageEvents, domain.CheckDeadLetters, domain.CheckPayloads} {
			found := inspection.Findings[slices.IndexFunc(inspection.Findings, func(f domain.Finding) bool { return f.Check == check })]
			if !slices.ContainsFunc(found.Shown, func(d domain.Difference) bool { return strconv.FormatInt(d.Seq, 10) == seq }) {
				t.Errorf("tampering with page %s is not found by %s: %+v", seq, check, found)
			}
		}
	}
}
