package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// NewImpatientInventory is an inventory whose checks must end soon.
func NewImpatientInventory(pool *pgxpool.Pool, timeout time.Duration) *Inventory {
	return &Inventory{pool, timeout}
}

// NewStoreWith is a store whose lock's connection says something at each heartbeat, and that takes another for silent after
// silence.
func NewStoreWith(pool *pgxpool.Pool, heartbeat, silence time.Duration) *Store {
	return &Store{pool: pool, heartbeat: heartbeat, silentAfter: silence}
}
