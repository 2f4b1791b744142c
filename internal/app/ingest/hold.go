package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	// minHold is the shortest wait for the rate limit that is stored. A run that is started again during a shorter one
	// loses little.
	minHold = 5 * time.Second

	// maxHold bounds what one refusal can do to the runs that follow: an API may be wrong about how long it refuses.
	maxHold = time.Hour
)

// errHeld is why nothing is asked for when a run begins: an earlier run was told so.
var errHeld = errors.New("an earlier run was told to wait")

// held returns the error of a request that the rate limit did not allow before until, nil if until has passed.
func held(until time.Time) error {
	if !time.Now().Before(until) {
		return nil
	}
	return &domain.Error{Kind: domain.RateLimited, Op: opFetch, Until: until, Unsent: true, Err: errHeld}
}

// A holdKeeper stores until when the rate limit holds, for the next run.
type holdKeeper struct {
	save  func(context.Context, time.Time) error // nil: nothing is stored
	until time.Time                              // what was stored last
}

// keep stores how long err, if it is a refusal for the rate limit, forbids requests. It returns an error only if the stream
// does not belong to this run any more; if storing fails otherwise, the next run may be refused once.
func (k *holdKeeper) keep(ctx context.Context, err error) error {
	if domain.KindOf(err) != domain.RateLimited || k.save == nil {
		return nil
	}
	until := domain.AsError(err).Until
	if time.Until(until) <= minHold || until.Equal(k.until) {
		return nil
	}
	k.until = until
	if latest := time.Now().Add(maxHold); latest.Before(until) {
		until = latest
	}
	err = k.save(ctx, until)
	if kind := domain.KindOf(err); kind == domain.Fenced || kind == domain.SetBack {
		return err
	}
	return nil
}
