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

// isAlive reports whether there is a process with this id. FindProcess fails on these systems if there is none.
func isAlive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
