package main

import (
	"runtime"
	"syscall"
)

// killWithParent makes the kernel kill the command when this process ends, even if SIGKILL ends this process. So no command
// runs without its API. attr is the SysProcAttr of the command. The kernel watches the thread that starts the command.
// Therefore the calling goroutine stays on its thread until release is called.
func killWithParent(attr *syscall.SysProcAttr) (release func()) {
	runtime.LockOSThread()
	attr.Pdeathsig = syscall.SIGKILL
	return runtime.UnlockOSThread
}
