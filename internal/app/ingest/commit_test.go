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

// A flakyStore replaces the first calls of its methods. Later calls go to the EventStore inside.
type flakyStore struct {
	domain.EventStore

	commitScript    []commitFunc // the functions that replace the first calls of Commit
	checkpointErrs  []error      // the errors of the first calls of Checkpoint
	claimErrs       []error      // the errors of the first calls of Claim
	commitCallCount int
}

func (s *flakyStore) Commit(ctx context.Context, batch domain.Batch) (domain.CommitResult, error) {
	s.commitCallCount++
	commit := func() (domain.CommitResult, error) { return s.EventStore.Commit(ctx, batch) }
	if len(s.commitScript) == 0 {
		return commit()
	}
	replacement := s.commitScript[0]
	s.commitScript = s.commitScript[1:]
	return replacement(commit)
}

func (s *flakyStore) Checkpoint(ctx context.Context, stream domain.StreamID) (domain.Checkpoint, error) {
	if len(s.checkpointErrs) > 0 {
		err := s.checkpointErrs[0]
		s.checkpointErrs = s.checkpointErrs[1:]
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Checkpoint(ctx, stream)
}

func (s *flakyStore) Claim(ctx context.Context, stream domain.StreamID, sourceURL string) (domain.Checkpoint, error) {
	if len(s.claimErrs) > 0 {
		err := s.claimErrs[0]
		s.claimErrs = s.claimErrs[1:]
		return domain.Checkpoint{}, err
	}
	return s.EventStore.Claim(ctx, stream, sourceURL)
}

// A commitFunc replaces one call of Commit. It may call commit, which commits the same batch to the EventStore inside.
type commitFunc = func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error)

func scriptedError(kind domain.Kind) error {
	return &domain.Error{Kind: kind, Op: "commit", Err: errors.New("scripted " + kind.String())}
}

// loseAnswer is a commitFunc that commits the batch, but loses the answer to COMMIT.
func loseAnswer(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	if _, err := commit(); err != nil {
		return domain.CommitResult{}, err
	}
	return domain.CommitResult{}, scriptedError(domain.Uncertain)
}

// loseCommit is a commitFunc that does not commit the batch. It returns the same error as loseAnswer.
func loseCommit(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, scriptedError(domain.Uncertain)
}

func succeed(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return commit()
}

func failTransiently(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
	return domain.CommitResult{}, scriptedError(domain.Transient)
}

// TestCommit_Failures checks that a run stores both pages once, even if calls of Commit or Checkpoint fail.
func TestCommit_Failures(t *testing.T) {
	t.Parallel()
	transient := scriptedError(domain.Transient)
	tests := []struct {
		name            string
		commits         []commitFunc
		checkpointErrs  []error
		wantCommitCalls int // for both pages together: two, and one more for each COMMIT that was not made
	}{
		{name: "two transient failures", commits: []commitFunc{failTransiently, failTransiently}, wantCommitCalls: 4},
		{name: "lost answer, so that no second COMMIT is needed", commits: []commitFunc{loseAnswer}, wantCommitCalls: 2},
		{name: "lost answer for the second page", commits: []commitFunc{succeed, loseAnswer}, wantCommitCalls: 2},
		{name: "lost COMMIT, so that a second COMMIT is needed", commits: []commitFunc{loseCommit}, wantCommitCalls: 3},
		{name: "lost COMMIT, then lost answer", commits: []commitFunc{loseCommit, loseAnswer}, wantCommitCalls: 3},
		{
			name:    "lost answer, and then two failures to read the checkpoint",
			commits: []commitFunc{loseAnswer}, checkpointErrs: []error{transient, transient}, wantCommitCalls: 2,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				store := &flakyStore{EventStore: f.store, commitScript: tt.commits, checkpointErrs: tt.checkpointErrs}
				f.store = store
				sum, err := f.run(t.Context(), newScript(t, page(4, "a", "1", "2"), lastPage(4, "3", "4")))
				if err != nil {
					t.Fatal(err)
				}
				f.wantStored(t, 1, 2, 3, 4)
				hasTwoPages := sum.Seq == 2 && sum.Pages == 2
				if want := (domain.Counts{Received: 4, Inserted: 4}); sum.Counts != want || !hasTwoPages {
					t.Errorf("got summary %+v, want seq 2, 2 pages and counts %+v", sum, want)
				}
				if store.commitCallCount != tt.wantCommitCalls {
					t.Errorf("got %d calls of Commit, want %d", store.commitCallCount, tt.wantCommitCalls)
				}
				if rows := len(f.db.Ledger()); rows != 2 {
					t.Errorf("got %d ledger rows, want 2", rows)
				}
			})
		})
	}
}

// TestCommit_LostAndOtherRunner checks that a run after a lost COMMIT does not mistake another runner's page for its own page. Both
// pages have the same seq, so only the token in the checkpoint differs.
func TestCommit_LostAndOtherRunner(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		memStore := f.db.Store()
		f.store = &flakyStore{EventStore: memStore, commitScript: []commitFunc{
			func(func() (domain.CommitResult, error)) (domain.CommitResult, error) {
				f.db.CutConnections(memStore) // so that the other runner can claim the stream
				newFixtureOn(f.db).runPart(t, head, page(9, "x", "9"))
				return domain.CommitResult{}, scriptedError(domain.Uncertain)
			},
		}}
		sum, err := f.run(t.Context(), newScript(t, page(2, "a", "1")))
		if domain.KindOf(err) != domain.Fenced || sum.Pages != 0 {
			t.Errorf("got %d pages, error %v; want none and Fenced", sum.Pages, err)
		}
		f.wantStored(t, 9)
	})
}

// TestRun_FencedDuringRequest checks that a run stores nothing after another runner has claimed the stream during a request.
func TestRun_FencedDuringRequest(t *testing.T) {
	t.Parallel()
	f := newFixture()
	memStore := f.db.Store()
	f.store = memStore
	source := newScript(t, page(4, "a", "1", "2"), lastPage(4, "3", "4")).during(2, func() {
		f.db.CutConnections(memStore) // so that the stream can be claimed
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

// TestCommit_CancelledDuringCommit checks that the end of ctx does not interrupt a commit that has begun, and that the run stops
// after this commit.
func TestCommit_CancelledDuringCommit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		ctx, cancel := context.WithCancel(t.Context())
		f.store = &flakyStore{EventStore: f.store, commitScript: []commitFunc{
			func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
				cancel()
				return commit()
			},
		}}
		sum, err := f.run(ctx, newScript(t, page(2, "a", "1")))
		if domain.KindOf(err) != domain.Stopped || sum.Seq != 1 {
			t.Errorf("got seq %d, error %v; want 1, Stopped", sum.Seq, err)
		}
		f.wantStored(t, 1)
	})
}

// TestRun_BackupRestoredDuringRequest checks that a run stores nothing after a backup of its database was restored. In the second
// case, another runner then claims the stream. The restored database counts from the same epoch, so both claims have the same epoch.
// The other runner also reaches the same seq. So only the token in the checkpoint differs.
func TestRun_BackupRestoredDuringRequest(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name        string
		otherRunner bool
		want        domain.Kind
	}{
		{name: "no other runner", otherRunner: false, want: domain.SetBack},
		{name: "another runner claims the stream", otherRunner: true, want: domain.Fenced},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFixture()
				f.runPart(t, head, page(6, "a", "1"))
				restore := f.db.Backup()
				source := newScript(t, page(6, "b", "2"), page(6, "c", "3"), lastPage(6, "4", "5", "6"))
				source.startingAt("a").during(3, func() {
					restore()
					if tt.otherRunner {
						newFixtureOn(f.db).runPart(t, "a", page(6, "x", "2", "7"), page(6, "y", "8"))
					}
				})
				sum, err := f.run(t.Context(), source)
				if domain.KindOf(err) != tt.want || sum.Done {
					t.Errorf("got done %v, error %v; want not done, %s", sum.Done, err, tt.want)
				}
			})
		})
	}
}

// TestCommit_LostAndBackupRestored checks that a run after a lost answer does not mistake another runner's page for its own page. A
// backup is restored before the other runner begins, so both claims have the same epoch and both pages have the same seq.
func TestCommit_LostAndBackupRestored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFixture()
		restore := f.db.Backup()
		loseAnswerAndRestore := func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
			if _, err := commit(); err != nil {
				return domain.CommitResult{}, err
			}
			restore()
			newFixtureOn(f.db).runPart(t, head, page(9, "a", "9"))
			return domain.CommitResult{}, scriptedError(domain.Uncertain)
		}
		f.store = &flakyStore{EventStore: f.store, commitScript: []commitFunc{loseAnswerAndRestore}}
		sum, err := f.run(t.Context(), newScript(t, page(2, "a", "1")))
		if domain.KindOf(err) != domain.Fenced || sum.Pages != 0 {
			t.Errorf("got %d pages, error %v; want none and Fenced", sum.Pages, err)
		}
		f.wantStored(t, 9)
	})
}

// TestCommit_OtherPosition checks that the run stops if the store has a bug and moves the checkpoint to another position.
func TestCommit_OtherPosition(t *testing.T) {
	t.Parallel()
	f := newFixture()
	commitElsewhere := func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
		res, err := commit()
		res.Checkpoint.Offset++
		return res, err
	}
	f.store = &flakyStore{EventStore: f.store, commitScript: []commitFunc{commitElsewhere}}
	_, err := f.run(t.Context(), newScript(t, page(2, "a", "1")))
	if err == nil || domain.KindOf(err) != domain.Unknown {
		t.Errorf("got error %v, want kind Unknown", err)
	}
}

// TestRun_HoldSurvivesRestart checks that a run waits for the end of the hold that an earlier run has stored. Otherwise it would send a
// request that the API refuses. A run after the end of the hold must not wait.
func TestRun_HoldSurvivesRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hold = time.Minute
		f := newFixture()
		f.opts.Retry.MaxWait = time.Second // so that the first run ends at the refusal
		_, err := f.run(t.Context(), newScript(t, page(3, "a", "1"), domaintest.RefuseFor(hold)))
		domaintest.CheckKind(t, err, domain.RateLimited)

		f.opts.Retry.MaxWait = time.Hour
		began := time.Now()
		f.runPart(t, "a", page(3, "b", "2"))
		if took := time.Since(began); took != hold {
			t.Errorf("run during the hold: took %s, want %s", took, hold)
		}
		began = time.Now()
		if _, err := f.run(t.Context(), newScript(t, lastPage(3, "3")).startingAt("b")); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("run after the hold: took %s, want no wait", took)
		}
		f.wantStored(t, 1, 2, 3)
	})
}
