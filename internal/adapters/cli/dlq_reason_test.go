package cli_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/replay"
	"github.com/pawldata/pawl/internal/domain"
)

// A fakeReasons is a cli.Reader without dead letters of the wanted reason. Its other dead letters have these reasons.
type fakeReasons struct {
	cli.Reader

	others []domain.ReasonCount
}

func (f fakeReasons) DeadLetters(
	context.Context, domain.StreamID, domain.DeadLetterFilter, domain.DeadLetterRange,
) (letters []domain.DeadLetter, more bool, err error) {
	return nil, false, nil
}

func (f fakeReasons) DeadLetterReasons(
	_ context.Context, _ domain.StreamID, filter domain.DeadLetterFilter,
) (counts []domain.ReasonCount, err error) {
	for _, c := range f.others {
		if filter.Reason == "" || filter.Reason == c.Reason {
			counts = append(counts, c)
		}
	}
	return counts, nil
}

// TestDlq_UnknownReason checks that a reason that no dead letter has is answered with the reasons that exist.
func TestDlq_UnknownReason(t *testing.T) {
	t.Parallel()
	exist := []domain.ReasonCount{{Reason: "bad timestamp", Count: 1234}, {Reason: "f\x1b", Count: 2}}
	const named = `stream datasync: no open dead letters with the reason "bad time"; there are: 1,234 bad timestamp, 2 f\x1b` + "\n"
	for _, tt := range []struct {
		args   string
		others []domain.ReasonCount
		want   string
	}{
		{args: "dlq list --reason", others: exist, want: named},
		{args: "dlq list --summary --reason", others: exist, want: named},
		{args: "dlq replay --reason", others: exist, want: named},
		{args: "dlq list --json --reason", others: exist, want: `{"stream":"datasync","letters":[],"next_after":null}` + "\n"},
		{args: "dlq list --reason", want: "stream datasync: no such open dead letters\n"},
		{args: "dlq replay --reason", want: "stream datasync: no such open dead letters\n"},
		// The list is empty for another condition, so the reason is not unknown.
		{args: "dlq list --after 9 --reason", others: []domain.ReasonCount{{Reason: "bad time", Count: 3}}, want: "stream datasync: no such open dead letters\n"},
	} {
		w := replayerFunc(func(context.Context, cli.ReplayOptions, replay.Observer) (replay.Report, error) {
			return replay.Report{}, nil
		}).wiring()
		w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) {
			return fakeReasons{others: tt.others}, func() {}, nil
		}
		code, stdout, stderr := pawl(t, validEnv(), w, append(strings.Fields(tt.args), "bad time")...)
		if code != cli.ExitDone || stdout != tt.want || stderr != "" {
			t.Errorf("%s: got exit %d, output %q and error %q; want exit 0 and output %q", tt.args, code, stdout, stderr, tt.want)
		}
	}
}
