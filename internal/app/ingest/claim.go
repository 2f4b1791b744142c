package ingest

import (
	"context"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

const (
	// claimPatience is how long a stream may look taken before it is: the server needs a moment to notice that a
	// killed runner is gone.
	claimPatience = 5 * time.Second
	claimInterval = 200 * time.Millisecond
)

// claim makes this run the stream's only writer and says where it begins.
func (r *Runner) claim(ctx context.Context) (domain.Checkpoint, error) {
	var at domain.Checkpoint
	deadline := time.Now().Add(claimPatience)
	for {
		err := r.opts.Retry.Do(ctx, r.observer.Waiting, func(ctx context.Context) (err error) {
			at, err = r.store.Claim(ctx, r.opts.Stream, r.opts.Origin)
			return err
		})
		if err == nil {
			r.observer.Claimed(at)
			return at, nil
		}
		if domain.KindOf(err) != domain.Fenced || !time.Now().Before(deadline) {
			return domain.Checkpoint{Stream: r.opts.Stream}, err
		}
		pause := retry.Wait{For: claimInterval, Until: deadline, Err: err}
		r.observer.Waiting(pause)
		if err := pause.Sleep(ctx); err != nil {
			return domain.Checkpoint{Stream: r.opts.Stream}, err
		}
	}
}
