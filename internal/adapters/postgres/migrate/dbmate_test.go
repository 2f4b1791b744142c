package migrate

import (
	"io"
	"strings"
	"testing"
)

// TestDriverWithoutMigration checks that Open returns an error if the driver did not get the migration. pawl gives dbmate the
// migration as its log, and dbmate must pass this log to the driver.
func TestDriverWithoutMigration(t *testing.T) {
	t.Parallel()
	if db, err := (pgxDriver{log: io.Discard}).Open(); err == nil || !strings.Contains(err.Error(), "io.discard") {
		t.Errorf("got %v, %v, want an error that names the type of the log", db, err)
	}
}
