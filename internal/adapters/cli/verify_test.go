package cli_test

import (
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

// A verifierFunc is a function that a test runs in place of a verification.
type verifierFunc func(ctx context.Context, observer cli.VerifyObserver) (verify.Report, error)

// returning returns a verifierFunc that returns report and err.
func returning(report verify.Report, err error) verifierFunc {
	return func(context.Context, cli.VerifyObserver) (verify.Report, error) { return report, err }
}

// wiring returns a wiring whose verification calls f.
func (f verifierFunc) wiring() cli.Wiring {
	w := newEmptyWiring()
	w.CheckSchema = func(context.Context, string) error { return nil }
	w.Verify = func(_ context.Context, _ cli.Settings, _ cli.VerifyOptions, o cli.VerifyObserver) (cli.Verifier, func(), error) {
		return scriptedVerification{run: f, observer: o}, func() {}, nil
	}
	return w
}

// A scriptedVerification is a cli.Verifier that calls run with the observer of the wiring.
type scriptedVerification struct {
	run      verifierFunc
	observer cli.VerifyObserver
}

func (v scriptedVerification) Run(ctx context.Context) (verify.Report, error) {
	return v.run(ctx, v.observer)
}

// newInconsistentError returns the error of the verification that found the differences of fullReport.
func newInconsistentError() error {
	return &domain.Error{
		Kind: domain.Inconsistent, Code: domain.CodeVerifyDifferences, Op: "verify stream s", Err: errors.New("1,026 differences"),
		Hint: "the report names them",
	}
}

// fullReport returns a report of a complete stream. One check found 1026 differences and shows six, one for each way to write a difference.
// One cursor is too long to be shown whole, and another contains a control sequence.
func fullReport() verify.Report {
	var report verify.Report
	total := domain.Total{N: 2_000_010, Known: true}
	report.Stream.Checkpoint = domain.Checkpoint{
		Stream: domain.StreamID{Source: "s"}, Seq: 1234,
		Position: domain.Position{Pass: 2, Done: true, Offset: 2_000_012, AnnouncedFirst: total, AnnouncedLast: total},
	}
	report.Stream.Pages, report.Stored, report.Parked = 1234, 1_999_990, 9
	id := domaintest.EventID(7)
	shown := []domain.Difference{
		{PageID: 17, Seq: 3, Pass: 1, What: "inserted", Value: "500", OtherName: "events of the page", OtherValue: "499"},
		{
			PageID: 18, Seq: 4, Pass: 1, What: "cursor_in", Value: strings.Repeat("c", 80),
			OtherName: "cursor_out of the page before", OtherValue: "\x1b[2J",
		},
		{Pass: 2, What: "received in this pass", Value: "-1", OtherName: "inserted + duplicate + parked", OtherValue: "0"},
		{What: "done of the checkpoint", Value: "true", OtherName: "end at its last page", OtherValue: "false"},
		{PageID: 999, Event: id, What: "events that name the page", Value: "1", OtherName: "pages of that id in the ledger", OtherValue: "0"},
		{Event: id, RequestID: "req\n1", What: "stored with another name, extra"},
	}
	report.Findings = []domain.Finding{{Check: domain.CheckBalance}, {Check: domain.CheckChain, Differences: 1026, Shown: shown}}
	report.Walk = verify.Walk{Pages: 401, Received: 2_000_012, Parked: 9}
	return report
}

// TestVerify compares the output of `pawl verify` with golden files.
func TestVerify(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{"verify": {"verify"}, "verify_json": {"verify", "--json"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := returning(fullReport(), newInconsistentError()).wiring()
			code, stdout, stderr := pawl(t, validEnv(), w, args...)
			if code != cli.ExitData || stderr != "pawl: verify stream s: 1,026 differences; the report names them [verify-differences]\n" {
				t.Errorf("got exit %d and error %q, want exit %d and the number of differences", code, stderr, cli.ExitData)
			}
			cli.Golden(t, name, stdout)
		})
	}
}

// announcing returns the position at the end of a pass of 9 records. The API announced the total first when the pass began, and the total
// last when it ended.
func announcing(first, last int64) domain.Position {
	return domain.Position{
		Done: true, Offset: 9,
		AnnouncedFirst: domain.Total{N: first, Known: true}, AnnouncedLast: domain.Total{N: last, Known: true},
	}
}

// TestVerify_Notes checks the last line of reports with one check. This line is a note about the announced totals, except in the last
// case.
func TestVerify_Notes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		want        string // the beginning of the line before the last one, which says whether the stream is sound
		position    domain.Position
		stored      int64
		parked      int64
		differences int64 // of the only check
	}{
		{want: "note: the stream is not complete: ", position: domain.Position{}, stored: 3, parked: 1},
		{want: "note: the API announced no total", position: domain.Position{Done: true}, stored: 3, parked: 1},
		{want: "note: 9 announced = 9 stored + 0 parked", position: announcing(9, 9), stored: 9},
		{want: "note: 9 announced = 7 stored + 2 parked", position: announcing(9, 9), stored: 7, parked: 2},
		{
			want:     "note: up to 40 newer events have not been read yet: `pawl run --new-pass` reads them",
			position: announcing(9, 9+40), stored: 7, parked: 2,
		},
		{
			want:     "note: up to 1 newer event has not been read yet: `pawl run --new-pass` reads it",
			position: announcing(9, 9+1), stored: 7, parked: 2,
		},
		{
			want:     "note: the API announced 9 records when the pass began and 8 when it ended",
			position: announcing(9, 8), stored: 7, parked: 2,
		},
		{
			want:     "note: 9 announced = 6 stored + 2 parked + 1 that the API returned twice or ",
			position: announcing(9, 9), stored: 6, parked: 2,
		},
		{want: "note: 9 stored + 1 parked, but 9 announced: ", position: announcing(9, 9), stored: 9, parked: 1},
		{want: "        and 1 more", position: announcing(9, 9), stored: 8, parked: 1, differences: 1}, // no note
	}
	for _, tt := range tests {
		report := verify.Report{Inspection: domain.Inspection{
			Stream: domain.StreamReport{Checkpoint: domain.Checkpoint{Position: tt.position}}, Stored: tt.stored, Parked: tt.parked,
			Findings: []domain.Finding{{Check: domain.CheckAnnounced, Differences: tt.differences}},
		}}
		_, stdout, _ := pawl(t, validEnv(), returning(report, nil).wiring(), "verify")
		lines := strings.Split(strings.TrimRight(stdout, "\n"), "\n")
		verdict := "sound: 1 check found no difference"
		if tt.differences > 0 {
			verdict = "NOT SOUND: 1 of 1 check failed"
		}
		if last := lines[len(lines)-1]; last != verdict {
			t.Errorf("got last line %q, want %q", last, verdict)
		}
		if note := lines[len(lines)-2]; !strings.HasPrefix(note, tt.want) {
			t.Errorf("got line %q before the last one, want %q at its beginning", note, tt.want)
		}
	}
}

// TestVerify_SharedDatabase checks the last note of the report about 9 records, of which 3 were stored before. In a shared database
// another stream may have stored them. Otherwise 3 of the 9 announced events may be newer than the pass.
func TestVerify_SharedDatabase(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		shared bool   // the database has other streams too
		want   string // the last note
	}{
		{shared: false, want: "note: up to 3 newer events have not been read yet: `pawl run --new-pass` reads them\n"},
		{shared: true, want: "note: the API announced 6 records when the pass began and 9 when it ended\n"},
	} {
		checkpoint := domain.Checkpoint{Position: announcing(6, 9), Counts: domain.Counts{Received: 9, Inserted: 6, Duplicate: 3}}
		report := verify.Report{Inspection: domain.Inspection{
			Stream: domain.StreamReport{Checkpoint: checkpoint}, Stored: 6, Shared: tt.shared,
			Findings: []domain.Finding{{Check: domain.CheckAnnounced}},
		}}
		if _, stdout, _ := pawl(t, validEnv(), returning(report, nil).wiring(), "verify"); !strings.HasSuffix(stdout, tt.want+"sound: 1 check found no difference\n") {
			t.Errorf("shared %v: want %q at the end of\n%s", tt.shared, tt.want, stdout)
		}
	}
}

// TestVerify_NotFinished checks that the last line does not call a stream sound if an error ended the verification.
func TestVerify_NotFinished(t *testing.T) {
	t.Parallel()
	report := verify.Report{Inspection: domain.Inspection{Findings: []domain.Finding{{Check: domain.CheckAnnounced}}}}
	lost := &domain.Error{Kind: domain.Transient, Op: "GET", Err: errors.New("no connection")}
	_, stdout, _ := pawl(t, validEnv(), returning(report, lost).wiring(), "verify")
	if want := "not known to be sound: the verification did not finish\n"; !strings.HasSuffix(stdout, want) {
		t.Errorf("want %q at the end of\n%s", want, stdout)
	}
}

// TestVerify_SoundJSON checks that the JSON report calls a stream sound only if all checks were made and found no difference.
func TestVerify_SoundJSON(t *testing.T) {
	t.Parallel()
	sound := verify.Report{Inspection: domain.Inspection{Findings: []domain.Finding{{Check: domain.CheckAnnounced}}}}
	unsound := verify.Report{Inspection: domain.Inspection{Findings: []domain.Finding{{Check: domain.CheckAnnounced, Differences: 1}}}}
	stopped := &domain.Error{Kind: domain.Stopped, Code: domain.CodeStopped, Op: "GET", Err: errors.New("stopped")}
	for _, tt := range []struct {
		name   string
		report verify.Report
		err    error
		want   string
	}{
		{name: "sound", report: sound, want: `"finished":true,"sound":true`},
		{name: "differences", report: unsound, err: newInconsistentError(), want: `"finished":true,"sound":false`},
		{name: "stopped", report: sound, err: stopped, want: `"finished":false,"sound":false`},
	} {
		_, stdout, _ := pawl(t, validEnv(), returning(tt.report, tt.err).wiring(), "verify", "--json")
		if !strings.Contains(stdout, tt.want) {
			t.Errorf("%s: want %s in %s", tt.name, tt.want, stdout)
		}
	}
}

// TestVerify_One checks that the first line of the report has the singular.
func TestVerify_One(t *testing.T) {
	t.Parallel()
	report := verify.Report{Inspection: domain.Inspection{
		Stream: domain.StreamReport{Pages: 1}, Stored: 1, Parked: 1, Findings: []domain.Finding{{Check: domain.CheckAnnounced}},
	}}
	_, stdout, _ := pawl(t, validEnv(), returning(report, nil).wiring(), "verify")
	if line, _, _ := strings.Cut(stdout, "\n"); !strings.HasSuffix(line, "1 event in 1 page, 1 record parked") {
		t.Errorf("got first line %q, want 1 event in 1 page, 1 record parked", line)
	}
}

// TestVerify_WalkNotes checks the notes about a walk through the API, in the plural and in the singular. It also checks the note about an
// end of the pass that the user accepted: of 10 announced records, one is neither stored nor parked.
func TestVerify_WalkNotes(t *testing.T) {
	t.Parallel()
	total := domain.Total{N: 10, Known: true}
	report := verify.Report{
		Inspection: domain.Inspection{
			Stream: domain.StreamReport{Checkpoint: domain.Checkpoint{
				Position: domain.Position{Done: true, Offset: 9, AnnouncedFirst: total, AnnouncedLast: total},
			}},
			Findings: []domain.Finding{{Check: domain.CheckReturned}},
			Stored:   8, Parked: 1, EndAccepted: true,
		},
		Walk: verify.Walk{Pages: 2, Received: 13, Parked: 1, NotKept: 2, New: 2}, // so 8 of the 13 records are stored
	}
	plural := returning(report, nil).wiring()
	_, stdout, _ := pawl(t, validEnv(), plural, "verify")
	for _, want := range []string{
		"note: 10 announced, 8 stored + 1 parked: the user accepted this end of the pass\n",
		"note: the API returned 13 records in 2 pages, 1 of them parked\n",
		"note: 2 records are new since the last pass: `pawl run --new-pass` stores them\n",
		"note: 2 records were not stored: their event already has 16 open dead letters\n", // domain.MaxOpenDeadLetters
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in\n%s", want, stdout)
		}
	}
	report.Walk = verify.Walk{Pages: 1, Received: 1, NotKept: 1, New: 1}
	singular := returning(report, nil).wiring()
	_, stdout, _ = pawl(t, validEnv(), singular, "verify")
	for _, want := range []string{
		"note: the API returned 1 record in 1 page, 0 of them parked\n",
		"note: 1 record is new since the last pass: `pawl run --new-pass` stores it\n",
		"note: 1 record was not stored: its event already has 16 open dead letters\n",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %q in\n%s", want, stdout)
		}
	}
	_, stdout, _ = pawl(t, validEnv(), plural, "verify", "--json")
	for _, want := range []string{`"announced":10,"announced_last":10,"end_accepted":true`, `"not_kept":2,"new":2`} {
		if !strings.Contains(stdout, want) {
			t.Errorf("got no %s in\n%s", want, stdout)
		}
	}
}

// TestVerify_NoChecks checks that a verification that fails before its first check prints no report.
func TestVerify_NoChecks(t *testing.T) {
	t.Parallel()
	failed := &domain.Error{Kind: domain.Transient, Op: "connect", Err: errors.New("refused")}
	w := returning(verify.Report{}, failed).wiring()
	if code, stdout, _ := pawl(t, validEnv(), w, "verify", "--json"); code != cli.ExitAgain || stdout != "" {
		t.Errorf("got exit %d and output %q, want exit %d and no output", code, stdout, cli.ExitAgain)
	}
}

// TestVerify_APISettings checks that only --against-api needs the settings of the API.
func TestVerify_APISettings(t *testing.T) {
	t.Parallel()
	w := returning(verify.Report{}, nil).wiring()
	env := validEnv("API_KEY=", "API_BASE_URL=")
	if code, _, stderr := pawl(t, env, w, "verify"); code != cli.ExitDone || stderr != "" {
		t.Errorf("got exit %d and error %q, want exit 0 and no error", code, stderr)
	}
	if code, _, stderr := pawl(t, env, w, "verify", "--against-api"); code != cli.ExitSettings || !strings.Contains(stderr, "API_BASE_URL") {
		t.Errorf("got exit %d and error %q, want exit %d and an error about API_BASE_URL", code, stderr, cli.ExitSettings)
	}
}

// verifySlowly is a verifierFunc. Its first three checks begin 0 s, 1 s and 2 s after its start. The third check is the comparison with the
// API, whose walk fetches three pages: they are compared after 4 s, 5 s and 6 s. After the second page, the API no longer accepts the
// cursor. The last check lasts from 6.5 s to 7.5 s.
func verifySlowly(_ context.Context, o cli.VerifyObserver) (verify.Report, error) {
	for _, check := range []domain.Check{domain.CheckPageEvents, domain.CheckEventPages, domain.CheckReturned} {
		o.Checking(check)
		time.Sleep(time.Second)
	}
	position := domain.Position{Pass: 1}
	for page := 1; page <= 3; page++ {
		fetched := domain.Page{Records: make([]domain.Record, 1000), Total: domain.Total{N: 4000, Known: true}}
		next := position.After(fetched)
		o.Fetching(position)
		time.Sleep(time.Second)
		o.Compared(domain.DecodedPage{From: position, To: next, Received: len(fetched.Records)})
		position = next
		if page == 2 {
			position = position.NextPass()
			o.CursorLost(position)
		}
	}
	time.Sleep(500 * time.Millisecond)
	o.Checking(domain.CheckUnreturned)
	time.Sleep(time.Second)
	return verify.Report{}, nil
}

// TestVerify_Terminal compares the content of the terminal at moments of verifySlowly with a golden file.
func TestVerify_Terminal(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	synctest.Test(t, func(t *testing.T) {
		wait := c.start(t.Context(), verifierFunc(verifySlowly).wiring(), []string{"verify", "--against-api"}, "TERM=xterm", "NO_COLOR=1")
		c.snapshotAt(0.5, "the first slow check")
		c.snapshotAt(1.5, "the second check")
		c.snapshotAt(4.3, "one page is compared")
		c.snapshotAt(5.3, "the cursor is lost")
		c.snapshotAt(7, "the last check")
		if code, _ := wait(); code != cli.ExitDone {
			t.Errorf("got exit %d, want %d", code, cli.ExitDone)
		}
		c.snapshot("at the end")
	})
	cli.Golden(t, "verify_terminal", c.transcript.String())
}

// TestVerify_Log checks that each check is logged at level debug, without control sequences.
func TestVerify_Log(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, _, stderr := pawl(t, validEnv("PAWL_LOG_LEVEL=debug"), verifierFunc(verifySlowly).wiring(), "verify", "--against-api")
		const oneOfTheChecks = "check=strays" // domain.CheckEventPages
		if strings.Count(stderr, "msg=checking") != 4 || !strings.Contains(stderr, oneOfTheChecks) {
			t.Errorf("got log %q, want four checks and %s", stderr, oneOfTheChecks)
		}
		if strings.ContainsAny(stderr, "\x1b\r") {
			t.Errorf("got log %q, want no control sequences", stderr)
		}
	})
}
