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

// summary parses the process's standard output as a summary.
func (p *process) summary() (s summary) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.stdout.String()), &s); err != nil {
		p.t.Fatalf("parse the summary: %v: %q\n%s", err, p.stdout.String(), p.stderr.String())
	}
	return s
}

// TestMainJob checks that one command does the main job: mockapi serves, pawl reads, and every column of every stored row is
// right. The stream has 20 pages of 5000 events, the default page size. The four scheduled faults cost four more requests: one
// is rate limited, and three are retried.
func TestMainJob(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Empty(t)
	args := []string{
		"--events", "100000", "--seed", "7", "--rate-limit", "0",
		"--fault", "500@2", "--fault", "503@5", "--fault", "429@9", "--fault", "reset@12",
		"--", bin + "/pawl", "run", "--json", // mockapi runs this command and sets API_BASE_URL and API_KEY for it
	}
	p := start(t, []string{"DATABASE_URL=" + databaseURL}, "mockapi", args...)
	if code := p.wait(ctx); code != exitDone {
		t.Fatalf("mockapi with pawl run: exit %d, want %d: %s", code, exitDone, p.stderr.String())
	}
	want := summary{
		Stream: defaultStream, Pass: 1, Done: true, Pages: 20, Received: 100000, Inserted: 100000, Announced: 100000,
		Requests: 20 + 4, Retries: 3, RateLimited: 1,
	}
	got := p.summary()
	if got.Waited < 1 { // the scheduled 429 has Retry-After: 1
		t.Errorf("waited: got %.1f s, want at least 1 s", got.Waited)
	}
	got.Waited = 0 // it differs from run to run
	if got != want {
		t.Errorf("summary: got %+v, want %+v", got, want)
	}
	db := connect(t, databaseURL)
	db.checkAgainstMock(startMock(t, "--events", "100000", "--seed", "7")) // another mock, since the truth depends only on the seed
	db.checkLedger()

	status := start(t, []string{"DATABASE_URL=" + databaseURL}, "pawl", "status", "--json")
	if code := status.wait(ctx); code != exitDone {
		t.Fatalf("status: exit %d, want %d: %s", code, exitDone, status.stderr.String())
	}
	reported := status.summary()
	reported.Waited = 0
	if reported != want {
		t.Errorf("status: got %+v, want %+v", reported, want)
	}
}

// TestRateLimit checks that pawl keeps to a tight rate limit. It must send no request while the window's quota is used up, and
// none before the time that a 429 named. The stream has 10 pages, and one scheduled 429 costs an eleventh request.
func TestRateLimit(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	databaseURL := pgtest.Database(t)
	m := startMock(t, "--events", "10000", "--rate-limit", "3", "--rate-window", "2s", "--fault", "429@5")
	p := start(t, m.environment(databaseURL), "pawl", "run", "--json", "--page-size", "1000")
	if code := p.wait(ctx); code != exitDone {
		t.Fatalf("exit %d, want %d: %s", code, exitDone, p.stderr.String())
	}
	const wantRequests = 10 + 1
	journal := m.summary()
	hasBrokenLimit := journal.RateLimited > 0 || journal.OverQuota > 0 || journal.TooEarly > 0
	if journal.Requests != wantRequests || hasBrokenLimit {
		t.Errorf("the API's journal: got %+v, want %d requests, and 0 rate limited, over the quota or too early", journal, wantRequests)
	}
	got := p.summary()
	isRightWait := got.RateLimited == 1 && got.Waited > 0 // the scheduled 429 counts as rate limited here, and not in the journal
	if got.Requests != wantRequests || got.Retries != 0 || !isRightWait {
		t.Errorf("summary: got %+v, want %d requests, 1 rate limited, 0 retries and more than 0 s waited", got, wantRequests)
	}
	if log := p.stderr.String(); !strings.Contains(log, "waiting for the API") {
		t.Errorf("the log does not report the wait: %s", log)
	}
	connect(t, databaseURL).checkAgainstMock(m)
}

// TestRunAfterDone checks that a second run of a complete stream sends no request, and that a run with --new-pass reads the
// stream again and stores no event twice.
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
		wantTotal  int // the number of requests that the mock has received since the first step
	}{
		{
			args: "run --json --page-size 1000", wantStderr: "starting", wantTotal: 3,
			want: summary{Pass: 1, Pages: 3, Received: 3000, Inserted: 3000, Requests: 3},
		},
		{
			args: "run --json --page-size 1000", wantStderr: "pawl did not look for new events", wantTotal: 3,
			want: summary{Pass: 1},
		},
		{
			args: "run --json --page-size 1000 --new-pass", wantStderr: "new pass", wantTotal: 6,
			want: summary{Pass: 2, Pages: 3, Received: 3000, Duplicate: 3000, Requests: 3},
		},
	} {
		p := start(t, m.environment(databaseURL), "pawl", strings.Fields(step.args)...)
		if code := p.wait(ctx); code != exitDone || !strings.Contains(p.stderr.String(), step.wantStderr) {
			t.Fatalf("%s: exit %d, want %d with %q: %s", step.args, code, exitDone, step.wantStderr, p.stderr.String())
		}
		// These values are the same in each step.
		step.want.Stream, step.want.Done, step.want.Announced = defaultStream, true, 3000
		if got := p.summary(); got != step.want {
			t.Errorf("%s: got %+v, want %+v", step.args, got, step.want)
		}
		if got := m.summary().Requests; got != step.wantTotal {
			t.Errorf("after %s: the API has received %d requests, want %d", step.args, got, step.wantTotal)
		}
	}
	db := connect(t, databaseURL)
	db.checkAgainstMock(m)
	db.checkLedger()
}
