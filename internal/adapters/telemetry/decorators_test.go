package telemetry_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func newTracing(t *testing.T, c collector) *telemetry.Tracing {
	t.Helper()
	tracing := telemetry.New(t.Context(), telemetry.Config{Warn: func(problem string, cause error) { t.Error(problem, cause) }}, c)
	t.Cleanup(tracing.Close)
	return tracing
}

// TestSource runs the checks of the port against a source that is traced.
func TestSource(t *testing.T) {
	t.Parallel()
	domaintest.RunSourceChecks(t, func(t *testing.T) domaintest.SourceUnderTest {
		t.Helper()
		return domaintest.SourceUnderTest{
			Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
				s := domaintest.NewScriptedSource(answers...)
				return newTracing(t, newCollector()).Source(s, endpoint), s
			},
		}
	})
}

// TestStore runs the checks of the port against a store that is traced.
func TestStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		db := domaintest.NewMemDatabase()
		plain := map[domain.EventStore]*domaintest.MemStore{}
		return domaintest.StoreUnderTest{
			Open: func() domain.EventStore {
				mem := db.Store()
				s := newTracing(t, newCollector()).Store(mem)
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
	})
}
