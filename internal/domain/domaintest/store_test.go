package domaintest_test

import (
	"context"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A wrapFunc returns the store that a check uses instead of the MemStore of a runner. It may return the MemStore itself.
type wrapFunc func(*domaintest.MemStore, *domaintest.MemDatabase) domain.EventStore

// useUnchanged is a wrapFunc that returns the MemStore itself.
func useUnchanged(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore { return s }

// newStoreUnderTest returns access to a MemDatabase, with the stores that wrap returns.
func newStoreUnderTest(db *domaintest.MemDatabase, wrap wrapFunc) domaintest.StoreUnderTest {
	memStores := map[domain.EventStore]*domaintest.MemStore{} // by the store that wrap returned
	return domaintest.StoreUnderTest{
		Open: func() domain.EventStore {
			mem := db.Store()
			s := wrap(mem, db)
			memStores[s] = mem
			return s
		},
		CutConnections: func(_ context.Context, s domain.EventStore) error {
			db.CutConnections(memStores[s])
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
		return newStoreUnderTest(domaintest.NewMemDatabase(), useUnchanged)
	})
}

func TestMemReplays(t *testing.T) {
	t.Parallel()
	domaintest.RunChecks(t, domaintest.ReplayChecks(), func(*testing.T) domaintest.ReplayUnderTest {
		const maxLetters = 99 // more dead letters than a check parks
		db := domaintest.NewMemDatabase()
		return domaintest.ReplayUnderTest{StoreUnderTest: newStoreUnderTest(db, useUnchanged), ReplayStore: db.Replays(maxLetters)}
	})
}

// A brokenStore is a store with one fault. A method uses the function with its name instead of the EventStore, unless the function
// is nil.
type brokenStore struct {
	domain.EventStore

	commit     func(ctx context.Context, b domain.Batch) (domain.CommitResult, error)
	claim      func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error)
	checkpoint func(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error)
}

func (s *brokenStore) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	if s.checkpoint == nil {
		return s.EventStore.Checkpoint(ctx, stream)
	}
	return s.checkpoint(ctx, stream)
}

func (s *brokenStore) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	if s.commit == nil {
		return s.EventStore.Commit(ctx, b)
	}
	return s.commit(ctx, b)
}

func (s *brokenStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if s.claim == nil {
		return s.EventStore.Claim(ctx, stream, sourceURL)
	}
	return s.claim(ctx, stream, sourceURL)
}

// TestStoreChecks_BrokenStores checks that each fault of a store fails the check that is about this fault.
func TestStoreChecks_BrokenStores(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		broken func(*domaintest.MemStore, *domaintest.MemDatabase) *brokenStore
		caught string // the check that must fail
	}{
		{
			name: "the fence checks only the seq",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					durable, _ := s.Checkpoint(ctx, b.Start.Stream)
					b.Start.Epoch, b.Start.Token = durable.Epoch, durable.Token // so that the claim never differs
					return s.Commit(ctx, b)
				}}
			},
			caught: "a stale runner writes nothing",
		},
		{
			name: "the fence checks only the epoch",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					durable, _ := s.Checkpoint(ctx, b.Start.Stream)
					b.Start.Seq, b.Start.Position = durable.Seq, durable.Position // so that the position never differs
					return s.Commit(ctx, b)
				}}
			},
			caught: "a second batch from the same checkpoint writes nothing",
		},
		{
			name: "the last event of a page is dropped",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					if events := b.Pages[0].Events; len(events) > 0 {
						b.Pages[0].Events = events[:len(events)-1]
					}
					return s.Commit(ctx, b)
				}}
			},
			caught: "a commit stores every value and moves the checkpoint",
		},
		{
			name: "pages are committed one by one",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (res domain.CommitResult, err error) {
					for _, page := range b.Pages {
						res, err = s.Commit(ctx, domain.Batch{Start: b.Start, Pages: []domain.DecodedPage{page}})
						if err != nil {
							return res, err
						}
						b.Start = res.Checkpoint
					}
					return res, nil
				}}
			},
			caught: "a page with too many new dead letters writes nothing",
		},
		{
			name: "the last event is taken from the first page of the batch",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					res, err := s.Commit(ctx, b)
					if events := b.Pages[0].Events; len(events) > 0 {
						res.Checkpoint.LastEventAt = events[len(events)-1].OccurredAt
					}
					return res, err
				}}
			},
			caught: "the last event is the last one of the last page with events",
		},
		{
			name: "all pages of a batch have the same parent",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					for i := range b.Pages {
						b.Pages[i].From.Cursor = b.Pages[0].From.Cursor
					}
					return s.Commit(ctx, b)
				}}
			},
			caught: "each page names its parent page",
		},
		{
			name: "rejects are dropped",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					b.Pages[0].Rejects = nil
					return s.Commit(ctx, b)
				}}
			},
			caught: "a reject is parked with its bytes",
		},
		{
			name: "an event with other values counts as duplicate",
			broken: func(s *domaintest.MemStore, db *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					stored := db.Events()
					for i := range b.Pages[0].Events {
						e := &b.Pages[0].Events[i]
						if first, ok := stored[e.ID]; ok {
							e.Event = first
						}
						stored[e.ID] = e.Event
					}
					return s.Commit(ctx, b)
				}}
			},
			caught: "a stored id with other values is a conflict and the stored event stays",
		},
		{
			name: "duplicates are not counted",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					res, err := s.Commit(ctx, b)
					res.Counts.Duplicate = 0
					return res, err
				}}
			},
			caught: "an event twice in one page is counted twice and stored once",
		},
		{
			name: "a claim takes no lock",
			broken: func(s *domaintest.MemStore, db *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
					checkpoint, err := s.Claim(ctx, stream, sourceURL)
					db.CutConnections(s) // releases the lock that Claim has taken
					return checkpoint, err
				}}
			},
			caught: "a second runner is fenced at once",
		},
		{
			name: "the fence ignores the token",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					durable, _ := s.Checkpoint(ctx, b.Start.Stream)
					if durable.Epoch == b.Start.Epoch && durable.Seq == b.Start.Seq {
						b.Start = durable // so that the token never differs
					}
					return s.Commit(ctx, b)
				}}
			},
			caught: "after a restored backup a new claim fences the old runner",
		},
		{
			name: "the checkpoint always has the token of the runner that asks",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				var own domain.UUID
				return &brokenStore{
					claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
						checkpoint, err := s.Claim(ctx, stream, sourceURL)
						own = checkpoint.Token
						return checkpoint, err
					},
					checkpoint: func(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
						checkpoint, err := s.Checkpoint(ctx, stream)
						checkpoint.Token = own
						return checkpoint, err
					},
				}
			},
			caught: "the checkpoint has the token of the newest claim",
		},
		{
			name: "an end is accepted without confirmation",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
					b.Pages[len(b.Pages)-1].End.Confirmed = true // so that the check of the end always succeeds
					return s.Commit(ctx, b)
				}}
			},
			caught: "an end is checked against the stored rows",
		},
		{
			name: "a second claim does not change the epoch",
			broken: func(s *domaintest.MemStore, _ *domaintest.MemDatabase) *brokenStore {
				claimed := false
				return &brokenStore{claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
					if claimed {
						return s.Checkpoint(ctx, stream)
					}
					claimed = true
					return s.Claim(ctx, stream, sourceURL)
				}}
			},
			caught: "every claim is a new epoch",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			breakStore := func(s *domaintest.MemStore, db *domaintest.MemDatabase) domain.EventStore {
				broken := tt.broken(s, db)
				broken.EventStore = s
				return broken
			}
			wantCheckFails(t, domaintest.StoreChecks(), tt.caught, newStoreUnderTest(domaintest.NewMemDatabase(), breakStore))
		})
	}
}

// TestStoreChecks_KeyByIDOnly checks that a store fails if it takes all rejects of one event for the same dead letter. The store in
// this test gets the same hash for every record, so that keys differ by the event id only.
func TestStoreChecks_KeyByIDOnly(t *testing.T) {
	t.Parallel()
	for _, caught := range []string{
		"different records of one event are different dead letters",
		"a record that differs from a resolved dead letter is a new dead letter",
		"an event has a limited number of open dead letters",
	} {
		breakStore := func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore {
			return &brokenStore{EventStore: s, commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
				for i := range b.Pages {
					b.Pages[i].Hash = func(domain.Record) domain.RecordHash { return domain.RecordHash{} }
				}
				return s.Commit(ctx, b)
			}}
		}
		wantCheckFails(t, domaintest.StoreChecks(), caught, newStoreUnderTest(domaintest.NewMemDatabase(), breakStore))
	}
}
