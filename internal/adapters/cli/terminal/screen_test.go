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

// TestScreen_Output checks what each call of Write, Draw and Clear in a sequence writes to the output.
func TestScreen_Output(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := terminal.NewScreen(&out, xterm, allowColours)
	for _, step := range []struct {
		name string
		do   func()
		want string // the output of do
	}{
		{name: "a line without a live line", do: func() { fmt.Fprint(s, "one\n") }, want: "one\n"},
		{name: "nothing to clear", do: s.Clear, want: ""},
		{name: "a live line", do: func() { s.Draw("live") }, want: "\rlive\x1b[K"},
		{name: "the same live line again", do: func() { s.Draw("live") }, want: ""},
		{name: "a line above the live line", do: func() { fmt.Fprint(s, "two\n") }, want: "\r\x1b[Ktwo\nlive"},
		{name: "an empty text", do: func() { fmt.Fprint(s, "") }, want: ""},
		{name: "another live line", do: func() { s.Draw("next") }, want: "\rnext\x1b[K"},
		{name: "half a line in place of the live line", do: func() { fmt.Fprint(s, "three ") }, want: "\r\x1b[Kthree "},
		{name: "no live line over half a line", do: func() { s.Draw("live") }, want: ""},
		{name: "the other half", do: func() { fmt.Fprint(s, "four\n") }, want: "four\n"},
		{name: "a live line after the whole line", do: func() { s.Draw("live") }, want: "\rlive\x1b[K"},
		{name: "clear the live line", do: s.Clear, want: "\r\x1b[K"},
		{name: "clear it again", do: s.Clear, want: ""},
		{name: "a line after the live line was cleared", do: func() { fmt.Fprint(s, "five\n") }, want: "five\n"},
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
		name       string
		screen     *terminal.Screen
		wantKind   terminal.Kind
		wantColour bool
	}{
		{name: "a buffer", screen: terminal.NewScreen(&bytes.Buffer{}, xterm, allowColours), wantKind: terminal.Plain},
		{name: "a pipe", screen: terminal.NewScreen(writeEnd, xterm, allowColours), wantKind: terminal.Plain},
		{name: "a terminal", screen: terminal.NewScreen(slave, xterm, allowColours), wantKind: terminal.Interactive, wantColour: true},
		{name: "a terminal without TERM", screen: terminal.NewScreen(slave, "", allowColours), wantKind: terminal.Interactive, wantColour: true},
		{name: "a terminal with NO_COLOR", screen: terminal.NewScreen(slave, xterm, noColours), wantKind: terminal.Interactive},
		{name: "a terminal with NO_COLOR=0", screen: terminal.NewScreen(slave, xterm, "0"), wantKind: terminal.Interactive},
		{name: "a dumb terminal", screen: terminal.NewScreen(slave, "dumb", allowColours), wantKind: terminal.Dumb},
	}
	const defaultWidth = 80 // also for the terminals, because a new terminal has no size
	for _, tt := range tests {
		if tt.screen.Kind() != tt.wantKind || tt.screen.Colour() != tt.wantColour || tt.screen.Width() != defaultWidth {
			t.Errorf("%s: got kind %d, colour %v, width %d; want kind %d, colour %v, width %d",
				tt.name, tt.screen.Kind(), tt.screen.Colour(), tt.screen.Width(), tt.wantKind, tt.wantColour, defaultWidth)
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
