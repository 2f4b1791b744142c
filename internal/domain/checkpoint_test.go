package domain_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// total returns an announced total of n records.
func total(n int64) domain.Total { return domain.Total{N: n, Known: true} }

// TestPositionAfter checks the position after a page in the middle of a pass, and after a last page without a total.
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

	lastPage := domain.Page{Records: make([]domain.Record, 495), Last: true} // it ends at 10+495, which is beyond MaxOffset
	want = domain.Position{Pass: 2, Offset: 505, MaxOffset: 505, Done: true, AnnouncedFirst: total(900), AnnouncedLast: total(900)}
	if got := position.After(lastPage); got != want {
		t.Errorf("After the last page: got %+v, want %+v", got, want)
	}
}

// TestPositionNextPass checks which values the next pass keeps.
func TestPositionNextPass(t *testing.T) {
	t.Parallel()
	position := domain.Position{
		Pass: 3, Offset: 7, MaxOffset: 70, Cursor: "c", Done: true, AnnouncedFirst: total(9), AnnouncedLast: total(9),
	}
	if got, want := position.NextPass(), (domain.Position{Pass: 4, MaxOffset: 70, MaxAnnounced: 9}); got != want {
		t.Errorf("NextPass: got %+v, want %+v", got, want)
	}
}

// TestCheckpointCheckMove checks CheckClaim and CheckMove with a durable checkpoint that has changed since the runner read it.
func TestCheckpointCheckMove(t *testing.T) {
	t.Parallel()
	read := domain.Checkpoint{
		Token: domain.UUID{1}, Epoch: 2, Seq: 3, Position: domain.Position{Pass: 1, Offset: 30, Cursor: "c"},
	}
	otherToken := domain.UUID{9}
	tests := []struct {
		name   string
		change func(durable *domain.Checkpoint) // made in the database after the runner read its checkpoint
		claim  domain.Kind                      // the wanted kind of CheckClaim's error
		move   domain.Kind                      // the wanted kind of CheckMove's error
	}{
		{name: "no change", change: func(*domain.Checkpoint) {}, claim: noError, move: noError},
		{name: "other counts", change: func(c *domain.Checkpoint) { c.Received, c.MaxOffset = 9, 99 }, claim: noError, move: noError},
		{
			name: "the stream is gone", change: func(c *domain.Checkpoint) { *c = domain.Checkpoint{} },
			claim: domain.SetBack, move: domain.SetBack,
		},
		{
			name: "an earlier claim", change: func(c *domain.Checkpoint) { c.Token, c.Epoch = otherToken, 1 },
			claim: domain.SetBack, move: domain.SetBack,
		},
		{
			name: "another claim with the same epoch", change: func(c *domain.Checkpoint) { c.Token = otherToken },
			claim: domain.Fenced, move: domain.Fenced,
		},
		{
			name: "a later claim", change: func(c *domain.Checkpoint) { c.Token, c.Epoch = otherToken, 3 },
			claim: domain.Fenced, move: domain.Fenced,
		},
		{name: "an earlier seq", change: func(c *domain.Checkpoint) { c.Seq = 2 }, claim: noError, move: domain.SetBack},
		{name: "another pass", change: func(c *domain.Checkpoint) { c.Pass = 2 }, claim: noError, move: domain.SetBack},
		{name: "another offset", change: func(c *domain.Checkpoint) { c.Offset = 20 }, claim: noError, move: domain.SetBack},
		{name: "another cursor", change: func(c *domain.Checkpoint) { c.Cursor = "d" }, claim: noError, move: domain.SetBack},
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

// TestCountsBalanced checks Balanced, Add and Sub.
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

// TestCheckpointCheckClaim_Moved checks that the error about a stream that the user has moved to another address says so, and does not speak of
// another runner.
func TestCheckpointCheckClaim_Moved(t *testing.T) {
	t.Parallel()
	read := domain.Checkpoint{SourceURL: "https://old.example", Token: domain.UUID{1}, Epoch: 2}
	moved, taken := read, read
	moved.SourceURL, moved.Token, moved.Epoch = "https://new.example", domain.UUID{9}, 3
	taken.Token, taken.Epoch = domain.UUID{9}, 3
	err := read.CheckClaim(moved)
	checkKind(t, "moved", err, domain.Fenced)
	if want := "it reads from https://new.example now, not from https://old.example"; !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want it to contain %q", err, want)
	}
	if hint := domain.HintOf(err); !strings.Contains(hint, "API_BASE_URL") {
		t.Errorf("got hint %q, want it to name API_BASE_URL", hint)
	}
	if err := read.CheckClaim(taken); !strings.Contains(err.Error(), "another runner") {
		t.Errorf("got %v, want it to name another runner", err)
	}
}
