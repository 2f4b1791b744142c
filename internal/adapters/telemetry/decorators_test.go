package telemetry_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// newTracing returns a Tracing that sends its spans to c. A warning fails the test.
func newTracing(t *testing.T, c collector) *telemetry.Tracing {
	t.Helper()
	tracing := telemetry.New(t.Context(), telemetry.Config{Warn: func(problem string, cause error) { t.Error(problem, cause) }}, c)
	t.Cleanup(tracing.Close)
	return tracing
}

// TestSource checks that a traced source passes the checks that every domain.EventSource must pass.
func TestSource(t *testing.T) {
	t.Parallel()
	domaintest.RunSourceChecks(t, func(t *testing.T) domaintest.SourceUnderTest {
		t.Helper()
		return domaintest.SourceUnderTest{
			Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
				scripted := domaintest.NewScriptedSource(answers...)
				return newTracing(t, newCollector()).Source(scripted, endpoint), scripted
			},
		}
	})
}

// TestStore checks that a traced store passes the checks that every domain.EventStore must pass.
func TestStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		db := domaintest.NewMemDatabase()
		memStores := map[domain.EventStore]*domaintest.MemStore{} // by the traced store that wraps them
		return domaintest.StoreUnderTest{
			Open: func() domain.EventStore {
				memStore := db.Store()
				traced := newTracing(t, newCollector()).Store(memStore)
				memStores[traced] = memStore
				return traced
			},
			CutConnections: func(_ context.Context, traced domain.EventStore) error {
				db.CutConnections(memStores[traced])
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
	})
}
