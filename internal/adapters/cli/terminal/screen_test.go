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

func TestScreenWrite(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := terminal.NewScreen(&out, "xterm", "")
	for _, step := range []struct {
		name string
		do   func()
		want string // written by it
	}{
		{"no live line", func() { fmt.Fprint(s, "one\n") }, "one\n"},
		{"nothing to clear", s.Clear, ""},
		{"a live line", func() { s.Draw("live") }, "\rlive\x1b[K"},
		{"the same again", func() { s.Draw("live") }, ""},
		{"a line above", func() { fmt.Fprint(s, "two\n") }, "\r\x1b[Ktwo\nlive"},
		{"nothing written", func() { fmt.Fprint(s, "") }, ""},
		{"another live line", func() { s.Draw("next") }, "\rnext\x1b[K"},
		{"half a line", func() { fmt.Fprint(s, "three ") }, "\r\x1b[Kthree "},
		{"no live line over half a line", func() { s.Draw("live") }, ""},
		{"the other half", func() { fmt.Fprint(s, "four\n") }, "four\n"},
		{"a live line again", func() { s.Draw("live") }, "\rlive\x1b[K"},
		{"cleared", s.Clear, "\r\x1b[K"},
		{"cleared twice", s.Clear, ""},
		{"a line after", func() { fmt.Fprint(s, "five\n") }, "five\n"},
	} {
		out.Reset()
		step.do()
		if out.String() != step.want {
			t.Errorf("%s: got %q, want %q", step.name, out.String(), step.want)
		}
	}
}

func TestNewScreen(t *testing.T) {
	t.Parallel()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _, _, _ = master.Close(), slave.Close(), read.Close(), write.Close() })
	tests := []struct {
		name   string
		screen *terminal.Screen
		kind   terminal.Kind
		colour bool
	}{
		{"a buffer", terminal.NewScreen(&bytes.Buffer{}, "xterm", ""), terminal.Plain, false},
		{"a pipe", terminal.NewScreen(write, "xterm", ""), terminal.Plain, false},
		{"a terminal", terminal.NewScreen(slave, "xterm", ""), terminal.Interactive, true},
		{"a terminal without a name", terminal.NewScreen(slave, "", ""), terminal.Interactive, true},
		{"a terminal without colours", terminal.NewScreen(slave, "xterm", "0"), terminal.Interactive, false},
		{"a dumb terminal", terminal.NewScreen(slave, "dumb", ""), terminal.Dumb, false},
	}
	for _, tt := range tests {
		if tt.screen.Kind() != tt.kind || tt.screen.Colour() != tt.colour || tt.screen.Width() != 80 {
			t.Errorf("%s: got kind %d, colour %v, width %d", tt.name, tt.screen.Kind(), tt.screen.Colour(), tt.screen.Width())
		}
	}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 5, Cols: 43}); err != nil {
		t.Fatal(err)
	}
	if width := terminal.NewScreen(slave, "", "").Width(); width != 43 {
		t.Errorf("got width %d after the window was resized, want 43", width)
	}
}

func TestScreen_ConcurrentUse(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := terminal.NewScreen(&out, "", "")
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for range 50 {
				fmt.Fprintf(s, "line of %d\n", i)
				s.Draw(strings.Repeat("#", i+1))
				s.Clear()
			}
		})
	}
	all.Wait()
	if strings.Count(out.String(), "\n") != 400 {
		t.Errorf("got %d lines, want 400", strings.Count(out.String(), "\n"))
	}
}
