//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/pgtest"
)

// A summary is the output of `pawl run --json` and `pawl status --json`.
type summary struct {
	Stream      string  `json:"stream"`
	Pass        int     `json:"pass"`
	Done        bool    `json:"done"`
	Pages       int     `json:"pages"`
	Received    int     `json:"received"`
	Inserted    int     `json:"inserted"`
	Duplicate   int     `json:"duplicate"`
	Parked      int     `json:"parked"`
	Announced   int     `json:"announced_total"`
	Requests    int     `json:"requests"`
	Retries     int     `json:"retries"`
	RateLimited int     `json:"rate_limited"`
	Waited      float64 `json:"waited_seconds"`
}

// summary parses the process's standard output.
func (p *process) summary() (s summary) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.stdout.String()), &s); err != nil {
		p.t.Fatalf("%v: %q\n%s", err, p.stdout.String(), p.stderr.String())
	}
	return s
}

// TestMainJob checks the main job with one command: mockapi serves, pawl reads, and every column of every row is right.
func TestMainJob(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	args := []string{"--events", "100000", "--seed", "7", "--rate-limit", "0", "--fault", "500@2", "--fault", "503@5", "--fault", "429@9", "--fault", "reset@12"}
	p := start(t, []string{"DATABASE_URL=" + databaseURL}, "mockapi", append(args, "--", bin+"/pawl", "run", "--json")...)
	if code := p.wait(ctx); code != 0 {
		t.Fatalf("exit %d: %s", code, p.stderr.String())
	}
	want := summary{
		Stream: "datasync", Pass: 1, Done: true, Pages: 20, Received: 100000, Inserted: 100000, Announced: 100000,
		Requests: 24, Retries: 3, RateLimited: 1,
	}
	got := p.summary()
	waited := got.Waited
	got.Waited = 0
	if got != want || waited < 1 { // the scheduled 429 has Retry-After: 1
		t.Errorf("summary: got %+v and %.1f s of waiting, want %+v and at least 1 s", got, waited, want)
	}
	db := connect(t, databaseURL)
	db.checkTruth(startMock(t, "--events", "100000", "--seed", "7")) // the truth depends on the seed alone
	db.checkLedger()

	status := start(t, []string{"DATABASE_URL=" + databaseURL}, "pawl", "status", "--json")
	if code := status.wait(ctx); code != 0 {
		t.Fatalf("status: exit %d: %s", code, status.stderr.String())
	}
	reported := status.summary()
	reported.Waited = 0
	if reported != want {
		t.Errorf("status: got %+v, want %+v", reported, want)
	}
}

// TestRateLimit checks that under a tight limit pawl sends no request while the window is used up, and none before the time
// that the API asked for.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", "10000", "--rate-limit", "3", "--rate-window", "2s", "--fault", "429@5")
	p := start(t, m.environment(databaseURL), "pawl", "run", "--json", "--page-size", "1000")
	if code := p.wait(ctx); code != 0 {
		t.Fatalf("exit %d: %s", code, p.stderr.String())
	}
	if s := m.summary(); s.Requests != 11 || s.RateLimited != 0 || s.Closed != 0 || s.TooEarly != 0 {
		t.Errorf("the API's journal: got %+v, want 11 requests, none refused and none too early", s)
	}
	if sum := p.summary(); sum.Requests != 11 || sum.RateLimited != 1 || sum.Retries != 0 || sum.Waited <= 0 {
		t.Errorf("summary: got %+v, want 11 requests, 1 refused, none retried, some time waited", sum)
	}
	if log := p.stderr.String(); !strings.Contains(log, "waiting for the API") {
		t.Errorf("the log does not report the wait: %s", log)
	}
	connect(t, databaseURL).checkTruth(m)
}

// TestRunAfterDone checks that a second run of a complete stream sends no request, and that --new-pass reads it again and
// stores nothing twice.
func TestRunAfterDone(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	m := startMock(t, "--events", "3000", "--rate-limit", "0")
	for _, step := range []struct {
		args       string
		wantStderr string
		want       summary
		requests   int // that the mock has received so far
	}{
		{"run --json --page-size 1000", "starting", summary{Pass: 1, Pages: 3, Received: 3000, Inserted: 3000, Requests: 3}, 3},
		{"run --json --page-size 1000", "no new events were looked for", summary{Pass: 1}, 3},
		{"run --json --page-size 1000 --new-pass", "new pass", summary{Pass: 2, Pages: 3, Received: 3000, Duplicate: 3000, Requests: 3}, 6},
	} {
		p := start(t, m.environment(databaseURL), "pawl", strings.Fields(step.args)...)
		if code := p.wait(ctx); code != 0 || !strings.Contains(p.stderr.String(), step.wantStderr) {
			t.Fatalf("%s: exit %d: %s", step.args, code, p.stderr.String())
		}
		step.want.Stream, step.want.Done, step.want.Announced = "datasync", true, 3000
		if got := p.summary(); got != step.want {
			t.Errorf("%s: got %+v, want %+v", step.args, got, step.want)
		}
		if got := m.summary().Requests; got != step.requests {
			t.Errorf("%s: the API received %d requests, want %d", step.args, got, step.requests)
		}
	}
	db := connect(t, databaseURL)
	db.checkTruth(m)
	db.checkLedger()
}
