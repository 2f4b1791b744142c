package main

import (
	"runtime"
	"syscall"
)

// killWithParent makes the kernel kill the command when this process is killed, also by SIGKILL, so that no command runs
// without its API. The kernel watches the thread that starts the command, so the goroutine stays on its thread until
// release is called.
func killWithParent(attr *syscall.SysProcAttr) (release func()) {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}
