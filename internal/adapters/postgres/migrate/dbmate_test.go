package migrate

import (
	"io"
	"strings"
	"testing"
)

// TestDriverWithoutMigration tests that the driver reports when dbmate does not pass the migration on.
func TestDriverWithoutMigration(t *testing.T) {
	t.Parallel()
	if db, err := (pgxDriver{log: io.Discard}).Open(); err == nil || !strings.Contains(err.Error(), "io.discard") {
		t.Errorf("got %v, %v, want an error", db, err)
	}
}
