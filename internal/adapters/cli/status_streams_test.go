package cli_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// TestStatusCheck_FailedStart checks that a stream whose first run failed in the last day is not well, also if there is no other stream. The
// stream that the user names is the only one that counts, however old its failure is.
func TestStatusCheck_FailedStart(t *testing.T) {
	t.Parallel()
	const (
		notWell = `not well: new: its first run failed at 1999-12-31 00:00:00 +00:00, before it stored a page: 401\x1b` + "\n"
		old     = `not well: old: its first run failed at 1999-12-30 23:59:59 +00:00, before it stored a page: 402` + "\n"
	)
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
		{args: "--stream new", code: cli.ExitData, want: notWell},
		{args: "--stream old", code: cli.ExitData, want: old},
		{args: "--stream unknown", code: cli.ExitSettings},
	} {
		args := append([]string{"status", "--check"}, strings.Fields(tt.args)...)
		synctest.Test(t, func(t *testing.T) { // the time is 2000-01-01 00:00:00
			reader := fakeStatusReader{all: tt.all, failedStarts: failedStarts()}
			if code, stdout, stderr := pawl(t, validEnv(), reader.wiring(), args...); code != tt.code || stdout != tt.want {
				t.Errorf("%v, %d streams: got exit %d and output %q, want exit %d and %q; %s",
					args, len(tt.all), code, stdout, tt.code, tt.want, stderr)
			}
		})
	}
}

// failedStarts returns two failed first runs. At the time of synctest, one of them is older than a day.
func failedStarts() []domain.FailedStart {
	dayAgo := time.Date(1999, 12, 31, 0, 0, 0, 0, time.UTC)
	return []domain.FailedStart{
		{Stream: domain.StreamID{Source: "new"}, At: dayAgo, Error: "401\x1b"},
		{Stream: domain.StreamID{Source: "old"}, At: dayAgo.Add(-time.Second), Error: "402"},
	}
}

// TestStatus_FailedStart checks that the text and the JSON show each first run that failed, or that of the stream that the user names.
func TestStatus_FailedStart(t *testing.T) {
	t.Parallel()
	const (
		newText = `stream new: its first run failed at 1999-12-31 00:00:00 +00:00, before it stored a page: 401\x1b` + "\n"
		oldText = `stream old: its first run failed at 1999-12-30 23:59:59 +00:00, before it stored a page: 402` + "\n"
		newJSON = `{"stream":"new","failed_at":"1999-12-31T00:00:00Z","error":"401\u001b"}` + "\n"
		oldJSON = `{"stream":"old","failed_at":"1999-12-30T23:59:59Z","error":"402"}` + "\n"
	)
	one, two := []domain.StreamStatus{newStatus("datasync")}, []domain.StreamStatus{newStatus("a"), newStatus("b")}
	for _, tt := range []struct {
		all   []domain.StreamStatus
		args  string
		begin string // of the output
		end   string
	}{
		{end: newText + oldText},
		{all: one, begin: "stream datasync: 41 % read", end: "\n" + newText + oldText},
		{all: two, begin: "stream  progress", end: "NAME\n" + newText + oldText},
		{all: one, args: "--stream old", begin: oldText, end: oldText},
		{all: one, args: "--stream datasync", begin: "stream datasync: 41 % read", end: "(4 minutes ago)\n"},
		{args: "--json", begin: newJSON, end: newJSON + oldJSON},
		{all: one, args: "--json", begin: `{"stream":"datasync"`, end: "\n" + newJSON + oldJSON},
		{all: one, args: "--json --stream old", begin: oldJSON, end: oldJSON},
	} {
		reader := fakeStatusReader{all: tt.all, failedStarts: failedStarts()}
		code, stdout, stderr := pawl(t, validEnv(), reader.wiring(), append([]string{"status"}, strings.Fields(tt.args)...)...)
		if code != cli.ExitDone || !strings.HasPrefix(stdout, tt.begin) || !strings.HasSuffix(stdout, tt.end) {
			t.Errorf("%d streams, %s: got exit %d and\n%s\nwant exit 0, %q and %q; %s",
				len(tt.all), tt.args, code, stdout, tt.begin, tt.end, stderr)
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
