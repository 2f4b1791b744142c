package ingest

import (
	"context"
	"time"

	"github.com/pawldata/pawl/internal/app/retry"
	"github.com/pawldata/pawl/internal/domain"
)

const claimInterval = 200 * time.Millisecond

// claimPatience returns how long a stream may look taken before the run ends. The server needs a moment to notice that a
// runner was killed, and half a minute that its machine is gone.
func claimPatience(taken error) time.Duration {
	switch domain.AsError(taken).Holder {
	case domain.HolderAlive:
		return time.Second
	case domain.HolderSilent:
		return 30 * time.Second
	case domain.HolderUnknown:
	}
	return 5 * time.Second
}

// claim makes this run the stream's only writer and says where it begins.
func (r *Runner) claim(ctx context.Context) (domain.Checkpoint, error) {
	var at domain.Checkpoint
	attempt := func(ctx context.Context) (err error) {
		at, err = r.store.Claim(ctx, r.opts.Stream, r.opts.SourceURL)
		return err
	}
	began, told := time.Now(), time.Duration(0)
	err := r.opts.Retry.Do(ctx, r.observer.Waiting, attempt)
	for domain.KindOf(err) == domain.Fenced {
		patience := claimPatience(err)
		until := began.Add(patience)
		left := retry.Wait{For: time.Until(until), Until: until, Err: err}
		if left.For <= 0 {
			break
		}
		if patience != told {
			told = patience
			r.observer.Waiting(left)
		}
		if err := left.AtMost(claimInterval).Sleep(ctx); err != nil {
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
