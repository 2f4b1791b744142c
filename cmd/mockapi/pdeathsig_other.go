//go:build !linux

package main

import "syscall"

// killWithParent does nothing, because other systems than Linux have no such function. If SIGKILL ends this process, the
// command continues to run.
func killWithParent(*syscall.SysProcAttr) (release func()) { return func() {} }
