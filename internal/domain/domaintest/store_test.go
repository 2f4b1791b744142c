package domaintest_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// newStoreUnderTest returns a new MemDatabase. wrap may replace the MemStore of each runner, or return it unchanged.
func newStoreUnderTest(wrap func(*domaintest.MemStore, *domaintest.MemDatabase) domain.EventStore) domaintest.StoreUnderTest {
	return newStoreOn(domaintest.NewMemDatabase(), wrap)
}

func newStoreOn(
	db *domaintest.MemDatabase, wrap func(*domaintest.MemStore, *domaintest.MemDatabase) domain.EventStore,
) domaintest.StoreUnderTest {
	memStores := map[domain.EventStore]*domaintest.MemStore{}
	return domaintest.StoreUnderTest{
		Open: func() domain.EventStore {
			mem := db.Store()
			s := wrap(mem, db)
			memStores[s] = mem
			return s
		},
		Sever: func(_ context.Context, s domain.EventStore) error {
			db.Sever(memStores[s])
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
}

func TestMemStore(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.StoreChecks(), func(*testing.T) domaintest.StoreUnderTest {
		return newStoreUnderTest(func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore { return s })
	})
}

func TestMemReplays(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ReplayChecks(), func(*testing.T) domaintest.ReplayUnderTest {
		db := domaintest.NewMemDatabase()
		plain := func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore { return s }
		return domaintest.ReplayUnderTest{StoreUnderTest: newStoreOn(db, plain), Replays: db.Replays(99)}
	})
}

// A broken is a store with one fault.
type broken struct {
	domain.EventStore

	commit func(ctx context.Context, b domain.Batch) (domain.CommitResult, error)
	claim  func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error)

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

func (s *broken) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if s.claim == nil {
		return s.EventStore.Claim(ctx, stream, sourceURL)
	}
	return s.claim(ctx, stream, sourceURL)
}

// TestStoreChecks_BrokenStores shows that each fault of a store fails a check.
func TestStoreChecks_BrokenStores(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		breakIt func(*domaintest.MemStore, *domaintest.MemDatabase) *broken
		caught  string // the check that must fail
	}{
		{
			"the fence checks only the seq",
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
			"the fence checks only the epoch",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					at, _ := s.Checkpoint(ctx, b.At.Stream)
					b.At.Seq, b.At.Position = at.Seq, at.Position
					return s.Commit(ctx, b)
				}}
			},
			"the same batch again writes nothing",
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
			"a page with too many new dead letters writes nothing",
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
			"an event with other values counts as duplicate",
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
			"duplicates in the page are not counted",
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
			"a claim takes no lock",
			func(s *domaintest.MemStore, db *domaintest.MemDatabase) *broken {
				return &broken{claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
					at, err := s.Claim(ctx, stream, sourceURL)
					db.Sever(s)
					return at, err
				}}
			},
			"a second runner is fenced at once",
		},
		{
			"the fence ignores the token",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					at, _ := s.Checkpoint(ctx, b.At.Stream)
					if at.Epoch == b.At.Epoch && at.Seq == b.At.Seq {
						b.At = at
					}
					return s.Commit(ctx, b)
				}}
			},
			"after a restored backup a later claim fences the old runner",
		},
		{
			"the checkpoint has the token of the own claim",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				var own domain.UUID
				return &broken{
					claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
						at, err := s.Claim(ctx, stream, sourceURL)
						own = at.Token
						return at, err
					},
					checkpoint: func(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
						at, err := s.Checkpoint(ctx, stream)
						at.Token = own
						return at, err
					},
				}
			},
			"the checkpoint names the claim that holds it",
		},
		{
			"an end is accepted without confirmation",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				return &broken{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					b.Pages[len(b.Pages)-1].End.Confirmed = true
					return s.Commit(ctx, b)
				}}
			},
			"an end is checked against the stored rows",
		},
		{
			"a claim keeps the epoch",
			func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *broken {
				claimed := false
				return &broken{claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
					if claimed {
						return s.Checkpoint(ctx, stream)
					}
					claimed = true
					return s.Claim(ctx, stream, sourceURL)
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
					err = check.Run(t.Context(), newStoreUnderTest(func(s *domaintest.MemStore, db *domaintest.MemDatabase) domain.EventStore {
						b := tt.breakIt(s, db)
						b.EventStore = s
						return b
					}))
				}
			}
			if err == nil {
				t.Errorf("check %q passes, want an error", tt.caught)
			} else if err.Error() == "no such check" {
				t.Errorf("%v: %q", err, tt.caught)
			}
		})
	}
}

// TestStoreChecks_KeyByIDOnly: a store that counts all records of an event as one dead letter fails.
func TestStoreChecks_KeyByIDOnly(t *testing.T) {
	t.Parallel()
	for _, caught := range []string{
		"different records of one event are different dead letters",
		"a record that differs from a resolved dead letter is a new one",
		"an event has a limited number of open dead letters",
	} {
		checks := domaintest.StoreChecks()
		at := slices.IndexFunc(checks, func(c domaintest.Check[domaintest.StoreUnderTest]) bool { return c.Name == caught })
		if at < 0 {
			t.Fatalf("there is no check %q", caught)
		}
		err := checks[at].Run(t.Context(), newStoreUnderTest(func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore {
			return &broken{EventStore: s, commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
				for i := range b.Pages {
					b.Pages[i].Hash = func(domain.Record) domain.RecordHash { return domain.RecordHash{} }
				}
				return s.Commit(ctx, b)
			}}
		}))
		if err == nil {
			t.Errorf("check %q passes, want an error", caught)
		}
	}
}
