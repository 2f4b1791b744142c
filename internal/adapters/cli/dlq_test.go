package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A fakeLetters is a cli.Reader and a cli.Admin that returns the same dead letters from each call. It records the arguments of the calls.
type fakeLetters struct {
	cli.Reader

	letters []domain.DeadLetter
	more    bool    // what DeadLetters returns as more
	errs    []error // the errors of the next calls; later calls succeed

	gotFilter        domain.DeadLetterFilter // of DeadLetters
	gotReasonsFilter domain.DeadLetterFilter // of DeadLetterReasons
	gotRange         domain.DeadLetterRange
	gotWhy           string
	calls            int
}

// nextError counts a call and returns its error.
func (f *fakeLetters) nextError() error {
	f.calls++
	if len(f.errs) == 0 {
		return nil
	}
	err := f.errs[0]
	f.errs = f.errs[1:]
	return err
}

func (f *fakeLetters) DeadLetters(
	_ context.Context, _ domain.StreamID, filter domain.DeadLetterFilter, r domain.DeadLetterRange,
) ([]domain.DeadLetter, bool, error) {
	f.gotFilter, f.gotRange = filter, r
	return f.letters, f.more, f.nextError()
}

// DeadLetterReasons returns a reason for each letter, with the counts 1000, 500 and 333.
func (f *fakeLetters) DeadLetterReasons(
	_ context.Context, _ domain.StreamID, filter domain.DeadLetterFilter,
) (counts []domain.ReasonCount, err error) {
	f.gotReasonsFilter = filter
	for i, l := range f.letters {
		counts = append(counts, domain.ReasonCount{Reason: l.Why.Reason, Count: int64(1000 / (i + 1)), Sample: l})
	}
	return counts, f.nextError()
}

func (f *fakeLetters) DeadLetter(_ context.Context, _ domain.StreamID, id int64) (domain.DeadLetter, error) {
	for _, l := range f.letters {
		if l.ID == id {
			return l, f.nextError()
		}
	}
	return domain.DeadLetter{}, &domain.Error{Kind: domain.Invalid, Op: "read dead letter", Err: errors.New("there is none")}
}

func (f *fakeLetters) DiscardDeadLetter(_ context.Context, _ domain.StreamID, _ int64, why string) error {
	f.gotWhy = why
	return f.nextError()
}

func (f *fakeLetters) MoveStream(context.Context, domain.StreamID, string, string) error {
	return errors.New("unexpected move")
}

func (f *fakeLetters) ResetCheckpoint(context.Context, domain.StreamID) (domain.CheckpointReset, error) {
	return domain.CheckpointReset{}, errors.New("unexpected reset")
}

// wiring returns a wiring whose Reader and Admin are f.
func (f *fakeLetters) wiring() cli.Wiring {
	w := newEmptyWiring()
	w.CheckSchema = func(context.Context, string) error { return nil }
	w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return f, func() {}, nil }
	w.Admin = func(context.Context, cli.Settings) (cli.Admin, func(), error) { return f, func() {}, nil }
	return w
}

// hostile is a text with which an API could control a terminal or mislead a reader. It has control sequences, characters that reverse
// the direction of text, quotes, an invalid byte, and the ellipsis with which pawl shortens texts.
const hostile = "\x1b[2J\x1b]2;owned\a\u009b31m\u202e\u2066<b>\t\r\n'\"\\ \xff\x00…"

// newFullLetters returns three dead letters that together use every field: 7 is open, 19 is discarded and hostile, 120 is replayed.
func newFullLetters() *fakeLetters {
	parked, eventID := time.Date(2026, 11, 24, 17, 30, 0, 123_000_000, time.UTC), domaintest.EventID(9)
	letters := []domain.DeadLetter{
		{
			ID: 7, Key: "sha256 ab", PageID: 3, Index: 4,
			Why:     domain.Rejection{Reason: "not an object", Detail: "null is not a JSON object"},
			Payload: []byte("null"), Seen: 1, ParkedAt: parked,
		},
		{
			ID: 19, Key: "k" + hostile, PageID: 3, Index: 12,
			Why:     domain.Rejection{Reason: "r" + hostile, Field: "f" + hostile, Detail: "d" + hostile},
			Payload: []byte(`{"name":"` + hostile + `"}`),
			Seen:    1234, Replays: 2, ParkedAt: parked,
			Resolved: &domain.Resolution{How: domain.ResolvedByDiscard, Why: "überflüssig" + hostile, At: parked.Add(time.Hour)},
		},
		{
			ID: 120, Key: domain.DeadLetterKey(eventID.String()), PageID: 5,
			Why:     domain.Rejection{ID: eventID, Reason: "bad timestamp", Field: "timestamp", Detail: `"yesterday" is none…`},
			Payload: []byte(`{"name":"näme"}`), Seen: 5, Others: 3, Replays: 1, ParkedAt: parked.Add(time.Minute),
			Resolved: &domain.Resolution{How: domain.ResolvedByReplay, Why: "a replay stored its event", At: parked.Add(time.Hour), PageID: 8},
		},
	}
	return &fakeLetters{letters: letters, more: true}
}

// TestDlq_Output compares the output of the commands that read dead letters with golden files. The output of hostile texts must have
// only printable characters.
func TestDlq_Output(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"dlq_list":              "dlq list",
		"dlq_list_all":          "dlq list --state all",
		"dlq_list_json":         "dlq list --json",
		"dlq_summary":           "dlq list --summary",
		"dlq_summary_json":      "dlq list --summary --json",
		"dlq_show_plain":        "dlq show 7",
		"dlq_show_hostile":      "dlq show 19",
		"dlq_show_hostile_json": "dlq show 19 --json",
		"dlq_show_replayed":     "dlq show 120",
		"dlq_show_json":         "dlq show 120 --json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := pawl(t, validEnv("API_KEY=", "API_BASE_URL="), newFullLetters().wiring(), strings.Fields(args)...)
			if code != cli.ExitDone || stderr != "" {
				t.Errorf("got exit %d and error %q, want exit 0 and no error", code, stderr)
			}
			for _, r := range stdout {
				isASCII := r >= ' ' && r <= '~'
				isExpected := strings.ContainsRune("\n…ü", r) // a user wrote the ü in the reason for discarding 19
				if !isASCII && !isExpected {
					t.Errorf("got the character %U in the output, want it escaped", r)
				}
			}
			cli.Golden(t, name, stdout)
		})
	}
}

// TestDlqShow_Raw checks that --raw writes the bytes of the hostile dead letter unchanged.
func TestDlqShow_Raw(t *testing.T) {
	t.Parallel()
	fake := newFullLetters()
	hostileLetter := fake.letters[1]
	code, stdout, stderr := pawl(t, validEnv(), fake.wiring(), "dlq", "show", "--raw", "19")
	if code != cli.ExitDone || stdout != string(hostileLetter.Payload) || stderr != "" {
		t.Errorf("got exit %d, output %q, error %q, want the bytes %q", code, stdout, stderr, hostileLetter.Payload)
	}
}

// TestDlqList_Filter checks the filter and the range of a list with all flags.
func TestDlqList_Filter(t *testing.T) {
	t.Parallel()
	fake := &fakeLetters{}
	const args = "dlq list --reason x --page 3 --since 2026-11-24 --until 2026-11-25T12:00:00+02:00 --state all --limit 7 --after 9"
	code, stdout, _ := pawl(t, validEnv(), fake.wiring(), strings.Fields(args)...)
	if code != cli.ExitDone || stdout != "stream datasync: no such dead letters\n" {
		t.Errorf("got exit %d and output %q, want no such dead letters", code, stdout)
	}
	wantFilter := domain.DeadLetterFilter{
		State: domain.DeadLettersAll, Reason: "x", PageID: 3,
		Since: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC),
	}
	fake.gotFilter.Until = fake.gotFilter.Until.UTC() // wantFilter has UTC too
	if fake.gotFilter != wantFilter {
		t.Errorf("got filter %+v, want %+v", fake.gotFilter, wantFilter)
	}
	if want := (domain.DeadLetterRange{After: 9, Limit: 7}); fake.gotRange != want {
		t.Errorf("got range %+v, want %+v", fake.gotRange, want)
	}
}

// TestDlqList_Defaults checks the filter and the limit of a list without flags.
func TestDlqList_Defaults(t *testing.T) {
	t.Parallel()
	fake := &fakeLetters{}
	if code, _, stderr := pawl(t, validEnv(), fake.wiring(), "dlq", "list"); code != cli.ExitDone {
		t.Errorf("got exit %d, want 0: %s", code, stderr)
	}
	if want := (domain.DeadLetterFilter{State: domain.DeadLettersOpen}); fake.gotFilter != want || fake.gotRange.Limit != 50 {
		t.Errorf("got filter %+v and limit %d, want filter %+v and limit 50", fake.gotFilter, fake.gotRange.Limit, want)
	}
}

// TestDlqList_Empty checks the output of a list without dead letters.
func TestDlqList_Empty(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"dlq list":                  "stream datasync: no open dead letters",
		"dlq list --summary":        "stream datasync: no open dead letters",
		"dlq list --json":           `{"stream":"datasync","letters":[],"next_after":null}`,
		"dlq list --json --summary": `{"stream":"datasync","letters":0,"reasons":[]}`,
	} {
		if _, stdout, _ := pawl(t, validEnv(), new(fakeLetters).wiring(), strings.Fields(args)...); stdout != want+"\n" {
			t.Errorf("%s: got %s, want %s", args, stdout, want)
		}
	}
}

// TestDlq_InvalidArguments checks that wrong arguments are reported before the database is read. The values are
// texts that the error must contain.
func TestDlq_InvalidArguments(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"dlq":                              "list",
		"dlq list --limit 0":               "1 to 1000",
		"dlq list --limit 1001":            "1 to 1000",
		"dlq list --since yesterday":       "--since",
		"dlq list --until 24.11.2026":      "2026-11-24",
		"dlq list --state closed":          "open",
		"dlq show":                         "id",
		"dlq show x":                       "x",
		"dlq show 7 --raw --json":          "--raw",
		"dlq discard 7":                    "--why",
		"dlq discard 7 --why=":             "1 to 1000",
		"dlq discard 7 --why \u00a0\u00a0": "1 to 1000",
		"dlq discard 7 --why " + strings.Repeat("ü", 1001): "1 to 1000",
		"dlq replay":                  "--all",
		"dlq replay --all 7":          "exclude",
		"dlq replay --all --reason x": "exclude",
	} {
		fake := newFullLetters()
		words := strings.Split(args, " ") // strings.Fields would drop the spaces \u00a0
		code, stdout, stderr := pawl(t, validEnv(), fake.wiring(), words...)
		if code != cli.ExitSettings || stdout != "" || !strings.Contains(stderr, want) || fake.calls != 0 {
			t.Errorf("%s: got exit %d, %d calls, output %q, error %q; want exit %d, no calls and %q in the error",
				args, code, fake.calls, stdout, stderr, cli.ExitSettings, want)
		}
	}
}

// TestDlqDiscard checks that the reason is stored without the white space around it, and both forms of the output.
func TestDlqDiscard(t *testing.T) {
	t.Parallel()
	fake := newFullLetters()
	code, stdout, stderr := pawl(t, validEnv(), fake.wiring(), "dlq", "discard", "7", "--why", " it was a test's \n")
	if code != cli.ExitDone || stdout != "letter 7 of stream datasync: discarded\n" || stderr != "" || fake.gotWhy != "it was a test's" {
		t.Errorf("got exit %d, output %q, reason %q, error %q; want the reason it was a test's", code, stdout, fake.gotWhy, stderr)
	}
	longestWhy := strings.Repeat("x", 1000)
	_, stdout, _ = pawl(t, validEnv(), fake.wiring(), "dlq", "discard", "7", "--why", longestWhy, "--json")
	if !strings.HasPrefix(stdout, `{"stream":"datasync","id":7,"how":"discarded","why":"xx`) {
		t.Errorf("got output %q, want a JSON object with the reason", stdout)
	}
}

// TestDlq_RetriesTransientErrors checks that each command tries again after two transient errors.
func TestDlq_RetriesTransientErrors(t *testing.T) {
	t.Parallel()
	transient := &domain.Error{Kind: domain.Transient, Op: "connect", Err: errors.New("refused")}
	for _, args := range []string{"dlq list", "dlq list --summary", "dlq show 7", "dlq discard 7 --why x"} {
		fake := newFullLetters()
		fake.errs = []error{transient, transient}
		if code, _, stderr := pawl(t, validEnv(), fake.wiring(), strings.Fields(args)...); code != cli.ExitDone || fake.calls != 3 {
			t.Errorf("%s: got exit %d after %d attempts, want exit 0 after 3: %s", args, code, fake.calls, stderr)
		}
	}
}
