//go:build !linux

package main

import "syscall"

// killWithParent does nothing, because only Linux can kill a command when its parent ends. If SIGKILL ends this process, the
// command continues to run.
func killWithParent(*syscall.SysProcAttr) (release func()) { return func() {} }
