package terminal

import (
	"errors"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// HideInput makes a terminal not show what the user types, until the caller calls show. If the user stops pawl meanwhile (^Z) and continues
// it, the shell has made the terminal show its input again; HideInput then hides it again.
func HideInput(file any) (show func(), err error) {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	showAgain, err := hideInput(file, continued)
	if err != nil {
		signal.Stop(continued)
		return nil, err
	}
	return func() {
		signal.Stop(continued)
		showAgain()
	}, nil
}

// hideInput does the work of HideInput. It hides the input again after each signal from continued.
func hideInput(file any, continued <-chan os.Signal) (show func(), err error) {
	err = errors.New("it is no terminal")
	var before *unix.Termios
	var hidden unix.Termios
	useDescriptor(file, func(fd int) {
		if before, err = unix.IoctlGetTermios(fd, getMode); err != nil {
			return
		}
		hidden = *before
		hidden.Lflag &^= unix.ECHO
		err = unix.IoctlSetTermios(fd, setMode, &hidden)
	})
	if err != nil {
		return nil, err
	}
	set := func(mode *unix.Termios) {
		useDescriptor(file, func(fd int) {
			_ = unix.IoctlSetTermios(fd, setMode, mode) // an error means that the terminal is gone
		})
	}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-continued:
				set(&hidden)
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		set(before)
	}, nil
}
