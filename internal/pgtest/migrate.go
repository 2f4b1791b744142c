package pgtest

import (
	"context"

	"github.com/pawldata/pawl/internal/adapters/postgres"
)

// migrate is the product's own way to the schema, so that tests run on what users get.
func migrate(ctx context.Context, databaseURL string) error {
	_, err := postgres.Migrate(ctx, databaseURL)
	return err
}
