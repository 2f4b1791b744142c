package domaintest_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// onMemory puts a store around each runner's MemStore; the identity for the sound one.
func onMemory(around func(*domaintest.MemStore, *domaintest.MemDatabase) domain.EventStore) domaintest.StoreUnderTest {
	return onMemoryOf(domaintest.NewMemDatabase(), around)
}

func onMemoryOf(
	db *domaintest.MemDatabase, around func(*domaintest.MemStore, *domaintest.MemDatabase) domain.EventStore,
) domaintest.StoreUnderTest {
	plain := map[domain.EventStore]*domaintest.MemStore{}
	return domaintest.StoreUnderTest{
		Open: func() domain.EventStore {
			mem := db.Store()
			s := around(mem, db)
			plain[s] = mem
			return s
		},
		Sever: func(_ context.Context, s domain.EventStore) error {
			db.Sever(plain[s])
			return nil
		},
		Backup: func(context.Context) (func(context.Context) error, error) {
			restore := db.Backup()
			return func(context.Context) error {
				restore()
				return nil
			}, nil
		},
		Events:  func(context.Context) (map[domain.EventID]domain.Event, error) { return db.Events(), nil },
		Ledger:  func(context.Context) ([]domaintest.LedgerRow, error) { return db.Ledger(), nil },
		Letters: func(context.Context) ([]domain.DeadLetter, error) { return db.Letters(), nil },
	}
}

func TestMemStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(*testing.T) domaintest.StoreUnderTest {
		return onMemory(func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore { return s })
	})
}

func TestMemReplays(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ReplayChecks(), func(*testing.T) domaintest.ReplayUnderTest {
		db := domaintest.NewMemDatabase()
		return domaintest.ReplayUnderTest{StoreUnderTest: onMemoryOf(db, func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore {
			return s
		}), Replays: db.Replays(99)}
	})
}
