package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestInventory runs the checks of the contract of verify.Inventory.
func TestInventory(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.InventoryChecks(), newVerifyUnderTest)
}

// TestComparison runs the checks of the contract of verify.Comparison.
func TestComparison(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ComparisonChecks(), newVerifyUnderTest)
}

// newVerifyUnderTest returns the functions with which the checks of package domaintest use a new database.
func newVerifyUnderTest(t *testing.T) domaintest.VerifyUnderTest {
	t.Helper()
	databaseURL := pgtest.Database(t)
	pool := newPool(t, databaseURL)
	return domaintest.VerifyUnderTest{
		StoreUnderTest: storeUnderTest(t, databaseURL, databaseURL),
		Inventory:      postgres.NewInventory(pool), Comparison: postgres.NewComparison(pool),
		Delete: func(ctx context.Context, id domain.EventID) error {
			conn, err := pgx.Connect(ctx, databaseURL)
			if err != nil {
				return err
			}
			defer conn.Close(ctx) //nolint:errcheck // it closes the socket even if it fails
			_, err = conn.Exec(ctx, "DELETE FROM events WHERE id = $1", id)
			return err
		},
	}
}
