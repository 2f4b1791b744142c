package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// NewInventoryWithTimeout returns an inventory with another time limit for each check.
func NewInventoryWithTimeout(pool *pgxpool.Pool, timeout time.Duration) *Inventory {
	return &Inventory{pool, timeout}
}

// NewStoreWith returns a store with other intervals: heartbeat between the statements of the lock's connection, and silence after
// which another runner counts as silent.
func NewStoreWith(pool *pgxpool.Pool, heartbeat, silence time.Duration) *Store {
	return &Store{pool: pool, heartbeat: heartbeat, silentAfter: silence}
}

// Intervals returns the intervals of the lock, see NewStoreWith.
func (s *Store) Intervals() (heartbeat, silence time.Duration) { return s.heartbeat, s.silentAfter }
