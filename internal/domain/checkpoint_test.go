package domain_test

import (
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func total(n int64) domain.Total { return domain.Total{N: n, Known: true} }

func TestPositionAfter(t *testing.T) {
	t.Parallel()
	fetched := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := domain.Position{
		Pass: 2, Offset: 10, MaxOffset: 500, Cursor: "a", AnnouncedFirst: total(900), AnnouncedLast: total(900),
		CursorExpiresAt: fetched,
	}
	page := domain.Page{
		Records: make([]domain.Record, 5), Next: "b", ExpiresIn: time.Minute, Total: total(901),
		Receipt: domain.Receipt{FetchedAt: fetched},
	}
	want := domain.Position{
		Pass: 2, Offset: 15, MaxOffset: 500, Cursor: "b", CursorExpiresAt: fetched.Add(time.Minute),
		AnnouncedFirst: total(900), AnnouncedLast: total(901), MaxAnnounced: 901,
	}
	if got := at.After(page); got != want {
		t.Errorf("After = %+v, want %+v", got, want)
	}

	last := domain.Page{Records: make([]domain.Record, 495), Last: true}
	want = domain.Position{Pass: 2, Offset: 505, MaxOffset: 505, Done: true, AnnouncedFirst: total(900), AnnouncedLast: total(900)}
	if got := at.After(last); got != want {
		t.Errorf("After the last page = %+v, want %+v", got, want)
	}
}

func TestPositionNextPass(t *testing.T) {
	t.Parallel()
	at := domain.Position{Pass: 3, Offset: 7, MaxOffset: 70, Cursor: "c", Done: true, AnnouncedFirst: total(9), AnnouncedLast: total(9)}
	if got, want := at.NextPass(), (domain.Position{Pass: 4, MaxOffset: 70, MaxAnnounced: 9}); got != want {
		t.Errorf("NextPass = %+v, want %+v", got, want)
	}
}

func TestCheckpointCheckMove(t *testing.T) {
	t.Parallel()
	at := domain.Checkpoint{
		Token: domain.UUID{1}, Epoch: 2, Seq: 3, Position: domain.Position{Pass: 1, Offset: 30, Cursor: "c"},
	}
	change := func(f func(*domain.Checkpoint)) domain.Checkpoint {
		durable := at
		f(&durable)
		return durable
	}
	tests := []struct {
		name    string
		durable domain.Checkpoint
		claim   domain.Kind // of CheckClaim's error, 0 for nil
		move    domain.Kind // of CheckMove's
	}{
		{"it can", at, 0, 0},
		{"other counts are of no matter", change(func(c *domain.Checkpoint) { c.Received, c.MaxOffset = 9, 99 }), 0, 0},
		{"there is no such stream any more", domain.Checkpoint{}, domain.SetBack, domain.SetBack},
		{"an epoch from before the claim", change(func(c *domain.Checkpoint) { c.Token[0], c.Epoch = 9, 1 }), domain.SetBack, domain.SetBack},
		{"the same epoch counted again", change(func(c *domain.Checkpoint) { c.Token[0] = 9 }), domain.Fenced, domain.Fenced},
		{"a later claim", change(func(c *domain.Checkpoint) { c.Token[0], c.Epoch = 9, 3 }), domain.Fenced, domain.Fenced},
		{"an earlier seq", change(func(c *domain.Checkpoint) { c.Seq = 2 }), 0, domain.SetBack},
		{"another pass", change(func(c *domain.Checkpoint) { c.Pass = 2 }), 0, domain.SetBack},
		{"another position", change(func(c *domain.Checkpoint) { c.Offset = 20 }), 0, domain.SetBack},
		{"another cursor", change(func(c *domain.Checkpoint) { c.Cursor = "d" }), 0, domain.SetBack},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if err := at.CheckClaim(tt.durable); (err != nil) != (tt.claim != 0) || (err != nil && domain.KindOf(err) != tt.claim) {
				t.Errorf("CheckClaim: %v", err)
			}
			if err := at.CheckMove(tt.durable); (err != nil) != (tt.move != 0) || (err != nil && domain.KindOf(err) != tt.move) {
				t.Errorf("CheckMove: %v", err)
			}
		})
	}
}

func TestCountsBalanced(t *testing.T) {
	t.Parallel()
	balanced := domain.Counts{Received: 6, Inserted: 1, Duplicate: 2, Parked: 3}
	if !balanced.Balanced() || !balanced.Add(balanced).Balanced() || balanced.Sub(balanced) != (domain.Counts{}) {
		t.Error("a balanced tally does not stay so")
	}
	if (domain.Counts{Received: 1}).Balanced() {
		t.Error("a lost record balances")
	}
}
