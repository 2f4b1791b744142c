package terminal

import (
	"errors"

	"golang.org/x/sys/unix"
)

// HideInput makes a terminal not show what the user types, until the caller calls show.
func HideInput(file any) (show func(), err error) {
	err = errors.New("it is no terminal")
	useDescriptor(file, func(fd int) {
		var before *unix.Termios
		if before, err = unix.IoctlGetTermios(fd, getMode); err != nil {
			return
		}
		hidden := *before
		hidden.Lflag &^= unix.ECHO
		err = unix.IoctlSetTermios(fd, setMode, &hidden)
		show = func() {
			useDescriptor(file, func(fd int) {
				_ = unix.IoctlSetTermios(fd, setMode, before) // an error means that the terminal is gone
			})
		}
	})
	return show, err
}
