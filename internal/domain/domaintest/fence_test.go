package domaintest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestFence lets two runners, a replay and an operator take random steps on the store in memory. For more of them: -rapid.checks=10000.
func TestFence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		f := domaintest.NewFenceModel(newFenceUnderTest(domaintest.NewMemDatabase(), useUnchanged))
		rt.Repeat(map[string]func(*rapid.T){
			"": func(rt *rapid.T) {
				if err := f.Check(t.Context()); err != nil {
					rt.Fatal(err)
				}
			},
			"step": func(rt *rapid.T) {
				draw := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(rt, label) }
				switch err := f.Step(t.Context(), draw); {
				case errors.Is(err, domaintest.ErrNotPossible):
					rt.Skip()
				case err != nil:
					rt.Fatal(err)
				}
			},
		})
	})
}

// newFenceUnderTest returns access to a MemDatabase, with the stores that wrap returns.
func newFenceUnderTest(db *domaintest.MemDatabase, wrap wrapFunc) domaintest.FenceUnderTest {
	const maxLetters = 9999
	tested := newStoreUnderTest(db, func(s *domaintest.MemStore, db *domaintest.MemDatabase) domain.EventStore {
		return &losingStore{EventStore: wrap(s, db)}
	})
	return domaintest.FenceUnderTest{
		ReplayUnderTest: domaintest.ReplayUnderTest{StoreUnderTest: tested, ReplayStore: db.Replays(maxLetters)},
		Kill:            tested.CutConnections,
		LoseAnswer: func(s domain.EventStore, delivers bool) (cancel func()) {
			losing := s.(*losingStore)
			losing.loses, losing.delivers = true, delivers
			return func() { losing.loses = false }
		},
	}
}

// A losingStore loses the answer of a commit if loses is true.
type losingStore struct {
	domain.EventStore

	loses, delivers bool
}

func (s *losingStore) Commit(ctx context.Context, b domain.Batch) (res domain.CommitResult, err error) {
	if !s.loses || s.delivers {
		res, err = s.EventStore.Commit(ctx, b)
	}
	if s.loses && err == nil {
		return domain.CommitResult{}, &domain.Error{Kind: domain.Uncertain, Op: "commit", Err: errors.New("no answer")}
	}
	return res, err
}

// TestFence_BrokenStores checks that a FenceModel finds each fault of a store. Its random steps are the same each time.
func TestFence_BrokenStores(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		broken func(*domaintest.MemStore) *brokenStore
	}{
		{name: "the fence ignores the token", broken: func(s *domaintest.MemStore) *brokenStore {
			return commitFrom(s, func(start *domain.Checkpoint, durable domain.Checkpoint) { start.Token = durable.Token })
		}},
		{name: "the fence ignores the claim", broken: func(s *domaintest.MemStore) *brokenStore {
			return commitFrom(s, func(start *domain.Checkpoint, durable domain.Checkpoint) {
				start.Token, start.Epoch = durable.Token, durable.Epoch
			})
		}},
		{name: "the fence ignores the seq and the position", broken: func(s *domaintest.MemStore) *brokenStore {
			return commitFrom(s, func(start *domain.Checkpoint, durable domain.Checkpoint) {
				start.Seq, start.Position = durable.Seq, durable.Position
			})
		}},
		{name: "the announced pages are stored", broken: func(s *domaintest.MemStore) *brokenStore {
			return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
				b.Pages = slices.Concat(b.Pages, b.Next)
				return s.Commit(ctx, b)
			}}
		}},
		{name: "a stale runner's events are stored", broken: func(s *domaintest.MemStore) *brokenStore {
			return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
				res, err := s.Commit(ctx, b)
				if domain.KindOf(err) == domain.Fenced {
					b.Start, _ = s.Checkpoint(ctx, b.Start.Stream)
					_, _ = s.Commit(ctx, b)
				}
				return res, err
			}}
		}},
		{name: "a page is stored without its rejects", broken: func(s *domaintest.MemStore) *brokenStore {
			return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
				b.Pages = slices.Clone(b.Pages)
				b.Pages[0].Rejects = nil
				return s.Commit(ctx, b)
			}}
		}},
		{name: "a claim takes no lock", broken: func(s *domaintest.MemStore) *brokenStore {
			return &brokenStore{claim: func(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
				checkpoint, err := s.Claim(ctx, stream, sourceURL)
				s.Close()
				return checkpoint, err
			}}
		}},
		{name: "a look-up returns an old checkpoint", broken: func(s *domaintest.MemStore) *brokenStore {
			var before domain.Checkpoint
			return &brokenStore{checkpoint: func(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
				old := before
				var err error
				before, err = s.Checkpoint(ctx, stream)
				return old, err
			}}
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			const maxRuns = 200
			for seed := range uint64(maxRuns) {
				breakStore := func(s *domaintest.MemStore, _ *domaintest.MemDatabase) domain.EventStore {
					broken := tt.broken(s)
					broken.EventStore = s
					return broken
				}
				if runFence(t.Context(), newFenceUnderTest(domaintest.NewMemDatabase(), breakStore), seed) != nil {
					return
				}
			}
			t.Errorf("got no error in %d runs, want one", maxRuns)
		})
	}
}

// commitFrom returns a store that changes the start of each batch before its commit.
func commitFrom(s *domaintest.MemStore, change func(start *domain.Checkpoint, durable domain.Checkpoint)) *brokenStore {
	return &brokenStore{commit: func(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
		durable, _ := s.Checkpoint(ctx, b.Start.Stream)
		change(&b.Start, durable)
		return s.Commit(ctx, b)
	}}
}

// runFence takes random steps and returns the first error.
func runFence(ctx context.Context, db domaintest.FenceUnderTest, seed uint64) error {
	random := rand.New(rand.NewPCG(seed, 0))
	f := domaintest.NewFenceModel(db)
	draw := func(_ string, n int) int { return random.IntN(n) }
	const count = 60
	for range count {
		err := f.Step(ctx, draw)
		if errors.Is(err, domaintest.ErrNotPossible) {
			continue
		}
		if err == nil {
			err = f.Check(ctx)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
