package conn

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// TestTransactionTimeout checks that each call of progress restarts the time limit of a transaction. Without further calls the limit
// ends the context, and the error must be Transient.
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
			t.Fatalf("with progress: got a context ended by %v, want one that has not ended", context.Cause(ctx))
		}
		time.Sleep(CallTimeout)
		synctest.Wait()
		err := Classify("store page", replaceNoProgress(ctx, ctx.Err()))
		if domain.KindOf(err) != domain.Transient || domain.HintOf(err) == "" {
			t.Errorf("without progress: got %v, want Transient with a hint", err)
		}
	})
}

// TestTransactionCanceled checks that the error is Stopped if the caller's context ends the transaction.
func TestTransactionCanceled(t *testing.T) {
	t.Parallel()
	parent, stop := context.WithCancel(t.Context())
	ctx, _, cancel := withProgress(parent)
	defer cancel()
	stop()
	err := Classify("store page", replaceNoProgress(ctx, ctx.Err()))
	if domain.KindOf(err) != domain.Stopped || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Stopped that wraps context.Canceled", err)
	}
}
