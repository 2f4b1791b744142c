package ingest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A shaky store does to chosen calls what networks and databases do.
type shaky struct {
	domain.EventStore

	commits    []func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error)
	checkpoint []error
	claims     []error
	attempts   int
}

func (s *shaky) Commit(ctx context.Context, b domain.Batch) (domain.CommitResult, error) {
	s.attempts++
	commit := func() (domain.CommitResult, error) { return s.EventStore.Commit(ctx, b) }
	if len(s.commits) == 0 {
		return commit()
	}
	first := s.commits[0]
	s.commits = s.commits[1:]
	return first(commit)
}

func (s *shaky) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	if len(s.checkpoint) > 0 {
		err := s.checkpoint[0]
		s.checkpoint = s.checkpoint[1:]
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Checkpoint(ctx, stream)
}

func (s *shaky) Claim(ctx context.Context, stream domain.StreamID, origin string) (domain.Checkpoint, error) {
	if len(s.claims) > 0 {
		err := s.claims[0]
		s.claims = s.claims[1:]
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Claim(ctx, stream, origin)
}

func failed(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "commit", Err: errors.New("scripted " + kind.String())}
}

// happens loses the answer to a COMMIT that was carried out; vanishes loses the COMMIT itself.
func happens(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	if _, err := commit(); err != nil {
		return domain.CommitResult{}, err
	}
	return domain.CommitResult{}, failed(domain.Uncertain)
}

func vanishes(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, failed(domain.Uncertain)
}

func succeeds(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return commit()
}

func breaks(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, failed(domain.Transient)
}

func TestCommitsThatGoWrong(t *testing.T) {
	t.Parallel()
	type commit = func(func() (domain.CommitResult, error)) (domain.CommitResult, error)
	tests := []struct {
		name       string
		commits    []commit
		checkpoint []error
		attempts   int // calls of Commit for the two pages
	}{
		{"a failure passes", []commit{breaks, breaks}, nil, 4},
		{"a lost COMMIT that happened is not repeated", []commit{happens}, nil, 2},
		{"the second page's", []commit{succeeds, happens}, nil, 2},
		{"a lost COMMIT that did not is", []commit{vanishes}, nil, 3},
		{"lost twice", []commit{vanishes, happens}, nil, 3},
		{"lost, and the database is away when asked", []commit{happens}, []error{failed(domain.Transient), failed(domain.Transient)}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				store := &shaky{EventStore: b.store, commits: tt.commits, checkpoint: tt.checkpoint}
				b.store = store
				sum, err := b.run(t.Context(), says(t, of(4, "a", "1", "2"), of(4, "", "3", "4")))
				if err != nil {
					t.Fatal(err)
				}
				b.wantStored(t, 1, 2, 3, 4)
				if sum.Counts != (domain.Counts{Received: 4, Inserted: 4}) || sum.Seq != 2 || sum.Pages != 2 {
					t.Errorf("summary %+v", sum)
				}
				if store.attempts != tt.attempts || len(b.db.Ledger()) != 2 {
					t.Errorf("%d attempts and %d ledger rows for two pages, want %d and 2", store.attempts, len(b.db.Ledger()), tt.attempts)
				}
			})
		})
	}
}

// TestALostCommitAndAnotherRunner is why a seq alone is no fence: the other runner wrote the same seq with other pages.
func TestALostCommitAndAnotherRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		mem := b.db.Store()
		b.store = &shaky{EventStore: mem, commits: []func(func() (domain.CommitResult, error)) (domain.CommitResult, error){
			func(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
				b.db.Sever(mem)
				other := newBench()
				other.db, other.store = b.db, b.db.Store()
				if _, err := other.run(t.Context(), says(t, of(9, "x", "9"), domaintest.FailWith(domain.Invalid))); domain.KindOf(err) != domain.Invalid {
					t.Error(err)
				}
				return domain.CommitResult{}, failed(domain.Uncertain)
			},
		}}
		sum, err := b.run(t.Context(), says(t, of(2, "a", "1")))
		if domain.KindOf(err) != domain.Fenced || sum.Pages != 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		b.wantStored(t, 9)
	})
}

func TestAFencedRunnerStops(t *testing.T) {
	t.Parallel()
	b := newBench()
	mem := b.db.Store()
	b.store = mem
	source := says(t, of(4, "a", "1", "2"), of(4, "", "3", "4")).meanwhile(2, func() {
		b.db.Sever(mem)
		if _, err := b.db.Store().Claim(t.Context(), stream, origin); err != nil {
			t.Error(err)
		}
	})
	_, err := b.run(t.Context(), source)
	if domain.KindOf(err) != domain.Fenced {
		t.Fatalf("it ended with %v", err)
	}
	b.wantStored(t, 1, 2)
}

func TestACommitThatKeepsFailingIsFinal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		store := &shaky{EventStore: b.store}
		for range 9 {
			store.commits = append(store.commits, breaks)
		}
		b.store = store
		_, err := b.run(t.Context(), says(t, of(1, "", "1")))
		if domain.KindOf(err) != domain.Transient || store.attempts != 5 {
			t.Errorf("after %d attempts %v", store.attempts, err)
		}
		b.wantStored(t)
	})
}

func TestASignalDoesNotCutACommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		ctx, cancel := context.WithCancel(t.Context())
		b.store = &shaky{EventStore: b.store, commits: []func(func() (domain.CommitResult, error)) (domain.CommitResult, error){
			func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
				cancel()
				return commit()
			},
		}}
		sum, err := b.run(ctx, says(t, of(2, "a", "1")))
		if domain.KindOf(err) != domain.Stopped || sum.Seq != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
		b.wantStored(t, 1)
	})
}
