package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	claimInterval = 200 * time.Millisecond

	// commitGrace is how long the current page may be committed after ctx has ended. Until then an attempt to commit has no
	// time limit as long as the store makes progress.
	commitGrace = 90 * time.Second

	// minHold is the shortest wait for the rate limit that is stored. A run that starts again during a shorter one loses
	// little.
	minHold = 5 * time.Second

	// maxHold is the longest hold that is stored. An API may be wrong about how long it will refuse requests, and the hold
	// stops later runs, too.
	maxHold = time.Hour
)

// claim makes this run the stream's only writer and returns the checkpoint to start from. If another runner seems to hold
// the stream, claim tries again for the time of claimTimeout.
func (r *Runner) claim(ctx context.Context) (domain.Checkpoint, error) {
	var at domain.Checkpoint
	attempt := func(ctx context.Context) (err error) {
		at, err = r.store.Claim(ctx, r.opts.Stream, r.opts.SourceURL)
		return err
	}
	began, reported := time.Now(), time.Duration(0)
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, attempt)
	for domain.KindOf(err) == domain.Fenced {
		timeout := claimTimeout(err)
		until := began.Add(timeout)
		remaining := retry.Wait{For: time.Until(until), Until: until, Err: err}
		if remaining.For <= 0 {
			break
		}
		if timeout != reported {
			reported = timeout
			r.observer.Waiting(remaining)
		}
		if err := remaining.Limit(claimInterval).Sleep(ctx); err != nil {
			return domain.Checkpoint{}, err
		}
		err = r.opts.Retry.Do(ctx, r.observer.Waiting, attempt)
	}
	if err != nil {
		return domain.Checkpoint{}, err
	}
	r.observer.Claimed(at)
	return at, nil
}

// claimTimeout returns how long claim tries again after a Fenced error. The database server needs a moment to notice that a
// runner was killed, and half a minute to notice that its machine is gone.
func claimTimeout(fenced error) time.Duration {
	switch domain.AsError(fenced).Holder {
	case domain.HolderAlive:
		return time.Second
	case domain.HolderSilent:
		return 30 * time.Second
	case domain.HolderUnknown:
	}
	return 5 * time.Second
}

// commit stores a page that was read at a checkpoint. An attempt is not interrupted when ctx ends: the page is committed or
// cleanly rolled back. After a lost COMMIT the durable checkpoint decides whether it happened (I4). BadPage and
// Unconfirmed mean that the page must be fetched again.
func (r *Runner) commit(
	ctx context.Context, at domain.Checkpoint, page domain.DecodedPage,
) (domain.CommitResult, error) {
	batch := domain.Batch{At: at, Pages: []domain.DecodedPage{page}}
	var res domain.CommitResult
	var badPage error // committing it again would be useless
	uncertain := false
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		ctx, cancel := withGrace(ctx, commitGrace)
		defer cancel()
		if uncertain {
			var happened bool
			if res, happened, err = r.checkCommit(ctx, batch); err != nil || happened {
				return err
			}
		}
		r.observer.Storing(page)
		res, err = r.store.Commit(ctx, batch)
		uncertain = domain.KindOf(err) == domain.Uncertain
		if domain.KindOf(err) == domain.BadPage {
			badPage, err = err, nil
		}
		return err
	})
	if badPage != nil {
		return res, badPage
	}
	if err == nil && !isAtEndOf(res.Checkpoint, batch) {
		return res, &domain.Error{
			Kind: domain.Unknown, Op: "store page",
			Err: fmt.Errorf("the database moved stream %s to seq %d, position %d, but this run read seq %d, position %d",
				at.Stream, res.Checkpoint.Seq, res.Checkpoint.Offset, batch.TargetSeq(), page.To.Offset),
		}
	}
	return res, err
}

// checkCommit reports whether a COMMIT without an answer happened, and its result if so. It returns Fenced if another
// runner has taken over since, and SetBack if the database was set back.
func (r *Runner) checkCommit(ctx context.Context, batch domain.Batch) (res domain.CommitResult, happened bool, err error) {
	durable, err := r.store.Checkpoint(ctx, batch.At.Stream)
	if err != nil {
		return domain.CommitResult{}, false, err
	}
	if err := batch.At.CheckClaim(durable); err != nil {
		return domain.CommitResult{}, false, err
	}
	if isAtEndOf(durable, batch) {
		return domain.CommitResult{Checkpoint: durable, Counts: durable.Counts.Sub(batch.At.Counts)}, true, nil
	}
	return domain.CommitResult{}, false, batch.At.CheckMove(durable)
}

// isAtEndOf reports whether a checkpoint is right after the last page of a batch.
func isAtEndOf(durable domain.Checkpoint, batch domain.Batch) bool {
	return durable.Seq == batch.TargetSeq() && durable.SameAs(batch.LastPage().To)
}

// A holdSaver stores until when the rate limit forbids requests, for the next run.
type holdSaver struct {
	save  func(context.Context, time.Time) error // nil: nothing is stored
	until time.Time                              // the last one that was stored, or read at the start
}

// saveAfter stores the end of the hold if err is RateLimited. It returns an error only if the stream does not belong to
// this run any more. If storing fails for another reason, the API may refuse the next run once.
func (h *holdSaver) saveAfter(ctx context.Context, err error) error {
	if domain.KindOf(err) != domain.RateLimited || h.save == nil {
		return nil
	}
	until := domain.AsError(err).Until
	if time.Until(until) <= minHold || until.Equal(h.until) {
		return nil
	}
	h.until = until
	if latest := time.Now().Add(maxHold); latest.Before(until) {
		until = latest
	}
	err = h.save(ctx, until)
	if kind := domain.KindOf(err); kind == domain.Fenced || kind == domain.SetBack {
		return err
	}
	return nil
}
