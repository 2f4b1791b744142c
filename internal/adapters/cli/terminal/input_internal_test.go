package terminal

import (
	"os"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// TestHideInput_Continued checks that the input is hidden again when pawl continues after ^Z, and shown at the end.
func TestHideInput_Continued(t *testing.T) {
	t.Parallel()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer master.Close() //nolint:errcheck // nothing was written
	defer slave.Close()  //nolint:errcheck // nothing was written
	shown := mode(t, slave)
	continued := make(chan os.Signal)
	show, err := hideInput(slave, continued)
	if err != nil {
		t.Fatal(err)
	}
	if isShown(t, slave) {
		t.Error("the terminal shows the input, want it hidden")
	}
	if err := unix.IoctlSetTermios(int(slave.Fd()), setMode, shown); err != nil { // as a shell does
		t.Fatal(err)
	}
	continued <- syscall.SIGCONT
	continued <- syscall.SIGCONT // it is received after the first one has had its effect
	if isShown(t, slave) {
		t.Error("the terminal shows the input after SIGCONT, want it hidden")
	}
	show()
	if !isShown(t, slave) {
		t.Error("the terminal hides the input at the end, want it shown")
	}
}

func isShown(t *testing.T, file *os.File) bool {
	t.Helper()
	return mode(t, file).Lflag&unix.ECHO != 0
}

func mode(t *testing.T, file *os.File) *unix.Termios {
	t.Helper()
	mode, err := unix.IoctlGetTermios(int(file.Fd()), getMode)
	if err != nil {
		t.Fatal(err)
	}
	return mode
}
