package cli_test

import (
	"os"
	"testing"
	"time"
)

// TestMain puts the tests into one time zone: what is shown of the time of day is local time.
func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}
