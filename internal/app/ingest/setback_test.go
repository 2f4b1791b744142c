package ingest_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
	"github.com/pawldata/pawl/internal/domain/domaintest"
)

// TestABackupIsRestoredUnderARun is why a counted epoch is no fence: the other runner claims the same epoch and reaches the
// same seq with other pages while this one waits for the rate limit.
func TestABackupIsRestoredUnderARun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		other bool // another runner claims the stream after the backup was restored
		kind  domain.Kind
	}{
		{"and nobody else comes", false, domain.SetBack},
		{"and another runner comes", true, domain.Fenced},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				b := newBench()
				if _, err := b.run(t.Context(), says(t, of(6, "a", "1"), domaintest.FailWith(domain.Invalid))); domain.KindOf(err) != domain.Invalid {
					t.Fatal(err)
				}
				restore := b.db.Backup()
				late := of(6, "c", "3")
				source := says(t, of(6, "b", "2"), late, of(6, "", "4", "5", "6")).from("a").meanwhile(3, func() {
					restore()
					if !tt.other {
						return
					}
					other := newBench()
					other.db, other.store = b.db, b.db.Store()
					_, err := other.run(t.Context(), says(t, of(6, "x", "2", "7"), of(6, "y", "8"), domaintest.FailWith(domain.Invalid)).from("a"))
					if domain.KindOf(err) != domain.Invalid {
						t.Error(err)
					}
				})
				sum, err := b.run(t.Context(), source)
				if domain.KindOf(err) != tt.kind || sum.Done {
					t.Errorf("%+v, %v", sum, err)
				}
			})
		})
	}
}

// TestALostCommitAndARestoredBackup settles the doubt by the token: epoch and seq are those of this run.
func TestALostCommitAndARestoredBackup(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		restore := b.db.Backup()
		lost := func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
			if _, err := commit(); err != nil {
				return domain.CommitResult{}, err
			}
			restore()
			other := newBench()
			other.db, other.store = b.db, b.db.Store()
			if _, err := other.run(t.Context(), says(t, of(9, "a", "9"), domaintest.FailWith(domain.Invalid))); domain.KindOf(err) != domain.Invalid {
				t.Error(err)
			}
			return domain.CommitResult{}, failed(domain.Uncertain)
		}
		b.store = &shaky{EventStore: b.store, commits: []func(func() (domain.CommitResult, error)) (domain.CommitResult, error){lost}}
		sum, err := b.run(t.Context(), says(t, of(2, "a", "1")))
		if domain.KindOf(err) != domain.Fenced || sum.Pages != 0 {
			t.Errorf("%+v, %v", sum, err)
		}
		b.wantStored(t, 9)
	})
}

// TestAStoreThatCommitsElsewhereIsNotFollowed is a bug to report: what was committed is not what the run has read.
func TestAStoreThatCommitsElsewhereIsNotFollowed(t *testing.T) {
	t.Parallel()
	b := newBench()
	elsewhere := func(commit func() (domain.CommitResult, error)) (domain.CommitResult, error) {
		res, err := commit()
		res.Checkpoint.Offset++
		return res, err
	}
	b.store = &shaky{EventStore: b.store, commits: []func(func() (domain.CommitResult, error)) (domain.CommitResult, error){elsewhere}}
	_, err := b.run(t.Context(), says(t, of(2, "a", "1")))
	if err == nil || domain.KindOf(err) != domain.Unknown {
		t.Errorf("it ended with %v", err)
	}
}

// TestARateLimitSurvivesARestart spares a run that a supervisor starts again a request that would be refused.
func TestARateLimitSurvivesARestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := newBench()
		b.opts.Retry.MaxWait = time.Second
		_, err := b.run(t.Context(), says(t, of(3, "a", "1"), domaintest.RefuseFor(time.Minute)))
		if domain.KindOf(err) != domain.RateLimited {
			t.Fatal(err)
		}
		b = &bench{db: b.db, store: b.store, opts: b.opts, seen: &log{}}
		b.opts.Retry.MaxWait = time.Hour
		for _, next := range []struct {
			source *script
			wait   time.Duration
		}{
			{says(t, of(3, "b", "2"), domaintest.FailWith(domain.Invalid)).from("a"), time.Minute},
			{says(t, of(3, "", "3")).from("b"), 0},
		} {
			began := time.Now()
			_, _ = b.run(t.Context(), next.source)
			if took := time.Since(began); took != next.wait {
				t.Errorf("it took %s, want %s", took, next.wait)
			}
		}
		b.wantStored(t, 1, 2, 3)
	})
}
