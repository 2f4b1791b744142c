package domain_test

import (
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

func total(n int64) domain.Total { return domain.Total{N: n, Known: true} }

func TestPlaceAfter(t *testing.T) {
	t.Parallel()
	fetched := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := domain.Place{
		Pass: 2, Position: 10, Furthest: 500, Cursor: "a", AnnouncedFirst: total(900), AnnouncedLast: total(900),
		CursorExpiresAt: fetched,
	}
	page := domain.Page{
		Records: make([]domain.Record, 5), Next: "b", ExpiresIn: time.Minute, Total: total(901),
		Receipt: domain.Receipt{FetchedAt: fetched},
	}
	want := domain.Place{
		Pass: 2, Position: 15, Furthest: 500, Cursor: "b", CursorExpiresAt: fetched.Add(time.Minute),
		AnnouncedFirst: total(900), AnnouncedLast: total(901),
	}
	if got := at.After(page); got != want {
		t.Errorf("After = %+v, want %+v", got, want)
	}

	last := domain.Page{Records: make([]domain.Record, 495), Last: true}
	want = domain.Place{Pass: 2, Position: 505, Furthest: 505, Done: true, AnnouncedFirst: total(900), AnnouncedLast: total(900)}
	if got := at.After(last); got != want {
		t.Errorf("After the last page = %+v, want %+v", got, want)
	}
}

func TestNextPassKeepsOnlyHowFarItWent(t *testing.T) {
	t.Parallel()
	at := domain.Place{Pass: 3, Position: 7, Furthest: 70, Cursor: "c", Done: true, AnnouncedFirst: total(9), AnnouncedLast: total(9)}
	if got, want := at.NextPass(), (domain.Place{Pass: 4, Furthest: 70}); got != want {
		t.Errorf("NextPass = %+v, want %+v", got, want)
	}
}

func TestExpectsTheSmallerTotal(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		first, last domain.Total
		want        domain.Total
	}{
		{"nobody announced one", domain.Total{}, domain.Total{}, domain.Total{}},
		{"it stayed", total(10), total(10), total(10)},
		{"it grew", total(10), total(12), total(10)},
		{"it shrank", total(10), total(8), total(8)},
		{"an empty stream", total(0), total(0), total(0)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := (domain.Place{AnnouncedFirst: tt.first, AnnouncedLast: tt.last}).Expects(); got != tt.want {
				t.Errorf("Expects = %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestTallyBalanced(t *testing.T) {
	t.Parallel()
	balanced := domain.Tally{Received: 6, Inserted: 1, Duplicate: 2, Parked: 3}
	if !balanced.Balanced() || !balanced.Add(balanced).Balanced() || balanced.Sub(balanced) != (domain.Tally{}) {
		t.Error("a balanced tally does not stay so")
	}
	if (domain.Tally{Received: 1}).Balanced() {
		t.Error("a lost record balances")
	}
}
