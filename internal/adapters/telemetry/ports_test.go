package telemetry_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/adapters/telemetry"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

func traceInto(t *testing.T, c collector) *telemetry.Tracing {
	t.Helper()
	tracing := telemetry.New(t.Context(), telemetry.Config{Warn: func(what string, why error) { t.Error(what, why) }}, c)
	t.Cleanup(tracing.Close)
	return tracing
}

// TestTracedSource: a source that is traced is still one.
func TestTracedSource(t *testing.T) {
	t.Parallel()
	domaintest.RunSourceChecks(t, func(t *testing.T) domaintest.SourceUnderTest {
		t.Helper()
		return domaintest.SourceUnderTest{
			Open: func(answers ...domaintest.Answer) (domain.EventSource, domaintest.Upstream) {
				s := domaintest.NewScriptedSource(answers...)
				return traceInto(t, newCollector()).Source(s, endpoint), s
			},
		}
	})
}

// TestTracedStore: the same for a store.
func TestTracedStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(t *testing.T) domaintest.StoreUnderTest {
		t.Helper()
		db := domaintest.NewMemDatabase()
		plain := map[domain.EventStore]*domaintest.MemStore{}
		return domaintest.StoreUnderTest{
			Open: func() domain.EventStore {
				mem := db.Store()
				s := traceInto(t, newCollector()).Store(mem)
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
