package embeddedpg

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A visitor is another process that opens a folder.
type visitor struct {
	cmd   *exec.Cmd
	lease io.Closer
	lines *bufio.Scanner
}

// startVisitor runs the process under another account if one is given.
func startVisitor(t *testing.T, dir string, account *syscall.Credential) *visitor {
	t.Helper()
	program := os.Args[0]
	if account != nil {
		program = filepath.Join(passable(t), "user") // the go command's own folder is closed to other accounts
		if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], program).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	v := &visitor{cmd: exec.CommandContext(t.Context(), program)}
	v.cmd.Env = append(os.Environ(), userEnv+"="+dir, standInsEnv+"="+filepath.Join(filepath.Dir(dir), "stand-ins"))
	v.cmd.Dir = "/" // one that every account can be in
	v.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	v.cmd.Stderr = os.Stderr
	lease, err := v.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := v.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := v.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	v.lease, v.lines = lease, bufio.NewScanner(out)
	t.Cleanup(func() { // only if the test has not
		_ = v.cmd.Process.Kill()
		_ = v.cmd.Wait()
	})
	return v
}

// outcome is the URL that the process has opened, or its whole output.
func (v *visitor) outcome() (url, output string) {
	var said []string
	for v.lines.Scan() {
		if url, ok := strings.CutPrefix(v.lines.Text(), "opened "); ok {
			return url, ""
		}
		said = append(said, v.lines.Text())
	}
	return "", strings.Join(said, "\n")
}

// awaitLine returns when the process has said something that begins like this.
func (v *visitor) awaitLine(t *testing.T, prefix string) {
	t.Helper()
	for prefix != "" {
		if !v.lines.Scan() {
			t.Fatalf("the other process has not got to %q", prefix)
		}
		if strings.HasPrefix(v.lines.Text(), prefix) {
			return
		}
	}
}

func (v *visitor) mustOpen(t *testing.T) string {
	t.Helper()
	url, output := v.outcome()
	if url == "" {
		t.Fatalf("the other process has not opened it: %s", output)
	}
	return url
}

func (v *visitor) leave(t *testing.T) {
	t.Helper()
	if err := v.lease.Close(); err != nil {
		t.Error(err)
	}
	if err := v.cmd.Wait(); err != nil {
		t.Errorf("the other process failed: %v", err)
	}
}

// kill ends the process and its group, as a terminal that is closed does, and a supervisor.
func (v *visitor) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-v.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = v.cmd.Wait() // it was killed, which is an error
}
