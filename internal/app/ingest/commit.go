package ingest

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// commitTimeout bounds one attempt to commit, and how long a run that was told to stop goes on with the page in hand.
const commitTimeout = 90 * time.Second

// commit stores a page that was read at a checkpoint. The attempt under way is not cut short when ctx ends: a page in
// hand is committed or cleanly rolled back. After a lost COMMIT the durable checkpoint decides whether it happened (I4).
func (r *Runner) commit(
	ctx context.Context, at domain.Checkpoint, page domain.ReadPage,
) (domain.CommitResult, error) {
	batch := domain.Batch{Stream: at.Stream, Epoch: at.Epoch, Seq: at.Seq, Pages: []domain.ReadPage{page}}
	var res domain.CommitResult
	doubt := false
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
		if doubt {
			var happened bool
			if res, happened, err = r.settle(ctx, at, batch); err != nil || happened {
				return err
			}
		}
		r.observer.Storing(page)
		res, err = r.store.Commit(ctx, batch)
		doubt = domain.KindOf(err) == domain.Uncertain
		return err
	})
	return res, err
}

// settle finds out what became of a COMMIT that was not answered: it happened, it did not, or another runner has taken
// over since.
func (r *Runner) settle(
	ctx context.Context, at domain.Checkpoint, batch domain.Batch,
) (res domain.CommitResult, happened bool, err error) {
	durable, err := r.store.Checkpoint(ctx, batch.Stream)
	if err != nil {
		return domain.CommitResult{}, false, err
	}
	switch {
	case durable.Epoch == batch.Epoch && durable.Seq == batch.Target():
		return domain.CommitResult{Checkpoint: durable, Tally: durable.Tally.Sub(at.Tally)}, true, nil
	case durable.Epoch == batch.Epoch && durable.Seq == batch.Seq:
		return domain.CommitResult{}, false, nil
	}
	return domain.CommitResult{}, false, &domain.Error{
		Kind: domain.Fenced, Op: "settle commit",
		Err: fmt.Errorf("another runner has taken over stream %s", batch.Stream),
	}
}
