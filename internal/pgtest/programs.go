//go:build unix

package pgtest

import (
	"context"
	"os"
	"path/filepath"

	"github.com/pawldata/pawl/internal/adapters/embeddedpg"
	"github.com/pawldata/pawl/internal/adapters/embeddedpg/pgprograms"
)

// findPrograms is the folder of PostgreSQL's programs. Where the machine has none they are downloaded as for `pawl run`,
// once for all test processes and all later runs.
func findPrograms(ctx context.Context, logf logf) (string, error) {
	if found := pgprograms.Folders(); len(found) > 0 {
		return found[0], nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	private, err := embeddedpg.Open(ctx, filepath.Join(cache, "pawl-pgtest"), func(what string) { logf("pgtest: %s", what) })
	if err != nil {
		return "", err
	}
	return private.Bin(), private.Close() //nolint:contextcheck // giving up a share does not depend on who waits
}
