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

	startLockTimeout  = 3 * time.Minute       // enough for another process that creates a database or waits for a slow start
	detachTimeout     = 30 * time.Second      // the maximum wait for the start lock on closing
	serverLockTimeout = 30 * time.Second      // enough for the child processes of a killed server to end
	minReportedWait   = time.Second           // a shorter wait for the start lock is not reported
	lockInterval      = 20 * time.Millisecond // between two attempts to get the start lock
)

// newLock returns a new handle of a lock file, which is not locked yet. The kernel releases the lock of a process that ends, even
// if the process is killed.
func (d *serverDir) newLock(name string) *flock.Flock {
	return flock.New(filepath.Join(d.path, name),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
}

// lockUsers registers this process as a user of the server. The caller must hold the start lock. Otherwise another process could
// find at the same time that it was the last user, and stop the server.
func (d *serverDir) lockUsers() (*flock.Flock, error) {
	users := d.newLock(usersLock)
	ok, err := users.TryRLock()
	if err != nil {
		return nil, d.op.invalidError(fmt.Errorf("lock the folder: %w", err), hintWritable)
	}
	if !ok {
		return nil, d.op.transientError(errors.New("another program has locked "+users.Path()), hintAgain)
	}
	return users, nil
}

// lockStart waits until no other process starts or stops the server, and then prevents others from doing so. If the wait is longer
// than minReportedWait, it calls report. After timeout it returns a Transient error.
func (d *serverDir) lockStart(ctx context.Context, timeout time.Duration, report func(string)) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &domain.Error{
		Kind: domain.Transient, Op: string(d.op), Hint: hintAgain,
		Err: fmt.Errorf("another pawl has been starting or stopping the server for %v", timeout),
	})
	defer cancel()
	lock := d.newLock(startLock)
	shortCtx, stop := context.WithTimeout(ctx, minReportedWait)
	ok, err := lock.TryLockContext(shortCtx, lockInterval)
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
	return nil, d.op.invalidError(fmt.Errorf("lock the folder: %w", err), hintWritable)
}

// errServerRuns is the result of lockServer if a server already runs.
var errServerRuns = errors.New("a server runs")

// lockServer locks server.lock and returns its open file, which a new server inherits. All processes of the server have this file
// open, and the kernel releases the lock when the last of them has ended. So the lock proves that no server uses the data, also
// in two cases in which a pid file proves nothing: the process that started a server was killed immediately afterwards, or the
// server runs in another container.
//
// It returns errServerRuns as soon as it finds a running server by the pid file, and a Transient error after timeout.
func (d *serverDir) lockServer(ctx context.Context, timeout time.Duration) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &domain.Error{
		Kind: domain.Transient, Op: string(d.op),
		Err:  errors.New("a server that pawl cannot find uses the data"),
		Hint: "stop the pawl that uses the folder, which may be in another container, or try again in a while",
	})
	defer cancel()
	file, err := d.root.OpenFile(serverLock, os.O_CREATE|os.O_RDONLY, 0o600)
	if err == nil {
		err = d.chown(serverLock)
	}
	if err != nil {
		return nil, d.op.invalidError(fmt.Errorf("lock the data: %w", err), hintWritable)
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
		err = d.op.invalidError(fmt.Errorf("lock the data: %w", err), hintWritable)
	}
	_ = file.Close() // nothing was written to it
	return nil, err
}

// ensureLockFiles creates users.lock and start.lock and gives them to the server's account. It does both at every start, because
// an earlier process may have been killed between the two steps.
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
