package cli_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestSummaryJSON_Fields checks the names and the order of the fields of the summary in JSON.
func TestSummaryJSON_Fields(t *testing.T) {
	t.Parallel()
	_, stdout, _ := pawl(t, validEnv(), newEmptyWiring(), "run", "--json")
	if want := `"database":"` + databaseName + `"`; !strings.Contains(stdout, want) {
		t.Errorf("got %s, want %s in it", stdout, want)
	}
	decoder := json.NewDecoder(strings.NewReader(stdout))
	if _, err := decoder.Token(); err != nil { // the brace {
		t.Fatal(err)
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name.(string))
		if _, err := decoder.Token(); err != nil { // the value, or the brace of times, whose names come next
			t.Fatal(err)
		}
	}
	want := strings.Fields(`stream pass seq done pages received inserted duplicate parked announced_total requests
		retries rate_limited waited_seconds elapsed_seconds database times fetch_seconds decode_seconds store_seconds commit_seconds`)
	if !reflect.DeepEqual(names, want) {
		t.Errorf("got fields %v, want %v", names, want)
	}
}

// TestSummary_FewerThanAnnounced checks that the summary of a complete stream has a note if it has fewer records than the API announced.
func TestSummary_FewerThanAnnounced(t *testing.T) {
	t.Parallel()
	const note = "  note     only 2 of 3 announced records are stored or parked; for the difference: pawl verify\n"
	for _, tt := range []struct {
		lastRecord string
		hasNote    bool
	}{
		{lastRecord: "2", hasNote: true}, // the record 2 is in the first page too
		{lastRecord: "3", hasNote: false},
	} {
		first := domaintest.PageOf("cursor", "1", "2").WithTotal(3)
		last := domaintest.LastPageOf(tt.lastRecord).WithTotal(3)
		source := domaintest.NewScriptedSource(first, last, last) // a run may fetch the last page twice
		code, stdout, stderr := pawl(t, validEnv(), newWiring(source, domaintest.NewMemDatabase()), "run")
		if code != cli.ExitDone || strings.Contains(stdout, note) != tt.hasNote {
			t.Errorf("records 1, 2 and %s: got exit %d and summary %q, want the note: %v; %s", tt.lastRecord, code, stdout, tt.hasNote, stderr)
		}
	}
}

// TestSummary_NoPage checks that a run that fails before its first page prints the reason and no summary, except as JSON.
func TestSummary_NoPage(t *testing.T) {
	t.Parallel()
	refused := func() domaintest.Answer { return domaintest.FailWith(domain.Unauthorized) }
	_, stdout, stderr := pawl(t, validEnv(), newWiring(domaintest.NewScriptedSource(refused()), domaintest.NewMemDatabase()), "run")
	if stdout != "" || !strings.Contains(stderr, "pawl: ") {
		t.Errorf("got summary %q and error %q, want no summary and the reason", stdout, stderr)
	}
	_, stdout, _ = pawl(t, validEnv(), newWiring(domaintest.NewScriptedSource(refused()), domaintest.NewMemDatabase()), "run", "--json")
	if !strings.Contains(stdout, `"pages":0`) {
		t.Errorf("got %q, want the summary as JSON", stdout)
	}
}

// A finishedRunner is a cli.Runner that returns the same from each run.
type finishedRunner struct {
	sum domain.Summary
	err error
}

func (r finishedRunner) Run(context.Context) (domain.Summary, error) { return r.sum, r.err }

// wiring returns a wiring whose runner is r.
func (r finishedRunner) wiring() cli.Wiring {
	w := newEmptyWiring()
	w.Migrate = func(context.Context, string) ([]string, error) { return nil, nil }
	w.Runner = func(context.Context, cli.Settings, cli.RunOptions, ingest.Observer) (cli.Runner, func(), error) {
		return r, func() {}, nil
	}
	return w
}

// newSummary returns the summary of a complete run with a value in each field, changed by change.
func newSummary(change func(*domain.Summary)) domain.Summary {
	s := domain.Summary{
		Stream: domain.StreamID{Source: "datasync"}, Pass: 1, Seq: 100, Done: true, Offset: 100_000,
		Announced: domain.Total{N: 100_000, Known: true}, Accounted: 100_000, Pages: 100,
		Counts:  domain.Counts{Received: 100_000, Inserted: 99_994, Duplicate: 4, Parked: 2},
		Traffic: domain.Traffic{Requests: 1106, Retries: 3, RateLimited: 2, Waited: 11_160 * time.Millisecond},
		Elapsed: 12_500 * time.Millisecond,
		Times: domain.WorkTimes{
			Fetching: 2_500 * time.Millisecond, Decoding: 100 * time.Millisecond, Storing: 140 * time.Second, Committing: time.Second,
		},
	}
	if change != nil {
		change(&s)
	}
	return s
}

// TestSummary checks what a run prints for a person in a file or a pipe.
func TestSummary(t *testing.T) {
	t.Parallel()
	stopped := func(cause error) error { return &domain.Error{Kind: domain.Stopped, Op: "run", Err: cause} }
	onlyCounts := func(s *domain.Summary) { // a short run without dead letters
		s.Parked, s.Inserted, s.Elapsed, s.Times, s.Traffic = 0, 99_996, 0, domain.WorkTimes{}, domain.Traffic{Requests: 100}
	}
	part := func(s *domain.Summary) {
		onlyCounts(s)
		s.Done, s.Offset, s.Pages, s.Seq = false, 41_000, 20, 41
		s.Counts = domain.Counts{Received: 20_000, Inserted: 20_000}
	}
	const restOfPart = `
  counts   20,000 received = 20,000 inserted + 0 duplicate + 0 parked
  position pass 1, seq 41, 41,000 of 100,000 announced records
  requests 100
`
	for _, tt := range []struct {
		name string
		sum  domain.Summary
		err  error
		args []string
		want string
	}{
		{name: "all", sum: newSummary(nil), want: `99,994 events stored in 127.0.0.1:5432/db, stream datasync complete
  counts   100,000 received = 99,994 inserted + 4 duplicate + 2 parked
  letters  2 new dead letters; list them: pawl dlq list --summary
  position pass 1, seq 100, 100,000 of 100,000 announced records
  speed    8,000 events/s, 100 pages in 12.5 s
  time     fetch 2.5 s, wait 11.2 s, decode 0.1 s, store 2m20s; these overlap
  requests 1,106, 3 retried, 2 refused by the rate limit
`},
		{name: "nothing to wait for", sum: newSummary(onlyCounts), want: `99,996 events stored in 127.0.0.1:5432/db, stream datasync complete
  counts   100,000 received = 99,996 inserted + 4 duplicate + 0 parked
  position pass 1, seq 100, 100,000 of 100,000 announced records
  requests 100
`},
		{
			name: "one of each", args: []string{"--stream", "s"}, sum: domain.Summary{
				Stream: domain.StreamID{Source: "s"}, Pass: 1, Seq: 1, Done: true, Offset: 1, Announced: domain.Total{N: 1, Known: true},
				Accounted: 1, Pages: 1, Counts: domain.Counts{Received: 1, Parked: 1}, Traffic: domain.Traffic{Requests: 1}, Elapsed: time.Second,
				Times: domain.WorkTimes{Fetching: time.Second},
			}, want: `no new events stored in 127.0.0.1:5432/db, stream s complete
  counts   1 received = 0 inserted + 0 duplicate + 1 parked
  letters  1 new dead letter; list them: pawl dlq list --summary --stream s
  position pass 1, seq 1, 1 of 1 announced record
  speed    1 events/s, 1 page in 1.0 s
  time     fetch 1.0 s
  requests 1
`,
		},
		{name: "complete already", sum: newSummary(func(s *domain.Summary) {
			onlyCounts(s)
			s.Pages, s.Counts, s.Traffic, s.Announced = 0, domain.Counts{}, domain.Traffic{}, domain.Total{}
		}), want: `stream datasync is complete already in 127.0.0.1:5432/db
  position pass 1, seq 100, 100,000 records, no total announced
`},
		{
			name: "--max-pages", sum: newSummary(part), err: stopped(fmt.Errorf("%w, 41 %% read", ingest.ErrMaxPages)),
			want: "20,000 events stored in 127.0.0.1:5432/db, stream datasync not complete: stopped after 20 pages, as --max-pages says, 41 % read" + restOfPart,
		},
		{
			name: "a signal", sum: newSummary(part), err: stopped(context.Canceled),
			want: "20,000 events stored in 127.0.0.1:5432/db, stream datasync not complete: stopped by a signal, 41 % read" + restOfPart,
		},
		{
			name: "a failure", sum: newSummary(part), err: &domain.Error{Kind: domain.Transient, Op: "fetch page", Err: errors.New("gone")},
			want: "20,000 events stored in 127.0.0.1:5432/db, stream datasync not complete, 41 % read" + restOfPart,
		},
	} {
		_, stdout, stderr := pawl(t, validEnv(), finishedRunner{tt.sum, tt.err}.wiring(), append([]string{"run"}, tt.args...)...)
		if stdout != tt.want {
			t.Errorf("%s: got summary\n%s\nwant\n%s\nerror: %s", tt.name, stdout, tt.want, stderr)
		}
	}
}

// TestSummary_Terminal checks the mark before the summary on a terminal: whether it is there, and its colour.
func TestSummary_Terminal(t *testing.T) {
	t.Parallel()
	incomplete := newSummary(func(s *domain.Summary) { s.Done = false })
	for _, tt := range []struct {
		env  string
		sum  domain.Summary
		want string // the beginning of the output
	}{
		{env: "TERM=xterm", sum: newSummary(nil), want: "\x1b[32m✔ \x1b[m99,994 events stored"},
		{env: "TERM=xterm", sum: incomplete, want: "\x1b[33m! \x1b[m99,994 events stored"},
		{env: "NO_COLOR=1", sum: newSummary(nil), want: "✔ 99,994 events stored"},
		{env: "TERM=dumb", sum: newSummary(nil), want: "99,994 events stored"},
	} {
		master, slave, err := pty.Open()
		if err != nil {
			t.Skipf("no pseudo terminal: %v", err)
		}
		var stderr bytes.Buffer
		cli.Main(t.Context(), cli.Process{Args: []string{"run"}, Environ: validEnv(tt.env), Stdout: slave, Stderr: &stderr},
			finishedRunner{sum: tt.sum}.wiring())
		shown := make([]byte, 4096)
		n, err := master.Read(shown)
		if err != nil || !strings.HasPrefix(string(shown[:n]), tt.want) {
			t.Errorf("%s: got %q, %v, want it to begin with %q; %s", tt.env, shown[:n], err, tt.want, stderr.String())
		}
		_, _ = slave.Close(), master.Close()
	}
}
