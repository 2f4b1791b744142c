package telemetry_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain runs the tests and checks that they leave no goroutine behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
