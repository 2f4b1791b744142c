package postgres

import (
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// LookUpsAfterDuplicate is the number of batches whose ids Commit looks up after a batch with a duplicate.
const LookUpsAfterDuplicate = lookUpsAfterDuplicate

// LeaseReportTimeout is the time limit of a report that extends a lease.
const LeaseReportTimeout = leaseReportTimeout

// NewInventoryWithTimeout returns an inventory whose checks have this time limit each.
func NewInventoryWithTimeout(pool *pgxpool.Pool, timeout time.Duration) *Inventory {
	return &Inventory{pool, timeout}
}

// NewStoreWithIntervals returns a store with other intervals. heartbeat is the time between two statements on the connection that
// holds the lock. If the last statement of another runner is older than silence, that runner counts as silent.
func NewStoreWithIntervals(pool *pgxpool.Pool, heartbeat, silence time.Duration) *Store {
	return &Store{pool: pool, row: newRunnerRow(RunnerProfile{}), heartbeat: heartbeat, silentAfter: silence, maxAheadTime: maxAheadTime}
}

// Intervals returns the intervals of the store, see NewStoreWithIntervals.
func (s *Store) Intervals() (heartbeat, silence time.Duration) { return s.heartbeat, s.silentAfter }

// SetMaxAheadTime sets the longest time between the start of a transaction ahead and the Commit of its batch.
func (s *Store) SetMaxAheadTime(d time.Duration) { s.maxAheadTime = d }
