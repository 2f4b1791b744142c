package cli_test

import (
	"testing"

	"github.com/pawldata/pawl/internal/adapters/cli"
)

// TestVersion checks the output of `pawl version` for builds with and without a commit and a date.
func TestVersion(t *testing.T) {
	t.Parallel()
	const commit, date = "0123456789abcdef0123456789abcdef01234567", "2026-11-24T19:30:00Z"
	for want, build := range map[string]cli.Build{
		"pawl v1.2.3\n": {Version: "v1.2.3"},
		"pawl v1.2.3 (commit 0123456789ab, 2026-11-24T19:30:00Z)\n": {Version: "v1.2.3", Commit: commit, Date: date},
		"pawl v1.2.3 (commit abc)\n":                                {Version: "v1.2.3", Commit: "abc"},
	} {
		code, stdout, stderr := pawl(t, nil, cli.Wiring{Build: build}, "version")
		if code != cli.ExitDone || stdout != want || stderr != "" {
			t.Errorf("got exit %d, output %q, error %q; want output %q", code, stdout, stderr, want)
		}
	}
}
