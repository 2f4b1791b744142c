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

// fakeLetters is a cli.Reader and a cli.Admin of dead letters that records how it was called.
type fakeLetters struct {
	cli.Reader

	letters []domain.DeadLetter
	more    bool
	errs    []error // of the next calls

	filter domain.DeadLetterFilter
	part   domain.DeadLetterRange
	why    string
	calls  int
}

func (s *fakeLetters) nextError() error {
	s.calls++
	if len(s.errs) == 0 {
		return nil
	}
	err := s.errs[0]
	s.errs = s.errs[1:]
	return err
}

func (s *fakeLetters) DeadLetters(
	_ context.Context, _ domain.StreamID, f domain.DeadLetterFilter, part domain.DeadLetterRange,
) ([]domain.DeadLetter, bool, error) {
	s.filter, s.part = f, part
	return s.letters, s.more, s.nextError()
}

func (s *fakeLetters) DeadLetterReasons(
	_ context.Context, _ domain.StreamID, f domain.DeadLetterFilter,
) (counts []domain.ReasonCount, err error) {
	s.filter = f
	for i, l := range s.letters {
		counts = append(counts, domain.ReasonCount{Reason: l.Why.Reason, Count: int64(1000 / (i + 1)), Sample: l})
	}
	return counts, s.nextError()
}

func (s *fakeLetters) DeadLetter(_ context.Context, _ domain.StreamID, id int64) (domain.DeadLetter, error) {
	for _, l := range s.letters {
		if l.ID == id {
			return l, s.nextError()
		}
	}
	return domain.DeadLetter{}, &domain.Error{Kind: domain.Invalid, Op: "read dead letter", Err: errors.New("there is none")}
}

func (s *fakeLetters) DiscardDeadLetter(_ context.Context, _ domain.StreamID, _ int64, why string) error {
	s.why = why
	return s.nextError()
}

func (s *fakeLetters) MoveStream(context.Context, domain.StreamID, string, string) error {
	return errors.New("unexpected move")
}

func (s *fakeLetters) wiring() cli.Wiring {
	w := newWiring(emptySource{}, domaintest.NewMemDatabase(), new(cli.Settings))
	w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return s, func() {}, nil }
	w.Admin = func(context.Context, cli.Settings) (cli.Admin, func(), error) { return s, func() {}, nil }
	return w
}

// hostile is a text with which an API could control a terminal or mislead a reader.
const hostile = "\x1b[2J\x1b]2;owned\a\u009b31m\u202e\u2066<b>\t\r\n'\"\\ \xff\x00…"

// newFullLetters returns dead letters that use every field.
func newFullLetters() *fakeLetters {
	parked := time.Date(2026, 11, 24, 17, 30, 0, 123_000_000, time.UTC)
	why := func(reason, field, detail string) domain.Rejection {
		return domain.Rejection{Reason: reason, Field: field, Detail: detail}
	}
	letters := []domain.DeadLetter{
		{
			ID: 7, Key: "sha256 ab", PageID: 3, Index: 4, Why: why("not an object", "", "null is not a JSON object"), Payload: []byte("null"),
			Seen: 1, ParkedAt: parked,
		},
		{
			ID: 19, Key: "k" + hostile, PageID: 3, Index: 12, Why: why("r"+hostile, "f"+hostile, "d"+hostile),
			Payload: []byte(`{"name":"` + hostile + "\"}"),
			Seen:    1234, Replays: 2, ParkedAt: parked,
			Resolved: &domain.Resolution{How: domain.ResolvedByDiscard, Why: "überflüssig" + hostile, At: parked.Add(time.Hour)},
		},
		{
			ID: 120, Key: domain.DeadLetterKey(domaintest.EventID(9).String()), PageID: 5,
			Why:     why("bad timestamp", "timestamp", `"yesterday" is none…`),
			Payload: []byte(`{"name":"näme"}`), Seen: 5, Others: 3, Replays: 1, ParkedAt: parked.Add(time.Minute),
			Resolved: &domain.Resolution{How: domain.ResolvedByReplay, Why: "a replay stored its event", At: parked.Add(time.Hour), PageID: 8},
		},
	}
	letters[2].Why.ID = domaintest.EventID(9)
	return &fakeLetters{letters: letters, more: true}
}

func TestDlq_Output(t *testing.T) {
	t.Parallel()
	for name, args := range map[string]string{
		"dlq_list": "dlq list", "dlq_list_all": "dlq list --state all", "dlq_list_json": "dlq list --json",
		"dlq_summary": "dlq list --summary", "dlq_summary_json": "dlq list --summary --json",
		"dlq_show_plain": "dlq show 7", "dlq_show_hostile": "dlq show 19", "dlq_show_replayed": "dlq show 120",
		"dlq_show_json": "dlq show 120 --json", "dlq_show_hostile_json": "dlq show 19 --json",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := pawl(t, validEnv("API_KEY=", "API_BASE_URL="), newFullLetters().wiring(), strings.Fields(args)...)
			if code != cli.ExitDone || stderr != "" {
				t.Errorf("exit %d: %s", code, stderr)
			}
			for _, r := range stdout {
				if r != '\n' && r != '…' && r != 'ü' && (r < ' ' || r > '~') {
					t.Errorf("got %U in the output", r)
				}
			}
			cli.Golden(t, name, stdout)
		})
	}
}

func TestDlqShow_Raw(t *testing.T) {
	t.Parallel()
	s := newFullLetters()
	code, stdout, stderr := pawl(t, validEnv(), s.wiring(), "dlq", "show", "--raw", "19")
	if code != cli.ExitDone || stdout != string(s.letters[1].Payload) || stderr != "" {
		t.Errorf("exit %d, %q, %s", code, stdout, stderr)
	}
}

func TestDlqList_Filter(t *testing.T) {
	t.Parallel()
	s := &fakeLetters{}
	args := "dlq list --reason x --page 3 --since 2026-11-24 --until 2026-11-25T12:00:00+02:00 --state all --limit 7 --after 9"
	code, stdout, _ := pawl(t, validEnv(), s.wiring(), strings.Fields(args)...)
	if code != cli.ExitDone || stdout != "stream datasync: no such dead letters\n" {
		t.Errorf("exit %d, %q", code, stdout)
	}
	want := domain.DeadLetterFilter{
		State: domain.DeadLettersAll, Reason: "x", PageID: 3,
		Since: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), Until: time.Date(2026, 11, 25, 10, 0, 0, 0, time.UTC),
	}
	until := s.filter.Until
	if s.filter.Until = until.UTC(); s.filter != want || s.part != (domain.DeadLetterRange{After: 9, Limit: 7}) {
		t.Errorf("got range %+v and filter %+v", s.part, s.filter)
	}
	_, stdout, _ = pawl(t, validEnv(), s.wiring(), "dlq", "list")
	if stdout != "stream datasync: no open dead letters\n" || s.filter != (domain.DeadLetterFilter{State: domain.DeadLettersOpen}) || s.part.Limit != 50 {
		t.Errorf("got %q for range %+v and filter %+v", stdout, s.part, s.filter)
	}
	if _, stdout, _ := pawl(t, validEnv(), s.wiring(), "dlq", "list", "--summary"); stdout != "stream datasync: no open dead letters\n" {
		t.Errorf("%q", stdout)
	}
	for args, want := range map[string]string{
		"dlq list --json":           `{"stream":"datasync","letters":[],"next_after":null}`,
		"dlq list --json --summary": `{"stream":"datasync","letters":0,"reasons":[]}`,
	} {
		if _, stdout, _ := pawl(t, validEnv(), s.wiring(), strings.Fields(args)...); stdout != want+"\n" {
			t.Errorf("%s: got %s", args, stdout)
		}
	}
}

// TestDlq_InvalidArguments checks that wrong arguments are reported before the database is asked.
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
		s := newFullLetters()
		code, stdout, stderr := pawl(t, validEnv(), s.wiring(), strings.Split(args, " ")...)
		if code != cli.ExitSettings || stdout != "" || !strings.Contains(stderr, want) || s.calls != 0 {
			t.Errorf("%s: exit %d, %d calls, %s%s", args, code, s.calls, stdout, stderr)
		}
	}
}

func TestDlqDiscard(t *testing.T) {
	t.Parallel()
	s := newFullLetters()
	code, stdout, stderr := pawl(t, validEnv(), s.wiring(), "dlq", "discard", "7", "--why", " it was a test's \n")
	if code != cli.ExitDone || stdout != "letter 7 of stream datasync: discarded\n" || stderr != "" || s.why != "it was a test's" {
		t.Errorf("exit %d, %q for %q: %s", code, stdout, s.why, stderr)
	}
	_, stdout, _ = pawl(t, validEnv(), s.wiring(), "dlq", "discard", "7", "--why", strings.Repeat("x", 1000), "--json")
	if !strings.HasPrefix(stdout, `{"stream":"datasync","id":7,"how":"discarded","why":"xx`) {
		t.Errorf("%q", stdout)
	}
}

func TestDlq_RetriesTransientErrors(t *testing.T) {
	t.Parallel()
	transient := &domain.Error{Kind: domain.Transient, Op: "connect", Err: errors.New("refused")}
	for _, args := range []string{"dlq list", "dlq list --summary", "dlq show 7", "dlq discard 7 --why x"} {
		s := newFullLetters()
		s.errs = []error{transient, transient}
		if code, _, stderr := pawl(t, validEnv(), s.wiring(), strings.Fields(args)...); code != cli.ExitDone || s.calls != 3 {
			t.Errorf("%s: exit %d after %d attempts: %s", args, code, s.calls, stderr)
		}
	}
}
