// Package terminal writes to standard error, which may be a terminal, a pipe or a file, and keeps one live line at the
// bottom of what is written.
//
// It changes no terminal mode and hides no cursor: there is nothing to put back when the process is killed, and a process
// in the background, which the terminal would stop for changing a mode, may use it.
package terminal

import (
	"io"
	"sync"
)

// The two control sequences in use. Whatever calls itself a terminal has known them since the VT100.
const (
	toFirstColumn = "\r"
	eraseToEnd    = "\x1b[K" // from the cursor to the end of the row
)

// A Screen is an io.Writer with a live line below what was written last. The line leaves no trace in the output once it
// is cleared. A Screen is safe for concurrent use; it must be the only one that writes to its output.
type Screen struct {
	out    io.Writer
	kind   Kind
	colour bool

	mu     sync.Mutex
	live   string // on display, empty if none is
	inLine bool   // the last write ended in the middle of a line, which a live line would overwrite
}

// NewScreen returns a screen on out; term and noColour are the values of TERM and NO_COLOR. It writes nothing.
func NewScreen(out io.Writer, term, noColour string) *Screen {
	kind := kindOf(out, term)
	return &Screen{out: out, kind: kind, colour: kind == Interactive && noColour == ""}
}

// Kind is what the output is.
func (s *Screen) Kind() Kind { return s.kind }

// Colour reports whether colours are welcome: on a terminal that knows them, unless NO_COLOR is set to anything.
func (s *Screen) Colour() bool { return s.colour }

// Width is the number of columns now, which changes with the terminal's window; 80 where there is no terminal.
func (s *Screen) Width() int { return width(s.out) }

// Write writes whole lines above the live line. Lines and line go out in one write, so that nothing flickers.
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

// Draw shows line instead of the live line there is; the empty line clears it. A line is to be free of line breaks and
// narrower than the screen. An error of writing is not reported: the line is drawn again soon, or nobody is looking.
func (s *Screen) Draw(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if line == s.live || s.inLine {
		return
	}
	_, _ = io.WriteString(s.out, toFirstColumn+line+eraseToEnd)
	s.live = line
}

// Clear removes the live line. The next write begins in its place.
func (s *Screen) Clear() { s.Draw("") }
