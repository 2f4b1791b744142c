package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/adapters/postgres"
	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/pgtest"
)

// TestMove: the stream goes on from its checkpoint at the new address, and a runner that still reads the old one is fenced.
func TestMove(t *testing.T) {
	t.Parallel()
	const before, after = "https://api.example", "https://new.example/v2"
	databaseURL := pgtest.Database(t)
	stream, mover := domain.StreamID{Source: "s"}, postgres.NewMover(poolOn(t, databaseURL))
	if err := mover.Move(t.Context(), stream, before, after); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), "no stream named s") {
		t.Errorf("a stream that was never claimed: %v", err)
	}
	old, at := claimed(t, databaseURL)
	at = next(t, old, at, domain.DecodedPage{Events: series(t, 3)}).Checkpoint

	if err := mover.Move(t.Context(), stream, "https://wrong.example", after); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), before) {
		t.Errorf("from an address where it is not: %v", err)
	}
	if _, err := old.Claim(t.Context(), stream, after); domain.KindOf(err) != domain.Invalid || domain.RemedyOf(err) != domain.MoveStream || !strings.Contains(err.Error(), before) {
		t.Errorf("before it has moved: %v, remedy %d", err, domain.RemedyOf(err))
	}
	const identity = "SELECT epoch || ' ' || token FROM checkpoints"
	was := queryOne[string](t, databaseURL, identity)
	if err := old.Hold(t.Context(), at, time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := mover.Move(t.Context(), stream, before, after); err != nil {
		t.Fatal(err)
	}
	is := queryOne[string](t, databaseURL, identity)
	if is[:1] == was[:1] || is[2:] == was[2:] {
		t.Errorf("epoch and token were %s and are %s", was, is)
	}
	page := domain.DecodedPage{From: at.Position, To: at.Position, Receipt: domain.Receipt{FetchedAt: time.Now()}}
	_, err := old.Commit(t.Context(), domain.Batch{At: at, Pages: []domain.DecodedPage{page}})
	if domain.KindOf(err) != domain.Fenced {
		t.Errorf("the runner of the old address: %v", err)
	}
	if got, err := old.Claim(t.Context(), stream, after); err != nil || got.Seq != at.Seq || got.Offset != at.Offset || got.Inserted != 3 ||
		!got.HeldUntil.IsZero() { // the rate limit was the old address's
		t.Errorf("at the new address it stands at %+v, %v", got, err)
	}
	if err := mover.Move(t.Context(), stream, before, after); domain.KindOf(err) != domain.Invalid || !strings.Contains(err.Error(), after) {
		t.Errorf("a second time: %v", err)
	}
}
