package postgres

import (
	"io"
	"strings"
	"testing"
)

// TestDbmateMustPassTheMigrationOn: without it the driver knows neither database nor context.
func TestDbmateMustPassTheMigrationOn(t *testing.T) {
	t.Parallel()
	if db, err := (pgxDriver{log: io.Discard}).Open(); err == nil || !strings.Contains(err.Error(), "io.discard") {
		t.Errorf("%v, %v", db, err)
	}
}
