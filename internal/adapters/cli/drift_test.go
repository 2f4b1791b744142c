package cli_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
)

// A fakeDriftReader is a cli.Reader whose method Drift returns entries. Its other methods panic.
type fakeDriftReader struct {
	cli.Reader

	entries []domain.DriftEntry
}

func (r fakeDriftReader) Drift(context.Context, domain.StreamID) ([]domain.DriftEntry, error) {
	return r.entries, nil
}

// TestDrift compares the output of `pawl drift` with golden files.
func TestDrift(t *testing.T) {
	t.Parallel()
	twoEntries := []domain.DriftEntry{
		{Path: "session.os", Kind: "new field", Count: 12_345, FirstPageID: 3, LastPageID: 117, Sample: `{"name":"Linux…`},
		{Path: hostile, Kind: "in seconds", Count: 1, FirstPageID: 9, LastPageID: 9, Sample: hostile}, // for hostile see dlq_test.go
	}
	for name, tt := range map[string]struct {
		entries []domain.DriftEntry
		args    []string
	}{
		"drift":           {entries: twoEntries, args: []string{"drift"}},
		"drift_json":      {entries: twoEntries, args: []string{"drift", "--json"}},
		"drift_none":      {entries: nil, args: []string{"drift"}},
		"drift_none_json": {entries: nil, args: []string{"drift", "--json"}},
	} {
		w := newEmptyWiring()
		w.CheckSchema = func(context.Context, string) error { return nil }
		w.Reader = func(context.Context, cli.Settings) (cli.Reader, func(), error) {
			return fakeDriftReader{entries: tt.entries}, func() {}, nil
		}
		code, stdout, stderr := pawl(t, validEnv("API_KEY=", "API_BASE_URL="), w, tt.args...)
		if code != cli.ExitDone || stderr != "" {
			t.Errorf("%s: got exit %d and error %q, want exit 0 and no error", name, code, stderr)
		}
		cli.Golden(t, name, stdout)
	}
}
