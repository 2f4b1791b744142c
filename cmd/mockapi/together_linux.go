package main

import (
	"runtime"
	"syscall"
)

// dieTogether has the command killed when this process is, kill -9 included, so that none is left without its API. The
// kernel looks at the thread that started it: that thread stays until the returned function is called.
func dieTogether(attr *syscall.SysProcAttr) (release func()) {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}
