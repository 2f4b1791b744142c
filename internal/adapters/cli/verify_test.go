package cli_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/verify"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A verifierFunc is a verification that a test scripts.
type verifierFunc func(ctx context.Context, observer cli.VerifyObserver) (verify.Report, error)

func (f verifierFunc) wiring() cli.Wiring {
	w := newWiring(emptySource{}, domaintest.NewMemDatabase(), new(cli.Settings))
	w.Verify = func(_ context.Context, _ cli.Settings, _ cli.VerifyOptions, o cli.VerifyObserver) (cli.Verifier, func(), error) {
		return scriptedVerification{f, o}, func() {}, nil
	}
	return w
}

type scriptedVerification struct {
	run      verifierFunc
	observer cli.VerifyObserver
}

func (v scriptedVerification) Run(ctx context.Context) (verify.Report, error) {
	return v.run(ctx, v.observer)
}

func errInconsistent() error {
	return &domain.Error{Kind: domain.Inconsistent, Op: "verify stream s", Err: errors.New("26 differences"), Hint: "the report names them"}
}

// fullReport returns a report that uses every field.
func fullReport() verify.Report {
	var report verify.Report
	at := &report.Stream.Checkpoint
	at.Stream, at.Pass, at.Seq, at.Done = domain.StreamID{Source: "s"}, 2, 1234, true
	total := domain.Total{N: 2_000_010, Known: true}
	at.Offset, at.AnnouncedFirst, at.AnnouncedLast = 2_000_012, total, total
	report.Stream.Pages, report.Stored, report.Parked = 1234, 1_999_990, 9
	id := domaintest.EventID(7)
	shown := []domain.Difference{
		{PageID: 17, Seq: 3, Pass: 1, What: "inserted", Value: "500", Against: "events of the page", Found: "499"},
		{PageID: 18, Seq: 4, Pass: 1, What: "cursor_in", Value: strings.Repeat("c", 80), Against: "cursor_out of the page before", Found: "\x1b[2J"},
		{Pass: 2, What: "received in this pass", Value: "-1", Against: "inserted + duplicate + parked", Found: "0"},
		{What: "done of the checkpoint", Value: "true", Against: "end at its last page", Found: "false"},
		{PageID: 999, Event: id, What: "events that name the page", Value: "1", Against: "pages of that id in the ledger", Found: "0"},
		{Event: id, RequestID: "req\n1", What: "stored with another name, extra"},
	}
	report.Findings = []domain.Finding{{Check: domain.CheckBalance}, {Check: domain.CheckChain, Differences: 1026, Shown: shown}}
	report.Walk = verify.Walk{Pages: 401, Received: 2_000_012, Parked: 9}
	return report
}

func TestVerify(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"verify": {"verify"}, "verify_json": {"verify", "--json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) {
				return fullReport(), errInconsistent()
			}).wiring()
			code, stdout, stderr := pawl(t, validEnv(), w, args...)
			if code != cli.ExitData || stderr != "pawl: verify stream s: 26 differences; the report names them\n" {
				t.Errorf("exit %d: %s", code, stderr)
			}
			cli.Golden(t, name, stdout)
		})
	}
}

func TestVerify_Notes(t *testing.T) {
	t.Parallel()
	total := func(first, last int64) domain.Position {
		return domain.Position{
			Done: true, Offset: 9,
			AnnouncedFirst: domain.Total{N: first, Known: true}, AnnouncedLast: domain.Total{N: last, Known: true},
		}
	}
	received9 := func(shared bool) domain.Inspection { // 9 records, of which 3 are duplicates
		at := domain.Checkpoint{Position: total(6, 9), Counts: domain.Counts{Received: 9, Inserted: 6, Duplicate: 3}}
		return domain.Inspection{Stream: domain.StreamReport{Checkpoint: at}, Stored: 6, Shared: shared, Findings: []domain.Finding{{}}}
	}
	for want, inspection := range map[string]domain.Inspection{
		"note: up to 3 newer events have not been read yet: `pawl run --new-pass` reads them\n": received9(false),
		"note: the API announced 6 records when the pass began and 9 when it ended\n":           received9(true),
	} {
		w := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) {
			return verify.Report{Inspection: inspection}, nil
		}).wiring()
		if _, stdout, _ := pawl(t, validEnv(), w, "verify"); !strings.HasSuffix(stdout, want) {
			t.Errorf("shared %v: want %q at the end of\n%s", inspection.Shared, want, stdout)
		}
	}
	tests := []struct {
		want                        string
		at                          domain.Position
		stored, parked, differences int64
	}{
		{"note: the stream is not complete: ", domain.Position{}, 3, 1, 0},
		{"note: the API announced no total", domain.Position{Done: true}, 3, 1, 0},
		{"note: 9 announced = 9 stored + 0 parked", total(9, 9), 9, 0, 0},
		{"note: 9 announced = 7 stored + 2 parked", total(9, 9), 7, 2, 0},
		{"note: up to 40 newer events have not been read yet: `pawl run --new-pass` reads them", total(9, 49), 7, 2, 0},
		{"note: up to 1 newer event has not been read yet: `pawl run --new-pass` reads it", total(9, 10), 7, 2, 0},
		{"note: the API announced 9 records when the pass began and 8 when it ended", total(9, 8), 7, 2, 0},
		{"note: 9 announced = 6 stored + 2 parked + 1 that the API returned twice, ", total(9, 9), 6, 2, 0},
		{"note: 9 stored + 1 parked, 9 announced: ", total(9, 9), 9, 1, 0},
		{"        and 1 more", total(9, 9), 8, 1, 1},
	}
	for _, tt := range tests {
		report := verify.Report{Inspection: domain.Inspection{
			Stream: domain.StreamReport{Checkpoint: domain.Checkpoint{Position: tt.at}}, Stored: tt.stored, Parked: tt.parked,
			Findings: []domain.Finding{{Check: domain.CheckAnnounced, Differences: tt.differences}},
		}}
		w := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) { return report, nil }).wiring()
		_, stdout, _ := pawl(t, validEnv(), w, "verify")
		if lines := strings.Split(strings.TrimRight(stdout, "\n"), "\n"); !strings.HasPrefix(lines[len(lines)-1], tt.want) {
			t.Errorf("want %q at the end of\n%s", tt.want, stdout)
		}
	}
}

// TestVerify_WalkNotes checks the notes about a walk and about an end that the user accepted.
func TestVerify_WalkNotes(t *testing.T) {
	t.Parallel()
	total := domain.Total{N: 10, Known: true}
	report := verify.Report{
		Inspection: domain.Inspection{
			Stream: domain.StreamReport{Checkpoint: domain.Checkpoint{Position: domain.Position{Done: true, Offset: 9, AnnouncedFirst: total, AnnouncedLast: total}}},
			Stored: 8, Parked: 1, EndAccepted: true,
		},
		Walk: verify.Walk{Pages: 2, Received: 13, Parked: 1, NotKept: 2, New: 2},
	}
	w := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) { return report, nil }).wiring()
	report.Findings = []domain.Finding{{Check: domain.CheckReturned}}
	_, stdout, _ := pawl(t, validEnv(), w, "verify")
	for _, want := range []string{
		"note: 10 announced, 8 stored + 1 parked: the user accepted this end of the pass\n",
		"note: the API returned 13 records in 2 pages, 1 of them parked\n",
		"note: 2 records are new since the last pass: `pawl run --new-pass` stores them\n",
		"note: 2 records were not stored: their event already has 16 open dead letters\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in\n%s", want, stdout)
		}
	}
	single := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) {
		return verify.Report{Walk: verify.Walk{Pages: 1, Received: 1, NotKept: 1, New: 1}, Inspection: report.Inspection}, nil
	}).wiring()
	_, stdout, _ = pawl(t, validEnv(), single, "verify")
	for _, want := range []string{
		"note: the API returned 1 record in 1 page, 0 of them parked\n",
		"note: 1 record is new since the last pass: `pawl run --new-pass` stores it\n",
		"note: 1 record was not stored: its event already has 16 open dead letters\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in\n%s", want, stdout)
		}
	}
	_, stdout, _ = pawl(t, validEnv(), w, "verify", "--json")
	for _, want := range []string{`"announced":10,"announced_last":10,"end_accepted":true`, `"not_kept":2,"new":2`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %s in\n%s", want, stdout)
		}
	}
}

func TestVerify_NoChecks(t *testing.T) {
	t.Parallel()
	failed := &domain.Error{Kind: domain.Transient, Op: "connect", Err: errors.New("refused")}
	w := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) { return verify.Report{}, failed }).wiring()
	if code, stdout, _ := pawl(t, validEnv(), w, "verify", "--json"); code != cli.ExitAgain || stdout != "" {
		t.Errorf("exit %d: %q", code, stdout)
	}
}

func TestVerify_APISettings(t *testing.T) {
	t.Parallel()
	w := verifierFunc(func(context.Context, cli.VerifyObserver) (verify.Report, error) { return verify.Report{}, nil }).wiring()
	env := validEnv("API_KEY=", "API_BASE_URL=")
	if code, _, stderr := pawl(t, env, w, "verify"); code != cli.ExitDone || stderr != "" {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if code, _, stderr := pawl(t, env, w, "verify", "--against-api"); code != cli.ExitSettings || !strings.Contains(stderr, "API_BASE_URL") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// verifySlowly is a verification whose checks and pages take a second each.
func verifySlowly(_ context.Context, o cli.VerifyObserver) (verify.Report, error) {
	for _, check := range []domain.Check{domain.CheckPageEvents, domain.CheckEventPages, domain.CheckReturned} {
		o.Checking(check)
		time.Sleep(time.Second)
	}
	at := domain.Position{Pass: 1}
	for next := range 3 {
		page := domain.Page{Records: make([]domain.Record, 1000), Total: domain.Total{N: 4000, Known: true}}
		to := at.After(page)
		o.Fetching(at)
		time.Sleep(time.Second)
		o.Compared(domain.DecodedPage{From: at, To: to, Received: len(page.Records)})
		if at = to; next == 1 {
			at = at.NextPass()
			o.PassStarted(at)
		}
	}
	time.Sleep(500 * time.Millisecond)
	o.Checking(domain.CheckUnreturned)
	time.Sleep(time.Second)
	return verify.Report{}, nil
}

func TestVerify_Terminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan int, 1)
		go func() {
			ended <- cli.Main(t.Context(), cli.Process{
				Args: []string{"verify", "--against-api"}, Environ: validEnv("TERM=xterm", "NO_COLOR=1"), Stdout: &bytes.Buffer{}, Stderr: c.slave,
			}, verifierFunc(verifySlowly).wiring())
		}()
		for _, step := range []struct {
			after  time.Duration
			moment string
		}{
			{500 * time.Millisecond, "the first slow check"},
			{time.Second, "the next one"},
			{2800 * time.Millisecond, "one page is compared"},
			{time.Second, "the cursor is lost"},
			{1700 * time.Millisecond, "the last check"},
		} {
			time.Sleep(step.after)
			c.snapshot(step.moment)
		}
		if code := <-ended; code != cli.ExitDone {
			t.Errorf("exit %d", code)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "verify_terminal", c.transcript.String())
}

func TestVerify_Log(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, stderr := pawl(t, validEnv("PAWL_LOG_LEVEL=debug"), verifierFunc(verifySlowly).wiring(), "verify", "--against-api")
		if strings.Count(stderr, "msg=checking") != 4 || !strings.Contains(stderr, "check=strays") || strings.ContainsAny(stderr, "\x1b\r") {
			t.Errorf("got log %s", stderr)
		}
	})
}
