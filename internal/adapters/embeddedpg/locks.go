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

	startLockTimeout  = 3 * time.Minute       // the maximum wait of Open for start.lock; its holder may be creating a database
	detachTimeout     = 30 * time.Second      // the maximum wait of detach for start.lock
	serverLockTimeout = 30 * time.Second      // the maximum wait of launch for server.lock
	minReportedWait   = time.Second           // lockStart reports only longer waits
	lockInterval      = 20 * time.Millisecond // between two attempts to get start.lock
)

// newLock returns a new handle of a lock file. It does not lock the file. When a process ends, the kernel releases its locks, even
// if the process was killed.
func (d *serverDir) newLock(name string) *flock.Flock {
	return flock.New(filepath.Join(d.path, name),
		flock.SetFlag(os.O_CREATE|os.O_RDONLY|syscall.O_NOFOLLOW), flock.SetPermissions(0o600))
}

// lockUsers registers this process as a user of the server. The caller must hold the start lock. Without the start lock, another
// process could find at the same time that the server has no other user, and stop the server.
func (d *serverDir) lockUsers() (*flock.Flock, error) {
	users := d.newLock(usersLock)
	ok, err := users.TryRLock()
	if err != nil {
		return nil, d.op.folderError(fmt.Errorf("lock the folder: %w", err), "")
	}
	if !ok {
		return nil, d.op.transientError(domain.CodePrivateDatabaseBusy, errors.New("another program has locked "+users.Path()), hintAgain)
	}
	return users, nil
}

// lockStart waits until it gets the start lock. While a process holds this lock, no other process can start or stop the server. If the
// wait is longer than minReportedWait, lockStart calls report. After timeout it returns a Transient error.
func (d *serverDir) lockStart(ctx context.Context, timeout time.Duration, report func(string)) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &domain.Error{
		Kind: domain.Transient, Code: domain.CodePrivateDatabaseBusy, Op: string(d.op), Hint: hintAgain,
		Err: fmt.Errorf("another pawl has been starting or stopping the server for %v", timeout),
	})
	defer cancel()
	lock := d.newLock(startLock)
	shortCtx, cancelShort := context.WithTimeout(ctx, minReportedWait)
	isLocked, err := lock.TryLockContext(shortCtx, lockInterval)
	cancelShort()
	isLongWait := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil // only shortCtx has ended
	if !isLocked && isLongWait {
		report("waiting for another pawl that is starting or stopping PostgreSQL in " + d.userDir)
		isLocked, err = lock.TryLockContext(ctx, lockInterval)
	}
	switch {
	case isLocked:
		return lock, nil
	case ctx.Err() != nil:
		return nil, d.op.endedError(ctx)
	}
	return nil, d.op.folderError(fmt.Errorf("lock the folder: %w", err), "")
}

// errServerRuns is the result of lockServer if a server already runs.
var errServerRuns = errors.New("a server runs")

// lockServer locks server.lock and returns its open file, which a new server inherits. All processes of a server have this file
// open, and the kernel releases the lock when the last of these processes has ended. So if lockServer succeeds, no server uses
// the data.
//
// The lock is necessary because two kinds of servers cannot be found by their pid file: a server that has not written the file yet,
// and a server in another container. As soon as the pid file shows a running server, lockServer returns errServerRuns. After timeout
// it returns a Transient error.
func (d *serverDir) lockServer(ctx context.Context, timeout time.Duration) (*os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, &domain.Error{
		Kind: domain.Transient, Code: domain.CodePrivateDatabaseBusy, Op: string(d.op),
		Err:  errors.New("a server that pawl cannot find uses the data"),
		Hint: "stop the pawl that uses the folder, which may be in another container, or try again in a while",
	})
	defer cancel()
	file, err := d.root.OpenFile(serverLock, os.O_CREATE|os.O_RDONLY, 0o600)
	if err == nil {
		err = d.chown(serverLock)
	}
	if err != nil {
		return nil, d.op.folderError(fmt.Errorf("lock the data: %w", err), "")
	}
	isDecided := poll(ctx, timeout, func() bool {
		if pm, readErr := d.readPostmaster(ctx); readErr == nil && pm.runs {
			err = errServerRuns
			return true
		}
		err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		isHeldByOther, isInterrupted := errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR)
		return !isHeldByOther && !isInterrupted
	})
	switch {
	case !isDecided:
		err = d.op.endedError(ctx)
	case err == nil:
		return file, nil
	case !errors.Is(err, errServerRuns):
		err = d.op.folderError(fmt.Errorf("lock the data: %w", err), "")
	}
	_ = file.Close() // nothing was written to it
	return nil, err
}

// ensureLockFiles creates users.lock and start.lock if they are missing, and makes the server's account their owner. It also does
// this for existing files, because an earlier process may have been killed before it changed the owner.
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
