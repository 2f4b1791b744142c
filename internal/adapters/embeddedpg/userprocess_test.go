package embeddedpg

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pawldata/pawl/internal/domain"
)

// userEnv is the environment variable that makes the test binary run runAsUser. Its value is the folder to open. fallbackRootEnv
// has the root of the fallback folders.
const (
	userEnv         = "EMBEDDEDPG_TEST_USER_OF"
	fallbackRootEnv = "EMBEDDEDPG_TEST_FALLBACK_ROOT"
)

// A userProcess is another process that opens a folder and uses its server. It closes the server when its standard input is closed.
type userProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	lines *bufio.Scanner // its standard output
}

// startUserProcess starts a process that runs runAsUser with dir. The process runs as account. If account is nil, it runs as the
// account of this process.
func startUserProcess(t *testing.T, dir string, account *syscall.Credential) *userProcess {
	t.Helper()
	program := os.Args[0]
	if account != nil {
		program = filepath.Join(makePublicTempDir(t), "user") // the go command's folder is closed to other accounts
		if out, err := exec.CommandContext(t.Context(), "cp", os.Args[0], program).CombinedOutput(); err != nil {
			t.Fatalf("cp: got %v, %s, want no error", err, out)
		}
	}
	p := &userProcess{cmd: exec.CommandContext(t.Context(), program)}
	p.cmd.Env = append(os.Environ(), userEnv+"="+dir, fallbackRootEnv+"="+filepath.Join(filepath.Dir(dir), "fallback"))
	p.cmd.Dir = "/" // every account can enter it
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: account, Setpgid: true}
	p.cmd.Stderr = os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stdin, p.lines = stdin, bufio.NewScanner(out)
	t.Cleanup(func() { // a test that fails may leave the process running
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return p
}

// outcome waits until the process has opened the server and returns the server's URL. If the process fails, outcome returns an
// empty URL and the whole output.
func (p *userProcess) outcome() (url, output string) {
	var lines []string
	for p.lines.Scan() {
		if url, ok := strings.CutPrefix(p.lines.Text(), "opened "); ok {
			return url, ""
		}
		lines = append(lines, p.lines.Text())
	}
	return "", strings.Join(lines, "\n")
}

// waitForLine waits until the process has printed a line that begins with prefix. It does not wait if prefix is empty.
func (p *userProcess) waitForLine(t *testing.T, prefix string) {
	t.Helper()
	if prefix == "" {
		return
	}
	for p.lines.Scan() {
		if strings.HasPrefix(p.lines.Text(), prefix) {
			return
		}
	}
	t.Fatalf("the other process ended before it printed a line that begins with %q", prefix)
}

// mustOpen waits until the process has opened the server and returns the server's URL. It ends the test if the process fails.
func (p *userProcess) mustOpen(t *testing.T) string {
	t.Helper()
	url, output := p.outcome()
	if url == "" {
		t.Fatalf("the other process failed to open the server: got output %q", output)
	}
	return url
}

// close makes the process close the server, and waits until the process has ended.
func (p *userProcess) close(t *testing.T) {
	t.Helper()
	if err := p.stdin.Close(); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("the other process failed: got %v, want no error", err)
	}
}

// kill kills the process and its process group, as a closed terminal or a supervisor does. The server is not in this group.
func (p *userProcess) kill(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
	_ = p.cmd.Wait() // the error only says that the process was killed
}

// runAsUser opens the server in dir, prints "opened" and the URL, and closes the server when the standard input ends. Before, it
// prints each line that Open reports after the word "report". After an error it prints "failed" and the error. It returns the exit
// code.
func runAsUser(dir string) int {
	c := defaultConfig()
	c.fallbackRoot = os.Getenv(fallbackRootEnv)
	c.repository = unreachableRepository
	srv, err := c.open(context.Background(), dir, func(line string) { fmt.Fprintln(os.Stdout, "report", line) })
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", domain.KindOf(err), err, domain.HintOf(err))
		return 1
	}
	fmt.Fprintln(os.Stdout, "opened", srv.URL())
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := srv.Close(); err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return 1
	}
	return 0
}
