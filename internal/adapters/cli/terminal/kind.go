package terminal

import (
	"io"
	"syscall"

	"golang.org/x/term"
)

// A Kind is what there is behind an output.
type Kind int

// The kinds.
const (
	Plain       Kind = iota // a pipe, a file: lines, no control sequences
	Dumb                    // a terminal that says it knows no control sequences
	Interactive             // a terminal
)

const defaultWidth = 80

func kindOf(out io.Writer, name string) Kind {
	terminal := false
	withDescriptor(out, func(fd int) { terminal = term.IsTerminal(fd) })
	switch {
	case !terminal:
		return Plain
	case name == "dumb":
		return Dumb
	}
	return Interactive
}

func width(out io.Writer) int {
	columns := 0
	withDescriptor(out, func(fd int) {
		if w, _, err := term.GetSize(fd); err == nil {
			columns = w
		}
	})
	if columns <= 0 { // no terminal, or one that does not know its size
		return defaultWidth
	}
	return columns
}

// withDescriptor calls look with the file descriptor behind out, if there is one. It does not use os.File's Fd, which may
// change how the file is written to.
func withDescriptor(out io.Writer, look func(fd int)) {
	file, ok := out.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { look(int(fd)) }) // a closed file has no descriptor to look at
	}
}
