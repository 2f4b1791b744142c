package cli_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestChooseDatabase checks which private database a command uses if DATABASE_URL is not set, and that a command that only reads never
// makes a database. The command's output is no terminal.
func TestChooseDatabase(t *testing.T) {
	t.Parallel()
	const api = "API_BASE_URL=https://api.example/api/v1"
	tests := []struct {
		name       string
		args       []string
		env        []string
		existing   []string // the folders that have a database
		wantURL    string   // the database that the command opens; empty if it opens none
		wantStderr []string
	}{
		{name: "run without any", args: []string{"run"}, env: []string{api, "API_KEY=k"}, wantStderr: []string{"DATABASE_URL: not set", "embedded:.pawl/data"}},
		{name: "migrate without any", args: []string{"migrate"}, wantStderr: []string{"DATABASE_URL: not set", "embedded:.pawl/data"}},
		{
			name: "run with both", args: []string{"run"}, env: []string{api, "API_KEY=k"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantURL: "embedded:.pawl/data", wantStderr: []string{"DATABASE_URL is not set: using the private database in .pawl/data"},
		},
		{
			name: "run with a demo", args: []string{"run"}, env: []string{api, "API_KEY=k"}, existing: []string{".pawl/demo"},
			wantStderr: []string{"DATABASE_URL: not set", "embedded:.pawl/data"},
		},
		{
			name: "migrate without an API, with both", args: []string{"migrate"}, existing: []string{".pawl/data", ".pawl/demo"},
			wantURL: "embedded:.pawl/demo",
		},
		{
			name: "psql with an API and a demo", args: []string{"psql"}, env: []string{api}, existing: []string{".pawl/demo"},
			wantStderr: []string{".pawl/data has no database", "DATABASE_URL=embedded:.pawl/demo"},
		},
		{name: "psql without any", args: []string{"psql"}, wantStderr: []string{".pawl/data has no database", "pawl run"}},
		{
			name: "psql in a new folder", args: []string{"psql"}, env: []string{"DATABASE_URL=embedded:.pawl"}, existing: []string{".pawl/demo"},
			wantStderr: []string{"DATABASE_URL: .pawl has no database yet", "DATABASE_URL=embedded:.pawl/demo"},
		},
		{
			name: "psql, the nearby folder of another path", args: []string{"psql"}, env: []string{"DATABASE_URL=embedded:/srv/x"},
			existing: []string{"/srv/x/data"}, wantStderr: []string{"DATABASE_URL=embedded:/srv/x/data"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opened := ""
			w := newEmptyWiring()
			openDatabase := w.Database
			w.Database = func(ctx context.Context, databaseURL string, report func(string)) (cli.Database, func() error, error) {
				opened = databaseURL
				return openDatabase(ctx, databaseURL, report)
			}
			w.PsqlEnviron = func(string) ([]string, error) { return nil, errors.New("enough") } // psql itself need not run
			w.PrivateFolder = func(databaseURL string) (dir string, hasDatabase, isPrivate bool) {
				dir, isPrivate = strings.CutPrefix(databaseURL, "embedded:")
				return dir, slices.Contains(tt.existing, dir), isPrivate
			}
			var stdout, stderr bytes.Buffer
			cli.Main(t.Context(), cli.Process{Args: tt.args, Environ: tt.env, Stdout: &stdout, Stderr: &stderr}, w)
			if opened != tt.wantURL {
				t.Errorf("got database %q, want %q: %s", opened, tt.wantURL, stderr.String())
			}
			for _, want := range tt.wantStderr {
				if !strings.Contains(stderr.String(), want) {
					t.Errorf("got %s, want it to contain %q", stderr.String(), want)
				}
			}
		})
	}
}
