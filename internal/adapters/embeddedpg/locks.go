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
	usersLock  = "users.lock"
	startLock  = "start.lock"
	serverLock = "server.lock"

	startLockTimeout  = 3 * time.Minute // another process creates a database, or waits for a slow start
	detachTimeout     = 30 * time.Second
	serverLockTimeout = 30 * time.Second // for the processes of a killed server to notice
	waitNotice        = time.Second      // shorter waits are not reported
	lockInterval      = 20 * time.Millisecond
)

// newLock returns a new handle of a lock file, not locked. The kernel releases a lock when its process ends, also when it
// is killed.
func (d *serverDir) newLock(name string) *flock.Flock {
	return flock.New(filepath.Join(d.path, name),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
}

// lockUsers registers this process as a user of the server. The caller holds the start lock, so no other process can be
// deciding at the same time that it was the last user.
func (d *serverDir) lockUsers() (*flock.Flock, error) {
	users := d.newLock(usersLock)
	ok, err := users.TryRLock()
	if err != nil {
		return nil, d.op.invalid(fmt.Errorf("lock the folder: %w", err), hintWritable)
	}
	if !ok {
		return nil, d.op.transient(errors.New("another program has locked "+users.Path()), hintAgain)
	}
	return users, nil
}

// lockStart waits until no other process starts or stops the server, and locks out others. It reports a wait that is not
// short. After timeout the error is Transient.
func (d *serverDir) lockStart(ctx context.Context, timeout time.Duration, report func(string)) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &domain.Error{
		Kind: domain.Transient, Op: string(d.op), Hint: hintAgain,
		Err: fmt.Errorf("another pawl has been starting or stopping the server for %v", timeout),
	})
	defer cancel()
	lock := d.newLock(startLock)
	shortWait, stop := context.WithTimeout(ctx, waitNotice)
	ok, err := lock.TryLockContext(shortWait, lockInterval)
	stop()
	if !ok && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		report("waiting for another pawl that is starting or stopping PostgreSQL in " + d.userDir)
		ok, err = lock.TryLockContext(ctx, lockInterval)
	}
	switch {
	case ok:
		return lock, nil
	case ctx.Err() != nil:
		return nil, d.op.endedError(ctx)
	}
	return nil, d.op.invalid(fmt.Errorf("lock the folder: %w", err), hintWritable)
}

var errServerRuns = errors.New("a server runs")

// lockServer returns the locked server.lock, to be inherited by a new server. The server's processes all hold the open
// file, and the kernel releases the lock when the last of them has ended. So the lock proves that no server has the data
// open: neither one whose starter was killed at once, nor one in another container, where pid files mean nothing.
//
// The error is errServerRuns as soon as a running server is visible, and Transient after timeout.
func (d *serverDir) lockServer(ctx context.Context, timeout time.Duration) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &domain.Error{
		Kind: domain.Transient, Op: string(d.op),
		Err:  errors.New("a server that is not visible from here has the data open"),
		Hint: "stop the pawl that uses the folder, which may be in another container, or try again in a while",
	})
	defer cancel()
	file, err := d.root.OpenFile(serverLock, os.O_CREATE|os.O_RDONLY, 0o600)
	if err == nil {
		err = d.chown(serverLock)
	}
	if err != nil {
		return nil, d.op.invalid(fmt.Errorf("lock the data: %w", err), hintWritable)
	}
	decided := poll(ctx, timeout, func() bool {
		if pm, readErr := d.readPostmaster(ctx); readErr == nil && pm.runs {
			err = errServerRuns
			return true
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		return !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR)
	})
	switch {
	case !decided:
		err = d.op.endedError(ctx)
	case err == nil:
		return file, nil
	case !errors.Is(err, errServerRuns):
		err = d.op.invalid(fmt.Errorf("lock the data: %w", err), hintWritable)
	}
	_ = file.Close() // nothing was written
	return nil, err
}

// ensureLockFiles creates the lock files and gives them to the server's account. It does so at every start, as an earlier
// run may have been killed between the two steps.
func (d *serverDir) ensureLockFiles() error {
	for _, name := range []string{usersLock, startLock} {
		file, err := d.root.OpenFile(name, os.O_CREATE|os.O_RDONLY, 0o600)
		if err != nil {
			return err
		}
		if err := errors.Join(file.Close(), d.chown(name)); err != nil {
			return err
		}
	}
	return nil
}
