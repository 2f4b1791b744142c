package cli_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/app/ingest"
	"github.com/pawldata/pawl/internal/domain"
)

// newDemoWiring returns a wiring with a demo's API. It stores in got the settings of the run, and in stopped whether the API was ended.
func newDemoWiring(got *cli.Settings, stopped *bool) cli.Wiring {
	w := newRecordingWiring(got)
	w.Demo = func(_ context.Context, port int) (baseURL, key string, stop func(), err error) {
		if port != 18080 && port != 18099 {
			return "", "", nil, &domain.Error{Kind: domain.Stopped, Op: "start", Err: errors.New("stopped")}
		}
		return "http://demo.example", "demo-key", func() { *stopped = true }, nil
	}
	return w
}

// TestDemo checks what a demo reads and where it stores it, that it ends its API, and which commands it names.
func TestDemo(t *testing.T) {
	t.Parallel()
	const sql = "'SELECT type, count(*) FROM events GROUP BY type'"
	for _, tt := range []struct {
		name   string
		env    []string
		args   []string
		folder string
		want   string // the end of the output
	}{
		{
			name: "alone", folder: ".pawl/demo",
			want: "Go on with:\n  pawl psql -c " + sql + "\n  pawl verify\n  pawl status\n",
		},
		{
			name: "with settings", env: validEnv(), folder: ".pawl/demo",
			want: "  DATABASE_URL=embedded:.pawl/demo pawl verify\n  DATABASE_URL=embedded:.pawl/demo pawl status\n",
		},
		{
			name: "with the file of a database URL", env: []string{"DATABASE_URL_FILE=/missing"}, folder: ".pawl/demo",
			want: "  DATABASE_URL_FILE= DATABASE_URL=embedded:.pawl/demo pawl status\n",
		},
		{
			name: "with wrong settings that it replaces", folder: ".pawl/demo",
			env:  []string{"DATABASE_URL=x", "DATABASE_URL_FILE=/missing", "API_KEY=two words", "BATCH_SIZE=0", "PAWL_MIGRATE_URL=x", "PAWL_MIGRATE=off"},
			want: "  DATABASE_URL_FILE= DATABASE_URL=embedded:.pawl/demo API_KEY_FILE= API_KEY=demo-key BATCH_SIZE=1000 pawl status\n",
		},
		{
			name: "a folder with a space", args: []string{"--folder", "it's a b"}, folder: "it's a b",
			want: `  DATABASE_URL='embedded:it'\''s a b' pawl psql -c ` + sql + "\n" +
				`  DATABASE_URL='embedded:it'\''s a b' pawl verify` + "\n" + `  DATABASE_URL='embedded:it'\''s a b' pawl status` + "\n",
		},
		{
			name: "another stream and port", args: []string{"--stream", "mine", "--port", "18099"}, folder: ".pawl/demo",
			want: "  pawl psql -c " + sql + "\n  pawl verify --stream mine\n  pawl status --stream mine\n",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got cli.Settings
			stopped := false
			code, stdout, stderr := pawl(t, tt.env, newDemoWiring(&got, &stopped), append([]string{"demo"}, tt.args...)...)
			if code != cli.ExitDone || !strings.HasSuffix(stdout, tt.want) {
				t.Errorf("got exit %d and output %s%s, want the end\n%s", code, stdout, stderr, tt.want)
			}
			if got.MigrateURL != "" || got.Migrate != "auto" || got.PageSize != 1000 {
				t.Errorf("got the schema %s by %q and pages of %d, want auto and 1000", got.Migrate, got.MigrateURL, got.PageSize)
			}
			if got.APIBaseURL != "http://demo.example" || got.APIKey != "demo-key" || got.DatabaseURL != "embedded:"+tt.folder || !stopped {
				t.Errorf("got a run from %s into %s, API ended: %t; want the demo's API, which is ended, and embedded:%s",
					got.APIBaseURL, got.DatabaseURL, stopped, tt.folder)
			}
		})
	}
}

// TestDemo_NextCommands checks that the variables in front of the commands that a demo names make wrong settings right.
func TestDemo_NextCommands(t *testing.T) {
	t.Parallel()
	env := []string{"DATABASE_URL=x", "DATABASE_URL_FILE=/missing", "API_KEY=two words", "API_KEY_FILE=/missing", "BATCH_SIZE=0"}
	var got cli.Settings
	stopped := false
	_, stdout, _ := pawl(t, env, newDemoWiring(&got, &stopped), "demo")
	for line := range strings.Lines(stdout) {
		if assignments, isCommand := strings.CutSuffix(strings.TrimSpace(line), " pawl verify"); isCommand {
			env = append(env, strings.Fields(assignments)...)
		}
	}
	if code, _, stderr := pawl(t, env, newDemoWiring(&got, &stopped), "config"); code != cli.ExitDone {
		t.Errorf("got exit %d with %q, want 0: %s", code, env, stderr)
	}
}

// A failingRunner ends with an error.
type failingRunner struct{ err error }

func (r failingRunner) Run(context.Context) (domain.Summary, error) { return domain.Summary{}, r.err }

// TestDemo_OtherPort checks that a demo whose stream began on another port gives advice that helps a demo.
func TestDemo_OtherPort(t *testing.T) {
	t.Parallel()
	var got cli.Settings
	stopped := false
	w := newDemoWiring(&got, &stopped)
	w.Runner = func(context.Context, cli.Settings, cli.RunOptions, ingest.Observer) (cli.Runner, func(), error) {
		err := &domain.Error{
			Kind: domain.Invalid, Code: domain.CodeStreamOtherAddress, Op: "claim stream", Err: errors.New("reads from :18080"), Remedy: domain.MoveStream,
		}
		return failingRunner{err}, func() {}, nil
	}
	code, _, stderr := pawl(t, nil, w, "demo", "--port", "18099")
	for _, want := range []string{":18080", "--port", "--folder", "[stream-other-address]"} {
		if code != cli.ExitSettings || !strings.Contains(stderr, want) || strings.Contains(stderr, "API_BASE_URL") {
			t.Errorf("got exit %d and %q, want exit 2, %s, and no API_BASE_URL", code, stderr, want)
		}
	}
}

// TestDemo_Fails checks the exit codes of a demo that cannot begin. Then it names no commands.
func TestDemo_Fails(t *testing.T) {
	t.Parallel()
	for port, wantCode := range map[string]int{"0": cli.ExitSettings, "x": cli.ExitSettings, "65536": cli.ExitSettings, "1": cli.ExitAgain} {
		var got cli.Settings
		stopped := false
		code, stdout, stderr := pawl(t, nil, newDemoWiring(&got, &stopped), "demo", "--port", port)
		if code != wantCode || stdout != "" {
			t.Errorf("port %s: got exit %d and output %s%s, want exit %d and no output", port, code, stdout, stderr, wantCode)
		}
	}
}

// TestDemo_Folder checks that an error about the folder of a demo names --folder, and not DATABASE_URL, which the demo ignores.
func TestDemo_Folder(t *testing.T) {
	t.Parallel()
	var got cli.Settings
	stopped := false
	w := newDemoWiring(&got, &stopped)
	w.Database = func(context.Context, string, func(string), func(string) error) (cli.Database, func() error, error) {
		return cli.Database{}, nil, &domain.Error{
			Kind: domain.Invalid, Code: domain.CodePrivateDatabaseFolder, Op: "embedded PostgreSQL", Err: errors.New("not a folder"),
			Hint: "move it away", Remedy: domain.OtherFolder,
		}
	}
	for folder, want := range map[string]string{
		"/dev/null": "not a folder; move it away; name a folder you may write to with --folder [",
		" ":         "--folder: it names no folder",
	} {
		code, _, stderr := pawl(t, nil, w, "demo", "--folder", folder)
		if code != cli.ExitSettings || !strings.Contains(stderr, want) || strings.Contains(stderr, "DATABASE_URL") {
			t.Errorf("--folder %q: got exit %d and %s, want exit %d and %q", folder, code, stderr, cli.ExitSettings, want)
		}
	}
}
