package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

const (
	fastPatience      = 30 * time.Second // it writes what is in memory
	immediatePatience = 10 * time.Second // the next start recovers
)

// stop stops the server, if one runs, and waits for its end.
func (h *home) stop(ctx context.Context) error {
	pm, err := h.postmaster(ctx)
	if err != nil || !pm.runs {
		return err
	}
	signal := func(s syscall.Signal) error {
		if err := syscall.Kill(pm.pid, s); !errors.Is(err, syscall.ESRCH) {
			return err
		}
		return nil
	}
	gone := func() bool { return !servesData(ctx, pm.pid, pm.data) }
	if err := terminate(ctx, pm.pid, signal, gone); err != nil {
		return h.op.transient(err, "stop it by hand if it is still there")
	}
	return nil
}

// terminate asks a server to end, and then to end at once. A server is never killed: its processes would outlive it.
func terminate(ctx context.Context, pid int, signal func(syscall.Signal) error, gone func() bool) error {
	for _, way := range []struct {
		signal   syscall.Signal
		patience time.Duration
	}{{syscall.SIGINT, fastPatience}, {syscall.SIGQUIT, immediatePatience}} {
		if err := signal(way.signal); err != nil {
			return fmt.Errorf("stop the server, process %d: %w", pid, err)
		}
		if eventually(ctx, way.patience, gone) {
			return nil
		}
	}
	return fmt.Errorf("the server, process %d, does not stop", pid)
}

// eventually polls until it holds; it is false if that takes too long or ctx ends.
func eventually(ctx context.Context, patience time.Duration, holds func() bool) bool {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
