//go:build !linux

package main

import "syscall"

// killWithParent does nothing, because only Linux can do it. After a SIGKILL of this process, the command runs on.
func killWithParent(*syscall.SysProcAttr) (release func()) { return func() {} }
