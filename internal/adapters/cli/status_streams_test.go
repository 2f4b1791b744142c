package cli_test

import (
	"context"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// TestStatusCheck_FailedStart checks that a stream whose first run failed is not well, also if there is no other stream. The stream that the
// user names is the only one that counts.
func TestStatusCheck_FailedStart(t *testing.T) {
	t.Parallel()
	failedStarts := []domain.FailedStart{{Stream: domain.StreamID{Source: "new"}, At: statusNow, Error: "401\x1b"}}
	const notWell = `not well: new: its first run failed at 2026-11-28 12:00:00, before it stored a page: 401\x1b` + "\n"
	for _, tt := range []struct {
		all  []domain.StreamStatus
		args string
		code int
		want string
	}{
		{all: []domain.StreamStatus{newStatus("datasync")}, code: cli.ExitData, want: notWell},
		{code: cli.ExitData, want: notWell},
		{
			all: []domain.StreamStatus{newStatus("datasync")}, args: "--stream datasync", code: cli.ExitDone,
			want: "well: datasync: 41 % read, 41,000 of 100,000 records; runner working; 0 open dead letters\n",
		},
		{args: "--stream new", code: cli.ExitSettings},
	} {
		reader := fakeStatusReader{all: tt.all, failedStarts: failedStarts}
		args := append([]string{"status", "--check"}, strings.Fields(tt.args)...)
		if code, stdout, stderr := pawl(t, validEnv(), reader.wiring(), args...); code != tt.code || stdout != tt.want {
			t.Errorf("%v, %d streams: got exit %d and output %q, want exit %d and %q; %s",
				args, len(tt.all), code, stdout, tt.code, tt.want, stderr)
		}
	}
}

// A forgettingReader is a reader of a database that forgets the stream gone after the first call of Streams.
type forgettingReader struct {
	fakeStatusReader

	calls *int
}

func (r forgettingReader) Streams(ctx context.Context) ([]domain.StreamID, error) {
	streams, err := r.fakeStatusReader.Streams(ctx)
	if *r.calls++; *r.calls == 1 {
		streams = append([]domain.StreamID{{Source: "gone"}}, streams...)
	}
	return streams, err
}

// TestStatus_ForgottenStream checks that a stream that is forgotten while the status is read does not hide the others.
func TestStatus_ForgottenStream(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		all  []domain.StreamStatus
		code int
		want string // the beginning of the output
	}{
		{all: []domain.StreamStatus{newStatus("datasync")}, want: "stream datasync: 41 % read"},
		{all: []domain.StreamStatus{newStatus("a"), newStatus("b")}, want: "stream  progress"},
		{code: cli.ExitSettings},
	} {
		calls := 0
		reader := forgettingReader{fakeStatusReader{all: tt.all}, &calls}
		w := reader.wiring()
		w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) { return reader, func() {}, nil }
		code, stdout, stderr := pawl(t, validEnv(), w, "status")
		if code != tt.code || !strings.HasPrefix(stdout, tt.want) || strings.Contains(stdout, "gone") {
			t.Errorf("%d streams left: got exit %d and output %q, want exit %d and %q; %s", len(tt.all), code, stdout, tt.code, tt.want, stderr)
		}
	}
}
