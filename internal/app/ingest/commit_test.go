package ingest_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// A flakyStore fails chosen calls as networks and databases do.
type flakyStore struct {
	domain.EventStore

	commits    []commitFunc // of the first calls of Commit
	checkpoint []error
	claims     []error
	attempts   int
}

func (s *flakyStore) Commit(ctx context.Context, batch domain.Batch) (domain.CommitResult, error) {
	s.attempts++
	commit := func() (domain.CommitResult, error) { return s.EventStore.Commit(ctx, batch) }
	if len(s.commits) == 0 {
		return commit()
	}
	first := s.commits[0]
	s.commits = s.commits[1:]
	return first(commit)
}

func (s *flakyStore) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	if len(s.checkpoint) > 0 {
		err := s.checkpoint[0]
		s.checkpoint = s.checkpoint[1:]
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Checkpoint(ctx, stream)
}

func (s *flakyStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if len(s.claims) > 0 {
		err := s.claims[0]
		s.claims = s.claims[1:]
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Claim(ctx, stream, sourceURL)
}

// A commitFunc replaces a call of Commit. It may call commit to let it happen.
type commitFunc = func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error)

func scriptedError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "commit", Err: errors.New("scripted " + kind.String())}
}

// loseAnswer loses the answer to a COMMIT that happened; loseCommit loses the COMMIT itself.
func loseAnswer(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	if _, err := commit(); err != nil {
		return domain.CommitResult{}, err
	}
	return domain.CommitResult{}, scriptedError(domain.Uncertain)
}

func loseCommit(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, scriptedError(domain.Uncertain)
}

func succeed(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return commit()
}

func failOnce(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, scriptedError(domain.Transient)
}

func TestCommit_Failures(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name       string
		commits    []commitFunc
		checkpoint []error
		attempts   int // calls of Commit for the two pages
	}{
		{"a failure passes", []commitFunc{failOnce, failOnce}, nil, 4},
		{"the answer is lost: no second COMMIT", []commitFunc{loseAnswer}, nil, 2},
		{"the second page's answer is lost", []commitFunc{succeed, loseAnswer}, nil, 2},
		{"the COMMIT is lost: a second one", []commitFunc{loseCommit}, nil, 3},
		{"lost COMMIT, then lost answer", []commitFunc{loseCommit, loseAnswer}, nil, 3},
		{
			"lost answer, and the checkpoint cannot be read at first",
			[]commitFunc{loseAnswer},
			[]error{scriptedError(domain.Transient), scriptedError(domain.Transient)},
			2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				store := &flakyStore{EventStore: f.store, commits: tt.commits, checkpoint: tt.checkpoint}
				f.store = store
				sum, err := f.run(t.Context(), newScript(t, page(4, "a", "1", "2"), page(4, "", "3", "4")))
				if err != nil {
					t.Fatal(err)
				}
				f.wantStored(t, 1, 2, 3, 4)
				if sum.Counts != (domain.Counts{Received: 4, Inserted: 4}) || sum.Seq != 2 || sum.Pages != 2 {
					t.Errorf("got summary %+v", sum)
				}
				if store.attempts != tt.attempts || len(f.db.Ledger()) != 2 {
					t.Errorf("got %d attempts and %d ledger rows for two pages, want %d and 2", store.attempts, len(f.db.Ledger()), tt.attempts)
				}
			})
		})
	}
}

// TestCommit_LostAndOtherRunner shows why a seq alone is no fence: the other runner wrote the same seq with other pages.
func TestCommit_LostAndOtherRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		mem := f.db.Store()
		f.store = &flakyStore{EventStore: mem, commits: []commitFunc{
			func(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
				f.db.Sever(mem)
				other := newFixture()
				other.db, other.store = f.db, f.db.Store()
				if _, err := other.run(
					t.Context(), newScript(t, page(9, "x", "9"), domaintest.FailWith(domain.Invalid)),
				); domain.KindOf(err) != domain.Invalid {
					t.Error(err)
				}
				return domain.CommitResult{}, scriptedError(domain.Uncertain)
			},
		}}
		sum, err := f.run(t.Context(), newScript(t, page(2, "a", "1")))
		if domain.KindOf(err) != domain.Fenced || sum.Pages != 0 {
			t.Errorf("got %+v, %v", sum, err)
		}
		f.wantStored(t, 9)
	})
}

func TestRun_FencedMeanwhile(t *testing.T) {
	t.Parallel()
	f := newFixture()
	mem := f.db.Store()
	f.store = mem
	source := newScript(t, page(4, "a", "1", "2"), page(4, "", "3", "4")).during(2, func() {
		f.db.Sever(mem)
		if _, err := f.db.Store().Claim(t.Context(), stream, sourceURL); err != nil {
			t.Error(err)
		}
	})
	_, err := f.run(t.Context(), source)
	if domain.KindOf(err) != domain.Fenced {
		t.Fatalf("got error %v, want Fenced", err)
	}
	f.wantStored(t, 1, 2)
}

func TestCommit_FailsPermanently(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		store := &flakyStore{EventStore: f.store}
		for range 9 {
			store.commits = append(store.commits, failOnce)
		}
		f.store = store
		_, err := f.run(t.Context(), newScript(t, page(1, "", "1")))
		if domain.KindOf(err) != domain.Transient || store.attempts != 5 {
			t.Errorf("got %d attempts and %v, want 5 and Transient", store.attempts, err)
		}
		f.wantStored(t)
	})
}

func TestCommit_CancelledMeanwhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		ctx, cancel := context.WithCancel(t.Context())
		f.store = &flakyStore{EventStore: f.store, commits: []commitFunc{
			func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
				cancel()
				return commit()
			},
		}}
		sum, err := f.run(ctx, newScript(t, page(2, "a", "1")))
		if domain.KindOf(err) != domain.Stopped || sum.Seq != 1 {
			t.Errorf("got %+v, %v", sum, err)
		}
		f.wantStored(t, 1)
	})
}

// TestRun_BackupRestoredMeanwhile shows why a counted epoch is no fence. While this run waits, the other runner claims the
// same epoch and reaches the same seq with other pages.
func TestRun_BackupRestoredMeanwhile(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		other bool // another runner claims the stream after the backup was restored
		kind  domain.Kind
	}{
		{"no other runner", false, domain.SetBack},
		{"another runner claims the stream", true, domain.Fenced},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				if _, err := f.run(
					t.Context(), newScript(t, page(6, "a", "1"), domaintest.FailWith(domain.Invalid)),
				); domain.KindOf(err) != domain.Invalid {
					t.Fatal(err)
				}
				restore := f.db.Backup()
				thirdAnswer := page(6, "c", "3")
				source := newScript(t, page(6, "b", "2"), thirdAnswer, page(6, "", "4", "5", "6")).startingAt("a").during(3, func() {
					restore()
					if !tt.other {
						return
					}
					other := newFixture()
					other.db, other.store = f.db, f.db.Store()
					_, err := other.run(t.Context(),
						newScript(t, page(6, "x", "2", "7"), page(6, "y", "8"), domaintest.FailWith(domain.Invalid)).startingAt("a"))
					if domain.KindOf(err) != domain.Invalid {
						t.Error(err)
					}
				})
				sum, err := f.run(t.Context(), source)
				if domain.KindOf(err) != tt.kind || sum.Done {
					t.Errorf("got %+v, %v", sum, err)
				}
			})
		})
	}
}

// TestCommit_LostAndBackupRestored: epoch and seq are those of this run, and only the token proves that the commit is lost.
func TestCommit_LostAndBackupRestored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		restore := f.db.Backup()
		lost := func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
			if _, err := commit(); err != nil {
				return domain.CommitResult{}, err
			}
			restore()
			other := newFixture()
			other.db, other.store = f.db, f.db.Store()
			if _, err := other.run(
				t.Context(), newScript(t, page(9, "a", "9"), domaintest.FailWith(domain.Invalid)),
			); domain.KindOf(err) != domain.Invalid {
				t.Error(err)
			}
			return domain.CommitResult{}, scriptedError(domain.Uncertain)
		}
		f.store = &flakyStore{EventStore: f.store, commits: []commitFunc{lost}}
		sum, err := f.run(t.Context(), newScript(t, page(2, "a", "1")))
		if domain.KindOf(err) != domain.Fenced || sum.Pages != 0 {
			t.Errorf("got %+v, %v", sum, err)
		}
		f.wantStored(t, 9)
	})
}

// TestCommit_OtherPosition: a store that moves the checkpoint to another position has a bug, and the run must stop.
func TestCommit_OtherPosition(t *testing.T) {
	t.Parallel()
	f := newFixture()
	commitElsewhere := func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
		res, err := commit()
		res.Checkpoint.Offset++
		return res, err
	}
	f.store = &flakyStore{EventStore: f.store, commits: []commitFunc{commitElsewhere}}
	_, err := f.run(t.Context(), newScript(t, page(2, "a", "1")))
	if err == nil || domain.KindOf(err) != domain.Unknown {
		t.Errorf("got error %v, want kind Unknown", err)
	}
}

// TestRun_HoldSurvivesRestart: a run that a supervisor starts again must not send a request that the API would refuse.
func TestRun_HoldSurvivesRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		f.opts.Retry.MaxWait = time.Second
		_, err := f.run(t.Context(), newScript(t, page(3, "a", "1"), domaintest.RefuseFor(time.Minute)))
		if domain.KindOf(err) != domain.RateLimited {
			t.Fatal(err)
		}
		f = &fixture{db: f.db, store: f.store, opts: f.opts, seen: &observerLog{}}
		f.opts.Retry.MaxWait = time.Hour
		for _, next := range []struct {
			source *script
			wait   time.Duration
		}{
			{newScript(t, page(3, "b", "2"), domaintest.FailWith(domain.Invalid)).startingAt("a"), time.Minute},
			{newScript(t, page(3, "", "3")).startingAt("b"), 0},
		} {
			began := time.Now()
			_, _ = f.run(t.Context(), next.source)
			if took := time.Since(began); took != next.wait {
				t.Errorf("run took %s, want %s", took, next.wait)
			}
		}
		f.wantStored(t, 1, 2, 3)
	})
}
