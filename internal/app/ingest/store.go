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
// stream, claim tries again until claimDeadline. It notifies the observer of this wait once, and again if the deadline changes.
func (r *Runner) claim(ctx context.Context) (domain.Checkpoint, error) {
	var checkpoint domain.Checkpoint
	attempt := func(ctx context.Context) (err error) {
		checkpoint, err = r.store.Claim(ctx, r.opts.Stream, r.opts.SourceURL)
		return err
	}
	began := time.Now()
	var firstLease, reported time.Time // the end of the first lease that the store reported; the deadline that the observer knows
	err := r.outage.Do(ctx, r.observer.WaitingToStore, attempt)
	for domain.KindOf(err) == domain.Fenced {
		fenced := domain.AsError(err)
		if fenced.Holder == domain.HolderLeased && firstLease.IsZero() {
			firstLease = fenced.Until
		}
		until := claimDeadline(fenced, began, firstLease)
		remaining := retry.Wait{For: time.Until(until), Until: until, Err: err}
		if remaining.For <= 0 {
			break
		}
		if !until.Equal(reported) {
			reported = until
			r.observer.WaitingToStore(remaining)
		}
		if err := remaining.Limit(claimInterval).Sleep(ctx); err != nil {
			return domain.Checkpoint{}, err
		}
		err = r.outage.Do(ctx, r.observer.WaitingToStore, attempt)
	}
	if err != nil {
		return domain.Checkpoint{}, err
	}
	r.observer.Claimed(checkpoint)
	return checkpoint, nil
}

// leaseTolerance is how exactly the end of a lease is known, because the store measures the rest of the lease and not its end.
const leaseTolerance = time.Second

// claimDeadline returns until when claim tries to claim a stream that another runner holds. fenced is the error of the last attempt, began is
// the start of the first one, and firstLease is the end of the first lease that an attempt saw. Waiting helps if the other runner has ended
// and the store has not noticed this yet. The time that the store needs to notice it depends on how the other runner ended.
func claimDeadline(fenced *domain.Error, began, firstLease time.Time) time.Time {
	switch fenced.Holder {
	case domain.HolderLeased:
		if fenced.Until.Sub(firstLease) > leaseTolerance { // its runner has extended the lease, so it is alive
			return time.Time{}
		}
		return firstLease.Add(leaseTolerance)
	case domain.HolderAlive: // used the store a moment ago; if its process was killed since, the server notices within a second
		return began.Add(time.Second)
	case domain.HolderSilent: // its machine may be gone, which the server notices within half a minute
		return began.Add(30 * time.Second)
	case domain.HolderUnknown:
	}
	return began.Add(5 * time.Second) // longer than for a holder that is alive, shorter than for one that is silent
}

// stepBack returns where an earlier page begins, see stepBackFunc. It is called while the run commits, so it has its own time limit for a
// database that is away.
func (r *Runner) stepBack(ctx context.Context, pass int64, pages int) (start domain.PageStart, ok bool, err error) {
	err = r.opts.Outage.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		start, ok, err = r.store.StepBack(ctx, r.opts.Stream, pass, pages)
		return err
	})
	return start, ok, err
}

// commit stores the batch that follows the checkpoint. If ctx ends, commit makes no further attempt. The current attempt continues until
// commitCtx ends, so that the batch is committed or rolled back. If a COMMIT got no answer, commit reads the durable checkpoint before it
// tries again (invariant I4, see package domain).
//
// commit returns the errors of the store. Two of them mean that a page must be fetched again: BadPage, and Unconfirmed, which
// asks for a second answer that confirms the end of the pass. If the batch has several pages, commit returns Transient after the first
// attempt, so that the caller can store them one by one.
func (r *Runner) commit(ctx, commitCtx context.Context, batch domain.Batch) (domain.CommitResult, error) {
	var res domain.CommitResult
	uncertain := false // the last COMMIT got no answer
	err := r.outage.Do(ctx, r.observer.WaitingToStore, func(context.Context) (err error) {
		if uncertain {
			var committed bool
			res, committed, err = r.readCommitResult(commitCtx, batch)
			if err != nil || committed {
				return err
			}
		}
		r.observer.Storing(batch)
		res, err = r.store.Commit(commitCtx, batch)
		uncertain = domain.KindOf(err) == domain.Uncertain
		kind := domain.KindOf(err)
		if kind == domain.BadPage || kind == domain.Transient && len(batch.Pages) > 1 {
			return retry.Final(err) // the same batch would fail again
		}
		return err
	})
	if err == nil && !isAtEndOf(res.Checkpoint, batch) {
		return res, &domain.Error{
			Kind: domain.Unknown, Code: domain.CodeBug, Op: "store page",
			Err: fmt.Errorf("the database moved stream %s to seq %d, offset %d, but the page ends at seq %d, offset %d",
				batch.Start.Stream, res.Checkpoint.Seq, res.Checkpoint.Offset, batch.TargetSeq(), batch.LastPage().To.Offset),
		}
	}
	return res, err
}

// readCommitResult reads the durable checkpoint after a COMMIT that got no answer. It reports whether the batch was committed, and
// the result of the commit. If the batch was not committed and the checkpoint is still batch.Start, the error is nil: commit can
// try again. If another runner has claimed the stream after this run, readCommitResult returns Fenced. If the database is in an
// earlier state, for example because a backup was restored, it returns SetBack.
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
	// The batch was not committed. CheckMove returns nil if the durable checkpoint is still batch.Start.
	return domain.CommitResult{}, false, batch.Start.CheckMove(durable)
}

// isAtEndOf reports whether a checkpoint is at the end of the last page of a batch.
func isAtEndOf(checkpoint domain.Checkpoint, batch domain.Batch) bool {
	return checkpoint.Seq == batch.TargetSeq() && checkpoint.SameAs(batch.LastPage().To)
}

// The limits for storing a hold, which is the time during which the rate limit allows no request.
const (
	// minHold is the longest hold that is not stored, because it is not worth a write to the database.
	minHold = 5 * time.Second

	// maxHold is the longest hold that is stored. Of a longer hold, only this part is stored. If the API demands a very long wait by
	// mistake, later runs wait only for maxHold before they send a request again.
	maxHold = time.Hour
)

// A holdSaver stores the end of a hold, so that the next run waits for it too.
type holdSaver struct {
	save func(context.Context, time.Time) error // stores the end of a hold; nil if holds are not stored

	// lastEnd is the end of the last hold that saveAfter has stored, as the API gave it. Before the first one, it is the end
	// that was read from the database at the start of the run.
	lastEnd time.Time
}

// saveAfter stores the end of the hold if err is RateLimited. It returns an error only if the store returns Fenced or SetBack. It
// ignores every other error of the store. If no later call stores the same hold, the next run may send one request that the API refuses.
func (h *holdSaver) saveAfter(ctx context.Context, err error) error {
	if domain.KindOf(err) != domain.RateLimited || h.save == nil {
		return nil
	}
	end := domain.AsError(err).Until
	if time.Until(end) <= minHold || end.Equal(h.lastEnd) {
		return nil
	}
	storedEnd := end
	if maxEnd := time.Now().Add(maxHold); storedEnd.After(maxEnd) {
		storedEnd = maxEnd
	}
	err = h.save(ctx, storedEnd)
	if kind := domain.KindOf(err); kind == domain.Fenced || kind == domain.SetBack {
		return err
	}
	if err == nil {
		h.lastEnd = end // not limited to maxHold, so that the same end is recognised in the next answer
	}
	return nil
}
