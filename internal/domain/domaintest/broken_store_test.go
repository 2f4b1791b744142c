package domaintest_test

import (
	"context"
	"errors"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// broken is a store with one fault.
type broken struct {
	domain.EventStore

	commit func(ctx context.Context, b domain.Batch) (domain.CommitResult, error)
	claim  func(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error)

	checkpoint func(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error)
}

func (s *broken) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	if s.checkpoint == nil {
		return s.EventStore.Checkpoint(ctx, stream)
	}
	return s.checkpoint(ctx, stream)
}

func (s *broken) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	if s.commit == nil {
		return s.EventStore.Commit(ctx, b)
	}
	return s.commit(ctx, b)
}

func (s *broken) Claim(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
	if s.claim == nil {
		return s.EventStore.Claim(ctx, stream, origin)
	}
	return s.claim(ctx, stream, origin)
}

// TestBrokenStoresFail shows that the contract tells a sound store from an unsound one.
func TestBrokenStoresFail(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		breakIt func(*domaintest.MemStore, *domaintest.MemDatabase) *broken
		caught  string // the check that must fail
	}{
		{
			"the fence looks at the seq alone",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					at, _ := s.Checkpoint(ctx, b.At.Stream)
					b.At.Epoch, b.At.Token = at.Epoch, at.Token
					return s.Commit(ctx, b)
				}}
			},
			"a stale runner writes nothing",
		},
		{
			"the fence looks at the epoch alone",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					at, _ := s.Checkpoint(ctx, b.At.Stream)
					b.At.Seq, b.At.Position = at.Seq, at.Position
					return s.Commit(ctx, b)
				}}
			},
			"the same batch again is refused and writes nothing",
		},
		{
			"the last event of a page is dropped",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					if events := b.Pages[0].Events; len(events) > 0 {
						b.Pages[0].Events = events[:len(events)-1]
					}
					return s.Commit(ctx, b)
				}}
			},
			"a commit stores every value and moves the checkpoint",
		},
		{
			"pages are committed one by one",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (res domain.CommitResult, err error) {
					for _, page := range b.Pages {
						res, err = s.Commit(ctx, domain.Batch{At: b.At, Pages: []domain.DecodedPage{page}})
						if err != nil {
							return res, err
						}
						b.At = res.Checkpoint
					}
					return res, nil
				}}
			},
			"a page with more letters than it may add writes nothing",
		},
		{
			"the last event is that of the batch's first page",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					res, err := s.Commit(ctx, b)
					if events := b.Pages[0].Events; len(events) > 0 {
						res.Checkpoint.LastEventAt = events[len(events)-1].OccurredAt
					}
					return res, err
				}}
			},
			"the last event is that of the last page that has one",
		},
		{
			"a batch's pages all follow the page before the batch",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					for i := range b.Pages {
						b.Pages[i].From.Cursor = b.Pages[0].From.Cursor
					}
					return s.Commit(ctx, b)
				}}
			},
			"each page names the page that led to it",
		},
		{
			"a bad record is dropped",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					b.Pages[0].Rejects = nil
					return s.Commit(ctx, b)
				}}
			},
			"a reject is parked with its bytes",
		},
		{
			"what comes again with other values passes for the same",
			func(s *domaintest.MemStore, db *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					stored := db.Events()
					for i := range b.Pages[0].Events {
						e := &b.Pages[0].Events[i]
						if known, ok := stored[e.ID]; ok {
							e.Event = known
						}
						stored[e.ID] = e.Event
					}
					return s.Commit(ctx, b)
				}}
			},
			"the same id with other values is a conflict and the first one stays",
		},
		{
			"duplicates are derived from what came in",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					res, err := s.Commit(ctx, b)
					res.Counts.Duplicate = 0
					return res, err
				}}
			},
			"an event twice in one page is counted twice and stored once",
		},
		{
			"no early lock",
			func(s *domaintest.MemStore, db *domaintest.MemDatabase) *broken {
				return &broken{claim: func(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
					at, err := s.Claim(ctx, stream, origin)
					db.Sever(s)
					return at, err
				}}
			},
			"a second runner is told at once",
		},
		{
			"the fence counts epochs and knows no token",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					at, _ := s.Checkpoint(ctx, b.At.Stream)
					if at.Epoch == b.At.Epoch && at.Seq == b.At.Seq {
						b.At = at
					}
					return s.Commit(ctx, b)
				}}
			},
			"a runner that lived through a restored backup is fenced by a later claim",
		},
		{
			"the checkpoint's token is not read, so that a lost COMMIT is settled by the epoch",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				var mine domain.UUID
				return &broken{
					claim: func(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
						at, err := s.Claim(ctx, stream, origin)
						mine = at.Token
						return at, err
					},
					checkpoint: func(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
						at, err := s.Checkpoint(ctx, stream)
						at.Token = mine
						return at, err
					},
				}
			},
			"the checkpoint names the claim that holds it",
		},
		{
			"an end is believed on a single answer",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					b.Pages[len(b.Pages)-1].End.Confirmed = true
					return s.Commit(ctx, b)
				}}
			},
			"an end is believed as far as the rows go",
		},
		{
			"a claim keeps the epoch",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				claimed := false
				return &broken{claim: func(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
					if claimed {
						return s.Checkpoint(ctx, stream)
					}
					claimed = true
					return s.Claim(ctx, stream, origin)
				}}
			},
			"every claim is a new epoch",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := errors.New("no such check")
			for _, check := range domaintest.StoreChecks() {
				if check.Name == tt.caught {
					err = check.Run(t.Context(), onMemory(func(s *domaintest.MemStore, db *domaintest.MemDatabase) domain.EventStore {
						b := tt.breakIt(s, db)
						b.EventStore = s
						return b
					}))
				}
			}
			if err == nil {
				t.Errorf("check %q passes", tt.caught)
			} else if err.Error() == "no such check" {
				t.Errorf("%v: %q", err, tt.caught)
			}
		})
	}
}
