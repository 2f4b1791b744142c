package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// NewImpatientInventory is an inventory whose checks must end soon.
func NewImpatientInventory(pool *pgxpool.Pool, timeout time.Duration) *Inventory {
	return &Inventory{pool, timeout}
}
