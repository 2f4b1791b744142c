//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestCompose is what docker-compose.yml promises: from nothing to a finished run whose traces stand in Jaeger, and a run
// that does not care for Jaeger.
func TestCompose(t *testing.T) {
	t.Parallel()
	whole := newProject(t)
	t.Run("a run whose traces stand in Jaeger", func(t *testing.T) {
		p := whole.in(t)
		p.do("up", "--detach")
		p.wantDone()
		wantTraces(t, p.database(), &jaeger{t, p.do("port", "jaeger", "16686")})
	})
	whole.do("down", "--volumes", "--timeout", "1")
	t.Run("Jaeger stops in the middle", func(t *testing.T) {
		p := whole.in(t)
		p.do("up", "--detach")
		db := p.database()
		eventually(t, "the run is in its middle", func() bool { return db.pages() >= 20 })
		letGo := db.holdLedger(db.conn.Config().ConnString()) // Docker may take longer to stop a container than the run to its end
		p.do("stop", "--timeout", "0", "jaeger")
		letGo()
		if n := db.pages(); n >= 100 {
			t.Fatalf("Jaeger was stopped after the run, at %d pages", n)
		}
		p.wantDone()
		if n := strings.Count(p.stderr("pawl"), "the collector does not take the traces"); n != 1 {
			t.Errorf("%d warnings of the collector: %s", n, p.stderr("pawl"))
		}
	})
}

// wantDone waits for pawl's end and holds the rows to the mock's number of events.
func (p *project) wantDone() {
	p.t.Helper()
	if code := p.exitCode("pawl"); code != "0" {
		p.t.Fatalf("exit %s: %s", code, p.stderr("pawl"))
	}
	db := p.database()
	if events, pages := db.count("SELECT count(*) FROM events"), db.pages(); events != 100000 || pages != 100 {
		p.t.Errorf("%d events in %d pages", events, pages)
	}
	db.addsUp()
}

// A ledgerRow is what the ledger says of a page's requests.
type ledgerRow struct {
	TraceID                                       string
	Seq, Received, Requests, Retries, RateLimited int
}

// wantTraces holds Jaeger to the ledger: the same traces, each with as many requests, and what came of them.
func wantTraces(t *testing.T, db *database, j *jaeger) {
	t.Helper()
	rows, err := db.conn.Query(db.ctx, "SELECT trace_id, seq, received, requests, retries, rate_limited FROM pages")
	if err != nil {
		t.Fatal(err)
	}
	ledger := map[string]ledgerRow{}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledgerRow])
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range list {
		ledger[row.TraceID] = row
	}
	eventually(t, "Jaeger has as many traces as the ledger has pages", func() bool { return len(j.pages()) >= len(list) })
	traces := j.pages()
	if len(traces) != len(list) {
		t.Errorf("%d traces of %d pages", len(traces), len(list))
	}
	with503 := 0
	for _, trace := range traces {
		row, found := ledger[trace.ID]
		if !found {
			t.Errorf("the ledger does not know the trace %s; it knows %v", trace.ID, slices.Collect(maps.Keys(ledger)))
			continue
		}
		page, answered := trace.named("pawl page")[0], trace.answered()
		requests := len(trace.named("GET"))
		told := ledgerRow{
			TraceID: trace.ID, Seq: page.number("pawl.seq"), Received: page.number("pawl.received"),
			Requests: requests, Retries: requests - answered[429] - 1, RateLimited: answered[429],
		}
		if told != row || answered[200] != 1 || len(trace.named("commit")) != 1 {
			t.Errorf("the trace tells %+v with answers %v, the ledger %+v", told, answered, row)
		}
		if answered[503] > 0 {
			with503++
		}
	}
	if with503 != 2 { // the requests 25 and 75 to 76 of docker-compose.yml
		t.Errorf("%d pages met a 503, want 2", with503)
	}
}
