package migrate

import (
	"io"
	"strings"
	"testing"
)

// TestDriverWithoutArgs checks that Open returns an error if dbmate has given the driver another log than the driverArgs.
func TestDriverWithoutArgs(t *testing.T) {
	t.Parallel()
	if db, err := (pgxDriver{log: io.Discard}).Open(); err == nil || !strings.Contains(err.Error(), "io.discard") {
		t.Errorf("got %v, %v, want an error that names the type of the log", db, err)
	}
}
