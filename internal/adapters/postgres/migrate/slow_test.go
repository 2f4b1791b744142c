//go:build e2e

package migrate_test

import (
	"testing"
	"time"
)

// TestSlowUpEachSchema migrates a database of each earlier version with a million events.
func TestSlowUpEachSchema(t *testing.T) {
	t.Parallel()
	checkUpgrades(t, 1000, 1000, 15*time.Second) // as long as a transaction of pawl waits for a table
}
