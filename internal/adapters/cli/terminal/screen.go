// Package terminal writes to standard error, which may be a terminal, a pipe or a file, and shows one live line below the
// output.
//
// Except in [HideInput], the package changes no terminal mode, and it does not hide the cursor. So a process that is killed leaves no
// changed terminal behind. A process in the background may use the package too. If such a process changed a mode, the operating system
// would stop it.
package terminal

import (
	"io"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// The two control sequences that a Screen writes. Every terminal since the VT100 knows them.
const (
	toFirstColumn = "\r"
	eraseToEnd    = "\x1b[K" // from the cursor to the end of the row
)

// A Kind says what an output can show.
type Kind int

// The kinds of outputs.
const (
	Plain       Kind = iota // a pipe or a file: only lines, no control sequences
	Dumb                    // a terminal that knows no control sequences
	Interactive             // a terminal that knows control sequences
)

// defaultWidth is the number of columns of an output that does not report a number.
const defaultWidth = 80

// A Screen is an io.Writer that shows a live line below the last text written. A Screen is safe for concurrent use. Nothing else may
// write to its output.
type Screen struct {
	out    io.Writer
	kind   Kind
	colour bool

	mu       sync.Mutex
	live     string // the live line that is shown; empty if there is none
	openLine bool   // the last Write did not end its line, so no live line may be drawn over that line
}

// NewScreen returns a screen on out. termName and noColour are the values of the variables TERM and NO_COLOR. If noColour is not
// empty, the screen uses no colours. NewScreen writes nothing.
func NewScreen(out io.Writer, termName, noColour string) *Screen {
	kind := kindOf(out, termName)
	return &Screen{out: out, kind: kind, colour: kind == Interactive && noColour == ""}
}

// Kind returns the kind of the output.
func (s *Screen) Kind() Kind { return s.kind }

// Colour reports whether to use colours. It returns true for an interactive terminal, unless NO_COLOR is set.
func (s *Screen) Colour() bool { return s.colour }

// Width returns the current number of columns, or 80 if the output is no terminal. The number changes if the user resizes the
// terminal's window.
func (s *Screen) Width() int { return width(s.out) }

// Write writes p above the live line. It sends p and the live line in one write, so that the terminal does not flicker. If p does not
// end with a line break, Write removes the live line. No live line is then drawn until a later Write ends the line.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	s.openLine = p[len(p)-1] != '\n'
	if s.live == "" {
		return s.out.Write(p)
	}
	if s.openLine {
		s.live = ""
	}
	if _, err := io.WriteString(s.out, toFirstColumn+eraseToEnd+string(p)+s.live); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Draw replaces the live line by line, which must be narrower than the screen and have no line breaks. If line is empty, Draw removes
// the live line. If the last Write has not ended its line, Draw does nothing. Draw returns no error, because callers draw again soon.
func (s *Screen) Draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == s.live || s.openLine {
		return
	}
	_, _ = io.WriteString(s.out, toFirstColumn+line+eraseToEnd)
	s.live = line
}

// Clear removes the live line. The next text begins where the live line was.
func (s *Screen) Clear() { s.Draw("") }

// kindOf returns the kind of out. termName is the value of TERM.
func kindOf(out io.Writer, termName string) Kind {
	switch {
	case !IsTerminal(out):
		return Plain
	case termName == "dumb":
		return Dumb
	}
	return Interactive
}

// IsTerminal reports whether file is a terminal. It returns false for a reader or writer that has no file descriptor, and for nil.
func IsTerminal(file any) bool {
	isTerminal := false
	useDescriptor(file, func(fd int) { isTerminal = term.IsTerminal(fd) })
	return isTerminal
}

// width returns the number of columns of out. It returns defaultWidth if out is no terminal, or a terminal that reports no width.
func width(out io.Writer) int {
	columns := 0
	useDescriptor(out, func(fd int) {
		if w, _, err := term.GetSize(fd); err == nil {
			columns = w
		}
	})
	if columns <= 0 {
		return defaultWidth
	}
	return columns
}

// useDescriptor calls use with the file descriptor of file, if there is one. It does not call os.File.Fd, because Fd may set the file
// to blocking mode.
func useDescriptor(file any, use func(fd int)) {
	connection, ok := file.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := connection.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { use(int(fd)) }) // an error means that the file is closed
	}
}

// A Colour is a colour of text. Its value is the number of the colour in the control sequence that Paint writes.
type Colour string

// The colours. Default leaves the colour of the terminal.
const (
	Default Colour = ""
	Red     Colour = "31"
	Green   Colour = "32"
	Yellow  Colour = "33"
)

// Paint returns text in a colour if useColour is true, and text unchanged otherwise.
func Paint(text string, colour Colour, useColour bool) string {
	if !useColour || colour == Default {
		return text
	}
	return "\x1b[" + string(colour) + "m" + text + "\x1b[m"
}
