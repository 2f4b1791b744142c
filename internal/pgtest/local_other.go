//go:build !unix

package pgtest

import (
	"context"
	"errors"
	"os"
	"runtime"
)

func openLocal(context.Context, logf) (*server, error) {
	return nil, errors.New("not supported on " + runtime.GOOS)
}

// isAlive reports whether there is a process with this id. If there is no such process, FindProcess returns an error on
// these systems.
func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
