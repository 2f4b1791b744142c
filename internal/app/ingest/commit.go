package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// commitGrace is how long a run that was told to stop goes on with the page in hand. Otherwise an attempt to commit takes
// as long as the store makes progress.
const commitGrace = 90 * time.Second

// commit stores a page that was read at a checkpoint. The attempt under way is not cut short when ctx ends: a page in
// hand is committed or cleanly rolled back. After a lost COMMIT the durable checkpoint decides whether it happened (I4).
// BadPage and Unconfirmed mean that the store does not believe the page: it has to be fetched again.
func (r *Runner) commit(
	ctx context.Context, at domain.Checkpoint, page domain.DecodedPage,
) (domain.CommitResult, error) {
	batch := domain.Batch{At: at, Pages: []domain.DecodedPage{page}}
	var res domain.CommitResult
	var refusal error // of the page itself: to commit it again is of no use
	doubt := false
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		ctx, cancel := endingLater(ctx, commitGrace)
		defer cancel()
		if doubt {
			var happened bool
			if res, happened, err = r.settle(ctx, batch); err != nil || happened {
				return err
			}
		}
		r.observer.Storing(page)
		res, err = r.store.Commit(ctx, batch)
		doubt = domain.KindOf(err) == domain.Uncertain
		if domain.KindOf(err) == domain.BadPage {
			refusal, err = err, nil
		}
		return err
	})
	if refusal != nil {
		return res, refusal
	}
	if err == nil && !reaches(res.Checkpoint, batch) {
		return res, &domain.Error{
			Kind: domain.Unknown, Op: "store page",
			Err: fmt.Errorf("the database moved stream %s to seq %d, position %d, but this run read seq %d, position %d",
				at.Stream, res.Checkpoint.Seq, res.Checkpoint.Offset, batch.TargetSeq(), page.To.Offset),
		}
	}
	return res, err
}

// reaches reports whether a checkpoint stands behind the last page of a batch.
func reaches(durable domain.Checkpoint, batch domain.Batch) bool {
	return durable.Seq == batch.TargetSeq() && durable.SameAs(batch.LastPage().To)
}

// settle finds out what became of a COMMIT that was not answered: it happened, or it did not. It returns Fenced if another
// runner has taken over since, and SetBack if the database was set back.
func (r *Runner) settle(ctx context.Context, batch domain.Batch) (res domain.CommitResult, happened bool, err error) {
	durable, err := r.store.Checkpoint(ctx, batch.At.Stream)
	if err != nil {
		return domain.CommitResult{}, false, err
	}
	if err := batch.At.CheckClaim(durable); err != nil {
		return domain.CommitResult{}, false, err
	}
	if reaches(durable, batch) {
		return domain.CommitResult{Checkpoint: durable, Counts: durable.Counts.Sub(batch.At.Counts)}, true, nil
	}
	return domain.CommitResult{}, false, batch.At.CheckMove(durable)
}
