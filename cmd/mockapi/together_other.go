//go:build !linux

package main

import "syscall"

// dieTogether can't be had here: a command left behind by kill -9 ends when it finds its API gone.
func dieTogether(*syscall.SysProcAttr) (release func()) { return func() {} }
