package embeddedpg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/pawldata/pawl/internal/domain"
)

const (
	usersLock = "users.lock"
	startLock = "start.lock"

	startLockPatience = 3 * time.Minute // somebody makes a database, or waits for a slow start
	leavePatience     = 30 * time.Second
	lockNotice        = time.Second // waiting shorter than this is not worth a word
	lockInterval      = 20 * time.Millisecond
)

// lock is a new handle of a lock file. The kernel gives a lock up when its process ends, however it does.
func (h *home) lock(name string) *flock.Flock {
	return flock.New(filepath.Join(h.dir, name),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
}

// share marks this process as a user. It is called under the start lock, so nobody can be deciding that he was the last.
func (h *home) share() (*flock.Flock, error) {
	users := h.lock(usersLock)
	ok, err := users.TryRLock()
	if err != nil {
		return nil, h.op.invalid(fmt.Errorf("lock the folder: %w", err), hintWritable)
	}
	if !ok {
		return nil, h.op.transient(errors.New("somebody else holds "+users.Path()+" for himself"), hintAgain)
	}
	return users, nil
}

func (h *home) lockStart(ctx context.Context, patience time.Duration, say func(string)) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, &domain.Error{
		Kind: domain.Transient, Op: string(h.op), Hint: hintAgain,
		Err: fmt.Errorf("another pawl has been starting or stopping the server for %v", patience),
	})
	defer cancel()
	lock := h.lock(startLock)
	notice, stop := context.WithTimeout(ctx, lockNotice)
	ok, err := lock.TryLockContext(notice, lockInterval)
	stop()
	if !ok && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		say("waiting for another pawl that is starting or stopping PostgreSQL in " + h.shown)
		ok, err = lock.TryLockContext(ctx, lockInterval)
	}
	switch {
	case ok:
		return lock, nil
	case ctx.Err() != nil:
		return nil, h.op.ended(ctx)
	}
	return nil, h.op.invalid(fmt.Errorf("lock the folder: %w", err), hintWritable)
}

// depart gives up the share and stops the server if that was the last one.
func (h *home) depart(users *flock.Flock) error {
	ctx := context.Background()
	start, err := h.lockStart(ctx, leavePatience, func(string) {})
	if err != nil {
		return errors.Join(err, users.Unlock())
	}
	defer start.Unlock() //nolint:errcheck // as in enter
	return h.leave(ctx, users)
}

// leave is depart under the start lock.
func (h *home) leave(ctx context.Context, users *flock.Flock) error {
	if err := users.Unlock(); err != nil {
		return h.op.invalid(fmt.Errorf("unlock the folder: %w", err), "")
	}
	everybody := h.lock(usersLock)
	last, err := everybody.TryLock()
	if err != nil {
		return h.op.invalid(fmt.Errorf("lock the folder: %w", err), "")
	}
	if !last {
		return nil
	}
	defer everybody.Unlock() //nolint:errcheck // as in enter
	return h.stop(ctx)
}

// leaveAfter is leave for an Open that failed.
func (h *home) leaveAfter(ctx context.Context, users *flock.Flock, failure error) error {
	if leftAlone(failure) {
		_ = users.Unlock() // closing the file, which it does whatever it returns, gives the lock up
		return failure
	}
	_ = h.leave(context.WithoutCancel(ctx), users) // it would only hide what went wrong before
	return failure
}
