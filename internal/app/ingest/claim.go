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
	attempt := func(ctx context.Context) (err error) {
		at, err = r.store.Claim(ctx, r.opts.Stream, r.opts.Origin)
		return err
	}
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, attempt)
	patience := retry.Wait{For: claimPatience, Until: time.Now().Add(claimPatience), Err: err}
	if domain.KindOf(err) == domain.Fenced {
		r.observer.Waiting(patience)
	}
	for domain.KindOf(err) == domain.Fenced && time.Now().Before(patience.Until) {
		if err := patience.AtMost(claimInterval).Sleep(ctx); err != nil {
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
