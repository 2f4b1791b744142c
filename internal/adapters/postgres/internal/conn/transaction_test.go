package conn

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestTransactionTimeout tests that progress renews the time limit, and that its end is Transient.
func TestTransactionTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, progress, cancel := withProgress(t.Context())
		defer cancel()
		for range 10 {
			time.Sleep(CallTimeout - time.Second)
			progress()
		}
		if ctx.Err() != nil {
			t.Fatalf("with progress: got %v", context.Cause(ctx))
		}
		time.Sleep(CallTimeout)
		synctest.Wait()
		err := Classify("store page", replaceNoProgress(ctx, ctx.Err()))
		if domain.KindOf(err) != domain.Transient || domain.HintOf(err) == "" {
			t.Errorf("without progress: got %v, want Transient with a hint", err)
		}
	})
}

func TestTransactionCanceled(t *testing.T) {
	t.Parallel()
	parent, stop := context.WithCancel(t.Context())
	ctx, _, cancel := withProgress(parent)
	defer cancel()
	stop()
	err := Classify("store page", replaceNoProgress(ctx, ctx.Err()))
	if domain.KindOf(err) != domain.Stopped || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Stopped", err)
	}
}
