package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	serverLock    = "server.lock"
	leasePatience = 30 * time.Second // for processes of a killed server to notice
)

var errServed = errors.New("a server runs")

// lease is the lock that a server holds itself: it inherits the open file, as all of its processes do, and the kernel
// gives the lock up when the last of them has ended. Whoever gets it knows that nobody has the data open, also not a
// server that somebody launched right before he was killed, nor one in another container, where pid files mean nothing.
// As soon as a server can be seen to run, the error is errServed.
func (h *home) lease(ctx context.Context, patience time.Duration) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, &domain.Error{
		Kind: domain.Transient, Op: string(h.op),
		Err:  errors.New("a server that can't be seen from here has the data open"),
		Hint: "stop the pawl that uses the folder, which may be in another container, or try again in a while",
	})
	defer cancel()
	file, err := h.root.OpenFile(serverLock, os.O_CREATE|os.O_RDONLY, 0o600)
	if err == nil {
		err = h.give(serverLock)
	}
	if err != nil {
		return nil, h.op.invalid(fmt.Errorf("lock the data: %w", err), hintWritable)
	}
	decided := eventually(ctx, patience, func() bool {
		if pm, look := h.postmaster(ctx); look == nil && pm.runs {
			err = errServed
			return true
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		return !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR)
	})
	switch {
	case !decided:
		err = h.op.ended(ctx)
	case err == nil:
		return file, nil
	case !errors.Is(err, errServed):
		err = h.op.invalid(fmt.Errorf("lock the data: %w", err), hintWritable)
	}
	_ = file.Close() // nothing was written
	return nil, err
}
