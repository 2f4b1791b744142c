package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// NewImpatientInventory returns an inventory whose checks must end soon.
func NewImpatientInventory(pool *pgxpool.Pool, timeout time.Duration) *Inventory {
	return &Inventory{pool, timeout}
}

// NewStoreWith returns a store whose lock's connection runs a statement at each heartbeat, and that takes another runner for
// silent after silence.
func NewStoreWith(pool *pgxpool.Pool, heartbeat, silence time.Duration) *Store {
	return &Store{pool: pool, heartbeat: heartbeat, silentAfter: silence}
}

// Intervals returns how often the lock's connection runs a statement, and how long another must have run none to be taken
// for silent.
func (s *Store) Intervals() (heartbeat, silence time.Duration) { return s.heartbeat, s.silentAfter }
