package domain_test

import (
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func total(n int64) domain.Total { return domain.Total{N: n, Known: true} }

func TestPositionAfter(t *testing.T) {
	t.Parallel()
	fetchedAt := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	position := domain.Position{
		Pass: 2, Offset: 10, MaxOffset: 500, Cursor: "a", AnnouncedFirst: total(900), AnnouncedLast: total(900),
		CursorExpiresAt: fetchedAt,
	}
	page := domain.Page{
		Records: make([]domain.Record, 5), Next: "b", ExpiresIn: time.Minute, Total: total(901),
		Receipt: domain.Receipt{FetchedAt: fetchedAt},
	}
	want := domain.Position{
		Pass: 2, Offset: 15, MaxOffset: 500, Cursor: "b", CursorExpiresAt: fetchedAt.Add(time.Minute),
		AnnouncedFirst: total(900), AnnouncedLast: total(901), MaxAnnounced: 901,
	}
	if got := position.After(page); got != want {
		t.Errorf("After: got %+v, want %+v", got, want)
	}

	lastPage := domain.Page{Records: make([]domain.Record, 495), Last: true} // its end is beyond MaxOffset
	want = domain.Position{Pass: 2, Offset: 505, MaxOffset: 505, Done: true, AnnouncedFirst: total(900), AnnouncedLast: total(900)}
	if got := position.After(lastPage); got != want {
		t.Errorf("After the last page: got %+v, want %+v", got, want)
	}
}

func TestPositionNextPass(t *testing.T) {
	t.Parallel()
	position := domain.Position{
		Pass: 3, Offset: 7, MaxOffset: 70, Cursor: "c", Done: true, AnnouncedFirst: total(9), AnnouncedLast: total(9),
	}
	if got, want := position.NextPass(), (domain.Position{Pass: 4, MaxOffset: 70, MaxAnnounced: 9}); got != want {
		t.Errorf("NextPass: got %+v, want %+v", got, want)
	}
}

func TestCheckpointCheckMove(t *testing.T) {
	t.Parallel()
	read := domain.Checkpoint{
		Token: domain.UUID{1}, Epoch: 2, Seq: 3, Position: domain.Position{Pass: 1, Offset: 30, Cursor: "c"},
	}
	otherToken := domain.UUID{9}
	tests := []struct {
		name   string
		change func(durable *domain.Checkpoint) // made in the database after the runner read its checkpoint
		claim  domain.Kind                      // the kind of CheckClaim's error
		move   domain.Kind                      // the kind of CheckMove's error
	}{
		{"no change", func(*domain.Checkpoint) {}, noError, noError},
		{"other counts", func(c *domain.Checkpoint) { c.Received, c.MaxOffset = 9, 99 }, noError, noError},
		{"the stream is gone", func(c *domain.Checkpoint) { *c = domain.Checkpoint{} }, domain.SetBack, domain.SetBack},
		{"the claim before", func(c *domain.Checkpoint) { c.Token, c.Epoch = otherToken, 1 }, domain.SetBack, domain.SetBack},
		{"another claim with the same epoch", func(c *domain.Checkpoint) { c.Token = otherToken }, domain.Fenced, domain.Fenced},
		{"a later claim", func(c *domain.Checkpoint) { c.Token, c.Epoch = otherToken, 3 }, domain.Fenced, domain.Fenced},
		{"an earlier seq", func(c *domain.Checkpoint) { c.Seq = 2 }, noError, domain.SetBack},
		{"another pass", func(c *domain.Checkpoint) { c.Pass = 2 }, noError, domain.SetBack},
		{"another offset", func(c *domain.Checkpoint) { c.Offset = 20 }, noError, domain.SetBack},
		{"another cursor", func(c *domain.Checkpoint) { c.Cursor = "d" }, noError, domain.SetBack},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			durable := read
			tt.change(&durable)
			checkKind(t, "CheckClaim", read.CheckClaim(durable), tt.claim)
			checkKind(t, "CheckMove", read.CheckMove(durable), tt.move)
		})
	}
}

func TestCountsBalanced(t *testing.T) {
	t.Parallel()
	balanced := domain.Counts{Received: 6, Inserted: 1, Duplicate: 2, Parked: 3}
	if !balanced.Balanced() {
		t.Errorf("%+v: got not balanced, want balanced", balanced)
	}
	if sum := balanced.Add(balanced); !sum.Balanced() {
		t.Errorf("Add: got %+v, want balanced counts", sum)
	}
	if difference := balanced.Sub(balanced); difference != (domain.Counts{}) {
		t.Errorf("Sub: got %+v, want zero", difference)
	}
	if lost := (domain.Counts{Received: 1}); lost.Balanced() {
		t.Errorf("%+v: got balanced, want not balanced", lost)
	}
}
