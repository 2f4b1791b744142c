//go:build unix

package pgtest

import (
	"errors"
	"syscall"
)

// alive reports whether there is a process with this id, ours or not.
func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
