package terminal_test

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/creack/pty"

	"github.com/pawldata/pawl/internal/adapters/cli/terminal"
)

// The values of TERM and NO_COLOR for NewScreen.
const (
	xterm        = "xterm"
	allowColours = ""
	noColours    = "1"
)

// TestScreenWrite checks what each call in a sequence writes to the output.
func TestScreenWrite(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := terminal.NewScreen(&out, xterm, allowColours)
	for _, step := range []struct {
		name string
		do   func()
		want string // the output of do
	}{
		{"no live line", func() { fmt.Fprint(s, "one\n") }, "one\n"},
		{"nothing to clear", s.Clear, ""},
		{"a live line", func() { s.Draw("live") }, "\rlive\x1b[K"},
		{"the same live line again", func() { s.Draw("live") }, ""},
		{"a line above the live line", func() { fmt.Fprint(s, "two\n") }, "\r\x1b[Ktwo\nlive"},
		{"nothing written", func() { fmt.Fprint(s, "") }, ""},
		{"another live line", func() { s.Draw("next") }, "\rnext\x1b[K"},
		{"half a line", func() { fmt.Fprint(s, "three ") }, "\r\x1b[Kthree "},
		{"no live line over half a line", func() { s.Draw("live") }, ""},
		{"the other half", func() { fmt.Fprint(s, "four\n") }, "four\n"},
		{"a live line again", func() { s.Draw("live") }, "\rlive\x1b[K"},
		{"clear the live line", s.Clear, "\r\x1b[K"},
		{"clear it twice", s.Clear, ""},
		{"a line without a live line", func() { fmt.Fprint(s, "five\n") }, "five\n"},
	} {
		out.Reset()
		step.do()
		if out.String() != step.want {
			t.Errorf("%s: got output %q, want %q", step.name, out.String(), step.want)
		}
	}
}

// TestNewScreen checks the kind, the colours and the width of screens on different outputs.
func TestNewScreen(t *testing.T) {
	t.Parallel()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	readEnd, writeEnd, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _, _ = master.Close(), slave.Close(), readEnd.Close(), writeEnd.Close() })
	tests := []struct {
		name   string
		screen *terminal.Screen
		kind   terminal.Kind
		colour bool
	}{
		{name: "a buffer", screen: terminal.NewScreen(&bytes.Buffer{}, xterm, allowColours), kind: terminal.Plain},
		{name: "a pipe", screen: terminal.NewScreen(writeEnd, xterm, allowColours), kind: terminal.Plain},
		{name: "a terminal", screen: terminal.NewScreen(slave, xterm, allowColours), kind: terminal.Interactive, colour: true},
		{name: "a terminal without TERM", screen: terminal.NewScreen(slave, "", allowColours), kind: terminal.Interactive, colour: true},
		{name: "a terminal with NO_COLOR", screen: terminal.NewScreen(slave, xterm, noColours), kind: terminal.Interactive},
		{name: "a terminal with NO_COLOR=0", screen: terminal.NewScreen(slave, xterm, "0"), kind: terminal.Interactive},
		{name: "a dumb terminal", screen: terminal.NewScreen(slave, "dumb", allowColours), kind: terminal.Dumb},
	}
	const defaultWidth = 80 // also of a new terminal, which has no size yet
	for _, tt := range tests {
		if tt.screen.Kind() != tt.kind || tt.screen.Colour() != tt.colour || tt.screen.Width() != defaultWidth {
			t.Errorf("%s: got kind %d, colour %v, width %d; want kind %d, colour %v, width %d",
				tt.name, tt.screen.Kind(), tt.screen.Colour(), tt.screen.Width(), tt.kind, tt.colour, defaultWidth)
		}
	}
	const newWidth = 43
	if err := pty.Setsize(master, &pty.Winsize{Rows: 5, Cols: newWidth}); err != nil {
		t.Fatal(err)
	}
	if width := terminal.NewScreen(slave, xterm, allowColours).Width(); width != newWidth {
		t.Errorf("got width %d after the window was resized, want %d", width, newWidth)
	}
}

// TestScreen_ConcurrentUse checks that no line is lost if several goroutines write and draw.
func TestScreen_ConcurrentUse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := terminal.NewScreen(&out, xterm, allowColours)
	const writers, linesEach = 8, 50
	var all sync.WaitGroup
	for i := range writers {
		all.Go(func() {
			for range linesEach {
				fmt.Fprintf(s, "line of %d\n", i)
				s.Draw(strings.Repeat("#", i+1))
				s.Clear()
			}
		})
	}
	all.Wait()
	if n := strings.Count(out.String(), "\n"); n != writers*linesEach {
		t.Errorf("got %d lines, want %d", n, writers*linesEach)
	}
}
