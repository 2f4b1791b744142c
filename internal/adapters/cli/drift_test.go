package cli_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
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
		{Path: hostile, Kind: "in seconds", Count: 1, FirstPageID: 9, LastPageID: 9, Sample: hostile},
	}
	for name, tt := range map[string]struct {
		entries []domain.DriftEntry
		args    []string
	}{
		"drift": {twoEntries, []string{"drift"}}, "drift_json": {twoEntries, []string{"drift", "--json"}},
		"drift_none": {nil, []string{"drift"}}, "drift_none_json": {nil, []string{"drift", "--json"}},
	} {
		w := newWiring(emptySource{}, domaintest.NewMemDatabase(), new(cli.Settings))
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
