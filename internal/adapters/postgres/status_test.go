package postgres_test

import (
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

func TestReport(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), pgtest.Database(t)
	store := open(t, url)
	reader := postgres.NewStatusReader(poolOn(t, url))

	stream := domain.StreamID{Source: "s"}
	if _, err := reader.Report(ctx, stream); domain.KindOf(err) != domain.Invalid {
		t.Errorf("a stream never seen: %v", err)
	}
	at, err := store.Claim(ctx, stream, "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	if report, err := reader.Report(ctx, stream); err != nil || report.Pages != 0 || report.Elapsed != 0 || report.Checkpoint.Epoch != 1 {
		t.Errorf("a stream without pages: %+v, %v", report, err)
	}
	fetched := time.Now().Add(-time.Minute)
	for range 2 {
		res, err := store.Commit(ctx, domain.Batch{At: at, Pages: []domain.DecodedPage{{
			From: at.Position, To: at.Position,
			Receipt: domain.Receipt{FetchedAt: fetched, Traffic: domain.Traffic{Requests: 3, Retries: 1, RateLimited: 1, Waited: 1500 * time.Millisecond}},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		at = res.Checkpoint
	}
	report, err := reader.Report(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	want := domain.Traffic{Requests: 6, Retries: 2, RateLimited: 2, Waited: 3 * time.Second}
	if report.Pages != 2 || report.Traffic != want || report.Elapsed < time.Minute || report.Checkpoint.Seq != 2 {
		t.Errorf("got %+v", report)
	}
}
