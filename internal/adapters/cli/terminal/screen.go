// Package terminal writes to standard error, which may be a terminal, a pipe or a file, and shows one live line below the
// output.
//
// It changes no terminal mode and does not hide the cursor. So a process that is killed leaves nothing to restore, and a process
// in the background may use it, which the terminal would stop for changing a mode.
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

// A Kind is the kind of an output.
type Kind int

// The kinds.
const (
	Plain       Kind = iota // a pipe or a file: only lines, no control sequences
	Dumb                    // a terminal without control sequences
	Interactive             // a terminal
)

const defaultWidth = 80

// A Screen is an io.Writer with a live line below the last output. Clear removes the line without a trace. A Screen is safe for
// concurrent use. Nothing else may write to its output.
type Screen struct {
	out    io.Writer
	kind   Kind
	colour bool

	mu     sync.Mutex
	live   string // the line that is shown; empty if there is none
	inLine bool   // the last write did not end its line, so a live line would overwrite it
}

// NewScreen returns a screen on out. termName and noColour are the values of TERM and NO_COLOR. It writes nothing.
func NewScreen(out io.Writer, termName, noColour string) *Screen {
	kind := kindOf(out, termName)
	return &Screen{out: out, kind: kind, colour: kind == Interactive && noColour == ""}
}

// Kind returns the kind of the output.
func (s *Screen) Kind() Kind { return s.kind }

// Colour reports whether to use colours: on a terminal that knows them, unless NO_COLOR is set.
func (s *Screen) Colour() bool { return s.colour }

// Width returns the number of columns, which changes with the window of the terminal. It is 80 without a terminal.
func (s *Screen) Width() int { return width(s.out) }

// Write writes whole lines above the live line. It writes all of them at once, so that nothing flickers.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(p) == 0 {
		return 0, nil
	}
	s.inLine = p[len(p)-1] != '\n'
	if s.live == "" {
		return s.out.Write(p)
	}
	text := toFirstColumn + eraseToEnd + string(p)
	if s.inLine {
		s.live = "" // until the next Draw
	}
	if _, err := io.WriteString(s.out, text+s.live); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Draw replaces the live line. An empty line clears it. line must have no line breaks and be narrower than the screen. Draw does
// not report errors, because the line is drawn again soon.
func (s *Screen) Draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == s.live || s.inLine {
		return
	}
	_, _ = io.WriteString(s.out, toFirstColumn+line+eraseToEnd)
	s.live = line
}

// Clear removes the live line. The next output begins in its place.
func (s *Screen) Clear() { s.Draw("") }

func kindOf(out io.Writer, termName string) Kind {
	terminal := false
	withDescriptor(out, func(fd int) { terminal = term.IsTerminal(fd) })
	switch {
	case !terminal:
		return Plain
	case termName == "dumb":
		return Dumb
	}
	return Interactive
}

// width returns the number of columns of out, or defaultWidth if it is not a terminal or does not know its width.
func width(out io.Writer) int {
	columns := 0
	withDescriptor(out, func(fd int) {
		if w, _, err := term.GetSize(fd); err == nil {
			columns = w
		}
	})
	if columns <= 0 {
		return defaultWidth
	}
	return columns
}

// withDescriptor calls use with the file descriptor of out, if there is one. It does not call os.File.Fd, which may set the file to
// blocking mode.
func withDescriptor(out io.Writer, use func(fd int)) {
	file, ok := out.(syscall.Conn)
	if !ok {
		return
	}
	if raw, err := file.SyscallConn(); err == nil {
		_ = raw.Control(func(fd uintptr) { use(int(fd)) }) // it fails if the file is closed
	}
}
