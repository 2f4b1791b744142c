package embeddedpg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall"

	"github.com/pawldata/pawl/internal/domain"
)

// diskFullText is the text of ENOSPC in the outputs of PostgreSQL's programs, which run with LC_ALL=C. Their exit codes do not tell this
// error from others.
const diskFullText = "No space left on device"

// reportsDiskFull reports whether a program's output says that the disk is full.
func reportsDiskFull(out []byte) bool { return bytes.Contains(out, []byte(diskFullText)) }

// A fullDiskError is the error of a program that could not write to a full disk. It wraps syscall.ENOSPC.
type fullDiskError string

func (f fullDiskError) Error() string { return string(f) }

// Unwrap returns the error of the system call that failed in the program.
func (f fullDiskError) Unwrap() error { return syscall.ENOSPC }

// diskFullError returns err as a Transient error about the disk of the folder.
func (o operation) diskFullError(err error) error {
	return o.transientError(domain.CodeDatabaseDiskFull, err,
		"the disk of this folder is full: make room there, but delete nothing in the folder, then run it again")
}

// Explain returns err, an error of a connection to the server. If the server does not answer because its disk is full, or because it has ended,
// it returns a Transient error that says so and wraps err. It may be called after Close.
func (s *Server) Explain(err error) error {
	code := domain.CodeOf(err)
	isUnanswered := code == domain.CodeDatabaseUnreachable || code == domain.CodeCommitUnanswered
	switch {
	case !isUnanswered:
		return err
	case s.dir.isDiskFull():
		return s.dir.op.diskFullError(fmt.Errorf("the server does not answer (%w)", err))
	case s.HasEnded():
		return s.dir.op.transientError(domain.CodePrivateDatabaseStart, fmt.Errorf("the server has ended (%w)", err),
			"run it again, which starts the server; its log is "+s.dir.logPath())
	}
	return err
}

// HasEnded reports whether the server does not run any more. Nobody starts it again before the folder is opened again.
func (s *Server) HasEnded() bool {
	pm, err := s.dir.readPostmaster(context.Background())
	return err == nil && !pm.runs
}

// isDiskFull reports whether the log of the server says that the disk is full, or the disk has no room for another file of the server's
// write-ahead log, without which the server ends.
func (d *serverDir) isDiskFull() bool {
	const walFile = 16 * megabyte
	var disk syscall.Statfs_t
	err := syscall.Statfs(d.path, &disk)
	hasNoRoom := err == nil && uint64(disk.Bavail)*uint64(disk.Bsize) < walFile //nolint:gosec,unconvert // the types differ between systems
	return hasNoRoom || reportsDiskFull(d.readLogTail())
}

// isDiskFullError reports whether err says that there is no room on the disk.
func isDiskFullError(err error) bool { return errors.Is(err, syscall.ENOSPC) }
