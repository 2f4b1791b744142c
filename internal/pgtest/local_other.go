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

// alive relies on FindProcess, which fails here when there is no such process.
func alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	_ = p.Release()
	return true
}
