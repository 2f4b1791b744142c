package postgres

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestTheTimeLimitGrowsWhileThereIsProgress, and ends what the database does not answer.
func TestTheTimeLimitGrowsWhileThereIsProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, progress, cancel := withProgress(t.Context())
		defer cancel()
		for range 10 {
			time.Sleep(callTimeout - time.Second)
			progress()
		}
		if ctx.Err() != nil {
			t.Fatalf("ended in spite of progress: %v", context.Cause(ctx))
		}
		time.Sleep(callTimeout)
		synctest.Wait()
		err := classify("store page", expired(ctx, ctx.Err()))
		if domain.KindOf(err) != domain.Transient || domain.HintOf(err) == "" {
			t.Errorf("without progress: %v", err)
		}
	})
}

// TestTheCallersEndIsNoLackOfProgress: the run was told to stop.
func TestTheCallersEndIsNoLackOfProgress(t *testing.T) {
	t.Parallel()
	parent, stop := context.WithCancel(t.Context())
	ctx, _, cancel := withProgress(parent)
	defer cancel()
	stop()
	if err := classify("store page", expired(ctx, ctx.Err())); domain.KindOf(err) != domain.Stopped || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
