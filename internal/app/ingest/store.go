package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

// claimInterval is the time between two attempts to claim a stream that another runner holds.
const claimInterval = 200 * time.Millisecond

// claim makes this run the stream's only writer and returns the checkpoint from which the run starts. If another runner holds the
// stream, claim tries again until the time of claimTimeout has passed since claim began. It notifies the observer of this wait
// once, and again if the timeout changes.
func (r *Runner) claim(ctx context.Context) (domain.Checkpoint, error) {
	var checkpoint domain.Checkpoint
	attempt := func(ctx context.Context) (err error) {
		checkpoint, err = r.store.Claim(ctx, r.opts.Stream, r.opts.SourceURL)
		return err
	}
	began := time.Now()
	var reportedTimeout time.Duration
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, attempt)
	for domain.KindOf(err) == domain.Fenced {
		timeout := claimTimeout(err)
		until := began.Add(timeout)
		remaining := retry.Wait{For: time.Until(until), Until: until, Err: err}
		if remaining.For <= 0 {
			break
		}
		if timeout != reportedTimeout {
			reportedTimeout = timeout
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
	r.observer.Claimed(checkpoint)
	return checkpoint, nil
}

// claimTimeout returns how long claim tries to claim a stream. The time depends on the state of the holder in a Fenced error. The
// holder may have ended, and the database server may not have noticed this. The server needs a moment to notice that a process
// was killed, and half a minute to notice that a machine no longer answers.
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

// commitGrace is the longest time for which an attempt to commit may continue after ctx has ended.
const commitGrace = 90 * time.Second

// commit stores the page that follows the checkpoint. If ctx ends, the current attempt continues for at most commitGrace, so that
// the page is committed or rolled back. If a COMMIT got no answer, commit reads the durable checkpoint before it tries again (I4).
// If commit returns BadPage or Unconfirmed, the page must be fetched again.
func (r *Runner) commit(
	ctx context.Context, checkpoint domain.Checkpoint, page domain.DecodedPage,
) (domain.CommitResult, error) {
	batch := domain.Batch{Start: checkpoint, Pages: []domain.DecodedPage{page}}
	var res domain.CommitResult
	var badPage error  // a BadPage error of the store; Do must not get it, because Do would try again with the same page
	uncertain := false // the last COMMIT got no answer
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		ctx, cancel := withGrace(ctx, commitGrace)
		defer cancel()
		if uncertain {
			var committed bool
			res, committed, err = r.readCommitResult(ctx, batch)
			if err != nil || committed {
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
			Err: fmt.Errorf("the database moved stream %s to seq %d, offset %d, but the page ends at seq %d, offset %d",
				checkpoint.Stream, res.Checkpoint.Seq, res.Checkpoint.Offset, batch.TargetSeq(), page.To.Offset),
		}
	}
	return res, err
}

// readCommitResult reads the durable checkpoint after a COMMIT that got no answer. It reports whether the batch was
// committed, and the result of the commit. If another runner has claimed the stream after this run, readCommitResult returns Fenced.
// If the database was set back, it returns SetBack.
func (r *Runner) readCommitResult(ctx context.Context, batch domain.Batch) (res domain.CommitResult, committed bool, err error) {
	durable, err := r.store.Checkpoint(ctx, batch.Start.Stream)
	if err != nil {
		return domain.CommitResult{}, false, err
	}
	if err := batch.Start.CheckClaim(durable); err != nil {
		return domain.CommitResult{}, false, err
	}
	if isAtEndOf(durable, batch) {
		return domain.CommitResult{Checkpoint: durable, Counts: durable.Counts.Sub(batch.Start.Counts)}, true, nil
	}
	return domain.CommitResult{}, false, batch.Start.CheckMove(durable)
}

// isAtEndOf reports whether a checkpoint is at the end of the last page of a batch.
func isAtEndOf(checkpoint domain.Checkpoint, batch domain.Batch) bool {
	return checkpoint.Seq == batch.TargetSeq() && checkpoint.SameAs(batch.LastPage().To)
}

const (
	// minHold is a length in time. A hold that is not longer is not stored, because it is not worth a write to the database.
	minHold = 5 * time.Second

	// maxHold is the longest hold that is stored. If the API demands a longer wait by mistake, later runs wait only for maxHold
	// before they send a request again.
	maxHold = time.Hour
)

// A holdSaver stores the time until which the rate limit allows no request, so that the next run waits for it too.
type holdSaver struct {
	save  func(context.Context, time.Time) error // nil if holds are not stored
	until time.Time                              // the end of the last hold, which was passed to save or read at the start of the run
}

// saveAfter stores the end of the hold if err is RateLimited. It returns an error only if the store returns Fenced or SetBack. It
// ignores every other error of the store. After such an error, the next run may send one request that the API refuses.
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
