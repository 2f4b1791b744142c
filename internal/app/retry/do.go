package retry

import (
	"context"
	"fmt"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

// Do runs work until it succeeds, until its error is not worth another try, or until the policy's budget is spent, and
// returns the last error. Each wait is told to notify first. When ctx ends during a wait, Do returns at once with kind
// domain.Stopped and the error that was being waited out.
func (p Policy) Do(ctx context.Context, notify func(Wait), work func(context.Context) error) error {
	budget := p.Budget()
	for {
		err := work(ctx)
		if err == nil {
			return nil
		}
		wait, err := budget.Next(err)
		if err != nil {
			return err
		}
		notify(wait)
		if err := wait.Sleep(ctx); err != nil {
			return err
		}
	}
}

// Sleep lets the wait pass. When ctx ends first it returns at once with kind domain.Stopped.
func (w Wait) Sleep(ctx context.Context) error {
	timer := time.NewTimer(w.For)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return &domain.Error{Kind: domain.Stopped, Op: "wait", Err: fmt.Errorf("%w, after: %w", ctx.Err(), w.Err)}
	}
}
